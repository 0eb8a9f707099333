"""CSV and TSV exports of Label Studio as rows of JSON-MIN; regions are JSON in a cell (label-studio-sdk 2.1.2)."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

from backend.errors import CorpusError
from trainer.corpus.tasks import ROW_FIELDS

SUFFIXES = (".csv", ".tsv")
HINT = "give the CSV, TSV or JSON export of Label Studio; only they tell where a span stands"
LONGEST_CELL = 2**31 - 1


def is_table(text: str, suffix: str) -> bool:
    """Whether the text is a table: by its name, or by a header that Label Studio writes."""
    return suffix in SUFFIXES or ("annotation_id" in _header(text) and text.lstrip()[:1] not in "[{")


def rows_of(text: str, path: Path) -> list[dict[str, Any]]:
    """The rows as JSON-MIN; raises CorpusError for a table without regions, or a row that does not fit the header."""
    separator = max(",;\t", key=_header(text).count)
    csv.field_size_limit(LONGEST_CELL)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    rows = []
    try:
        for row in reader:
            if None in row or None in row.values():
                raise CorpusError(f"Line {reader.line_num} has not as many cells as the header, in", path)
            rows.append({name: _value(name, cell) for name, cell in row.items()})
    except csv.Error:
        raise CorpusError(f"Line {reader.line_num} is malformed CSV, in", path, "quote cells with line ends") from None
    if not any(isinstance(value, list) for row in rows for value in row.values()):
        raise CorpusError("No column of the table holds regions", path, HINT)
    return rows


def _header(text: str) -> str:
    return text.lstrip().partition("\n")[0]


def _value(name: str, cell: str) -> Any:
    """Regions as a list, numbers in the columns of Label Studio as numbers, everything else as it stands."""
    if name in ROW_FIELDS:
        return int(cell) if cell.isascii() and cell.isdecimal() and len(cell) < 20 else cell or None
    if cell.startswith("[{"):
        try:
            return json.loads(cell)
        except (ValueError, RecursionError):
            return cell
    return cell
