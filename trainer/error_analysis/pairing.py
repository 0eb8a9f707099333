"""Gold and predicted spans of one report, paired: every span is right or in exactly one error."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from backend.error_analysis import ErrorKind, Shape
from backend.ner.spans import Span


@dataclass(frozen=True)
class Pair:
    """A gold span and the predicted one that stands for it, or one of them alone; never two equal spans."""

    gold: Span | None
    predicted: Span | None

    @property
    def kind(self) -> ErrorKind:
        """What is wrong."""
        if self.predicted is None:
            return "missed"
        if self.gold is None:
            return "spurious"
        if self.gold.label == self.predicted.label:
            return "boundary"
        return "wrong-label-and-boundary" if self.shape else "wrong-label"

    @property
    def left(self) -> int:
        """Characters that the prediction takes in too many at its start; negative: leaves off."""
        return self.gold.start - self.predicted.start if self.gold and self.predicted else 0

    @property
    def right(self) -> int:
        """Characters that the prediction takes in too many at its end; negative: leaves off."""
        return self.predicted.end - self.gold.end if self.gold and self.predicted else 0

    @property
    def shape(self) -> Shape:
        """How the ranges differ; "" when they do not, or when there is only one."""
        if not (self.left or self.right):
            return ""
        if self.left >= 0 and self.right >= 0:
            return "too long"
        return "too short" if self.left <= 0 and self.right <= 0 else "shifted"

    @property
    def spans(self) -> list[Span]:
        """The gold span and the predicted one, where they are there."""
        return [span for span in (self.gold, self.predicted) if span]

    @property
    def start(self) -> int:
        """Where the pair begins."""
        return min(span.start for span in self.spans)

    @property
    def end(self) -> int:
        """Where the pair ends, exclusive."""
        return max(span.end for span in self.spans)

    @property
    def order(self) -> tuple[int, int, bool, list[Span]]:
        """Sorts errors of a report by offset, gold before predicted spans."""
        return self.start, self.end, self.gold is None, self.spans


@dataclass(frozen=True)
class Pairing:
    """Right spans (as predicted) and errors, each sorted by offset."""

    correct: tuple[Span, ...]
    errors: tuple[Pair, ...]


def pair(gold: Iterable[Span], predicted: Iterable[Span]) -> Pairing:
    """Pair the spans of one report.

    Equal spans are right. Of the others, overlapping spans are paired one to one, those that share the largest part of
    their characters first, of equals those with the same label. What is left is missed or spurious. A span that occurs
    twice counts once.

    >>> [(e.kind, e.shape, e.right) for e in pair([Span(3, 8, "HR")], [Span(3, 5, "HR")]).errors]
    [('boundary', 'too short', -3)]
    """
    wanted, found = set(gold), set(predicted)
    missing, extra = wanted - found, found - wanted
    errors: list[Pair] = []
    for one, other in _candidates(missing, extra):
        if one in missing and other in extra:
            missing.remove(one)
            extra.remove(other)
            errors.append(Pair(one, other))
    errors += [Pair(span, None) for span in missing] + [Pair(None, span) for span in extra]
    correct = sorted(span for span in found if span in wanted)
    return Pairing(tuple(correct), tuple(sorted(errors, key=lambda error: error.order)))


def _candidates(missing: Iterable[Span], extra: Iterable[Span]) -> list[tuple[Span, Span]]:
    """Overlapping pairs, the best first."""
    pairs = [(one, other) for one in missing for other in extra if one.overlaps(other)]
    return sorted(pairs, key=lambda p: (-_shared(*p), p[0].label != p[1].label, p))


def _shared(one: Span, other: Span) -> float:
    """Share 0..1 of the characters of both that both have."""
    both = min(one.end, other.end) - max(one.start, other.start)
    return both / (max(one.end, other.end) - min(one.start, other.start))
