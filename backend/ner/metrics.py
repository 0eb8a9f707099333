"""How well predicted spans agree with gold spans: strict scores, and the work left for an annotator.

A span is right if start, end and label are: what seqeval computes in strict mode with IOB2.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from backend.ner.spans import Span


@dataclass(frozen=True, slots=True)
class Counts:
    """Spans found (tp), found but wrong (fp), missed (fn), and the ratios 0..1 of them; 0 / 0 is 0.

    >>> Counts(tp=1, fp=1, fn=0).f1
    0.6666666666666666
    """

    tp: int = 0
    fp: int = 0
    fn: int = 0

    @property
    def precision(self) -> float:
        """Share of the predicted spans that are right."""
        return self.tp / (self.tp + self.fp) if self.tp else 0.0

    @property
    def recall(self) -> float:
        """Share of the gold spans that were found."""
        return self.tp / (self.tp + self.fn) if self.tp else 0.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        return 2 * self.tp / (2 * self.tp + self.fp + self.fn) if self.tp else 0.0

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.tp + other.tp, self.fp + other.fp, self.fn + other.fn)


@dataclass(frozen=True, slots=True)
class SpanScores:
    """Counts over all labels together, and for each label."""

    micro: Counts
    by_label: Mapping[str, Counts]


@dataclass(frozen=True, slots=True)
class Edits:
    """What an annotator has to do to a prediction: add spans, remove some, move ends, give another label."""

    added: int = 0
    removed: int = 0
    moved: int = 0
    relabelled: int = 0

    @property
    def total(self) -> int:
        """All actions."""
        return self.added + self.removed + self.moved + self.relabelled

    def __add__(self, other: Edits) -> Edits:
        return Edits(
            self.added + other.added,
            self.removed + other.removed,
            self.moved + other.moved,
            self.relabelled + other.relabelled,
        )


def span_scores(
    gold: Sequence[Sequence[Span]], predicted: Sequence[Sequence[Span]], labels: Collection[str]
) -> SpanScores:
    """Strict scores of predicted against gold spans, report by report in the same order.

    Only spans with one of `labels` count; each of these has an entry in `by_label`. A span that occurs twice in a
    report counts once. Raises ValueError if the numbers of reports differ.

    >>> span_scores([[Span(0, 2, "HR")]], [[Span(0, 2, "HR"), Span(3, 4, "HR")]], ["HR"]).micro
    Counts(tp=1, fp=1, fn=0)
    """
    by_label = dict.fromkeys(labels, Counts())
    for ours, theirs in zip(map(set, gold), map(set, predicted), strict=True):
        for spans, counts in (
            (ours & theirs, Counts(tp=1)),
            (theirs - ours, Counts(fp=1)),
            (ours - theirs, Counts(fn=1)),
        ):
            for label in (span.label for span in spans if span.label in by_label):
                by_label[label] += counts
    return SpanScores(sum(by_label.values(), Counts()), by_label)


def edits(gold: Sequence[Span], predicted: Sequence[Span]) -> Edits:
    """The actions that turn one report's prediction into gold; each side's spans are disjoint.

    Spans are paired in this order, each at most once: equal ones cost nothing, the same range with another label is
    relabelled, an overlapping one of the same label is moved (as many pairs as there can be). Whatever gold is left is
    added, whatever prediction is left is removed.

    >>> edits([Span(0, 4, "HR"), Span(6, 8, "TIME")], [Span(1, 4, "HR"), Span(6, 8, "VALUE")])
    Edits(added=0, removed=0, moved=1, relabelled=1)
    """
    missing, extra = sorted(set(gold) - set(predicted)), sorted(set(predicted) - set(gold))
    relabelled = _pair(missing, extra, lambda g, p: (g.start, g.end) == (p.start, p.end))
    moved = _pair(missing, extra, lambda g, p: g.label == p.label and g.overlaps(p))
    return Edits(added=len(missing), removed=len(extra), moved=moved, relabelled=relabelled)


def _pair(missing: list[Span], extra: list[Span], alike: Callable[[Span, Span], bool]) -> int:
    """Take the pairs that are alike out of both sorted lists and count them.

    Leftmost with leftmost makes the most pairs, because the spans of each list are disjoint.
    """
    pairs = 0
    for span in list(missing):
        match = next((other for other in extra if alike(span, other)), None)
        if match is not None:
            missing.remove(span)
            extra.remove(match)
            pairs += 1
    return pairs
