"""Structured reports as JSON, JSON lines and CSV. The same reports always give the same bytes.

CSV has one row per item, is UTF-8 with a byte order mark (Excel takes it for the local code page otherwise) and ends
lines with CRLF (RFC 4180). A text cell that a spreadsheet would run as a formula gets an apostrophe in front.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence

from backend.parsing.report import Item, StructuredReport
from backend.rules.fold import fold

BOM = b"\xef\xbb\xbf"
COLUMNS = (
    "report", "item", "canonical", "text", "value", "low", "high", "unit", "kind", "certainty", "count", "percent",
    "of", "time", "clock", "confidence", "source", "start", "end", "version",
)  # fmt: skip
_ITEM = {"heart_rates": "heart_rate", "measurements": "measurement", "events": "event", "diagnoses": "diagnosis"}
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
Cell = str | int | float | None


def to_json(report: StructuredReport) -> str:
    """One report as one line of JSON, Chinese as it is."""
    return report.model_dump_json()


def to_csv(reports: Iterable[tuple[str, StructuredReport]]) -> bytes:
    """All items of all reports, each with the name of its report (any id; a file name, say)."""
    return b"".join(csv_lines(reports))


def csv_lines(reports: Iterable[tuple[str, StructuredReport]]) -> Iterator[bytes]:
    """The same in pieces, for streams: byte order mark and header first, then report by report."""
    yield csv_head(COLUMNS)
    for name, report in reports:
        if rows := report_rows(name, report):
            yield rows


def report_rows(name: str, report: StructuredReport) -> bytes:
    """The rows of one report; nothing for a report without items."""
    return csv_rows(_row(name, kind, item, report.version) for kind, item in report.items())


def csv_head(columns: Sequence[str]) -> bytes:
    """What a CSV file begins with: the mark and the names of the columns."""
    return BOM + csv_rows([columns])


def csv_rows(rows: Iterable[Iterable[Cell]]) -> bytes:
    """Rows of CSV, safe to open in a spreadsheet. A lone surrogate becomes a question mark."""
    lines = io.StringIO()
    csv.writer(lines, lineterminator="\r\n").writerows([[_guarded(cell) for cell in row] for row in rows])
    return lines.getvalue().encode("utf-8", "replace")


def _row(name: str, kind: str, item: Item, version: str) -> tuple[Cell, ...]:
    fields = item.model_dump()
    moments = fields.pop("times", None) or [moment for moment in (fields.pop("time", None),) if moment]
    times = " ".join(moment["text"] for moment in moments)
    clocks = " ".join(moment["clock"] for moment in moments if moment["clock"])
    known = {**fields, "report": name, "item": _ITEM[kind], "version": version, "time": times, "clock": clocks}
    if kind == "measurements":
        known["canonical"] = item.canonical or item.name  # type: ignore[attr-defined]
    return tuple(known.get(column) for column in COLUMNS)


def _guarded(cell: Cell) -> Cell:
    """Numbers stay numbers; text that begins like a formula, in full width or after blanks as well, becomes text.

    >>> _guarded("=1+1"), _guarded(-41), _guarded("＋90°"), _guarded("室早")
    ("'=1+1", -41, "'＋90°", '室早')
    """
    risky = isinstance(cell, str) and fold(cell).lstrip(" \n").startswith(_FORMULA)
    return f"'{cell}" if risky else cell
