"""Times by pattern: clock times, dates, recording and episode durations, named parts of the day.

Works on the folded text. Lengths in the names of examinations, ages and weeks of pregnancy are not times.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from backend.rules.resources import words

_NUMBER = r"(?<![0-9.])[0-9]{1,6}(?:\.[0-9]{1,3})?"
_HANZI_NUMBER = r"(?:半|数|[一二两三四五六七八九十]{1,3})"
# With minutes and seconds from 60 on, which Clock refuses, so that their digits are no readings.
_CLOCK = (
    r"[0-9]{1,2}:[0-9]{2}(?::[0-9]{2})?(?!\.?[0-9:])"
    r"|[0-9]{1,2}[时点](?:(?:[0-5]?[0-9]分?|[0-9]{2}分)(?:[0-9]{1,2}秒)?|半)?(?![0-9])"
)
_CLOCK_PARTS = re.compile(
    r"(?<![0-9:])(?P<hour>[0-9]{1,2})(?::(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2}))?(?![0-9:])"
    r"|[时点](?!间)(?:(?P<half>半)|(?P<minutes>[0-9]{1,2})分?(?:(?P<seconds>[0-9]{1,2})秒)?)?)"
)
_DATE = (
    r"(?:19|20)[0-9]{2}(?:[-/.][0-9]{1,2}[-/.][0-9]{1,2}(?![0-9])|年(?:[0-9]{1,2}月(?:[0-9]{1,2}[日号]?)?)?)"
    r"|[0-9]{1,2}月[0-9]{1,2}[日号]?"
)
_MONTH_DAY = r"(?:1[0-2]|0?[1-9])[-/.](?:3[01]|[12][0-9]|0?[1-9])"
_GAP = r"[ \t]{0,3}[,t]?[ \t]{0,2}"
_JOIN = r"[ \t]?(?:-{1,2}|~{1,2}|→|/)[ \t]?"

# What comes before a number that makes it an age, a share or a rate and not a time.
_NOT_AFTER = re.compile(
    r"(?:孕|妊娠|胎龄)[ :]?[0-9+]{0,4}$|(?:年龄|月龄|日龄|年纪)[ :]{0,3}$"
    r"|(?:[男女]性?|[小患婴]儿|新生儿)[, ]{0,2}$|[/每第]$|最[多大少]$"
)

# `1 4:05`: 14:05 or 4:05?
_TORN = re.compile(r"(?<![0-9.])[012](?: {1,2}|\r?\n)$")
_UNIT = re.compile(r"[次跳]|[ \t]?(?:bpm|ms|mv|%)")
_ONE_DIGIT = re.compile(r"[0-9][:时点]")


@dataclass(frozen=True, slots=True)
class Match:
    """A time in the folded text (`rule` names the pattern); with an empty rule a length or a time that is none."""

    start: int
    end: int
    rule: str


@dataclass(frozen=True, slots=True)
class Clock:
    """A time as it is written, hours from 0 to 99."""

    hour: int
    minute: int
    second: int | None

    @property
    def exists(self) -> bool:
        """Whether it is a time of day, 24:00 being the end of one."""
        second = self.second or 0
        return (self.hour < 24 or (self.hour, self.minute, second) == (24, 0, 0)) and self.is_length

    @property
    def is_length(self) -> bool:
        """Whether it can be a length, which may have more hours."""
        return self.minute < 60 and (self.second or 0) < 60


def clocks(text: str) -> list[Clock]:
    """The clock times written in a folded stretch of text.

    >>> [clock.exists for clock in clocks("08:00-25:00, 24:00, 24:30, 23:59:60, 12时75分, 2点半, 23小时44分")]
    [True, False, True, False, False, False, True]
    """
    found = []
    for match in _CLOCK_PARTS.finditer(text):
        minute = "30" if match["half"] else match["minute"] or match["minutes"] or "0"
        second = match["second"] or match["seconds"]
        found.append(Clock(int(match["hour"]), int(minute), int(second) if second else None))
    return found


def find(text: str) -> list[Match]:
    """Times of the folded text, sorted and disjoint, with the lengths and times that are none in between."""
    return list(_scan(text))


def _scan(text: str) -> Iterator[Match]:
    patterns = _patterns()
    for match in patterns.everything.finditer(text):
        start, end, rule = match.start(), match.end(), match.lastgroup or ""
        if rule == "duration" and not _is_duration(text, start, end):
            continue
        if rule == "duration" and text[max(0, start - 2) : start].rstrip().endswith("/"):
            continue  # 111次/22.7h: part of the unit
        if _TORN.search(text[max(0, start - 4) : start]) and _ONE_DIGIT.match(text, start):
            continue
        if rule == "moment" and not _exists(text, start, end):
            if _UNIT.match(text, end):
                continue  # 45:72:98次/分
            rule = ""
        if rule == "exam" or _NOT_AFTER.search(text[max(0, start - 8) : start]):
            rule = ""
        yield Match(start, end, {"moment": "clock-time", "part": "day-part"}.get(rule, rule))


def _exists(text: str, start: int, end: int) -> bool:
    """Whether the clock times in a moment are times of day, or the only one is a length (时长：25:30)."""
    found = clocks(text[start:end])
    alone = _CLOCK_PARTS.fullmatch(text[start:end])
    if alone and _patterns().measured.search(text[max(0, start - 12) : start]):
        return found[0].is_length
    return all(clock.exists for clock in found)


def _is_duration(text: str, start: int, end: int) -> bool:
    """Bare `27分` needs a word of duration before it; `72 min 48` is a table of rates."""
    said = text[start:end]
    if said.endswith("min") and re.match(r"[ \t]*[:=]?[ \t]*[0-9]", text[end : end + 8]):
        return re.search(r"[小时hr]", said) is not None
    if re.fullmatch(r"[0-9.]+[ \t]?分", said):
        return _patterns().lasting.search(text[max(0, start - 12) : start]) is not None
    return True


@dataclass(frozen=True)
class _Patterns:
    everything: re.Pattern[str]
    lasting: re.Pattern[str]
    measured: re.Pattern[str]


@cache
def _patterns() -> _Patterns:
    part = "|".join(words("patterns.toml", "times", "day_parts"))
    relative = "|".join(words("patterns.toml", "times", "relative_days"))
    half = "|".join(re.escape(word) for word in words("patterns.toml", "times", "clock_parts"))
    exam = "|".join(words("patterns.toml", "times", "exams"))
    lasting = "|".join(words("patterns.toml", "times", "duration_words"))
    clock = rf"(?:{_CLOCK})(?:[ \t]?(?:{half})(?![a-z]))?"
    day = rf"(?:{_DATE})|{_MONTH_DAY}(?={_GAP}(?:{part})?[0-9]{{1,2}}[:时点])|(?:{relative})"
    moment = rf"(?:(?:{day}){_GAP})?(?:(?:{part})[ \t]?)?(?:{clock})|(?:{_DATE})(?:{part})?"
    return _Patterns(
        re.compile(
            rf"(?P<exam>(?:[0-9]{{1,3}}|二十四|四十八|七十二)[ \t]?(?:小时|h|天|d|分钟|min)[ \t]?\(?(?:{exam}))"
            rf"|(?P<moment>(?<![0-9./-])(?<![0-9]:)(?<![a-z])(?:{moment})(?:{_JOIN}(?:{moment})){{0,1}})"
            rf"|(?P<duration>{_duration()})"
            rf"|(?P<part>{part})"
        ),
        re.compile(rf"(?:{lasting})[^,。;\n]{{0,4}}$"),
        re.compile(
            rf"(?:{'|'.join(words('patterns.toml', 'times', 'measured_lengths'))})[^,。;\n0-9于在至到见]{{0,4}}$"
        ),
    )


def _duration() -> str:
    """Numbers with units of time from minutes on, or minutes and seconds; ranges of them."""
    many = r"[ \t]?[余多来]?[ \t]?"
    hour = rf"{many}个?(?:小时|hours?|hrs?|h)(?![a-z])"
    minute = rf"{many}(?:分钟|分(?![/0-9]?[/钟])|minutes?|mins?|′)(?![a-z])"
    second = r"[ \t]?(?:秒钟|秒|seconds?|sec|s|″)(?![a-z])"
    day = rf"{many}(?:天|日|周|星期|个星期|个月|月|年|days?|weeks?|months?|years?)(?![a-z龄岁])"
    tail = r"(?:[ \t]?[0-9]{1,2}"
    number = rf"{_NUMBER}(?:{_JOIN}[0-9]{{1,6}}(?:\.[0-9]{{1,3}})?)?"
    return (
        rf"{number}(?:{hour}{tail}{minute})?{tail}{second})?|{minute}{tail}{second})?|{day})"
        rf"|(?<![第每多零〇一二两三四五六七八九十百千万点0-9]){_HANZI_NUMBER}个?(?:余|多)?(?:小时|分钟|天|周|星期|个月|年)(?:半|余)?(?![级度龄])"
    )
