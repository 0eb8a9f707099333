"""Proposals for a report: memory, findings and numbers put together into disjoint spans."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace

from backend.ner.spans import Span
from backend.rules import lexicon, plausibility, readings, tables, times
from backend.rules.exercise import Exercise
from backend.rules.fold import fold
from backend.rules.memory import EMPTY_MEMORY, SpanMemory
from backend.rules.mending import Mended, mend
from backend.rules.names import LASTING, RATE, VALUE
from backend.rules.negation import FINDING_LABELS, Silence, is_denied, silence

# A remembered string with this smoothed share of labelled occurrences overrides the conditions of the lexicon.
_PROVEN = 0.9
_RANK = {"lexicon:context": 0, "memory": 1}
_BEATS = frozenset({"premature beats", "shortened with count", "allorhythmia", "shortened origin with count"})
# The label of each kind of number.
_LABEL_OF_KIND = {RATE: "HR", VALUE: "VALUE", LASTING: "TIME"}
LABELS = ("HR", "VALUE", "TIME", "EVENT", "DIAG")
"""All labels that rules propose."""
# Estimated precision of the number rules on wording not seen while they were written.
_SCORES = {
    "rate": 0.97,
    "bare-rate": 0.93,
    "unit": 0.93,
    "interval": 0.92,
    "beats-per-minute": 0.8,
    "bare-value": 0.9,
    "bare-count": 0.9,
    "ratio": 0.85,
    "range": 0.85,
    "table": 0.85,
    "numeral": 0.85,
    "seconds": 0.8,
    "clock-time": 0.97,
    "duration": 0.9,
    "day-part": 0.9,
}


SOURCES = {
    "HR": ("rate", "bare-rate", "beats-per-minute", "range", "ratio", "table", "numeral"),
    "VALUE": ("unit", "interval", "bare-value", "bare-count", "ratio", "range", "table", "numeral", "seconds"),
    "TIME": ("clock-time", "duration", "day-part"),
    "EVENT": ("lexicon:EVENT", "lexicon:context"),
    "DIAG": ("lexicon:DIAG",),
}
"""By which rules each label is proposed (`Span.source`)."""


def propose(text: str, labels: Collection[str], memory: SpanMemory = EMPTY_MEMORY) -> list[Span]:
    """Spans proposed without a model: disjoint, sorted, offsets of the raw text, only with a label of `labels`.

    The longest span wins; on the same range memory wins over the rules. Findings (EVENT, DIAG) are dropped
    where they are negated or belong to advice, history or boilerplate.
    """
    mended, wanted = mend(text), frozenset(labels)
    spans = _propose(text, mended, wanted, memory)
    return spans if mended.starts is None else [_at(span, *mended.raw(span.start, span.end)) for span in spans]


def _propose(text: str, mended: Mended, wanted: frozenset[str], memory: SpanMemory) -> list[Span]:
    """The proposals, with offsets of the mended text."""
    folded = fold(mended.text)
    remembered = memory.find(folded, wanted)
    if mended.text != text:  # a string may have been labelled as it stands in the raw text, too
        raw = ((span, mended.within(span.start, span.end)) for span in memory.find(fold(text), wanted))
        remembered = _disjoint(len(folded), [*remembered, *(_at(span, *place) for span, place in raw if place)])
    if not wanted & {*_LABEL_OF_KIND.values(), *FINDING_LABELS}:
        return remembered
    silent = silence(folded)
    found = lexicon.find(folded)
    spans = [
        *(span for span in remembered if _holds(folded, silent, span)),
        *_finding_spans(folded, found, silent),
        *_number_spans(folded, found),
    ]
    return _disjoint(len(folded), (span for span in spans if span.label in wanted))


def _at(span: Span, start: int, end: int) -> Span:
    return replace(span, start=start, end=end)


def _holds(text: str, silent: Silence, span: Span) -> bool:
    """Whether a remembered string counts here. Numbers are the patterns' business, findings may be denied."""
    if span.label in _LABEL_OF_KIND.values():
        return not any("0" <= char <= "9" for char in text[span.start : span.end])
    if span.label not in FINDING_LABELS:
        return True
    refused = span.score < _PROVEN and lexicon.refuses(text, span.start, span.end)
    return not refused and not is_denied(text, silent, span.start, span.end)


def _finding_spans(text: str, found: Iterable[lexicon.Finding], silent: Silence) -> list[Span]:
    exercise = Exercise(text)
    spans = []
    for finding in found:
        induced = finding.family.event_in_exercise and exercise.induced(finding.start)
        label = "EVENT" if induced else finding.label
        # The family says DIAG, the context EVENT: marked, because it knows more than a remembered string.
        source = f"lexicon:{label}" if label == finding.family.label else "lexicon:context"
        span = Span(finding.start, finding.end, label, finding.family.score, source)
        if not is_denied(text, silent, span.start, span.end):
            spans.append(span)
    return spans


def _number_spans(text: str, found: Iterable[lexicon.Finding]) -> list[Span]:
    clock = times.find(text)
    blanked = tables.without_references(_blank(text, clock))
    events = [finding for finding in found if finding.label == "EVENT"]
    counted = frozenset(finding.end for finding in events)
    most = plausibility.most_beats(text)
    beats = frozenset(finding.end for finding in events if finding.family.name in _BEATS)
    return [
        *(Span(m.start, m.end, "TIME", _SCORES[m.rule], m.rule) for m in clock if m.rule),
        *(
            Span(r.start, r.end, _LABEL_OF_KIND[r.kind], _SCORES[r.rule], r.rule)
            for r in (*readings.find(blanked, counted, beats, most), *tables.find(blanked, counted, most))
        ),
    ]


def _blank(text: str, matches: Iterable[times.Match]) -> str:
    """The text with the times replaced by NUL characters, so that their digits are no readings."""
    parts, at = [], 0
    for match in matches:
        parts += [text[at : match.start], "\x00" * (match.end - match.start)]
        at = match.end
    return "".join([*parts, text[at:]])


def _disjoint(length: int, spans: Iterable[Span]) -> list[Span]:
    """Longest first, what overlaps is dropped; linear in the text.

    On the same range a label decided by context comes before memory, and memory before the other rules.
    """
    taken, kept = bytearray(length), []
    for span in sorted(spans, key=lambda s: (s.start - s.end, s.start, _RANK.get(s.source, 2), s.label)):
        # A longer span covers an end of any shorter one that it overlaps.
        if not (taken[span.start] or taken[span.end - 1]):
            taken[span.start : span.end] = b"\x01" * (span.end - span.start)
            kept.append(span)
    return sorted(kept)
