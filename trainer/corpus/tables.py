"""CSV and TSV exports of Label Studio as rows of JSON-MIN; regions are JSON in a cell (label-studio-sdk 2.1.2)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from backend.parsing.rows import MALFORMED, UNEVEN, Record, is_broken, table
from trainer.corpus.files import Lost
from trainer.corpus.tasks import ROW_FIELDS

SUFFIXES = (".csv", ".tsv")


def is_table(text: str, suffix: str) -> bool:
    """Whether the text is a table: by its name, or by a header that Label Studio writes."""
    return suffix in SUFFIXES or ("annotation_id" in text.lstrip().partition("\n")[0] and text.lstrip()[:1] not in "[{")


def rows_of(text: str) -> list[dict[str, Any] | Lost]:
    """The rows as JSON-MIN, a `Lost` for each that cannot be read, also for a header that is malformed."""
    head, records = table(text)
    if head is None:
        return [Lost("line 1", "the header is malformed CSV")]
    if twice := [place for place, name in enumerate(head, start=1) if name and name in head[: place - 1]]:
        return [Lost("line 1", f"column {twice[0]} has the name of an earlier one: rename one of them")]
    return [_row(head, record) for record in records if record.cells != []]


def _row(head: Sequence[str], record: Record) -> dict[str, Any] | Lost:
    place, cells = f"line {record.line}", record.cells
    if cells is None:
        return Lost(place, f"{MALFORMED[0].lower()}: {MALFORMED[1]}")
    if len(cells) != len(head):
        return Lost(place, f"{UNEVEN[0].lower()}: {UNEVEN[1]}")
    if any(map(is_broken, cells)):
        return Lost(place, "it holds characters that no text has")
    try:
        return {name: _value(name, cell) for name, cell in zip(head, cells, strict=True)}
    except (ValueError, RecursionError):
        return Lost(place, "a cell begins like a list of regions and is no JSON, perhaps cut by a spreadsheet program")


def _value(name: str, cell: str) -> Any:
    """Regions as a list, numbers in the columns of Label Studio as numbers, everything else as it stands."""
    if name in ROW_FIELDS:
        return int(cell) if cell.isascii() and cell.isdecimal() and len(cell) < 20 else cell or None
    return json.loads(cell) if cell.startswith(("[{", "[[")) or cell == "[]" else cell
