"""One text per row of a CSV file or line of JSON lines; a row that cannot be read is an error in its place.

A quoted field of CSV may hold line ends. Where one does not close as it should, the row is the line it began on, and
reading goes on at the next line: a stray quote does not take the rows behind it along.
"""

from __future__ import annotations

import csv
import json
import unicodedata
from collections.abc import Iterator

from backend.errors import BadRequest

Row = str | BadRequest


def csv_rows(text: str, column: str) -> list[Row]:
    """The texts of a column. The separator is the one of , ; and tab that the header has most of."""
    lines = _lines(text)
    first = next((place for place, line in enumerate(lines) if line.strip()), 0)
    separator = max(",;\t", key=lines[first].count) if lines else ","
    records = _records(lines, first, separator)
    _, head = next(records, (0, []))
    columns = [name.strip().lstrip("\ufeff") for name in head or ()]
    if column not in columns:
        # The names are not quoted: without a header they would be the text of a report.
        hint = f"name one of its {len(columns)} columns in the first row, or say which one holds the reports"
        raise BadRequest("The CSV file lacks the column", column, hint)
    place = columns.index(column)
    return [_cell(cells, place, len(columns), number) for number, cells in records if cells != []]


def _lines(text: str) -> list[str]:
    """Physical lines with their ends: LF, CRLF or, in old files, CR alone."""
    pieces = text.splitlines(keepends=True)
    lines: list[str] = []
    for piece in pieces:  # splitlines also ends lines at signs that end none in CSV
        if lines and not lines[-1].endswith(("\n", "\r")):
            lines[-1] += piece
        else:
            lines.append(piece)
    return lines


def _records(lines: list[str], place: int, separator: str) -> Iterator[tuple[int, list[str] | None]]:
    """Number of the first line, from 1, and the cells of each record; None for one that is malformed.

    So is a record over several lines with another number of cells than the header: a quote is stray in it.
    """
    columns = 0
    while place < len(lines):
        reader = csv.reader((lines[number] for number in range(place, len(lines))), delimiter=separator, strict=True)
        begun, start = place, place
        try:
            for cells in reader:
                place = begun + reader.line_num
                columns = columns or len(cells)
                if place > start + 1 and len(cells) != columns:
                    raise csv.Error
                yield start + 1, cells
                start = place
            return
        except csv.Error:
            yield start + 1, None
            place = start + 1


def _cell(cells: list[str] | None, place: int, columns: int, number: int) -> Row:
    where = f"line {number}"
    if cells is None:
        return BadRequest(
            "The row is malformed", where, "quote texts that hold quotes or line ends, and double quotes in them"
        )
    while len(cells) > columns and not cells[-1]:
        cells.pop()
    if len(cells) != columns:
        hint = f"the header has {columns} columns and this row {len(cells)}: quote texts that hold the separator"
        return BadRequest("The row has another number of cells than the header", where, hint)
    return _checked(cells[place], where)


def json_rows(text: str, key: str) -> list[Row]:
    """The texts of JSON lines: strings, or objects with the text under a key."""
    lines = ((number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip())
    return [_json(line, f"line {number}", key) for number, line in lines]


def _json(line: str, where: str, key: str) -> Row:
    hint = f'each line is a string, or an object with a string under "{key}"'
    try:
        value = json.loads(line.lstrip("\ufeff"))
    except (ValueError, RecursionError):
        return BadRequest("The line is not JSON", where, hint)
    said = value.get(key) if isinstance(value, dict) else value
    return _checked(said, where) if isinstance(said, str) else BadRequest("The line holds no text", where, hint)


def _checked(text: str, where: str) -> Row:
    """Bytes that could not be decoded are lone surrogates here."""
    if any(
        unicodedata.category(char) == "Cs" or (is_strange(char) and unicodedata.category(char) == "Cc") for char in text
    ):
        return BadRequest(
            "The row holds characters that no text has", where, "save the file as UTF-8 and send it again"
        )
    return text


def is_strange(char: str) -> bool:
    """Whether no text has the character: control, private use, unassigned. SUB ends texts of old systems."""
    return unicodedata.category(char) in ("Cc", "Co", "Cn") and char not in "\t\n\r\f\v\x1a"
