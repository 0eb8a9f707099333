"""Heart rates: value, kind, time, and whose rate it is.

The kind is the last word of kind (names.toml, `kinds`) between the reading before and this one, in the same
sentence; a rate named again after a comma starts anew (平均心率正常，心室率90). Without one: words in brackets
right behind the number, then the header of the table's column, else `other`. Words in a list are dealt out in order:
最快/最慢心率分别为118、45次/分, 最慢/平均/最快 58/72/109bpm. A reading called 频率, or not named at all, after a run
in the same sentence is the rate of that run (短阵室速2阵，最快频率145次/分): of the run, kind `other`. Rates that
contradict their kinds (最慢132次/分，最快45次/分) are `other` as well.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import get_args

from backend.parsing.canonical import canonical
from backend.parsing.credibility import credible_rate
from backend.parsing.layout import Layout, mentions
from backend.parsing.moments import Moments
from backend.parsing.quantities import Quantity, read
from backend.parsing.report import HeartRate, Kind
from backend.parsing.resources import words
from backend.rules.trie import Trie

UNIT = "次/分"
_ASCENDING: tuple[Kind, ...] = ("slowest", "mean", "fastest")
_IN_BRACKETS = re.compile(r"[ \t]*\(([^()\n0-9]{1,12})\)")
_JOINING = re.compile(r"[ \t]*[、,/和及与][ \t]*")
_CONTINUING = re.compile(rf"[ \t]*\)?{_JOINING.pattern}")


@dataclass(frozen=True)
class Rates:
    """The heart rates of one report."""

    layout: Layout
    moments: Moments

    def __iter__(self) -> Iterator[HeartRate]:
        return _consistent(list(self._rates()))

    def _rates(self) -> Iterator[HeartRate]:
        waiting: list[Kind] = []
        for i, span in enumerate(self.layout.spans):
            if span.label != "HR":
                waiting = waiting if span.label == "TIME" else []
                continue
            quantity = credible_rate(self.layout, span, read(self.layout.folded, span.start, span.end))
            kinds, owner = self._listed(i), self._owner(i)
            if not kinds and waiting and _CONTINUING.fullmatch(self.layout.gap(i - 1, i)):
                kinds = waiting
            if 1 < len(kinds) == len(quantity.parts) and not quantity.is_range:
                yield from self._each(i, quantity, kinds)
                waiting = []
                continue
            # With several words and one number, the number is the first one's and the others wait for theirs.
            follows = len(kinds) > 1 and self._continued(i)
            waiting = kinds[1:] if follows or kinds is waiting else []
            kind = (kinds[0] if follows or len(kinds) == 1 else kinds[-1]) if kinds else self._beside(i)
            yield self._rate(i, quantity, "other" if owner else kind, owner)

    def _each(self, i: int, quantity: Quantity, kinds: list[Kind]) -> Iterator[HeartRate]:
        """One rate for each number of a chain."""
        for part, kind in zip(quantity.parts, kinds, strict=True):
            rate = self._rate(i, Quantity((part,), is_range=False, unit=None), kind, None)
            text = self.layout.text[part.start : part.end]
            yield rate.model_copy(update={"start": part.start, "end": part.end, "text": text})

    def _rate(self, i: int, quantity: Quantity, kind: Kind, owner: str | None) -> HeartRate:
        span = self.layout.spans[i]
        low, high = quantity.bounds
        return HeartRate(
            text=self.layout.text[span.start : span.end],
            start=span.start,
            end=span.end,
            confidence=round(span.score, 4),
            source=span.source,
            kind=kind,
            value=quantity.value,
            low=low,
            high=high,
            unit=UNIT,
            of=owner,
            time=self.moments.of(i),
        )

    def _lead(self, i: int) -> str:
        """The words before reading `i`: since the reading before or the beginning of the sentence."""
        start = self.layout.spans[i].start
        floor = self.layout.sentence_start(start)
        for j in range(i - 1, -1, -1):
            span = self.layout.spans[j]
            if span.end <= floor or span.label in ("HR", "VALUE"):
                floor = max(floor, span.end)
                break
        words_before = self.layout.folded[floor:start]
        comma = words_before.rfind(",") + 1
        return words_before[comma:] if mentions(_words().names, words_before[comma:]) else words_before

    def _listed(self, i: int) -> list[Kind]:
        """The word of kind that is nearest before reading `i`, and those before it in the same list; in order."""
        lead = self._lead(i)
        found = mentions(_words().kinds, lead)
        kinds: list[Kind] = []
        for position in range(len(found) - 1, -1, -1):
            _, end, kind = found[position]
            if kinds and not _words().listing.fullmatch(lead[end : found[position + 1][0]]):
                break
            kinds.insert(0, _kind(kind))
        return kinds

    def _continued(self, i: int) -> bool:
        """Whether the next span, times apart, is a rate in a list with this one."""
        spans, j = self.layout.spans, i + 1
        while j < len(spans) and spans[j].label == "TIME":
            j += 1
        return j < len(spans) and spans[j].label == "HR" and bool(_CONTINUING.fullmatch(self.layout.gap(j - 1, j)))

    def _beside(self, i: int) -> Kind:
        """The kind by the brackets behind the number, or by the header of the column."""
        span = self.layout.spans[i]
        bracket = _IN_BRACKETS.match(self.layout.folded, span.end)
        found = mentions(_words().kinds, bracket[1]) if bracket else []
        if not found and (header := self.layout.header(span)):
            found = mentions(_words().kinds, self.layout.folded[slice(*header)])
        return _kind(found[-1][2]) if found else "other"

    def _owner(self, i: int) -> str | None:
        """The run or flutter that reading `i` is the rate of."""
        span = self.layout.spans[i]
        for j in range(i - 1, -1, -1):
            before = self.layout.spans[j]
            if before.label == "HR" or not self.layout.same_sentence(before.end, span.start):
                return None
            if before.label in ("EVENT", "DIAG"):
                name = canonical(self.layout.text[before.start : before.end])
                between = self.layout.folded[before.end : span.start]
                owns = before.label == "EVENT" and _words().owners.search(name)
                return name if owns and not mentions(_words().names, between) else None
        return None


def _consistent(rates: list[HeartRate]) -> Iterator[HeartRate]:
    """The rates; where a slowest, a mean and a fastest in a row contradict each other, none of them is called so.

    A row ends where a kind comes again: the next line of a table, the night after the day.
    """
    row: dict[Kind, int] = {}
    kinds = [rate.kind for rate in rates]
    for i, rate in enumerate(rates):
        if rate.kind == "other" or rate.value is None:
            continue
        row = {rate.kind: i} if rate.kind in row else {**row, rate.kind: i}
        values = [rates[row[kind]].value or 0 for kind in _ASCENDING if kind in row]
        if values != sorted(values):
            kinds = ["other" if j in row.values() else kind for j, kind in enumerate(kinds)]
    for rate, kind in zip(rates, kinds, strict=True):
        yield rate if rate.kind == kind else rate.model_copy(update={"kind": kind})


def _kind(said: str) -> Kind:
    return next(kind for kind in get_args(Kind) if kind == said)


@dataclass(frozen=True)
class _Words:
    kinds: Trie[str]
    names: Trie[str]
    listing: re.Pattern[str]
    owners: re.Pattern[str]


@cache
def _words() -> _Words:
    heart = words("rates", "heart")
    return _Words(
        kinds=Trie((word, kind) for kind in get_args(Kind) for word in words("kinds", kind)),
        names=Trie((name, name) for name in heart),
        listing=re.compile(rf"(?:{'|'.join(map(re.escape, heart))})?{_JOINING.pattern}"),
        owners=re.compile("|".join(words("rates", "owners"))),
    )
