"""Clock times of readings and findings.

A time belongs to what stands directly before it (140次/分（11:55）, 发生于09-07 11:35, 121 bpm at 17:55), several in
a list to the same thing (（00:28、04:13）). A time before belongs to what follows it in the same clause
(10:39:25 成对室早, 白天平均心率80次/分), in the same line when the line begins with it (a row of a table by hours), and
in the same sentence when 此时/当时 refers to it - unless it is the time of something before. The time at which the
whole tracing was taken is the time of nothing in it; lengths (23小时44分) are no times. Times are dealt out in order
where 分别为 stands between as many times and findings (23:23心悸、15:23乏力，分别为窦速（109次/分）及房早).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, cached_property

from backend.parsing.layout import Layout
from backend.parsing.report import Moment
from backend.parsing.resources import words
from backend.rules.resources import words as rule_words
from backend.rules.times import clocks

_SPANS_BACK = 12  # spans between a time and what it belongs to: a row of an hourly table has five
_DATE = re.compile(r"(?:19|20)[0-9]{2}[-/.年]|[0-9]{1,2}月[0-9]|[0-9]{1,2}[-/.][0-9]{1,2}[ t]")
_AFTERNOON = re.compile(r"下午|傍晚|晚|午后|pm|p\.m\.")
_MIDNIGHT = re.compile(r"凌晨|夜|am|a\.m\.")
_LIST = re.compile(r"[ \t]*[、,/和及][ \t]*")
_OPENING = re.compile(r"[ \t]*[(]?[ \t]*(?:[0-9]{1,3}[.)、][ \t]*)?$")


@dataclass(frozen=True)
class Moments:
    """The times of one report and what each belongs to."""

    layout: Layout

    def after(self, i: int) -> list[Moment]:
        """The times that directly follow span `i`."""
        return [self.moment(j) for j in self._owned.get(i, ())]

    def of(self, i: int) -> Moment | None:
        """The time of span `i`: the one after it, else the one before it."""
        following = self.after(i)
        return following[0] if following else self.before(i)

    def before(self, i: int) -> Moment | None:
        """The time before span `i` that is its own: a time of day or a part of the day, no mere date."""
        layout, start = self.layout, self.layout.spans[i].start
        if i in self._dealt:
            return self.moment(self._dealt[i])
        for j in range(i - 1, max(-1, i - 1 - _SPANS_BACK), -1):
            time = layout.spans[j]
            if not layout.same_sentence(time.end, start) and layout.line_start(start) != layout.line_start(time.start):
                return None
            if time.label == "TIME" and j not in self._claimed and self._is_moment(j):
                if self._is_date(j):
                    continue
                return self.moment(j) if self._reaches(j, i) else None
        return None

    def moment(self, j: int) -> Moment:
        """Span `j` as a moment."""
        span = self.layout.spans[j]
        clock = clock_of(self.layout.folded[span.start : span.end])
        return Moment(text=self.layout.text[span.start : span.end], clock=clock, start=span.start, end=span.end)

    def _reaches(self, j: int, i: int) -> bool:
        """Whether the time `j` is that of the later span `i`."""
        layout = self.layout
        time, span, gap = layout.spans[j], layout.spans[i], layout.gap(j, i)
        if _patterns().tracing.search(layout.folded[layout.sentence_start(time.start) : time.start]):
            return False
        if layout.same_sentence(time.end, span.start):
            if _patterns().same_moment.search(gap):
                return True
            if "," not in gap and all(layout.spans[k].label == "TIME" for k in range(j + 1, i)):
                return True
        line = layout.line_start(time.start)
        begins = _OPENING.match(layout.folded[line : time.start]) is not None
        return begins and layout.line_start(span.start) == line and not re.search(r"[。;,①-⑳]", gap)

    @cached_property
    def _owned(self) -> dict[int, list[int]]:
        """Span -> the times that directly follow it."""
        owned: dict[int, list[int]] = {}
        owner = -1
        for j, span in enumerate(self.layout.spans):
            if span.label != "TIME":
                owner = j
                continue
            if owner < 0 or not self._is_moment(j):
                owner = -1
            elif j == owner + 1 and self._follows(owner, j):
                owned[owner] = [j]
            elif owner in owned and owned[owner][-1] == j - 1 and _LIST.fullmatch(self.layout.gap(j - 1, j)):
                owned[owner].append(j)
            else:
                owner = -1
        return owned

    @cached_property
    def _claimed(self) -> frozenset[int]:
        return frozenset(j for times in self._owned.values() for j in times)

    def _follows(self, i: int, j: int) -> bool:
        """Whether the time `j`, the next span, is that of span `i`."""
        layout, gap = self.layout, self.layout.gap(i, j)
        if not _patterns().connecting.fullmatch(gap):
            return False
        if gap.strip() != ",":
            return True
        # A bare comma: only when nothing follows that the time could belong to (140次/分，11:55；).
        return re.match(r"[ \t]*(?:[,。;)\n\r|]|$)", layout.folded[layout.spans[j].end :][:8]) is not None

    @cached_property
    def _dealt(self) -> dict[int, int]:
        """Span -> its time where 分别为 deals out as many times as findings follow."""
        dealt: dict[int, int] = {}
        for match in _patterns().respectively.finditer(self.layout.folded):
            first = self.layout.index_from(match.end())
            near = range(max(0, first - _SPANS_BACK), min(len(self.layout.spans), first + _SPANS_BACK))
            times = [j for j in near if j < first and self._is_dealt(j, match.start(), "TIME")]
            found = [j for j in near if j >= first and self._is_dealt(j, match.start(), "EVENT", "DIAG")]
            if 1 < len(times) == len(found):
                for k, i in enumerate(found):
                    following = found[k + 1] if k + 1 < len(found) else i + 1
                    dealt |= dict.fromkeys(range(i, following), times[k])
        return dealt

    def _is_dealt(self, j: int, middle: int, *labels: str) -> bool:
        span = self.layout.spans[j]
        left, right = sorted((span.start, middle))
        fits = span.label in labels and self.layout.same_sentence(left, right)
        return fits and (span.label != "TIME" or (j not in self._claimed and self._is_moment(j)))

    def _is_date(self, j: int) -> bool:
        span = self.layout.spans[j]
        said = self.layout.folded[span.start : span.end]
        return clock_of(said) is None and _patterns().day_part.search(said) is None

    def _is_moment(self, j: int) -> bool:
        """Whether the TIME span is a clock time, a date or a part of the day, and no length."""
        span = self.layout.spans[j]
        said = self.layout.folded[span.start : span.end]
        return bool(clock_of(said) or _DATE.search(said) or _patterns().day_part.search(said))


def clock_of(said: str) -> str | None:
    """The time of day in a folded TIME span, 24 hours; None for a date, a length, a part of the day, or none (24:30).

    >>> clock_of("下午5:07"), clock_of("04-01 01:04"), clock_of("14时21分"), clock_of("23小时44分"), clock_of("2点半")
    ('17:07', '01:04', '14:21', None, '02:30')
    """
    clock = next(iter(clocks(said)), None)
    if clock is None or not clock.exists:
        return None
    hour = clock.hour
    if _AFTERNOON.search(said) and hour < 12:
        hour += 12
    elif _MIDNIGHT.search(said) and hour == 12:
        hour = 0
    return f"{hour:02}:{clock.minute:02}" + ("" if clock.second is None else f":{clock.second:02}")


@dataclass(frozen=True)
class _Patterns:
    connecting: re.Pattern[str]
    same_moment: re.Pattern[str]
    tracing: re.Pattern[str]
    day_part: re.Pattern[str]
    respectively: re.Pattern[str]


@cache
def _patterns() -> _Patterns:
    def any_of(key: str) -> str:
        return "|".join(map(re.escape, words("times", key)))

    days = [*rule_words("patterns.toml", "times", "day_parts"), *rule_words("patterns.toml", "times", "relative_days")]
    return _Patterns(
        connecting=re.compile(rf"[ \t]*[,(/|]?[ \t]*(?:(?:{any_of('after')})[ \t]*){{0,2}}[:]?[ \t]*"),
        same_moment=re.compile(any_of("same_moment")),
        tracing=re.compile(rf"(?:{any_of('tracing')})[ \t]*[:为]?[ \t]*(?:[^\u4e00-\u9fff]*[至到~-][ \t]*)?$"),
        respectively=re.compile(any_of("respectively")),
        day_part=re.compile("|".join(map(re.escape, days))),
    )
