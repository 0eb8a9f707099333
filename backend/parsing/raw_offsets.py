"""Offsets of the mended text and of the raw text: reports are structured in the one and told in the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeVar

from backend.ner.spans import Span
from backend.parsing.report import Diagnosis, Event, HeartRate, Measurement, Moment
from backend.rules.mending import Mended

Told = TypeVar("Told", HeartRate, Measurement, Event, Diagnosis, Moment)


def in_mended(mended: Mended, text: str, spans: Sequence[Span]) -> list[Span]:
    """The spans with offsets of the mended text; those of which nothing is left there are dropped.

    Raises ValueError for a span outside the raw text.
    """
    outside = next((span for span in spans if not 0 <= span.start < span.end <= len(text)), None)
    if outside:
        raise ValueError(f"span {outside.start}..{outside.end} lies outside a text of {len(text)} characters")
    places = [(span, mended.within(span.start, span.end)) for span in spans]
    return [replace(span, start=place[0], end=place[1]) for span, place in places if place]


def in_raw(mended: Mended, text: str, told: Told) -> Told:
    """An item or a moment with offsets and text of the raw text."""
    if mended.starts is None:
        return told
    start, end = mended.raw(told.start, told.end)
    changed: dict[str, Any] = {"start": start, "end": end, "text": text[start:end]}
    if time := getattr(told, "time", None):
        changed["time"] = in_raw(mended, text, time)
    if times := getattr(told, "times", ()):
        changed["times"] = tuple(in_raw(mended, text, time) for time in times)
    return told.model_copy(update=changed)
