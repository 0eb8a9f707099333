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
_CLOCK = (
    r"[0-9]{1,2}:[0-5][0-9](?::[0-5][0-9])?(?!\.?[0-9:])"
    r"|[0-9]{1,2}[时点](?:[0-5]?[0-9]分?(?:[0-5]?[0-9]秒)?|半)?(?![0-9])"
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
_ONE_DIGIT = re.compile(r"[0-9][:时点]")


@dataclass(frozen=True, slots=True)
class Match:
    """A time in the folded text (`rule` names the pattern), or with an empty rule a length that is no time."""

    start: int
    end: int
    rule: str


def find(text: str) -> list[Match]:
    """Times of the folded text, sorted and disjoint, with the lengths that are no times in between."""
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
        if rule == "exam" or _NOT_AFTER.search(text[max(0, start - 8) : start]):
            rule = ""
        yield Match(start, end, {"moment": "clock-time", "part": "day-part"}.get(rule, rule))


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
