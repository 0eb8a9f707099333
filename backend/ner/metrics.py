"""How well predicted spans agree with gold spans: strict and relaxed scores, and the work left for an annotator.

Strict: a span is right if start, end and label are, which is what seqeval computes in strict mode with IOB2.
Relaxed: it is right if it shares a character with a gold span of its label; the "type matching" of SemEval-2013
task 9 (Segura-Bedmar et al. 2013), each span matched at most once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

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

    @property
    def macro_f1(self) -> float:
        """Mean F1 of the labels that gold or prediction has, as seqeval; 0 when there is none."""
        seen = [counts.f1 for counts in self.by_label.values() if counts != Counts()]
        return sum(seen) / len(seen) if seen else 0.0


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
    gold: Sequence[Sequence[Span]],
    predicted: Sequence[Sequence[Span]],
    labels: Collection[str],
    *,
    relaxed: bool = False,
) -> SpanScores:
    """Scores of predicted against gold spans, report by report in the same order.

    Only spans with one of `labels` count; each of these has an entry in `by_label`. A span that occurs twice in a
    report counts once. Raises ValueError if the numbers of reports differ.

    >>> span_scores([[Span(0, 2, "HR")]], [[Span(0, 2, "HR"), Span(3, 4, "HR")]], ["HR"]).micro
    Counts(tp=1, fp=1, fn=0)
    """
    return scores_of(match_counts(gold, predicted, labels, relaxed=relaxed).sum(axis=0), labels)


def scores_of(counts: NDArray[np.int64], labels: Collection[str]) -> SpanScores:
    """Counts [labels, 3] of all reports together as scores."""
    by_label = {label: Counts(*row) for label, row in zip(labels, counts.tolist(), strict=True)}
    return SpanScores(sum(by_label.values(), Counts()), by_label)


def match_counts(
    gold: Sequence[Sequence[Span]],
    predicted: Sequence[Sequence[Span]],
    labels: Collection[str],
    *,
    relaxed: bool = False,
) -> NDArray[np.int64]:
    """Spans found, found but wrong, and missed: [reports, labels, 3], of each report and label.

    See `span_scores` for what counts; the spans of a report are disjoint on each side. Relaxed pairs as many spans as
    can be.

    >>> match_counts([[Span(0, 4, "HR")]], [[Span(1, 4, "HR"), Span(5, 6, "HR")]], ["HR"], relaxed=True).tolist()
    [[[1, 1, 0]]]
    """
    columns = {label: i for i, label in enumerate(labels)}
    counts = np.zeros((len(gold), len(columns), 3), dtype=np.int64)
    for table, ours, theirs in zip(counts, map(set, gold), map(set, predicted), strict=True):
        found, wrong, missed = _relaxed(ours, theirs) if relaxed else (ours & theirs, theirs - ours, ours - theirs)
        for kind, spans in enumerate((found, wrong, missed)):
            for span in spans:
                if span.label in columns:
                    table[columns[span.label], kind] += 1
    return counts


def _relaxed(gold: set[Span], predicted: set[Span]) -> tuple[Collection[Span], Collection[Span], Collection[Span]]:
    """Gold spans that overlap a prediction of their label, predictions left over, gold spans left over."""
    missed, wrong = sorted(gold), sorted(predicted)
    _pair(missed, wrong, lambda g, p: g.label == p.label and g.overlaps(p))
    return gold.difference(missed), wrong, missed


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
