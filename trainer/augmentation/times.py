"""Clock times, dates and durations resampled in the notation found.

All clock times of a report are turned by the same amount, all dates moved by the same number of days, all durations
multiplied by the same factor: they stay valid, in order, and what was the same stays the same.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from random import Random

from backend.rules.fold import fold
from trainer.augmentation.digits import padded_like, written_like
from trainer.augmentation.material import Material
from trainer.augmentation.segments import Segments

_DAY_PART = re.compile(r"[晨早上午下晚夜]|[ap]\.?m")
"""A time of day that is said in words as well, so that the hour must stay."""

# The earliest match wins, then the first of these.
_PATTERNS = re.compile(
    r"(?P<date>(?<![0-9.])(?P<year>(?:19|20)[0-9]{2})(?P<sep>[-/.])(?P<month>[0-9]{1,2})(?P=sep)(?P<day>[0-9]{1,2})(?![0-9]))"
    r"|(?P<han_date>(?:(?P<han_year>(?:19|20)[0-9]{2})年)?(?P<han_month>[0-9]{1,2})月(?P<han_day>[0-9]{1,2})(?=[日号]))"
    r"|(?P<clock>(?<![0-9])(?P<hour>[0-9]{1,2}):(?P<minute>[0-5][0-9])(?::(?P<second>[0-5][0-9]))?(?![0-9]))"
    r"|(?P<han_clock>(?<![0-9])(?P<han_hour>[0-9]{1,2})[时点](?P<han_minute>[0-5]?[0-9])(?=分))"
    r"|(?P<month_day>(?<![0-9.:])(?P<md_month>[0-9]{1,2})[-/.](?P<md_day>[0-9]{1,2})(?=[ \t]{1,3}[0-9]{1,2}[:时点]))"
    r"|(?P<rest>(?<=[时h分n钟])(?P<part>[0-5]?[0-9])(?=[ \t]?(?:分|min|秒|s)))"
    r"|(?P<duration>(?<![0-9.:])(?P<length>[0-9]{1,3}(?:\.[0-9]+)?)"
    r"(?P<unit>[ \t]?(?:小时|分钟|分(?![一-鿿])|(?:hours?|h|mins?)(?![a-z]))))"
)
_LEAP_YEAR = 2024  # stands in for a year that is not written: 02-29 stays valid
_MOST_DAYS = 700
_SPREAD = 0.4
_LONGEST = {"h": 168, "m": 600}
"""Hours and minutes a duration may reach."""


@dataclass(frozen=True, slots=True)
class _Turn:
    """How far the clock times and the dates of one report are moved, and by what its durations are multiplied."""

    seconds: int
    days: int
    stretch: float
    rng: Random


def times(segments: Segments, _material: Material, rng: Random) -> Segments:
    """Resample the times inside mentions; times of day that are also said in words keep their hour."""
    folded = [fold(segment.text) if segment.label else "" for segment in segments]
    full_hours = any(re.search(r"[0-9]:00(?![0-9])", said) for said in folded)
    seconds = rng.randrange(1, 24) * 3600 if full_hours else rng.randrange(1, 86_400)
    stretch = math.exp(rng.uniform(-_SPREAD, _SPREAD))
    turn = _Turn(seconds, rng.randint(-_MOST_DAYS, _MOST_DAYS), stretch, rng)
    return tuple(
        replace(segment, text=_rewritten(segment.text, said, turn)) if said else segment
        for segment, said in zip(segments, folded, strict=True)
    )


def _rewritten(text: str, folded: str, turn: _Turn) -> str:
    for match in reversed(list(_PATTERNS.finditer(folded))):
        for start, end, figures in sorted(_new_figures(match, folded, turn), reverse=True):
            text = text[:start] + written_like(figures, text[start:end]) + text[end:]
    return text


def _new_figures(match: re.Match[str], folded: str, turn: _Turn) -> Iterable[tuple[int, int, str]]:
    """Place and replacement of each group of figures in a match."""
    kind = str(match.lastgroup)
    if kind in ("clock", "han_clock"):
        prefix = kind.removesuffix("clock")
        names = [f"{prefix}hour", f"{prefix}minute", *(["second"] if match["second"] else [])]
        return _clock(match, names, turn, hour_stays=_DAY_PART.search(folded) is not None)
    if kind == "duration":
        return [(*match.span("length"), _duration(match, turn.stretch))]
    if kind == "rest":
        return [(*match.span("part"), padded_like(turn.rng.randrange(60), match["part"]))]
    return _date(match, {"date": "", "han_date": "han_", "month_day": "md_"}[kind], turn.days)


def _clock(match: re.Match[str], names: list[str], turn: _Turn, *, hour_stays: bool) -> list[tuple[int, int, str]]:
    hour, minute, *rest = (int(match[name]) for name in names)
    if hour > 23:
        return []
    moved = (hour * 3600 + minute * 60 + (rest[0] if rest else 0) + turn.seconds) % 86_400
    values = [hour if hour_stays else moved // 3600, moved // 60 % 60, moved % 60][: len(names)]
    return _placed(match, dict(zip(names, values, strict=True)))


def _date(match: re.Match[str], prefix: str, days: int) -> list[tuple[int, int, str]]:
    groups = match.groupdict()
    year = groups.get(f"{prefix}year")
    try:
        moved = date(int(year or _LEAP_YEAR), int(match[f"{prefix}month"]), int(match[f"{prefix}day"]))
        moved += timedelta(days=days)
    except (ValueError, OverflowError):
        return []
    values = {f"{prefix}month": moved.month, f"{prefix}day": moved.day}
    return _placed(match, {**({f"{prefix}year": moved.year} if year else {}), **values})


def _placed(match: re.Match[str], values: dict[str, int]) -> list[tuple[int, int, str]]:
    return [(*match.span(name), padded_like(value, match[name])) for name, value in values.items()]


def _duration(match: re.Match[str], stretch: float) -> str:
    figures = match["length"]
    decimals = len(figures.partition(".")[2])
    longest = _LONGEST["h" if match["unit"].strip()[0] in "小h" else "m"]
    moved = float(figures) * stretch
    return f"{min(max(moved, 1.0), max(float(figures), longest)):.{decimals}f}"
