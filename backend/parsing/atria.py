"""Rates of the atria (心房率, f波频率): measurements, and no heart rates, although their spans are labelled HR.

A name right before the reading or above its column decides, words like 约, 平均 and 频率 stepped over
(代之以f波，频率350-600次/分). Two names in a list are dealt out to two readings: 心房率、心室率分别为300次/分、75次/分.
"""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache

from backend.parsing.layout import Layout
from backend.parsing.resources import by_synonym, words
from backend.rules.fold import fold
from backend.rules.resources import longest_first
from backend.rules.resources import words as rule_words

_JOIN = r"[ \t]*[、,/和及与][ \t]*"
_READINGS = frozenset({"HR", "VALUE"})


def as_values(layout: Layout) -> Layout:
    """The layout with the label VALUE for the HR spans that are rates of the atria."""
    spans = tuple(
        replace(span, label="VALUE") if span.label == "HR" and rate_of_atria(layout, i) else span
        for i, span in enumerate(layout.spans)
    )
    return layout if spans == layout.spans else replace(layout, spans=spans)


def rate_of_atria(layout: Layout, i: int) -> re.Match[str] | None:
    """Where the words before reading `i`, or above its column, name it, in group `name`, as a rate of the atria."""
    named = _named(layout, i)
    if named is None and i and _continued(layout, i - 1):
        before = _named(layout, i - 1)
        return before if before and before["first"] else None
    if named is None:
        header = layout.header(layout.spans[i])
        return _pattern().search(layout.folded, *header) if header else None
    listed = _continued(layout, i)
    if (named["first"] and listed) or (named["second"] and not listed):
        return None  # the name is that of the next reading, or nobody knows of which
    return named


def canonical_rate(written: str) -> str:
    """What a folded name of a rate of the atria is called."""
    return _canonical()[written]


def _named(layout: Layout, i: int) -> re.Match[str] | None:
    start = layout.spans[i].start
    floor = layout.sentence_start(start)
    if i and layout.spans[i - 1].label in _READINGS:
        floor = max(floor, layout.spans[i - 1].end)
    return _pattern().search(layout.folded, floor, start)


def _continued(layout: Layout, i: int) -> bool:
    """Whether span `i` and the next are two readings in a list."""
    pair = [span.label in _READINGS for span in layout.spans[i : i + 2]]
    return pair == [True, True] and re.fullmatch(_JOIN, layout.gap(i, i + 1)) is not None


@cache
def _canonical() -> dict[str, str]:
    return {fold(written): name for written, name in by_synonym("atria")}


@cache
def _pattern() -> re.Pattern[str]:
    def any_of(alternatives: list[str]) -> str:
        return "|".join(map(re.escape, longest_first(alternatives)))

    atria = any_of(list(_canonical()))
    heart = any_of([name for name in words("rates", "heart") if name not in _canonical()])
    kinds = [word for kind in ("mean", "fastest", "slowest") for word in words("kinds", kind)]
    fillers = any_of(
        [*rule_words("patterns.toml", "names", "between"), *kinds, "频率", "范围", "的", "分别", "各", "("]
    )
    return re.compile(
        rf"(?<![a-z])(?P<first>(?:{heart}){_JOIN})?(?<![a-z])(?P<name>{atria})(?P<second>{_JOIN}(?:{heart}))?"
        rf"(?:\([^()]{{1,12}}\)|{fillers}|,(?=[ \t]*频率))*+\Z"
    )
