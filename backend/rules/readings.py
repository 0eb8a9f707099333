"""Numbers by pattern: heart rates, other values, and seconds that last.

Works on the folded text. A number is judged by its unit first, then by the name before it, then by the finding it
counts; numbers that are thresholds, reference ranges, ages, ids, doses or settings are none of these.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache

from backend.rules.fold import fold
from backend.rules.resources import longest_first, table, words
from backend.rules.trie import Trie

# What a number turns out to be.
RATE, VALUE, LASTING = "rate", "value", "duration"
FOREIGN = "foreign"  # of another organ or of the equipment: no reading

_REACH = 40  # characters before a number that may explain it
_LOWEST_RATE, _HIGHEST_RATE = 15, 600  # 1/min; a bare number outside is no heart rate (flutter waves reach 450)
_MOST_BEATS_PER_MINUTE = 30  # 1/min; ectopic beats per minute stay below, rates above


@dataclass(frozen=True, slots=True)
class Reading:
    """A number with its unit in the folded text; `rule` says why it is what it is."""

    start: int
    end: int
    kind: str
    rule: str


def find(text: str, finding_ends: Collection[int], beat_ends: Collection[int]) -> list[Reading]:
    """Readings of the folded text, sorted and disjoint.

    Times must be blanked out before. `finding_ends` are the ends of the findings that can be counted,
    `beat_ends` of those that are single beats: a small rate right after one of these counts beats.
    """
    patterns = _patterns()
    masked = patterns.names_with_digits.sub(lambda match: re.sub(r"[0-9]", "x", match[0]), text)
    masked = patterns.administrative.sub(lambda match: "\x01" * len(match[0]), masked)
    masked = patterns.axes.sub(lambda match: re.sub(r"(?<=[0-9°])[ \t](?=[ \t]*[+-]?[0-9])", "/", match[0]), masked)
    readings: list[Reading] = []
    for match in patterns.number.finditer(masked):
        start, end = match.start(), match.end()
        verdict = _judge(masked, match, readings[-1] if readings else None, finding_ends, beat_ends)
        if verdict is None:
            continue
        kind, rule = verdict
        if kind == RATE and masked[start] in "+-":
            start += 1
        readings.append(Reading(start, end, kind, rule))
    return readings


def _judge(
    text: str, match: re.Match[str], previous: Reading | None, finding_ends: Collection[int], beat_ends: Collection[int]
) -> tuple[str, str] | None:
    """Kind and rule of one number, or None."""
    unit = _unit(match)
    if unit == "none" or _is_limit(text, match.start(), match.end()):
        return None
    if name_before(text, match.start()) == FOREIGN:
        return None
    if unit == "rate":
        beats = _counted(text, match.start()) in beat_ends and _largest(match) <= _MOST_BEATS_PER_MINUTE
        return (VALUE, "beats-per-minute") if beats else (RATE, "rate")
    if unit == "value":
        return VALUE, "unit"
    if unit == "seconds":
        return (LASTING, "seconds") if _lasts(text, match.start()) else (VALUE, "interval")
    return _judge_bare(text, match, previous, finding_ends)


def _judge_bare(
    text: str, match: re.Match[str], previous: Reading | None, finding_ends: Collection[int]
) -> tuple[str, str] | None:
    """A number without unit: the name before it, the finding it counts, or its partner decides."""
    start, end = match.start(), match.end()
    if _patterns().no_bare_after.match(text, end):
        return None
    later = _patterns().to_later.match(text, end)
    if later:
        unit = _unit(later)
        return {"rate": (RATE, "rate"), "value": (VALUE, "unit"), "seconds": (VALUE, "interval")}.get(unit)
    name = name_before(text, start)
    if name == RATE:
        return (RATE, "bare-rate") if plausible_rate(match[0]) else None
    if name == VALUE:
        return VALUE, "bare-value"
    if _patterns().ratio.match(text, start):
        return VALUE, "ratio"
    if _counted(text, start) in finding_ends:
        return VALUE, "bare-count"
    return _like_previous(text, match, previous)


def _like_previous(text: str, match: re.Match[str], previous: Reading | None) -> tuple[str, str] | None:
    """`52(\\0\\0)-128`: the other end of a range; `18.1%(20107/110888)`: the fraction behind a share."""
    if previous is None or match.start() - previous.end > _REACH:
        return None
    between = text[previous.end : match.start()]
    if _patterns().range_over_time.fullmatch(between):
        return previous.kind, "range"
    if between == "(" and "/" in match[0] and text[previous.end - 1] == "%":
        return VALUE, "ratio"
    return None


def _unit(match: re.Match[str]) -> str:
    """Kind of the number's unit: rate, value, seconds, none (no reading of the heart), or empty without a unit."""
    unit = match["unit"]
    return "" if unit is None else _unit_kinds().get(unit, "value")


def _largest(match: re.Match[str]) -> float:
    return max(float(number.replace(",", "")[:12]) for number in re.findall(r"[0-9][0-9,]*\.?[0-9]*", match[0]))


def plausible_rate(said: str) -> bool:
    """Whether every number of a bare reading can be a heart rate."""
    numbers = re.findall(r"[0-9]+(?:\.[0-9]+)?", said)
    return all(_LOWEST_RATE <= float(number[:12]) <= _HIGHEST_RATE for number in numbers)


def _is_limit(text: str, start: int, end: int) -> bool:
    """Whether the number is a threshold or part of a reference range."""
    patterns = _patterns()
    before = text[max(0, start - _REACH) : start]
    if patterns.limit_before.search(before[-8:]) or patterns.limit_after.match(text, end):
        return True
    clause = re.split(r"[,。;\n()]", before)[-1]
    return patterns.reference.search(clause) is not None


def _lasts(text: str, start: int) -> bool:
    """Whether seconds are a duration: the last word of duration stands nearer than the last word of interval.

    After a pause the plain words (持续) do not make a duration: the length of a pause is an interval.
    """
    patterns = _patterns()
    before = re.split(r"[。;\n]", text[max(0, start - _REACH) : start])[-1]
    pauses = [m.end() for m in patterns.pause.finditer(before)]
    lasting = [
        m.end() for m in patterns.lasting.finditer(before) if not (pauses and patterns.plain_lasting.fullmatch(m[0]))
    ]
    interval = [m.end() for m in patterns.interval.finditer(before)]
    return bool(lasting) and lasting[-1] > (interval[-1] if interval else -1)


def _counted(text: str, start: int) -> int:
    """Where the thing that the number counts would end: blanks, a colon and words like 共 are stepped over."""
    found = _patterns().count_gap.search(text[max(0, start - 12) : start])
    return start - (len(found[0]) if found else 0)


def name_before(text: str, start: int) -> str | None:
    """RATE, VALUE or FOREIGN if a name of that kind stands before the number, words like 约 stepped over."""
    names = _names()
    floor = max(0, start - _REACH)
    i = start
    while True:
        found = names.known.longest(text, i)
        if found is not None and found[0] >= floor:
            return found[1]
        bracket = _patterns().unit_in_brackets.search(text[max(floor, i - 14) : i])
        step = names.between.longest(text, i)
        if bracket:
            i -= len(bracket[0])
        elif step is not None and step[0] >= floor:
            i = step[0]
        else:
            return None


@dataclass(frozen=True)
class _Names:
    known: Trie[str]
    between: Trie[str]


@cache
def _names() -> _Names:
    names = table("patterns.toml")["names"]
    known = [
        *((fold(word), FOREIGN) for word in names["foreign"]),
        *((fold(word), RATE) for word in names["rate"]),
        *((fold(word), VALUE) for word in names["value"]),
    ]
    between = [(fold(word), word) for word in names["between"]]
    return _Names(Trie(known, backward=True), Trie(between, backward=True))


@dataclass(frozen=True)
class _Patterns:
    number: re.Pattern[str]
    to_later: re.Pattern[str]
    ratio: re.Pattern[str]
    range_over_time: re.Pattern[str]
    no_bare_after: re.Pattern[str]
    names_with_digits: re.Pattern[str]
    administrative: re.Pattern[str]
    axes: re.Pattern[str]
    limit_before: re.Pattern[str]
    limit_after: re.Pattern[str]
    reference: re.Pattern[str]
    lasting: re.Pattern[str]
    interval: re.Pattern[str]
    pause: re.Pattern[str]
    plain_lasting: re.Pattern[str]
    count_gap: re.Pattern[str]
    unit_in_brackets: re.Pattern[str]


def _alternatives(section: str, key: str) -> str:
    return "|".join(map(re.escape, words("patterns.toml", section, key)))


def _number_source() -> str:
    """One number or a chain of numbers joined by - ~ → / :, each with an optional unit; group `unit` is the last."""
    units = longest_first(_unit_kinds())
    plain = rf"(?:{'|'.join(map(_unit_source, units))})(?![a-z²])"
    unit = rf"(?:{_PER_LENGTH}|{plain})"
    number = r"(?:[0-9]{1,3}(?:,[0-9]{3})++(?![0-9])|[0-9]++)(?:\.[0-9]++)?(?:[ \t]?万[余多]?)?"
    join = r"[ \t]?(?:-{1,2}|~{1,2}|→|/|:)[ \t]?[+-]?"
    chain = rf"{number}(?:(?![ \t]{{0,2}}{_PER_LENGTH})(?:[ \t]{{0,2}}{plain})?{join}{number}){{0,4}}+"
    return rf"(?<![0-9.])(?:(?<![0-9a-z)%°])[+-])?{chain}(?:[ \t]{{0,2}}(?P<unit>{unit}))?"


def _unit_source(unit: str) -> str:
    """A Han unit that is no reading must touch its number: after a blank it begins the next word (44 床旁)."""
    touching = not unit.isascii() and (_unit_kinds()[unit] == "none" or unit == "分")
    return rf"(?<![ \t]){re.escape(unit)}(?!析)" if touching else re.escape(unit)


# Counts per recording, 111次/22.7h: the length belongs to the unit.
_PER_LENGTH = r"(?:次|个|阵|对)[ \t]?/[ \t]?[0-9]{1,3}(?:\.[0-9]{1,2})?[ \t]?(?:小时|h|天|分钟)"


@cache
def _unit_kinds() -> dict[str, str]:
    """Folded unit -> rate, value, seconds or none."""
    units = table("patterns.toml")["units"]
    return {fold(unit): kind for kind in ("none", "value", "seconds", "rate") for unit in units[kind]}


@cache
def _patterns() -> _Patterns:
    number = _number_source()
    gap = r"[ \t]{0,4}"
    return _Patterns(
        number=re.compile(number),
        to_later=re.compile(rf"{gap}[至到]{gap}约?{number}"),
        ratio=re.compile(rf"{_RATIO}(?:[-~]{_RATIO})?{gap}(?:{_alternatives('names', 'after_ratio')})"),
        range_over_time=re.compile(rf"{gap}\(\x00{{1,30}}\){gap}[-~]{gap}"),
        no_bare_after=re.compile(r"[a-z]|[ \t]?(?:[年月日点]|时(?!间)|分(?!析))"),
        names_with_digits=re.compile(r"(?:ptf)?[rs]?v[1-9]r?|pnn[0-9]{2}|cha2ds2|[rst][1-3](?=[qt、,/])"),
        administrative=re.compile(_ADMINISTRATIVE, re.MULTILINE),
        axes=re.compile(_AXES),
        limit_before=re.compile(rf"(?:{_alternatives('thresholds', 'before')})[ \t]{{0,2}}$"),
        limit_after=re.compile(rf"{gap}(?:{_alternatives('thresholds', 'after')})"),
        reference=re.compile(_alternatives("thresholds", "reference")),
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
