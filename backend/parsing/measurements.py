"""Measured values: name, number, unit, what they measure. A chain under a chained name (QT/QTc) is split."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from backend.parsing.counts import Counts
from backend.parsing.layout import Layout
from backend.parsing.moments import Moments
from backend.parsing.quantities import Quantity
from backend.parsing.report import Measurement


@dataclass(frozen=True)
class Measurements:
    """The measurements of one report; every VALUE span gives one, a chain as many as it has names."""

    layout: Layout
    moments: Moments
    counts: Counts
    names: dict[int, str]

    def __iter__(self) -> Iterator[Measurement]:
        for i, span in enumerate(self.layout.spans):
            if span.label == "VALUE":
                yield from self._read(i)

    def _read(self, i: int) -> Iterator[Measurement]:
        quantity, name = self.counts.quantity(i), self.counts.name(i)
        whole = self._whole(i, quantity)
        if quantity.is_range or not 1 < len(quantity.parts) == len(name.parts):
            yield whole
            return
        for part, canonical in zip(quantity.parts, name.parts, strict=True):
            own = {
                "canonical": canonical,
                "value": part.value,
                "start": part.start,
                "end": part.end,
                "text": self.layout.text[part.start : part.end],
            }
            yield whole.model_copy(update=own)

    def _whole(self, i: int, quantity: Quantity) -> Measurement:
        span, name, owner = self.layout.spans[i], self.counts.name(i), self.counts.owner(i)
        low, high = quantity.bounds
        return Measurement(
            text=self.layout.text[span.start : span.end],
            start=span.start,
            end=span.end,
            confidence=round(span.score, 4),
            source=span.source,
            name=name.written,
            canonical=name.canonical,
            of=self.names[owner] if owner is not None else None,
            value=quantity.value,
            low=low,
            high=high,
            unit=quantity.unit,
            time=self.moments.of(i),
        )
