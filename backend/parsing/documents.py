"""The texts of an uploaded document: bytes and a file name in, reports as text out. No file is opened here.

    .txt          one report
    .docx         one report: paragraphs and tables in reading order, a row's cells set apart by tabs
    .csv          one report per row, in one column
    .jsonl        one report per line: a string, or an object with the text under one key

Text is decoded by a byte order mark, else as UTF-8, else as GB18030, each strictly. Guessing by statistics
(charset-normalizer) was rejected: reports are short and full of digits, and a wrong guess is silent, while text in
GB18030 is hardly ever valid UTF-8. Where it is, it gives letters of scripts that no report has, and is taken for
GB18030 for that: of the 250 reports and 1,682 clauses of the example pool only 女 and 窦缓, alone, are misread.
Line ends stay as they are.

    BadRequest
    └── TooLarge    more than the limit
"""

from __future__ import annotations

import codecs
import csv
import io
import json
import re
import unicodedata
import zipfile
from collections import Counter
from collections.abc import Iterator
from pathlib import PurePath
from typing import TYPE_CHECKING

from backend.errors import BackendError, BadRequest

if TYPE_CHECKING:
    from docx.blkcntnr import BlockItemContainer
    from docx.document import Document
    from docx.table import Table

LIMIT = 5 * 1024 * 1024
"""Bytes of a document, and of the text in it."""
UNPACKED_LIMIT = 50 * 1024 * 1024
"""Bytes that the parts of a .docx may unpack to. Pictures count; a report with a scanned page has a few MB."""
PARTS_LIMIT = 2_000
COLUMN = "text"

_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_ZIP, _OLE = b"PK\x03\x04", bytes.fromhex("d0cf11e0a1b11ae1")
_MAGIC = (_ZIP, _OLE, b"%PDF", b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"\x1f\x8b", b"7z\xbc\xaf")
_BINARY_SHARE = 0.01  # of characters that no text has
_CERTAIN = 4  # Chinese characters that are UTF-8 before an error: then the file is damaged UTF-8, not GB18030
_FOREIGN = re.compile("[\u0080-\u009f\u0250-\u036f\u0400-\u07ff]")  # what 2 bytes of GB18030 are in UTF-8
_THREE_BYTES = re.compile("[\u0800-\uffff]")
_KNOWN = ".txt, .docx, .csv, .jsonl"


class TooLarge(BadRequest):
    """A document over the limit."""

    status = 413


def texts(data: bytes, name: str = "", column: str = COLUMN) -> list[str]:
    """The reports in a document; the file name's suffix says which kind it is, none means plain text.

    `column` is the column of a CSV file and the key of a JSON line. Rows and lines without text give an empty text,
    so that the order stays. Raises BadRequest, TooLarge.
    """
    if len(data) > LIMIT:
        raise TooLarge("The document is too large", f"{len(data)} bytes", f"send at most {LIMIT} bytes")
    suffix = PurePath(name).suffix.lower()
    if suffix == ".docx":
        found = [_docx(data)]
    elif suffix == ".csv":
        found = _csv(decode(data), column)
    elif suffix in (".jsonl", ".ndjson"):
        found = _json_lines(decode(data), column)
    elif suffix in ("", ".txt", ".text"):
        found = [decode(data)]
    else:
        hint = "save it as .docx first" if suffix == ".doc" else f"send one of {_KNOWN}"
        raise BadRequest("This kind of document cannot be read", suffix, hint)
    if not any(text.strip() for text in found):
        raise BadRequest("The document has no text", f"{len(data)} bytes", "send a report")
    return found


def decode(data: bytes) -> str:
    """The text of the bytes; raises BadRequest for binary content and for an encoding that is none of the three."""
    if data.startswith(_MAGIC):
        raise BadRequest("This is no text file", f"begins with {data[:4].hex()}", f"send {_KNOWN} under its name")
    encoding = next((encoding for mark, encoding in _MARKS if data.startswith(mark)), None)
    try:
        text = data.decode(encoding) if encoding else _decode_unmarked(data)
    except UnicodeDecodeError as error:
        raise BadRequest(
            "The text is neither UTF-8 nor GB18030", f"byte {error.start}", "save it as UTF-8 and send it again"
        ) from None
    strange = sum(times for char, times in Counter(text).items() if _is_strange(char))
    if "\x00" in text or strange > _BINARY_SHARE * len(text):
        raise BadRequest("This is no text file", f"{strange} control characters", f"send one of {_KNOWN}")
    return text


def _is_strange(char: str) -> bool:
    """Whether no text has the character: control, private use, unassigned. SUB ends texts of old systems."""
    return unicodedata.category(char) in ("Cc", "Co", "Cn") and char not in "\t\n\r\f\v\x1a"


def _decode_unmarked(data: bytes) -> str:
    try:
        text = data.decode("utf-8")
        return data.decode("gb18030") if _FOREIGN.search(text) and not _THREE_BYTES.search(text) else text
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8")
        if sum("\u4e00" <= char <= "\u9fff" for char in before[-1000:]) >= _CERTAIN:
            raise
        return data.decode("gb18030")


def _csv(text: str, column: str) -> list[str]:
    """One text per row. The separator is the one of , ; and tab that the header has most of."""
    header = text.lstrip("\r\n").split("\n", 1)[0]
    separator = max(",;\t", key=header.count)
    rows = csv.DictReader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        columns = rows.fieldnames or []
        if column not in columns:
            # The names are not quoted: without a header they would be the text of a report.
            hint = f"name one of its {len(columns)} columns in the first row, or say which one holds the reports"
            raise BadRequest("The CSV file lacks the column", column, hint)
        return [row[column] or "" for row in rows]
    except csv.Error:
        raise BadRequest("The CSV file is malformed", f"line {rows.line_num}", "quote texts with line ends") from None


def _json_lines(text: str, key: str) -> list[str]:
    lines = ((number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip())
    return [_json_text(line, number, key) for number, line in lines]


def _json_text(line: str, number: int, key: str) -> str:
    hint = f'each line is a string, or an object with a string under "{key}"'
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        raise BadRequest("The line is not JSON", f"line {number}", hint) from None
    said = value.get(key) if isinstance(value, dict) else value
    if not isinstance(said, str):
        raise BadRequest("The line holds no text", f"line {number}", hint)
    return said


def _docx(data: bytes) -> str:
    if data.startswith(_OLE):
        raise BadRequest("The document is encrypted or an old .doc", "", "remove the password, or save it as .docx")
    _check_parts(data)
    try:
        return _text(data)
    except BackendError:
        raise
    except Exception as error:  # a damaged file can raise anything: KeyError, XMLSyntaxError, AttributeError ...
        raise _no_word_document(type(error).__name__) from None


def _text(data: bytes) -> str:
    import docx

    lines: list[str] = []
    size = 0
    for line in _lines(docx.Document(io.BytesIO(data))):
        lines.append(line)
        size += len(line.encode("utf-8")) + 1
        if size > LIMIT:
            raise TooLarge("The document's text is too large", f"over {LIMIT} bytes", "send fewer reports at once")
    return "\n".join(lines)


def _check_parts(data: bytes) -> None:
    """Refuse what is no Word document or unpacks to too much, before anything is unpacked.

    The sizes are those that the archive declares; zipfile never unpacks more of a part than that.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            parts = archive.infolist()
    except (zipfile.BadZipFile, ValueError, OSError):
        raise _no_word_document("no ZIP archive") from None
    size = sum(part.file_size for part in parts)
    if size > UNPACKED_LIMIT or len(parts) > PARTS_LIMIT:
        hint = f"send at most {UNPACKED_LIMIT} bytes in {PARTS_LIMIT} parts"
        raise TooLarge("The document unpacks to too much", f"{size} bytes in {len(parts)} parts", hint)
    if "word/document.xml" not in {part.filename for part in parts}:
        raise _no_word_document("no word/document.xml inside")


def _no_word_document(why: str) -> BadRequest:
    return BadRequest("This is no Word document", why, "save it as .docx in a word processor")


def _lines(container: Document | BlockItemContainer) -> Iterator[str]:
    """Paragraphs and rows in reading order. Page headers and footers, notes and text boxes are left out."""
    from docx.text.paragraph import Paragraph

    for block in container.iter_inner_content():
        if isinstance(block, Paragraph):
            yield block.text
        else:
            yield from _rows(block)


def _rows(table: Table) -> Iterator[str]:
    from docx.table import _Cell

    # Not row.cells: it repeats a merged cell as often as the file says, which may be a billion times.
    for row in table.rows:
        cells = (_Cell(cell, table) for cell in row._tr.tc_lst)
        yield "\t".join(" ".join(line.strip() for line in _lines(cell) if line.strip()) for cell in cells)
