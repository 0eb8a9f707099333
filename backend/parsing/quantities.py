"""The numbers of a reading: 1,234次, 49-108次/分, 446/419ms, -41°, 十二次."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cache

from backend.parsing.report import Number
from backend.parsing.resources import by_synonym
from backend.rules.fold import fold
from backend.rules.numerals import CHARACTERS, NUMERAL, number

_NUMBER = re.compile(
    r"(?P<digits>[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?(?![0-9])|[0-9]+(?:\.[0-9]+)?)(?P<myriad>[ \t]?万[余多]?)?"
)
_LONGEST = 15  # digits; what is longer is no measurement, and no exact float
# Between two numbers: the unit of the first, what joins them, the sign of the second.
_JOINT = re.compile(r".*?[ \t]*(?P<join>-{1,2}|~{1,2}|→|/|:|)[ \t]*(?P<sign>[+-]?)")
_BLANK_MINUS = re.compile(r".*?[ \t]+-")  # 60 -45 38: a list with a negative number, no range
_PER_LENGTH = re.compile(r"[ \t]*[^\W\d]{1,2}[ \t]?/[ \t]?[0-9.]{1,5}[ \t]?(?:小时|h|天|分钟)")
_NUMERAL = re.compile(rf"{NUMERAL}(?!分之)")
_MORE = re.compile(rf"[0-9{CHARACTERS}亿]")
# Before the number: a share, and what makes a count a rate.
_PERCENT = "百分之"
_PER_MINUTE = re.compile(r"每分钟?[ \t]*(?:大约|约|为|仅|达|:)?[ \t]*")


@dataclass(frozen=True, slots=True)
class Part:
    """One number of a reading, with its offsets in the folded text."""

    start: int
    end: int
    value: Number | None


@dataclass(frozen=True, slots=True)
class Quantity:
    """The numbers of one span in order, whether two of them are the ends of a range, and the unit if it has one."""

    parts: tuple[Part, ...]
    is_range: bool
    unit: str | None

    @property
    def value(self) -> Number | None:
        """The number, if there is exactly one."""
        return self.parts[0].value if len(self.parts) == 1 else None

    @property
    def bounds(self) -> tuple[Number | None, Number | None]:
        """Lower and upper end of a range, else (None, None)."""
        values = [part.value for part in self.parts if part.value is not None]
        return (min(values), max(values)) if self.is_range and len(values) > 1 else (None, None)


def read(text: str, start: int, end: int) -> Quantity:
    """The quantity of `text[start:end]` in the folded text.

    >>> [part.value for part in read("1,234次", 0, 6).parts], read("49-108次/分", 0, 9).bounds
    ([1234], (49, 108))
    >>> read("-41°", 0, 4).value, read("三阵", 0, 2).value, read("446/419 ms", 0, 10).unit
    (-41, 3, 'ms')
    """
    bracket = text.find("(", start + 1, end)
    end = bracket if bracket > 0 else end  # 18.1%(20107/110888): what is in brackets explains it
    if text.startswith(_PERCENT, start, end):
        return replace(read(text, start + len(_PERCENT), end), unit="%")
    minute = _PER_MINUTE.match(text, start, end)
    if minute:
        quantity = read(text, minute.end(), end)
        return replace(quantity, unit="次/分") if quantity.unit == "次" else quantity
    numeral = _NUMERAL.match(text, start, end)
    if numeral:
        return _in_numerals(text, numeral, end)
    parts: list[Part] = []
    is_range, at = False, start
    for match in _NUMBER.finditer(text, start, end):
        ranged, negative = _joint(text[at : match.start()], first=not parts)
        is_range |= ranged
        value = _number(match["digits"], myriads=match["myriad"] is not None)
        parts.append(Part(match.start(), match.end(), -value if negative and value is not None else value))
        at = match.end()
        if _PER_LENGTH.fullmatch(text, at, end):
            break  # 111次/22.7h
    if parts and _MORE.match(text, at, end):
        return Quantity((), is_range=False, unit=None)  # 5百次
    return Quantity(tuple(parts), is_range, _unit(text[at:end]) if parts else None)


def _joint(between: str, first: bool) -> tuple[bool, bool]:
    """Whether what stands before a number makes it the end of a range, and whether it is negative."""
    if first:
        return False, between.endswith("-")
    if _BLANK_MINUS.fullmatch(between):
        return False, True
    match = _JOINT.fullmatch(between)
    join, sign = (match["join"], match["sign"]) if match else ("", "")
    return join not in ("", "/", ":"), sign == "-"


def _number(said: str, myriads: bool) -> Number | None:
    digits = said.replace(",", "")
    if len(digits) > _LONGEST:
        return None
    if myriads:
        value = Decimal(digits) * 10_000  # 1.7万 is 17000, which a float would miss
        return int(value) if value == int(value) else float(value)
    return float(digits) if "." in digits else int(digits)


def _in_numerals(text: str, numeral: re.Match[str], end: int) -> Quantity:
    """A Chinese numeral and its unit; nothing if it is no number, or not the only one (三百20次, 七十-八十次)."""
    value, at = number(numeral[0]), numeral.end()
    if value is None or (_MORE.search(text, at, end) and not _PER_LENGTH.fullmatch(text, at, end)):
        return Quantity((), is_range=False, unit=None)
    return Quantity((Part(numeral.start(), at, value),), is_range=False, unit=_unit(text[at:end]))


def _unit(said: str) -> str | None:
    """The unit under one spelling, or as written; counts per recording keep its length (次/22.7h)."""
    unit = said.strip().strip("()")
    unit = re.sub(r"[ \t]", "", unit) if _PER_LENGTH.fullmatch(unit) else unit
    return _units().get(unit, unit) or None


@cache
def _units() -> dict[str, str]:
    return {fold(written): unit for written, unit in by_synonym("units")}
