"""One text per row of a CSV file or line of JSON lines; a row that cannot be read is an error in its place.

A quoted field of CSV may hold line ends. Where one does not close as it should, the row is the line it began on, and
reading goes on at the next line: a stray quote does not take the rows behind it along.
"""

from __future__ import annotations

import csv
import json
import re
import unicodedata
from collections.abc import Iterator
from typing import NamedTuple

from backend.errors import BadRequest

Row = str | BadRequest

SEPARATOR = re.compile(r'"?sep=([,;\t])"?\s*', re.IGNORECASE)
LONGEST_CELL = 2**31 - 1
"""Characters; the limit of `csv`, 131,072, is less than the regions of a long report take in an export."""
MALFORMED = "The row is malformed", "quote texts that hold quotes or line ends, and double quotes in them"
SAYING = " (--column of the command, `column` of the API)"
UNEVEN = "The row has another number of cells than the header", "quote texts that hold the separator"


class Record(NamedTuple):
    """The cells of a row, None of a malformed one, [] of an empty line; and its first line, counted from 1."""

    line: int
    cells: list[str] | None


def csv_rows(text: str, column: str) -> list[Row]:
    """The texts of a column. The separator is the one of , ; and tab that the header has most of."""
    head, records = table(text)
    if head is None:
        raise BadRequest("The header of the CSV file is malformed", "line 1", MALFORMED[1])
    if column not in head:
        # The names are not quoted: without a header they would be the text of a report.
        hint = f"name one of its {len(head)} columns so in the first row, or say which one holds the reports{SAYING}"
        raise BadRequest("The CSV file lacks the column", column, hint)
    if head.count(column) > 1:
        hint = f"rename one of them, or say which one holds the reports{SAYING}"
        raise BadRequest(f"The CSV file has {head.count(column)} columns of the name", column, hint)
    place = head.index(column)
    return [_cell(record, place, len(head)) for record in records if record.cells != []]


def table(text: str) -> tuple[list[str] | None, list[Record]]:
    """The names of the columns, None where the header is malformed, and the records behind it.

    The separator is the one of a line `sep=;`, which spreadsheet programs write, else the most frequent in the header.
    """
    lines = _lines(text)
    first = next((place for place, line in enumerate(lines) if line.strip()), len(lines))
    if first == len(lines):
        return [], []
    told = SEPARATOR.fullmatch(lines[first])
    separator = told[1] if told else max(",;\t", key=lines[first].count)
    records = _records(lines, first + bool(told), separator)
    head = next(records, Record(first, []))
    if head.cells is None:
        return None, []
    names = [name.strip().lstrip("\ufeff") for name in head.cells]
    return names, [_filled(record, len(names)) for record in records]


def _filled(record: Record, columns: int) -> Record:
    """The record without empty cells behind the last column, which spreadsheet programs leave."""
    cells = record.cells
    while cells and len(cells) > columns and not cells[-1]:
        cells = cells[:-1]
    return Record(record.line, cells)


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


def _records(lines: list[str], place: int, separator: str) -> Iterator[Record]:
    """The records from a line on; one over several lines with another number of cells than the header is malformed.

    A quote is stray in it.
    """
    csv.field_size_limit(LONGEST_CELL)
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
                yield Record(start + 1, cells)
                start = place
            return
        except csv.Error:
            yield Record(start + 1, None)
            place = start + 1


def _cell(record: Record, place: int, columns: int) -> Row:
    where, cells = f"line {record.line}", record.cells
    if cells is None:
        return BadRequest(MALFORMED[0], where, MALFORMED[1])
    if len(cells) != columns:
        hint = f"the header has {columns} columns and this row {len(cells)}: {UNEVEN[1]}"
        return BadRequest(UNEVEN[0], where, hint)
    return _checked(cells[place], where)


def json_rows(text: str, key: str) -> list[Row]:
    """The texts of JSON lines: strings, or objects with the text under a key."""
    lines = ((number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip())
    return [_json(line, f"line {number}", key) for number, line in lines]


def _json(line: str, where: str, key: str) -> Row:
    hint = f'each line is a string, or an object with a string under "{key}"{SAYING}'
    try:
        value = json.loads(line.lstrip("\ufeff"), object_pairs_hook=lambda pairs: _object(pairs, key))
    except BadRequest as error:
        return BadRequest(error.what, where, error.hint)
    except (ValueError, RecursionError):
        return BadRequest("The line is not JSON", where, hint)
    said = value.get(key) if isinstance(value, dict) else value
    return _checked(said, where) if isinstance(said, str) else BadRequest("The line holds no text", where, hint)


def _object(pairs: list[tuple[str, object]], key: str) -> dict[str, object]:
    """The object; raises BadRequest where it has the key twice, because JSON would keep the last in silence."""
    if sum(name == key for name, _ in pairs) > 1:
        raise BadRequest("The line holds several texts", "", f'give one text under "{key}"{SAYING}')
    return dict(pairs)


def _checked(text: str, where: str) -> Row:
    if not text.strip():
        return BadRequest("The report has no text", where, "send a report")
    if is_broken(text):
        hint = "save the file as UTF-8 and send it again"
        return BadRequest("The row holds characters that no text has", where, hint)
    return text


def is_broken(text: str) -> bool:
    """Whether the text holds controls, or bytes that could not be decoded: they are lone surrogates here."""
    return not text.isprintable() and any(
        unicodedata.category(char) == "Cs" or (is_strange(char) and unicodedata.category(char) == "Cc") for char in text
    )


def is_strange(char: str) -> bool:
    """Whether no text has the character: control, private use, unassigned. SUB ends texts of old systems."""
    return unicodedata.category(char) in ("Cc", "Co", "Cn") and char not in "\t\n\r\f\v\x1a"
