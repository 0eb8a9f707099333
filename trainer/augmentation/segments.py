"""A report as a sequence of mentions and plain text, and back.

Policies replace whole segments and never see an offset; the spans are counted anew from the segments,
so an offset cannot drift, whatever a policy does.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from backend.ner.spans import Span


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of a report: a mention with its label, or plain text with the label ""."""

    text: str
    label: str = ""


Segments = tuple[Segment, ...]


def cut(text: str, spans: Iterable[Span]) -> Segments:
    """The text cut at the ends of its disjoint spans; no segment is empty.

    >>> [(s.text, s.label) for s in cut("心率72次/分。", [Span(2, 7, "HR")])]
    [('心率', ''), ('72次/分', 'HR'), ('。', '')]
    """
    segments: list[Segment] = []
    end = 0
    for span in sorted(spans):
        segments += [Segment(text[end : span.start]), Segment(text[span.start : span.end], span.label)]
        end = span.end
    segments.append(Segment(text[end:]))
    return tuple(segment for segment in segments if segment.text)


def join(segments: Sequence[Segment]) -> tuple[str, tuple[Span, ...]]:
    """The text and its spans, the inverse of `cut`; raises ValueError for a mention without a visible character.

    >>> join((Segment("心率"), Segment("72次/分", "HR"), Segment("。")))[1]
    (Span(start=2, end=7, label='HR', score=1.0, source=''),)
    """
    spans: list[Span] = []
    at = 0
    for segment in segments:
        if segment.label:
            if not segment.text.strip():
                raise ValueError(f"a mention of {segment.label} has no visible character")
            spans.append(Span(at, at + len(segment.text), segment.label))
        at += len(segment.text)
    return "".join(segment.text for segment in segments), tuple(spans)
