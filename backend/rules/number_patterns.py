"""Regular expressions that numbers and their surroundings are told apart by, built from patterns.toml. Folded text."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from backend.rules.fold import fold
from backend.rules.numerals import NUMERAL
from backend.rules.resources import longest_first, table, words


@dataclass(frozen=True)
class NumberPatterns:
    """Every pattern that `readings` matches with; `number` and `numeral` have the group `unit`."""

    number: re.Pattern[str]
    numeral: re.Pattern[str]
    percent: re.Pattern[str]
    per_minute: re.Pattern[str]
    to_later: re.Pattern[str]
    ratio: re.Pattern[str]
    range_over_time: re.Pattern[str]
    no_bare_after: re.Pattern[str]
    names_with_digits: re.Pattern[str]
    administrative: re.Pattern[str]
    axes: re.Pattern[str]
    limit_before: re.Pattern[str]
    change: re.Pattern[str]
    limit_after: re.Pattern[str]
    reference: re.Pattern[str]
    reference_end: re.Pattern[str]
    reference_line: re.Pattern[str]
    normal_before: re.Pattern[str]
    normal_heading: re.Pattern[str]
    lasting: re.Pattern[str]
    interval: re.Pattern[str]
    pause: re.Pattern[str]
    plain_lasting: re.Pattern[str]
    count_gap: re.Pattern[str]
    unit_in_brackets: re.Pattern[str]


def _alternatives(section: str, key: str) -> str:
    return "|".join(map(re.escape, words("patterns.toml", section, key)))


_NORMAL = r"(?:成人|成年人)?(?:正常|normal)(?:成人|成年人|人|男性|女性|儿童|值|范围)?"


def _normal_before_source() -> str:
    """正常 that opens a clause, with a name or without, up to the number: 正常PR间期为, (正常."""
    names = "|".join(_alternatives("names", key) for key in ("rate", "value"))
    between = rf"{_alternatives('names', 'between')}|范围|男性?|女性?"
    return rf"(?<![^,。;:\n()\[ \t|]){_NORMAL}(?:的|(?<=normal) )?(?:{names})?(?:{between})*+\Z"


def _number_source() -> str:
    """One number or a chain of numbers joined by - ~ → / :, each with an optional unit; group `unit` is the last."""
    units = longest_first(unit_kinds())
    plain = rf"(?:{'|'.join(map(_unit_source, units))})(?![a-z²])"
    unit = rf"(?:{_PER_LENGTH}|{plain})"
    number = r"(?:[0-9]{1,3}(?:,[0-9]{3})++(?![0-9])|[0-9]++)(?:\.[0-9]++)?(?:[ \t]?万[余多]?)?"
    join = r"[ \t]?(?:-{1,2}|~{1,2}|→|/|:)[ \t]?[+-]?"
    chain = rf"{number}(?:(?![ \t]{{0,2}}{_PER_LENGTH})(?:[ \t]{{0,2}}{plain})?{join}{number}){{0,4}}+"
    return rf"(?<![0-9.])(?:(?<![0-9a-z)%°])[+-])?{chain}(?:[ \t]{{0,2}}(?P<unit>{unit}))?"


def _numeral_source() -> str:
    """A Chinese numeral with a unit of rates, counts, time or shares, or with one at the other end of 至."""
    rate = "|".join(map(re.escape, longest_first(unit for unit, kind in unit_kinds().items() if kind == "rate")))
    counting = "次(?![性日要级极数])|阵(?![发性])|对(?![比应称])|个(?![月小导周星别性])"
    unit = rf"(?:{rate})(?![a-z])|{counting}|秒钟?|毫秒|毫伏|%"
    return (
        rf"(?P<numeral>{NUMERAL})(?:[ \t]{{0,2}}(?P<unit>{unit})|(?=[至到]约?{NUMERAL}[ \t]{{0,2}}(?P<later>{rate})))"
    )


def _unit_source(unit: str) -> str:
    """A Han unit that is no reading must touch its number: after a blank it begins the next word (44 床旁)."""
    touching = not unit.isascii() and (unit_kinds()[unit] == "none" or unit == "分")
    return rf"(?<![ \t]){re.escape(unit)}(?!析)" if touching else re.escape(unit)


# Counts per recording, 111次/22.7h: the length belongs to the unit.
_PER_LENGTH = r"(?:次|个|阵|对)[ \t]?/[ \t]?[0-9]{1,3}(?:\.[0-9]{1,2})?[ \t]?(?:小时|h|天|分钟)"


@cache
def unit_kinds() -> dict[str, str]:
    """Folded unit -> rate, value, seconds or none."""
    units = table("patterns.toml")["units"]
    return {fold(unit): kind for kind in ("none", "value", "seconds", "rate") for unit in units[kind]}


@cache
def patterns() -> NumberPatterns:
    """The patterns, compiled once."""
    number = _number_source()
    gap = r"[ \t]{0,4}"
    return NumberPatterns(
        number=re.compile(number),
        numeral=re.compile(_numeral_source()),
        percent=re.compile(rf"百分之(?:[0-9]{{1,3}}(?:\.[0-9]{{1,3}})?|{NUMERAL})"),
        per_minute=re.compile(r"每分钟?[ \t]{0,2}(?:大约|约|为|仅|达|:)?[ \t]{0,2}$"),
        to_later=re.compile(rf"{gap}[至到]{gap}约?{number}"),
        ratio=re.compile(rf"{_RATIO}(?:[-~]{_RATIO})?{gap}(?:{_alternatives('names', 'after_ratio')})"),
        range_over_time=re.compile(rf"{gap}\(\x00{{1,30}}\){gap}[-~]{gap}"),
        no_bare_after=re.compile(r"[a-z]|[ \t]?(?:[年月日点]|时(?!间)|分(?!析))"),
        names_with_digits=re.compile(r"(?:ptf)?[rs]?v[1-9]r?|pnn[0-9]{2}|cha2ds2|[rst][1-3](?=[qt、,/])"),
        administrative=re.compile(_ADMINISTRATIVE, re.MULTILINE),
        axes=re.compile(_AXES),
        limit_before=re.compile(rf"(?:{_alternatives('thresholds', 'before')})[ \t]{{0,2}}$"),
        change=re.compile(rf"(?:{_alternatives('thresholds', 'changes')})(?:了|约|大约)?[ \t]{{0,2}}$"),
        limit_after=re.compile(rf"{gap}(?:{_alternatives('thresholds', 'after')})"),
        reference=re.compile(_alternatives("thresholds", "reference")),
        reference_end=re.compile(rf"(?:{_alternatives('thresholds', 'reference')})[ \t]*\Z"),
        reference_line=re.compile(rf"[ \t\[(]*(?:{_alternatives('thresholds', 'reference')})[ \t\r\])]*:?[ \t\r]*"),
        normal_before=re.compile(_normal_before_source()),
        normal_heading=re.compile(rf"[ \t]*(?:{_alternatives('thresholds', 'reference')}|{_NORMAL})[ \t]*[:=为是]"),
        lasting=re.compile("|".join(words("patterns.toml", "times", "duration_words"))),
        interval=re.compile("|".join(words("patterns.toml", "times", "interval_words"))),
        pause=re.compile("|".join(words("patterns.toml", "times", "pause_words"))),
        plain_lasting=re.compile("|".join(words("patterns.toml", "times", "plain_duration_words"))),
        count_gap=re.compile(rf"{gap}[:=|]?{gap}\(?(?:共计|共有|共|总数|总计|总|计|约)?{gap}[:=]?{gap}$"),
        unit_in_brackets=re.compile(r"\([^()\n]{1,12}\)[ \t:=]{0,4}$"),
    )


# P-R-T轴 60 45 38: one reading of two or three angles set apart by blanks.
_AXES = r"(?:轴|axes)[ \t]{0,4}[:=]?[ \t]{0,4}[+-]?[0-9]{1,3}°?(?:[ \t]{1,3}[+-]?[0-9]{1,3}°?){1,2}(?!\.?[0-9])"

_RATIO = r"[0-9]{1,2}[:/][0-9]{1,2}"

# Ids, list numbers, ordinal numbers.
_ADMINISTRATIVE = (
    r"(?:(?<![a-z])id|编号|[住病门检登][院历诊查记](?:号|编号)|床号|病案号|电话|条码|条形码|序号|号码|卡号)"
    r"[ .:#]{0,4}[a-z0-9-]{0,24}"
    r"|(?:^|(?<=[\n;,。\]]))[ \t]{0,8}\(?[0-9]{1,2}[.、)](?![0-9])"
    r"|(?<=[:\s])[0-9][.、)](?=[^0-9\s])|(?<=[\n;。 \t])\([0-9]{1,2}\)"
    r"|第[0-9]{1,3}(?:级|次|页|份|例|导|个|阵|组|肋|段|跳)"
)
