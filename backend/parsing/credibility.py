"""Numbers that are no values: implausible as what their span says, only a part of a number, or a reference range.

The rules make no span of such a number (backend.rules.readings); spans of a network or of annotators come here
unchecked. The item stays, with its text and without the number.
"""

from __future__ import annotations

from dataclasses import replace

from backend.ner.spans import Span
from backend.parsing.layout import Layout
from backend.parsing.quantities import Quantity
from backend.parsing.resources import names
from backend.rules import plausibility
from backend.rules.fold import fold
from backend.rules.limits import is_reference
from backend.rules.names import REACH, is_of_heart
from backend.rules.number_patterns import patterns
from backend.rules.torn import Fits, is_torn


def credible_rate(layout: Layout, span: Span, quantity: Quantity) -> Quantity:
    """The quantity without the numbers that can be no rate."""
    of_heart = is_of_heart(layout.folded, span.start)

    def fits(value: float) -> bool:
        return plausibility.is_rate(value, of_heart)

    return _kept(layout, span, quantity, [fits] * len(quantity.parts), fits)


def credible_value(layout: Layout, span: Span, quantity: Quantity, called: list[str]) -> Quantity:
    """The quantity without the numbers that cannot be what they are `called`: one name, or one for each number."""
    unit = fold(quantity.unit) if quantity.unit else None
    n = len(quantity.parts)
    names_of_parts = called if len(called) == n else called * n if len(called) == 1 else [""] * n
    if called and called[0] in names()["atria"]:
        return _kept(layout, span, quantity, [plausibility.is_rate] * n, plausibility.is_rate)
    limits = [plausibility.intervals().get(fold(name)) for name in names_of_parts]
    hourly = bool(called) and called[0] in names()["counting"]["hourly"]
    before = layout.masked[max(0, span.start - REACH) : span.start]

    def fits(limit: plausibility.Range | None) -> Fits:
        if unit == "%":
            return lambda value: plausibility.is_percentage(value, before)
        named = "次/小时" if hourly else unit
        return lambda value: value <= layout.most_beats and plausibility.is_measurement(value, named, limit)

    def is_count(value: float) -> bool:
        return value == int(value) and 0 <= value <= layout.most_beats

    if quantity.unit in names()["counting"]["units"] and not hourly:
        return _kept(layout, span, quantity, [lambda value: 0 <= value <= layout.most_beats] * n, is_count)
    return _kept(layout, span, quantity, [fits(limit) for limit in limits], fits(limits[0] if limits else None))


def _kept(layout: Layout, span: Span, quantity: Quantity, fits: list[Fits], whole: Fits) -> Quantity:
    """The quantity with None for each number that does not fit, for all if none was measured or a `whole` was torn."""
    header = layout.header(span)  # where blanks set apart the cells
    start = quantity.parts[0].start if quantity.parts else span.start
    measured = not (header and patterns().reference.search(layout.folded, *header))
    measured &= not is_reference(layout.masked, start, span.end)
    torn = header is None and is_torn(layout.masked, start, span.end, whole, bare=quantity.unit is None)
    parts = (
        part if part.value is None or (fit(part.value) and measured and not torn) else replace(part, value=None)
        for part, fit in zip(quantity.parts, fits, strict=True)
    )
    return replace(quantity, parts=tuple(parts))
