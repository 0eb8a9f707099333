"""Numbers in the columns of a table: a header line names bare ones, and says which columns are reference ranges."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from backend.rules import plausibility
from backend.rules.names import RATE, VALUE, interval_before, is_of_heart, name_before
from backend.rules.number_patterns import patterns
from backend.rules.readings import Reading
from backend.rules.torn import Fits

_CELL = re.compile(r"[^\s|]+")
_NUMBER = re.compile(r"[0-9]{1,7}(?:\.[0-9]{1,3})?")
_WIDE_CELL = re.compile(r"[^\s|]+(?: [^\s|]+)*")
_FEWEST_CELLS = 3
_FEWEST_NAMED = 2


@dataclass(frozen=True, slots=True)
class _Column:
    """What a column holds, and what its numbers can be."""

    kind: str
    fits: Fits


def find(text: str, finding_ends: Collection[int], most: float) -> Iterator[Reading]:
    """Readings of tables in the folded text. Times must be blanked out; the rest is as in `readings.find`."""
    columns: list[_Column | None] = []
    at = 0
    for line in text.split("\n"):
        cells = [(at + match.start(), match[0]) for match in _CELL.finditer(line)]
        if columns and len(cells) == len(columns) and any(_NUMBER.fullmatch(said) for _, said in cells):
            yield from _row(cells, columns)
        elif cells:
            columns = _header(text, cells, finding_ends, most)
        at += len(line) + 1


def without_references(text: str) -> str:
    """The folded text, same length, with NUL characters in the columns whose header says 参考值 or the like."""
    if patterns().reference.search(text) is None:
        return text
    size = 0
    columns: list[int] = []
    lines = []
    for line in text.split("\n"):
        cells = _cells(line)
        if len(cells) >= _FEWEST_CELLS and not re.search(r"[0-9]", line):
            size = len(cells)
            columns = [k for k, cell in enumerate(cells) if patterns().reference.search(line, *cell)]
        elif len(cells) != size:
            columns = []
        for start, end in [cells[k] for k in columns]:
            line = line[:start] + "\x00" * (end - start) + line[end:]
        lines.append(line)
    return "\n".join(lines)


def _cells(line: str) -> list[tuple[int, int]]:
    """Where the cells of a line are: between bars, tabs or wide gaps, else between single blanks."""
    wide = [match.span() for match in _WIDE_CELL.finditer(line)]
    return wide if len(wide) > 1 else [match.span() for match in _CELL.finditer(line)]


def _header(
    text: str, cells: list[tuple[int, str]], finding_ends: Collection[int], most: float
) -> list[_Column | None]:
    """What each column holds (None: nothing to label), or an empty list if this is no header."""
    if len(cells) < _FEWEST_CELLS or any(re.search(r"[0-9\x00]", said) for _, said in cells):
        return []
    columns = [_column(text, start + len(said), finding_ends, most) for start, said in cells]
    return columns if sum(column is not None for column in columns) >= _FEWEST_NAMED else []


def _column(text: str, end: int, finding_ends: Collection[int], most: float) -> _Column | None:
    kind = VALUE if end in finding_ends else name_before(text, end)
    if kind == RATE:
        of_heart = is_of_heart(text, end)
        return _Column(RATE, lambda value: plausibility.is_rate(value, of_heart))
    if kind == VALUE:
        interval = interval_before(text, end)
        return _Column(VALUE, lambda value: value <= most and plausibility.is_measurement(value, None, interval))
    return None


def _row(cells: list[tuple[int, str]], columns: list[_Column | None]) -> Iterator[Reading]:
    for (start, said), column in zip(cells, columns, strict=True):
        if column is not None and _NUMBER.fullmatch(said) and column.fits(float(said)):
            yield Reading(start, start + len(said), column.kind, "table")
