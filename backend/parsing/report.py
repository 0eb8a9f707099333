"""What a report says, as typed data. Frozen; the same report always gives the same JSON bytes.

Offsets are half-open code points of the text. `confidence` is the probability (0..1, four decimals) that the span
is right, as its source estimates it; it says nothing about the relation. `source` is what found the span: a rule's
name, `memory` or `model`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import BaseModel, ConfigDict

Number = int | float
Kind = Literal["mean", "fastest", "slowest", "other"]
Certainty = Literal["stated", "possible", "excluded"]


class Part(BaseModel):
    """Base of all parts: immutable, no unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Moment(Part):
    """A time that the report gives for something.

    `clock` is the time of day, HH:MM or HH:MM:SS in 24 hours (the beginning, for a stretch of time), None for a date
    or a part of the day.
    """

    text: str
    clock: str | None
    start: int
    end: int


class Item(Part):
    """Something the report states, and where."""

    text: str
    start: int
    end: int
    confidence: float
    source: str


class HeartRate(Item):
    """A rate of the heart in beats per minute.

    A range has `low` and `high` and no `value`. `kind` is of the recording, or of the period that `time` names;
    `of` is the finding whose own rate it is (a run, flutter), and then the kind is `other`.
    """

    kind: Kind
    value: Number | None
    low: Number | None
    high: Number | None
    unit: str
    of: str | None
    time: Moment | None


class Measurement(Item):
    """Another measured value, rates of the atria among them.

    `name` is what the report calls it, `canonical` what it is called here (None: unknown). `of` is the finding
    that it counts or measures. A range has `low` and `high`; a ratio (5:4) has only its text.
    """

    name: str | None
    canonical: str | None
    of: str | None
    value: Number | None
    low: Number | None
    high: Number | None
    unit: str | None
    time: Moment | None


class Finding(Item):
    """Something found: `canonical` is its name, whatever the wording."""

    canonical: str
    certainty: Certainty
    times: tuple[Moment, ...]


class Event(Finding):
    """Beats, runs, pauses, transient changes: how many the report states, in what unit, in what share of all beats."""

    count: int | None
    unit: str | None
    percent: Number | None


class Diagnosis(Finding):
    """A diagnosis."""


class LabelledSpan(Part):
    """A span as the predictor gave it, whatever its label."""

    start: int
    end: int
    label: str
    text: str
    confidence: float
    source: str


class StructuredReport(Part):
    """All of one report, each list in the order of the text, and the version that found the spans."""

    version: str
    heart_rates: tuple[HeartRate, ...]
    measurements: tuple[Measurement, ...]
    events: tuple[Event, ...]
    diagnoses: tuple[Diagnosis, ...]
    spans: tuple[LabelledSpan, ...]

    def items(self) -> Iterator[tuple[str, Item]]:
        """Every item with the name of its list, list by list."""
        for name in ("heart_rates", "measurements", "events", "diagnoses"):
            for item in getattr(self, name):
                yield name, item
