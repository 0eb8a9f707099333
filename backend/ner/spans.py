"""Spans of a text: the one type that annotations, rules, model and metrics share."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(frozen=True, order=True, slots=True)
class Span:
    """A labelled, half-open range of code points: `text[start:end]` carries `label`.

    `score` (probability, 0..1) and `source` (what proposed it: a rule's name, `memory`, `model`)
    travel along but take no part in comparison.

    >>> Span(3, 8, "HR") == Span(3, 8, "HR", score=0.7, source="rate")
    True
    """

    start: int
    end: int
    label: str
    score: float = field(default=1.0, compare=False)
    source: str = field(default="", compare=False)

    def overlaps(self, other: Span) -> bool:
        """Whether the two share at least one code point."""
        return self.start < other.end and other.start < self.end


def resolve_overlaps(spans: Iterable[Span]) -> tuple[list[Span], list[Span]]:
    """Split spans into kept (sorted, disjoint) and dropped.

    The longest span wins; of two equally long ones the earlier start, then the label in
    alphabetical order. A BIO tagger cannot express nesting, so what overlaps a kept span is dropped.

    >>> resolve_overlaps([Span(0, 2, "A"), Span(1, 5, "B"), Span(5, 6, "A")])[0]
    [Span(start=1, end=5, label='B', score=1.0, source=''), Span(start=5, end=6, label='A', score=1.0, source='')]
    """
    kept: list[Span] = []
    dropped: list[Span] = []
    for span in sorted(spans, key=lambda s: (s.start - s.end, s.start, s.label)):
        (dropped if any(span.overlaps(k) for k in kept) else kept).append(span)
    return sorted(kept), sorted(dropped)


def is_blank(char: str) -> bool:
    """Whether the character cannot be seen: white space, a zero-width or another control character.

    >>> [is_blank(char) for char in (" ", "\u3000", "\u00a0", "\u200b", "\ufeff", "次")]
    [True, True, True, True, True, False]
    """
    return char.isspace() or unicodedata.category(char) in ("Cf", "Cc")


def trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    """The range without what cannot be seen at its edges; empty, at `end`, where it holds nothing else.

    >>> trimmed("a  72 \u200b b", 1, 8), trimmed("a   ", 1, 4)
    ((3, 5), (4, 4))
    """
    while start < end and is_blank(text[start]):
        start += 1
    while start < end and is_blank(text[end - 1]):
        end -= 1
    return start, end
