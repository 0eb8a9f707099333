"""Bare numbers in the columns of a table: a header line names them, the rows below hold nothing but numbers."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from backend.rules import plausibility
from backend.rules.names import RATE, VALUE, name_before
from backend.rules.readings import Reading

_CELL = re.compile(r"[^\s|]+")
_NUMBER = re.compile(r"[0-9]{1,7}(?:\.[0-9]{1,3})?")
_FEWEST_CELLS = 3
_FEWEST_NAMED = 2


def find(text: str, finding_ends: Collection[int]) -> Iterator[Reading]:
    """Readings of tables in the folded text. Times must be blanked out; `finding_ends` as in `readings.find`."""
    columns: list[str | None] = []
    at = 0
    for line in text.split("\n"):
        cells = [(at + match.start(), match[0]) for match in _CELL.finditer(line)]
        if columns and len(cells) == len(columns) and any(_NUMBER.fullmatch(said) for _, said in cells):
            yield from _row(cells, columns)
        elif cells:
            columns = _header(text, cells, finding_ends)
        at += len(line) + 1


def _header(text: str, cells: list[tuple[int, str]], finding_ends: Collection[int]) -> list[str | None]:
    """What each column holds (None: nothing to label), or an empty list if this is no header."""
    if len(cells) < _FEWEST_CELLS or any(re.search(r"[0-9\x00]", said) for _, said in cells):
        return []
    columns = [_column(text, start + len(said), finding_ends) for start, said in cells]
    return columns if sum(column is not None for column in columns) >= _FEWEST_NAMED else []


def _column(text: str, end: int, finding_ends: Collection[int]) -> str | None:
    if end in finding_ends:
        return VALUE
    kind = name_before(text, end)
    return kind if kind in (RATE, VALUE) else None


def _row(cells: list[tuple[int, str]], columns: list[str | None]) -> Iterator[Reading]:
    for (start, said), column in zip(cells, columns, strict=True):
        if _NUMBER.fullmatch(said) and (column == VALUE or (column == RATE and plausibility.is_rate(float(said)))):
            yield Reading(start, start + len(said), column, "table")
