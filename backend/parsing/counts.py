"""Which value counts which event.

A value that counts (次, 个, 阵, 对, without a unit) is the count of the event that it directly follows
(室早5次, 成对 8, 共101次); else of the event that directly follows it (3阵短阵室速); else of the last event before it
in the same sentence (一过性ST段压低：V1-V4导联0.1mV，3阵). It is none when its name says something else (最长一阵,
最多每小时), when the event has its count, or when a heart rate lies between. An event alone on its line is counted by
a total on the lines below (室性早搏 / 总数: 1293), an event in the header of a table by its one row or the row of
totals. A share (占1.2%, 负荷, in brackets) belongs to the event whose count it follows, else to the last event before
it in the sentence. What is counted by the hour (最多每小时) are the beats, not the couplets named in between. Beats
(短阵室速20跳) are no number of runs or pairs: they tell how long one is. Neither end of a range (3至5次) is a count,
nor is what exceeds the number of all beats.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cache, cached_property

from backend.parsing.canonical import canonical
from backend.parsing.credibility import credible_value
from backend.parsing.layout import Layout
from backend.parsing.naming import Name, name_of
from backend.parsing.quantities import Quantity, read
from backend.parsing.report import Number
from backend.parsing.resources import names, words

_DIRECT = re.compile(
    r"[ \t]*[:=|]?[ \t]*\(?[ \t]*(?:共计|共有|共|总数|总计|总|计|约|有|为|count|total)?[ \t]*[:=]?[ \t]*"
)
_BACK = 8  # spans between an event and its count
_HEADING_LINES = 120  # characters between an event that is a heading and its total
_TO = re.compile(r"[ \t]*[至到][ \t]*约?[ \t]*")
_PER_RECORDING = re.compile(r"/[ \t]?[0-9.]+[ \t]?(?:小时|h|天)$")


@dataclass(frozen=True, slots=True)
class Count:
    """How many, and in what (None: no unit); the value span it comes from."""

    value: int
    number: int
    unit: str | None


@dataclass(frozen=True)
class Counts:
    """Events and values of one report, by span index."""

    layout: Layout

    def count(self, i: int) -> Count | None:
        """The count of event `i`."""
        return self._counts.get(i)

    def percent(self, i: int) -> Number | None:
        """The share of all beats that event `i` has, in percent."""
        value = self._shares.get(i)
        return None if value is None else self.quantity(value).value

    def owner(self, value: int) -> int | None:
        """The finding (EVENT or DIAG) that a value counts or measures."""
        return self._owners.get(value)

    def name(self, value: int) -> Name:
        """What the value is called; beats of a run without a name are its length."""
        name = self._names[value]
        owner = self._owners.get(value) if name.canonical is None and self._in_beats(value) else None
        return replace(name, canonical=_words().length) if owner is not None and self._is_group(owner) else name

    def quantity(self, value: int) -> Quantity:
        """The numbers of the value."""
        return self._quantities[value]

    @cached_property
    def _indices(self) -> list[int]:
        return [i for i, span in enumerate(self.layout.spans) if span.label == "VALUE"]

    @cached_property
    def _names(self) -> dict[int, Name]:
        return {i: name_of(self.layout, i) for i in self._indices}

    @cached_property
    def _quantities(self) -> dict[int, Quantity]:
        spans = self.layout.spans
        found = {i: read(self.layout.folded, spans[i].start, spans[i].end) for i in self._indices}
        found = {i: credible_value(self.layout, spans[i], found[i], self._names[i].parts) for i in self._indices}
        named = (i for i in self._indices if self._names[i].canonical == _words().all_beats)
        totals = [found[i].value or 0 for i in named if not self.layout.header(spans[i])]  # else it may be of one hour
        return {i: self._within(quantity, max(totals, default=0)) for i, quantity in found.items()}

    def _within(self, quantity: Quantity, total: Number) -> Quantity:
        """The quantity; without its number if it counts more than the `total` of all beats (0: not stated)."""
        counts = quantity.unit is None or quantity.unit in _words().units
        if not total or not counts or (quantity.value or 0) <= total:
            return quantity
        return replace(quantity, parts=tuple(replace(part, value=None) for part in quantity.parts))

    @cached_property
    def _counts(self) -> dict[int, Count]:
        counts = self._column_totals()
        for i in self._indices:
            event = self._counted(i, counts) if self._counts_something(i) else None
            if event is not None and event not in counts and not (self._in_beats(i) and self._is_group(event)):
                counts[event] = self._as_count(i)
        return counts

    @cached_property
    def _shares(self) -> dict[int, int]:
        counted = {count.value: event for event, count in self._counts.items()}
        shares: dict[int, int] = {}
        for i in self._indices:
            name = self._names[i].canonical
            if self._quantities[i].unit != "%" or (name is not None and name not in _words().shares):
                continue
            direct = i > 0 and _DIRECT.fullmatch(self.layout.gap(i - 1, i)) is not None
            event = counted.get(i - 1) if direct else None
            event = self._before(i) if event is None else event
            if event is not None and (name or direct):
                shares.setdefault(event, i)
        return shares

    @cached_property
    def _owners(self) -> dict[int, int]:
        owners = {count.value: event for event, count in self._counts.items()}
        owners |= {value: event for event, value in self._shares.items()}
        for i in self._indices:
            if i not in owners and (event := self._measured(i)) is not None:
                owners[i] = event
        return owners

    def _as_count(self, i: int) -> Count:
        quantity = self._quantities[i]
        number = quantity.value
        assert isinstance(number, int)
        return Count(i, number, quantity.unit)

    def _counts_something(self, i: int) -> bool:
        quantity, name = self._quantities[i], self._names[i].canonical
        unit = _PER_RECORDING.sub("", quantity.unit or "")
        countable = not unit or unit in _words().units
        whole = isinstance(quantity.value, int) and not self._ends_range(i)
        return countable and whole and (name is None or name in _words().totals)

    def _ends_range(self, i: int) -> bool:
        """Whether value `i` is an end of a range: 3至5次."""
        left = self._label(i - 1) == "VALUE" and _TO.fullmatch(self.layout.gap(i - 1, i))
        return bool(left or (self._label(i + 1) == "VALUE" and _TO.fullmatch(self.layout.gap(i, i + 1))))

    def _in_beats(self, i: int) -> bool:
        """Whether value `i` is said in beats."""
        span = self.layout.spans[i]
        return self.layout.folded.endswith(_words().single, span.start, span.end)

    def _is_group(self, event: int) -> bool:
        """Whether event `event` is made of several beats: a run, a couplet."""
        span = self.layout.spans[event]
        return _words().groups.search(canonical(self.layout.text[span.start : span.end])) is not None

    def _counted(self, i: int, counts: dict[int, Count]) -> int | None:
        """The event that value `i` counts."""
        spans = self.layout.spans
        previous = self._label(i - 1) == "EVENT" and _DIRECT.fullmatch(self.layout.gap(i - 1, i)) is not None
        if previous and i - 1 not in counts:
            return i - 1
        if self._stands_before_event(i):
            return i + 1
        if self.layout.header(spans[i]) and self._header_event(i) is not None:
            return None  # settled by _column_totals
        event = self._before(i)
        return event if event is not None else self._heading(i)

    def _stands_before_event(self, i: int) -> bool:
        return self._label(i + 1) == "EVENT" and self.layout.gap(i, i + 1).strip() in ("", "的")

    def _before(self, i: int) -> int | None:
        """The last finding before `i` in its sentence if it is an event and no heart rate lies between."""
        for j in range(i - 1, max(-1, i - 1 - _BACK), -1):
            span = self.layout.spans[j]
            if span.label in ("HR", "DIAG") or not self.layout.same_sentence(span.end, self.layout.spans[i].start):
                return None
            if span.label == "EVENT":
                return j
        return None

    def _heading(self, i: int) -> int | None:
        """The event alone at the end of its line, of which value `i` is the total on a line below."""
        layout, start = self.layout, self.layout.spans[i].start
        if self._names[i].canonical not in _words().totals or self._label(i - 1) != "EVENT":
            return None
        end = layout.spans[i - 1].end
        rest = layout.folded[end : layout.line_end(end)]
        return i - 1 if start - end <= _HEADING_LINES and not rest.strip(" \t\r:]】。") else None

    def _measured(self, i: int) -> int | None:
        """The finding that value `i` means when it does not count it: relative by name, or in the same clause."""
        name, gap = self._names[i].canonical, ""
        if name is not None and name not in _words().relative:
            return None
        if self._in_beats(i) and self._stands_before_event(i):
            return i + 1
        header = self._header_event(i)
        if header is not None:
            return header
        for j in range(i - 1, max(-1, i - 1 - _BACK), -1):
            span = self.layout.spans[j]
            gap = self.layout.folded[span.end : self.layout.spans[i].start]
            if span.label == "HR" or not self.layout.same_sentence(span.end, self.layout.spans[i].start):
                return None
            if span.label in ("EVENT", "DIAG"):
                if name in _words().hourly and (origin := self._origin(j)) is not None:
                    return origin
                return j if name or "," not in gap or span.label == "EVENT" else None
        return None

    def _origin(self, event: int) -> int | None:
        """The beats (室早) among which those of `event` (成对, 二联律) are counted: they are counted by the hour."""
        for j in range(event, max(-1, event - _BACK), -1):
            span = self.layout.spans[j]
            if not self.layout.same_sentence(span.end, self.layout.spans[event].start):
                return None
            if span.label == "EVENT" and canonical(self.layout.text[span.start : span.end]) in _words().beats:
                return j
        return None

    def _column_totals(self) -> dict[int, Count]:
        """Events in the header of a table: their one row, or the row of totals."""
        columns: dict[int, list[int]] = {}
        for i in self._indices:
            event = self._header_event(i) if isinstance(self._quantities[i].value, int) else None
            if event is not None:
                columns.setdefault(event, []).append(i)
        totals: dict[int, Count] = {}
        for event, values in columns.items():
            marked = values if len(values) == 1 else [i for i in values if self._is_total_row(i)]
            if len(marked) == 1:
                totals[event] = self._as_count(marked[0])
        return totals

    def _header_event(self, i: int) -> int | None:
        header = self.layout.header(self.layout.spans[i])
        if header is None:
            return None
        j = self.layout.index_from(header[0])
        inside = j < len(self.layout.spans) and self.layout.spans[j].end <= header[1]
        return j if inside and self.layout.spans[j].label == "EVENT" else None

    def _is_total_row(self, i: int) -> bool:
        line = self.layout.line_start(self.layout.spans[i].start)
        return _words().total_row.match(self.layout.folded, line) is not None

    def _label(self, i: int) -> str:
        return self.layout.spans[i].label if 0 <= i < len(self.layout.spans) else ""


@dataclass(frozen=True)
class _Words:
    units: frozenset[str]
    all_beats: str
    totals: frozenset[str]
    shares: frozenset[str]
    relative: frozenset[str]
    hourly: frozenset[str]
    beats: frozenset[str]
    single: tuple[str, ...]
    groups: re.Pattern[str]
    length: str
    total_row: re.Pattern[str]


@cache
def _words() -> _Words:
    counting = names()["counting"]
    rows = "|".join(map(re.escape, words("counting", "total_rows")))
    return _Words(
        units=frozenset(counting["units"]),
        all_beats=counting["all_beats"],
        totals=frozenset(counting["totals"]),
        shares=frozenset(counting["shares"]),
        relative=frozenset(counting["relative"]),
        hourly=frozenset(counting["hourly"]),
        beats=frozenset(counting["beats"]),
        single=tuple(words("counting", "single")),
        groups=re.compile("|".join(map(re.escape, words("counting", "groups")))),
        length=counting["length"],
        total_row=re.compile(rf"[ \t|]*(?:{rows})"),
    )
