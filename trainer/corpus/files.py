"""Files as text and JSON: gzip or not, UTF-8, UTF-16 or GB18030, one value or one a line."""

from __future__ import annotations

import gzip
import json
import zlib
from pathlib import Path
from typing import Any

from backend.errors import BadRequest, CorpusError
from backend.parsing.documents import decode

GZIP = b"\x1f\x8b"


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
    """Text in UTF-8, else with the byte order mark of UTF-16, else in GB18030; raises CorpusError for anything else."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass
    try:
        return decode(content)
    except BadRequest as error:
        told = f"Neither UTF-8 nor GB18030 text ({error.what}: {error.value})"
        raise CorpusError(told, path, "give a JSON export of Label Studio") from None


def json_values(text: str, path: Path) -> list[Any]:
    """The items of a JSON list, the one object of a file, or the values of JSON lines; raises CorpusError."""
    if not text.strip():
        raise CorpusError("The file is empty", path)
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        if not _is_lines(text):
            raise CorpusError(f"Not JSON ({_told(error)})", path, "give a JSON export of Label Studio") from None
        return _lines(text, path)
    if not isinstance(value, list | dict):
        raise CorpusError("A list of tasks is expected, not a single value", path)
    return value if isinstance(value, list) else [value]


def _is_lines(text: str) -> bool:
    """Whether the first line holds a whole JSON object or list."""
    try:
        return isinstance(json.loads(text.lstrip().partition("\n")[0]), dict | list)
    except (ValueError, RecursionError):
        return False


def _lines(text: str, path: Path) -> list[Any]:
    values = []
    # Not splitlines: a report may hold a raw U+2028.
    for place, line in enumerate(text.split("\n"), start=1):
        try:
            values += [json.loads(line)] if line.strip() else []
        except (ValueError, RecursionError) as error:
            raise CorpusError(
                f"Line {place} is not JSON ({getattr(error, 'msg', 'a value out of range')})", path
            ) from None
    return values


def _told(error: Exception) -> str:
    """What went wrong, without any text of the file."""
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} in line {error.lineno}, column {error.colno}"
    if isinstance(error, RecursionError):
        return "nested too deeply"
    return str(error.strerror or type(error).__name__) if isinstance(error, OSError) else type(error).__name__
