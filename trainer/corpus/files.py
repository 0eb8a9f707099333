"""Files as text and JSON: gzip or not, UTF-8, UTF-16 or GB18030, one value or one a line.

A row or line that cannot be read is a `Lost` in its place: it costs itself alone, and is told.
"""

from __future__ import annotations

import gzip
import json
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backend.errors import BadRequest, CorpusError
from backend.parsing.documents import decode_rows, foreign_kind

GZIP = b"\x1f\x8b"
HINT = "give a JSON export of Label Studio"
_FOREIGN = {
    b"\x78\x01": "a .spacy file", b"\x78\x9c": "a .spacy file", b"\x78\xda": "a .spacy file", b"PAR1": "Parquet",
    b"ARROW1": "Arrow", b"SQLite format 3": "SQLite", b"%PDF": "PDF", b"\xd0\xcf\x11\xe0": "an old Excel or Word file",
    b"{\\rtf": "RTF",
}  # fmt: skip
"""What a file begins with -> what it is; a DocBin of spaCy is compressed with zlib."""


@dataclass(frozen=True)
class Lost:
    """A row or line that cannot be read: where it stands ("line 4"), and why. No report text."""

    place: str
    why: str


def content_of(path: Path) -> bytes:
    """The file's content, decompressed if it is gzip; raises CorpusError."""
    try:
        content = path.read_bytes()
        return gzip.decompress(content) if content.startswith(GZIP) else content
    except (OSError, EOFError, zlib.error) as error:
        raise CorpusError(f"Cannot read ({_told(error)})", path) from None


def text_of(path: Path) -> str:
    """The file's text; raises CorpusError when it is none."""
    return decoded(content_of(path), path)


def decoded(content: bytes, path: Path) -> str:
    """Text by its byte order mark, else in UTF-8, else in GB18030; raises CorpusError for anything else.

    A byte that is wrong becomes a lone surrogate, which costs the report that holds it.
    """
    for mark, kind in _FOREIGN.items():
        if content.startswith(mark):
            raise CorpusError(f"The file is {kind}, which is not read", path, HINT)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass
    try:
        return decode_rows(content)
    except BadRequest as error:
        what = f"Neither UTF-8 nor GB18030 text ({error.value})"
        raise CorpusError(what, path, f"{HINT} in UTF-8, GB18030 or, with a byte order mark, UTF-16") from None


def json_values(text: str, path: Path) -> list[Any]:
    """The items of a JSON list, the one object of a file, or the values of JSON lines; raises CorpusError.

    Of a file in which at least half of the lines are JSON, the other lines are `Lost`.
    """
    if not text.strip():
        raise CorpusError("The file is empty", path)
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        lines = _lines(text)
        if 2 * sum(not isinstance(line, Lost) for line in lines) < len(lines):
            raise _no_json(text, error, path) from None
        if any(isinstance(line, list) and line and all(isinstance(task, dict) for task in line) for line in lines):
            raise _several(path) from None
        return lines
    if not isinstance(value, list | dict):
        raise CorpusError("A list of tasks is expected, not a single value", path)
    return value if isinstance(value, list) else [value]


def _no_json(text: str, error: Exception, path: Path) -> CorpusError:
    """What is said of a file that is neither JSON nor JSON lines: what it seems to be."""
    if kind := foreign_kind(text[:4096].encode("utf-8", "replace")):
        return CorpusError(f"The file is {kind}, which is not read", path, HINT)
    if text.lstrip()[0] not in "[{":
        what = "The file is plain text, in which nothing is marked"
        return CorpusError(what, path, f"{HINT}; `ecgal parse` reads plain reports")
    if isinstance(error, json.JSONDecodeError) and error.msg == "Extra data":
        return _several(path)
    return CorpusError(f"Not JSON ({_told(error)})", path, HINT)


def _several(path: Path) -> CorpusError:
    what = "The file holds several JSON values one behind the other"
    return CorpusError(what, path, "make one list of them, or write one task a line")


def _lines(text: str) -> list[Any]:
    # Not splitlines: a report may hold a raw U+2028.
    lines = ((place, line) for place, line in enumerate(text.split("\n"), start=1) if line.strip())
    return [_line(line, place) for place, line in lines]


def _line(line: str, place: int) -> Any:
    try:
        value = json.loads(line.lstrip("\ufeff"))
    except (ValueError, RecursionError) as error:
        return Lost(f"line {place}", f"it is not JSON ({getattr(error, 'msg', 'a value out of range')})")
    return value if isinstance(value, list | dict) else Lost(f"line {place}", "it holds a single value, no task")


def _told(error: Exception) -> str:
    """What went wrong, without any text of the file."""
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} in line {error.lineno}, column {error.colno}"
    if isinstance(error, RecursionError):
        return "nested too deeply"
    return str(error.strerror or type(error).__name__) if isinstance(error, OSError) else type(error).__name__
