"""Readings resampled within physiological bounds; what was larger than another reading of its kind never gets smaller.

All readings of one kind in a report are moved, sorted, and handed out by rank. So fastest ≥ mean ≥ slowest, the total
≥ its parts, systolic ≥ diastolic, whatever the report calls them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from random import Random

from backend.rules.fold import fold
from trainer.augmentation.digits import written_like
from trainer.augmentation.kinds import UNITS, Kind, kind_of, unit_of_bare
from trainer.augmentation.material import Material
from trainer.augmentation.segments import Segments, join

_UNIT = "|".join(UNITS)
_RATE = ("rate", 1.0)
_NUMBER = re.compile(
    rf"(?<![0-9.])(?P<figures>[0-9]{{1,3}}(?:,[0-9]{{3}})+(?![0-9])|[0-9]+(?:\.[0-9]+)?)[ \t]{{0,2}}(?P<unit>{_UNIT})?"
)
_READING = re.compile(rf"(?:[0-9][0-9,]*+(?:\.[0-9]++)?+(?>[ \t]{{0,2}}(?:{_UNIT}))?+|[-~→/+ \t])++")
"""A mention that is nothing but numbers, units and what joins them; dates are kept out by `_DATE`."""
_DATE = re.compile(r"(?:19|20)[0-9]{2}([-/.])[0-9]{1,2}\1[0-9]{1,2}(?![0-9])")


@dataclass(frozen=True, slots=True)
class _Figures:
    """The figures of one number: in which segment, where in it, and its unit (base unit and factor) if any tells."""

    segment: int
    label: str
    start: int
    said: str
    before: str
    unit: tuple[str, float] | None

    @property
    def number(self) -> float:
        """The number as written."""
        return float(self.said.replace(",", ""))


@dataclass(frozen=True, slots=True)
class _Reading:
    """Figures of a known kind; `value` and `factor` as in `kinds`: value in the base unit, base units in a unit."""

    figures: _Figures
    kind: Kind
    value: float
    factor: float

    def written(self, value: float) -> str:
        """The value with the decimals, the thousands separators and at least the smallest step of the old figures."""
        said = self.figures.said
        decimals = len(said.partition(".")[2])
        return f"{max(value / self.factor, 10.0**-decimals):{',' if ',' in said else ''}.{decimals}f}"


def numbers(segments: Segments, _material: Material, rng: Random) -> Segments:
    """Resample the readings of every kind; plain text (thresholds, ages, settings) stays as it is."""
    by_kind: dict[Kind, list[_Reading]] = {}
    for reading in _readings(segments):
        by_kind.setdefault(reading.kind, []).append(reading)
    texts = [segment.text for segment in segments]
    changes = [change for kind, readings in by_kind.items() for change in _resampled(kind, readings, rng)]
    for figures, new in sorted(changes, key=lambda change: -change[0].start):
        said, start, end = texts[figures.segment], figures.start, figures.start + len(figures.said)
        texts[figures.segment] = said[:start] + written_like(new, said[start:end]) + said[end:]
    return tuple(replace(segment, text=text) for segment, text in zip(segments, texts, strict=True))


def _readings(segments: Segments) -> Iterator[_Reading]:
    """The numbers whose kind is known; a bare one is a rate where all others of its label are."""
    found = list(_figures(segments))
    units: dict[str, set[tuple[str, float]]] = {}
    for figures in found:
        units.setdefault(figures.label, set()).update([figures.unit] if figures.unit else [])
    for figures in found:
        unit = figures.unit or (_RATE if units[figures.label] == {_RATE} else None)
        kind = kind_of(unit[0], figures.number * unit[1], figures.before) if unit else None
        if unit and kind:
            yield _Reading(figures, kind, figures.number * unit[1], unit[1])


def _figures(segments: Segments) -> Iterator[_Figures]:
    """All numbers of the mentions that are readings."""
    text = fold(join(segments)[0])
    end = 0
    for i, segment in enumerate(segments):
        start, end = end, end + len(segment.text)
        said = text[start:end]
        if segment.label and _READING.fullmatch(said) and not _DATE.search(said):
            for at, figures, unit in _numbers_of(said):
                number = float(figures.replace(",", ""))
                known = unit or unit_of_bare(text, start, number, after_mention=_follows_mention(segments, i))
                yield _Figures(i, segment.label, at, figures, text[:start], known)


def _follows_mention(segments: Segments, i: int) -> bool:
    """Whether a mention stands right before segment `i`, or only blanks and a colon between."""
    before = segments[max(0, i - 2) : i]
    if len(before) == 2 and not before[1].label and not before[1].text.strip(" \t:："):
        return bool(before[0].label)
    return bool(before and before[-1].label)


def _numbers_of(said: str) -> list[tuple[int, str, tuple[str, float] | None]]:
    """Place, figures and unit of each number; one without unit has that of the next number (47~129bpm)."""
    found: list[tuple[int, str, tuple[str, float] | None]] = []
    unit = None
    for match in reversed(list(_NUMBER.finditer(said))):
        unit = _unit(match["unit"]) if match["unit"] else unit
        if not re.match("0[0-9]", match["figures"]):
            found.append((match.start(), match["figures"], unit))
    return found


def _unit(said: str) -> tuple[str, float]:
    return next(unit for pattern, unit in UNITS.items() if re.fullmatch(pattern, said))


def _resampled(kind: Kind, readings: list[_Reading], rng: Random) -> list[tuple[_Figures, str]]:
    """New figures for the readings of one kind; none if rounding would turn their order."""
    old = sorted({reading.value for reading in readings})
    new = dict(zip(old, sorted(_moved(kind, value, rng) for value in old), strict=True))
    written = [(reading, reading.written(new[reading.value])) for reading in readings]
    return [(reading.figures, figures) for reading, figures in written] if _in_order(written) else []


def _moved(kind: Kind, value: float, rng: Random) -> float:
    moved = value * math.exp(rng.uniform(-kind.spread, kind.spread)) + rng.uniform(-kind.shift, kind.shift)
    return min(max(moved, kind.low), kind.high)


def _in_order(written: list[tuple[_Reading, str]]) -> bool:
    """Whether what is written for a larger value is nowhere smaller."""
    new: dict[float, list[float]] = {reading.value: [] for reading, _ in written}
    for reading, figures in written:
        new[reading.value].append(float(figures.replace(",", "")) * reading.factor)
    return all(max(new[low]) <= min(new[high]) for low, high in pairwise(sorted(new)))
