"""Numbers by pattern: heart rates, other values, and seconds that last.

Works on the folded text. A number is judged by its unit first, then by the name before it, then by the finding it
counts; numbers that are thresholds, reference ranges, ages, ids, doses or settings are none of these. Whatever it
turns out to be, it must be plausible as that, and whole: else it is left out.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from backend.rules import numerals, plausibility
from backend.rules.limits import is_limit
from backend.rules.names import FOREIGN, LASTING, RATE, REACH, VALUE, interval_before, is_of_heart, name_before
from backend.rules.number_patterns import patterns, unit_kinds
from backend.rules.torn import is_torn

_MOST_BEATS_PER_MINUTE = 30  # 1/min; ectopic beats per minute stay below, rates above
_BEATS = frozenset({"次", "跳", "搏"})
_COUNTING = frozenset({*_BEATS, "阵", "个", "对", "组", "串"})
# Before a Chinese numeral: it is an ordinal, a repetition, about that many, or goes on to the left.
_NO_NUMERAL_AFTER = re.compile(rf"[第数几上成每多周点0-9~-]\Z|[{numerals.CHARACTERS}亿][ \t\r\n]{{1,4}}\Z")


@dataclass(frozen=True, slots=True)
class Reading:
    """A number with its unit in the folded text; `rule` says why it is what it is."""

    start: int
    end: int
    kind: str
    rule: str


@dataclass(frozen=True, slots=True)
class _Number:
    """A number or a chain of them as found: folded unit (None: bare), whether it is written in Chinese numerals."""

    start: int
    end: int
    amounts: tuple[float, ...]
    unit: str | None
    in_numerals: bool = False

    @property
    def unit_kind(self) -> str:
        """Rate, value, seconds, none (no reading of the heart), or empty without a unit."""
        return "" if self.unit is None else unit_kinds().get(self.unit, "value")


def find(text: str, finding_ends: Collection[int], beat_ends: Collection[int], most: float) -> list[Reading]:
    """Readings of the folded text, sorted and disjoint.

    Times must be blanked out before. `finding_ends` are the ends of the findings that can be counted,
    `beat_ends` of those that are single beats: a small rate right after one of these counts beats. No count exceeds
    `most` (backend.rules.plausibility.most_beats).
    """
    masked = mask(text)
    reader = _Reader(masked, finding_ends, beat_ends, most)
    readings: list[Reading] = []
    for number in sorted(_numbers(masked), key=lambda number: number.start):
        previous = readings[-1] if readings else None
        if previous is None or number.start >= previous.end:
            reading = reader.read(number, previous)
            readings += [reading] if reading else []
    return readings


def mask(text: str) -> str:
    """The folded text, same length, without the digits of leads, ids and list numbers; axes set apart by / ."""
    masked = patterns().names_with_digits.sub(lambda match: re.sub(r"[0-9]", "x", match[0]), text)
    masked = patterns().administrative.sub(lambda match: "\x01" * len(match[0]), masked)
    return patterns().axes.sub(lambda match: re.sub(r"(?<=[0-9°])[ \t](?=[ \t]*[+-]?[0-9])", "/", match[0]), masked)


def _numbers(text: str) -> Iterator[_Number]:
    for match in patterns().number.finditer(text):
        yield _Number(match.start(), match.end(), _amounts(match[0]), match["unit"])
    for match in patterns().numeral.finditer(text):
        amount = numerals.number(match["numeral"])
        if amount is not None and not _NO_NUMERAL_AFTER.search(text, max(0, match.start() - 5), match.start()):
            unit = match["unit"] or match["later"]
            if unit_kinds().get(unit) == RATE and match["numeral"][-1] in "余多":
                continue  # above a hundred is no rate
            yield _Number(match.start(), match.end(), (amount,), unit, in_numerals=True)
    for match in patterns().percent.finditer(text):
        said = match[0].removeprefix("百分之")
        amount = _amounts(said)[0] if said[0].isascii() else numerals.number(said)
        if amount is not None:
            yield _Number(match.start(), match.end(), (amount,), "%", in_numerals=True)


def _amounts(said: str) -> tuple[float, ...]:
    """The numbers of a reading; those of a length in its unit (111次/22.7h) as well."""
    found = re.findall(r"([0-9][0-9,]*(?:\.[0-9]+)?)([ \t]?万)?", said)
    return tuple(float(digits.replace(",", "")[:12]) * (10_000 if myriads else 1) for digits, myriads in found)


@dataclass(frozen=True)
class _Reader:
    """Tells what the numbers of one masked text are."""

    text: str
    finding_ends: Collection[int]
    beat_ends: Collection[int]
    most: float

    def read(self, number: _Number, previous: Reading | None) -> Reading | None:
        """The reading that a number is, or None."""
        minute = patterns().per_minute.search(self.text[max(0, number.start - 16) : number.start])
        lead = number.start - (len(minute[0]) if minute else 0)
        verdict = self._judge(number, lead, previous)
        if verdict is None or not self._is_credible(number, lead, *verdict):
            return None
        kind, rule = verdict
        start = lead if kind == RATE or number.unit in _BEATS else number.start
        if kind == RATE and self.text[start] in "+-":
            start += 1
        return Reading(start, number.end, kind, "numeral" if number.in_numerals and kind != LASTING else rule)

    def _judge(self, number: _Number, lead: int, previous: Reading | None) -> tuple[str, str] | None:
        """Kind and rule of one number whose words, 每分钟 included, begin at `lead`."""
        kind = number.unit_kind
        if kind == "none" or is_limit(self.text, lead, number.end):
            return None
        name = name_before(self.text, lead)
        if name == FOREIGN:
            return None
        per_minute = lead < number.start and number.unit in _BEATS and name != VALUE
        if kind == "rate" and patterns().change.search(self.text[max(0, lead - 8) : lead]):
            return None
        if kind == "rate" or per_minute:
            beats = _counted(self.text, lead) in self.beat_ends and max(number.amounts) <= _MOST_BEATS_PER_MINUTE
            return (VALUE, "beats-per-minute") if beats else (RATE, "rate")
        if number.unit in _BEATS and is_of_heart(self.text, number.start):
            return RATE, "bare-rate"
        if number.in_numerals and not self._counts(number, name):
            return None
        if kind == "value":
            return VALUE, "unit"
        if kind == "seconds":
            return (LASTING, "seconds") if _lasts(self.text, number.start) else (VALUE, "interval")
        return self._judge_bare(number, name, previous)

    def _counts(self, number: _Number, name: str | None) -> bool:
        """Whether a Chinese numeral with a unit of counts is a count and no figure of speech (又见一次)."""
        if number.unit not in _COUNTING or _counted(self.text, number.start) in self.finding_ends:
            return True
        return name == VALUE and number.amounts[0] > 1

    def _judge_bare(self, number: _Number, name: str | None, previous: Reading | None) -> tuple[str, str] | None:
        """A number without unit: the name before it, the finding it counts, or its partner decides."""
        if patterns().no_bare_after.match(self.text, number.end):
            return None
        later = patterns().to_later.match(self.text, number.end)
        if later:
            unit = _Number(later.start(), later.end(), (), later["unit"]).unit_kind
            return {"rate": (RATE, "rate"), "value": (VALUE, "unit"), "seconds": (VALUE, "interval")}.get(unit)
        if name == RATE:
            return RATE, "bare-rate"
        if name == VALUE:
            return VALUE, "bare-value"
        if patterns().ratio.match(self.text, number.start):
            return VALUE, "ratio"
        if _counted(self.text, number.start) in self.finding_ends:
            return VALUE, "bare-count"
        return self._like_previous(number, previous)

    def _like_previous(self, number: _Number, previous: Reading | None) -> tuple[str, str] | None:
        """`52(\0\0)-128`: the other end of a range; `18.1%(20107/110888)`: the fraction behind a share."""
        if previous is None or number.start - previous.end > REACH:
            return None
        between = self.text[previous.end : number.start]
        if patterns().range_over_time.fullmatch(between):
            return previous.kind, "range"
        is_fraction = "/" in self.text[number.start : number.end]
        if between == "(" and is_fraction and self.text[previous.end - 1] == "%":
            return VALUE, "ratio"
        return None

    def _is_credible(self, number: _Number, lead: int, kind: str, rule: str) -> bool:
        """Whether every number can be what it was judged to be, and is no part of a greater one."""
        before = re.search(r"[0-9., \t\r\n。]{0,24}$", self.text[max(0, lead - 24) : lead])
        origin = lead - (len(before[0]) if before else 0)
        if kind == RATE:
            of_heart = is_of_heart(self.text, origin)
            credible = whole = lambda value: plausibility.is_rate(value, of_heart)
        elif number.unit == "%":
            words = self.text[max(0, origin - REACH) : origin]
            credible = whole = lambda value: plausibility.is_percentage(value, words)
        elif rule in ("unit", "interval", "bare-value", "range"):
            interval = interval_before(self.text, origin)
            limits = plausibility.any_interval() if interval and len(number.amounts) > 1 else interval
            most, unit = self.most, number.unit
            credible = whole = lambda value: value <= most and plausibility.is_measurement(value, unit, limits)
        else:
            credible = whole = lambda value: value <= self.most
        if number.unit in _COUNTING and re.search(r"\.[0-9]{3}(?![0-9])", self.text[number.start : number.end]):
            return False  # 1.254次: thousands
        if number.unit in _COUNTING or rule in ("bare-count", "ratio"):
            whole = self._can_be_count
        torn = is_torn(self.text, number.start, number.end, whole, bare=number.unit is None)
        return all(map(credible, number.amounts)) and not torn

    def _can_be_count(self, value: float) -> bool:
        return value == int(value) and value <= self.most


def _lasts(text: str, start: int) -> bool:
    """Whether seconds are a duration: the last word of duration stands nearer than the last word of interval.

    After a pause the plain words (持续) do not make a duration: the length of a pause is an interval.
    """
    before = re.split(r"[。;\n]", text[max(0, start - REACH) : start])[-1]
    pauses = [m.end() for m in patterns().pause.finditer(before)]
    lasting = [
        m.end()
        for m in patterns().lasting.finditer(before)
        if not (pauses and patterns().plain_lasting.fullmatch(m[0]))
    ]
    interval = [m.end() for m in patterns().interval.finditer(before)]
    return bool(lasting) and lasting[-1] > (interval[-1] if interval else -1)


def _counted(text: str, start: int) -> int:
    """Where the thing that the number counts would end: blanks, a colon and words like 共 are stepped over."""
    found = patterns().count_gap.search(text[max(0, start - 12) : start])
    return start - (len(found[0]) if found else 0)
