"""What a reading can be at all: patterns.toml, `plausible`. A number outside was misread, torn or mistyped."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from backend.rules.fold import fold
from backend.rules.resources import table, words

Range = tuple[float, float]

_LENGTH = re.compile(r"(?<![0-9.])([0-9]{1,3}(?:\.[0-9]{1,2})?)[ \t]?(?:(?:小时|h(?![a-z])|hours?|hrs?)|(天|days?))")
_MILLISECONDS = {"ms": 1, "msec": 1, "毫秒": 1, "s": 1000, "sec": 1000, "秒": 1000, "秒钟": 1000, "″": 1000, '"': 1000}


def is_rate(value: float, of_heart: bool = False) -> bool:
    """Whether a number can be a rate per minute: of the heart as a whole, or else of anything (f waves reach 600).

    >>> is_rate(72, of_heart=True), is_rate(500), is_rate(500, of_heart=True), is_rate(7), is_rate(720)
    (True, True, False, False, False)
    """
    low, high = _limits()["heart_rate" if of_heart else "any_rate"]
    return bool(low <= value <= high)


def is_measurement(value: float, unit: str | None, interval: Range | None) -> bool:
    """Whether a number with a folded unit (None: bare) can be a reading, `interval` being what `intervals` says of it.

    >>> qtc = intervals()["qtc"]
    >>> is_measurement(410, "ms", qtc), is_measurement(0.41, None, qtc), is_measurement(4400, "ms", qtc)
    (True, True, False)
    """
    amount = abs(value)
    low, high = _by_unit().get(unit or "", (0.0, float("inf")))
    if not low <= amount <= high:
        return False
    if interval is None or (unit and unit not in _MILLISECONDS):
        return True
    factors = (_MILLISECONDS[unit],) if unit else (1, 1000)
    return any(interval[0] <= amount * factor <= interval[1] for factor in factors)


def is_percentage(value: float, before: str) -> bool:
    """Whether a number can be a percentage, `before` being the folded text before it.

    >>> is_percentage(120, "占总心搏"), is_percentage(100, "占"), is_percentage(105, "达预测最大心率的")
    (False, True, True)
    """
    clause = re.split(r"[,。;\n]", before)[-1]
    low, high = _limits()["percent_of_more" if _of_more().search(clause) else "percent"]
    return bool(low <= value <= high)


def most_beats(text: str) -> float:
    """How many beats the recording of a folded report can hold at most, by the greatest length that it states.

    >>> most_beats("24小时动态心电图"), most_beats("记录47小时12分"), most_beats("持续2小时") == most_beats("")
    (375000.0, 720000.0, True)
    """
    limits = _limits()
    stated = [float(match[1]) * (24 if match[2] else 1) for match in _LENGTH.finditer(text)]
    long = [hours + 1 for hours in stated if hours >= limits["shortest_recording"]]  # and some minutes
    return float(max(long, default=limits["longest_recording"]) * 60 * limits["mean_rate"])


@cache
def intervals() -> dict[str, Range]:
    """Folded name of an interval -> what it can be, in ms."""
    return {fold(name): tuple(entry["range"]) for entry in _limits()["intervals"] for name in entry["names"]}


@cache
def any_interval() -> Range:
    """What one interval or another can be, in ms: for chains of several (PR/QRS/QT)."""
    lows, highs = zip(*intervals().values(), strict=True)
    return min(lows), max(highs)


@cache
def _by_unit() -> dict[str, Range]:
    return {fold(name): tuple(entry["range"]) for entry in _limits()["units"] for name in entry["names"]}


@cache
def _of_more() -> re.Pattern[str]:
    return re.compile("|".join(words("patterns.toml", "plausible", "of_more")))


def _limits() -> dict[str, Any]:
    limits: dict[str, Any] = table("patterns.toml")["plausible"]
    return limits
