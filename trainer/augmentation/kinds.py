"""Kinds of readings and what is physiologically possible for each.

One adult at rest seldom reaches these bounds, but Holter and exercise reports do: they say what a resampled
number may never be, not what is normal. Base units: 1/min, ms, mV, mm, degrees, per cent, mmHg, MET.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from backend.rules.names import RATE, VALUE, name_before


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of reading, in its base unit.

    `before` must be found at the end of the text before the number. A resampled number is the old one times
    exp(u) plus v, with u in ±`spread` and v in ±`shift`, kept within `low` and `high`.
    """

    base: str
    name: str
    low: float
    high: float
    spread: float
    shift: float = 0.0
    before: str = ""


# The first kind of a base unit that admits both the number and the text before it wins.
KINDS = (
    Kind("rate", "heart rate", 20, 250, 0.25),
    Kind("rate", "atrial rate", 250, 600, 0.15),  # f and F waves
    Kind("ms", "P wave", 60, 180, 0.15, before=r"p波|p宽|pd"),
    Kind("ms", "PR interval", 80, 500, 0.2, before=r"p-?r"),
    Kind("ms", "QRS duration", 50, 240, 0.2, before=r"qrs"),
    Kind("ms", "QT interval", 200, 700, 0.15, before=r"q-?tc?"),
    Kind("ms", "R-R interval", 240, 12_000, 0.3, before=r"r-?r|p-?p|停搏|间歇|静止|停顿|pause|longest|最长"),
    Kind("ms", "interval", 5, 120_000, 0.3),
    Kind("mv", "voltage", 0.01, 8, 0.4),
    Kind("mm", "deflection", 0.1, 50, 0.4),
    Kind("degrees", "axis", 0, 180, 0, shift=40),
    Kind("percent", "percentage", 0.01, 100, 0.7),
    Kind("mmhg", "blood pressure", 30, 260, 0.12),
    Kind("mets", "exercise capacity", 1, 25, 0.3),
    Kind("count", "heart beats", 30_000, 700_000, 0.2, before=r"总心搏|心搏总|总心跳|心跳总|总搏|qrs总|beats"),
    Kind("count", "count", 1, 30_000, 1.0),
)

UNITS = {
    r"(?:次|跳|搏|个|拍)?\s?/\s?每?(?:分钟|分|min|m)(?![a-z])|次每?分钟?|bpm|ppm|b/min|beats/min": ("rate", 1.0),
    r"ms(?:ec)?(?![a-z²2])|毫秒": ("ms", 1.0),
    r"s(?:ec)?(?![a-z])|秒钟?": ("ms", 1000.0),
    r"mv(?![a-z])|毫伏": ("mv", 1.0),
    r"μv(?![a-z])|uv(?![a-z])": ("mv", 0.001),
    r"mmhg|毫米汞柱": ("mmhg", 1.0),
    r"mm(?![a-z/])|毫米": ("mm", 1.0),
    r"°|度": ("degrees", 1.0),
    r"%": ("percent", 1.0),
    r"mets?(?![a-z])|梅脱": ("mets", 1.0),
    r"(?:次|个|阵|对|跳|搏|组|串|段)(?:/(?:[0-9.]*(?:小时|h)|日|天|阵))?": ("count", 1.0),
}
"""Pattern of a unit in the folded text -> base unit, and how many of it the unit is. Earlier ones win."""

_BARE_NAMES = (
    (re.compile(r"(?:轴|axis|axes)[^0-9]{0,4}$"), ("degrees", 1.0)),
    (re.compile(r"(?:r|s)v[1-9]r?[^0-9]{0,4}$"), ("mv", 1.0)),
    (re.compile(r"mets?[^0-9]{0,4}$"), ("mets", 1.0)),
    (re.compile(r"(?:p-?r|qrsd?|q-?tc?|sdnn|sdann|rmssd)[^0-9]{0,8}$"), ("ms", 1.0)),
)
_BARE_SECONDS = 10
"""A bare interval below is in seconds: PR 0.16."""
_REACH = 16
"""Characters before a number that may name it."""


def unit_of_bare(text: str, start: int, value: float, *, after_mention: bool) -> tuple[str, float] | None:
    """Base unit and factor of a number without unit, by the folded text before it; None if nothing tells.

    A number right after another mention counts it (室早 77).
    """
    if name_before(text, start) == RATE:
        return "rate", 1.0
    before = text[max(0, start - _REACH) : start]
    for pattern, (base, factor) in _BARE_NAMES:
        if pattern.search(before):
            return (base, 1000.0) if base == "ms" and value < _BARE_SECONDS else (base, factor)
    return ("count", 1.0) if after_mention or name_before(text, start) == VALUE else None


def kind_of(base: str, value: float, before: str) -> Kind | None:
    """The kind of a value in its base unit, by the folded text before it; None when no kind admits the value."""
    for kind in KINDS:
        named = re.search(rf"(?:{kind.before})[^0-9。;,\n]{{0,8}}$", before[-_REACH:]) if kind.before else True
        if kind.base == base and named and kind.low <= value <= kind.high:
            return kind
    return None
