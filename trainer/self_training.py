"""Self-training: reports that nobody annotated, labelled by a teacher, beside the annotated ones.

Pure but for the teacher's predictions. What to use for a teacher and how much it may count is the caller's choice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from backend.predictor import Predictor
from trainer.chunks import AnnotatedText


@dataclass(frozen=True)
class Mixture:
    """Training reports and how much each counts, as `trainer.training.fine_tune` takes them."""

    reports: list[AnnotatedText]
    weights: list[float]


def pseudo_label(texts: Sequence[str], teacher: Predictor) -> list[AnnotatedText]:
    """The different texts in which the teacher finds something, with its spans, in the order of the texts.

    Texts without a span are left out: they would teach a label's absence on the word of a teacher that may not know it.
    """
    distinct = list(dict.fromkeys(texts))
    predictions = teacher.predict(distinct)
    return [(text, found.spans) for text, found in zip(distinct, predictions, strict=True) if found.spans]


def mix(gold: Sequence[AnnotatedText], pseudo: Sequence[AnnotatedText], ratio: float) -> Mixture:
    """Annotated and pseudo-labelled reports together; the latter count `ratio` times as much in all as the former.

    A report counts by its weight, 1 if annotated. Where there are more pseudo-labelled ones, the annotated ones are
    repeated rather than the others' weight lowered: an optimiser like Adam hardly minds small weights in batches
    that hold nothing else. A pseudo-labelled report never counts more than an annotated one, so that few of them
    stay below the ratio. Of a text that is annotated only that annotation is taken. Gold comes first.
    Raises ValueError unless there is gold and ratio is above 0.

    >>> mixed = mix([("a", ())], [("b", ()), ("c", ()), ("d", ()), ("e", ())], ratio=2)
    >>> [text for text, _ in mixed.reports], mixed.weights
    (['a', 'a', 'b', 'c', 'd', 'e'], [1.0, 1.0, 1.0, 1.0, 1.0, 1.0])
    """
    if not gold or not ratio > 0:
        raise ValueError(f"mixing needs annotated reports and a ratio above 0, got {len(gold)} reports, ratio {ratio}")
    annotated = {text for text, _ in gold}
    pseudo = [report for report in pseudo if report[0] not in annotated]
    repeats = max(1, int(len(pseudo) / (ratio * len(gold))))
    weight = min(1.0, ratio * repeats * len(gold) / max(1, len(pseudo)))
    repeated = [report for report in gold for _ in range(repeats)]
    return Mixture([*repeated, *pseudo], [1.0] * len(repeated) + [weight] * len(pseudo))
