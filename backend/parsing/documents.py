"""The texts of an uploaded document: bytes and a file name in, reports as text out. No file is opened here.

    .txt          one report
    .docx         one report: paragraphs and tables in reading order, a row's cells set apart by tabs
    .rtf, .doc    one report, in RTF or as plain text
    .csv          one report per row, in one column
    .jsonl        one report per line: a string, or an object with the text under one key

Word and RTF are known by their content, whatever the name.

Text is decoded by a byte order mark, else as UTF-8, else as GB18030, each strictly. Guessing by statistics
(charset-normalizer) was rejected: reports are short and full of digits, and a wrong guess is silent, while text in
GB18030 is hardly ever valid UTF-8. Where it is, it gives letters of scripts that no report has, and is taken for
GB18030 for that: of the 250 reports and 1,682 clauses of the example pool only 女 and 窦缓, alone, are misread.
Text in Big5 would be read as wrong characters: it is known by them, and refused.
Line ends stay as they are.

    BadRequest
    └── TooLarge    more than the limit
"""

from __future__ import annotations

import codecs
import contextlib
import io
import re
import zipfile
from collections import Counter
from pathlib import PurePath
from typing import NamedTuple

from backend.errors import BackendError, BadRequest
from backend.parsing import rtf, word
from backend.parsing.rows import Row, csv_rows, is_strange, json_rows

LIMIT = 5 * 1024 * 1024
"""Bytes of a document, and of the text in it."""
UNPACKED_LIMIT = 50 * 1024 * 1024
"""Bytes that the parts of a .docx may unpack to. Pictures count; a report with a scanned page has a few MB."""
PARTS_LIMIT = 2_000
COLUMN = "text"

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"), (b"\x84\x31\x95\x33", "gb18030"),
    (b"+/v8", "utf-7"), (b"+/v9", "utf-7"),
)  # fmt: skip
WORD = (".docx", ".docm", ".dotx", ".dotm")
_FOREIGN_DOCUMENTS = {
    "%pdf": "PDF", "<!doctype html": "a web page", "<html": "a web page", "<head": "a web page",
    "<body": "a web page", "<meta": "a web page", "mime-version:": "a web archive (MHTML)",
    "<?mso-application": "Word XML", "<pkg:package": "Word XML", "<?xml": "XML",
}  # fmt: skip
"""What a document begins with, behind comments -> what it is."""
_COMMENTS = re.compile(r"\s*(<!--.*?-->\s*)*", re.DOTALL)
_OTHER_ARCHIVES = {
    "xl/workbook.xml": "an Excel workbook", "ppt/presentation.xml": "a presentation",
    "content.xml": "an OpenDocument file",
}  # fmt: skip
_ZIP, _OLE = b"PK\x03\x04", bytes.fromhex("d0cf11e0a1b11ae1")
_MAGIC = (_ZIP, _OLE, b"%PDF", b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"\x1f\x8b", b"7z\xbc\xaf")
_BINARY_SHARE = 0.01  # of characters that no text has
_CERTAIN = 4  # Chinese characters that are UTF-8 before an error: then the file is damaged UTF-8, not GB18030
_FOREIGN = re.compile("[\u0080-\u009f\u0250-\u036f\u0400-\u07ff]")  # what 2 bytes of GB18030 are in UTF-8
_THREE_BYTES = re.compile("[\u0800-\uffff]")
_USUAL = {
    "gb18030": re.compile(rb"[\x00-\x7f]|[\xa1-\xa3\xa6\xa9\xb0-\xf7][\xa1-\xfe]"),
    "big5": re.compile(rb"[\x00-\x7f]|[\xa1-\xc6]."),
}
"""The characters that reports are written in, where each encoding has them; elsewhere are rare and foreign ones."""
_KNOWN = ".txt, .docx, .rtf, .csv, .jsonl"
_FEW = 20  # control characters that a short table may hold: they cost their rows alone


class TooLarge(BadRequest):
    """A document over the limit."""

    status = 413


class Contents(NamedTuple):
    """The reports of a document, an error in the place of a row that is lost, and what was not read, by name.

    `converted`: the text stands in no file as it is, so whoever uses offsets needs it.
    """

    texts: list[Row]
    left_out: tuple[str, ...] = ()
    converted: bool = False


def read(data: bytes, name: str = "", column: str = COLUMN) -> Contents:
    """What a document holds. Its content says which kind it is, where it is no plain text; else the name's suffix.

    `column` is the column of a CSV file and the key of a JSON line. Rows and lines without text are errors in their
    places, so that the order stays. Raises BadRequest, TooLarge; also when no row at all can be read.
    """
    if len(data) > LIMIT:
        raise TooLarge("The document is too large", f"{len(data)} bytes", f"send at most {LIMIT} bytes")
    found = _read(data, PurePath(name).suffix.lower(), column)
    if not any(isinstance(text, str) and text.strip() for text in found.texts):
        lost = next((text for text in found.texts if isinstance(text, BadRequest)), None)
        raise lost or BadRequest("The document has no text", f"{len(data)} bytes", "send a report")
    return found


def _read(data: bytes, suffix: str, column: str) -> Contents:
    if data[:4096].removeprefix(codecs.BOM_UTF8).lstrip().startswith(b"{\\rtf"):
        return _converted(rtf.read(data))
    if kind := foreign_kind(data):
        raise BadRequest("This kind of document cannot be read", kind, "save it as .docx first")
    if data.startswith(_OLE):
        raise BadRequest("The document is encrypted or an old .doc", "", "remove the password, or save it as .docx")
    if data.startswith(_ZIP) or suffix in WORD:
        return _word(data)
    if suffix == ".csv":
        return Contents(csv_rows(decode_rows(data), column))
    if suffix in (".jsonl", ".ndjson"):
        return Contents(json_rows(decode_rows(data), column))
    if suffix in ("", ".txt", ".text", ".doc", ".rtf"):
        return Contents([decode(data)])
    hint = "save it as .docx first" if suffix in (".wps", ".odt", ".pages") else f"send one of {_KNOWN}"
    raise BadRequest("This kind of document cannot be read", suffix, hint)


def foreign_kind(data: bytes) -> str:
    """What a document is that no text stands in as it is, by what it begins with; "" for any other."""
    start = data[:4096].decode(_marked(data) or "latin-1", "ignore").lstrip("\ufeff")
    start = _COMMENTS.sub("", start, count=1).lower()
    return next((kind for mark, kind in _FOREIGN_DOCUMENTS.items() if start.startswith(mark)), "")


def decode(data: bytes) -> str:
    """The text of the bytes; raises BadRequest for binary content and for an encoding that is none of the known."""
    _refuse_binary(data)
    try:
        text = _decode(data, "strict")
    except UnicodeDecodeError as error:
        raise _undecodable(f"byte {error.start}") from None
    strange = _strange(text)
    if "\x00" in text or strange > _BINARY_SHARE * len(text):
        raise BadRequest("This is no text file", f"{strange} control characters", f"send one of {_KNOWN}")
    return text


def decode_rows(data: bytes) -> str:
    """The same for a table: a byte that is wrong becomes a lone surrogate and costs its row."""
    _refuse_binary(data)
    try:
        text = _decode(data, "strict")
    except UnicodeDecodeError:
        text = _decode(data, "surrogateescape")
    if not text.isprintable() and _strange(text) > _BINARY_SHARE * len(text) + _FEW:
        raise BadRequest("This is no text file", f"{_strange(text)} control characters", f"send one of {_KNOWN}")
    return text


def _refuse_binary(data: bytes) -> None:
    if data.startswith(_MAGIC):
        kind = f"begins with {data[:4].hex()}"
        raise BadRequest("This is no text file", kind, "save it as .docx, or as text in UTF-8")


def _undecodable(why: str) -> BadRequest:
    hint = "save it as UTF-8: UTF-8, GB18030 (GBK) and, with a byte order mark, UTF-16 and UTF-32 are read"
    return BadRequest("The text is neither UTF-8 nor GB18030", why, hint)


def _strange(text: str) -> int:
    return sum(times for char, times in Counter(text).items() if is_strange(char))


def _marked(data: bytes) -> str | None:
    return next((encoding for mark, encoding in _MARKS if data.startswith(mark)), None)


def _decode(data: bytes, errors: str) -> str:
    """By the mark, which never stays in the text, not even a second one."""
    encoding = _marked(data)
    text = data.decode(encoding, errors) if encoding else _decode_unmarked(data, errors)
    return text.lstrip("\ufeff")


def _decode_unmarked(data: bytes, errors: str) -> str:
    try:
        text = data.decode("utf-8")
        return _gb18030(data, errors) if _FOREIGN.search(text) and not _THREE_BYTES.search(text) else text
    except UnicodeDecodeError as error:
        before = data[: error.start].decode("utf-8")
        if sum("\u4e00" <= char <= "\u9fff" for char in before[-1000:]) >= _CERTAIN:
            return data.decode("utf-8", errors)
        return _gb18030(data, errors)


def _gb18030(data: bytes, errors: str) -> str:
    """The text; raises BadRequest for Big5, whose bytes are characters of GB18030 as well, but seldom usual ones."""
    text = data.decode("gb18030", errors)
    with contextlib.suppress(UnicodeDecodeError):
        if _unusual(text, "gb18030") > _unusual(data.decode("big5"), "big5"):
            raise _undecodable("it seems to be Big5")
    return text


def _unusual(text: str, encoding: str) -> int:
    usual = {char for char in set(text) if _USUAL[encoding].fullmatch(char.encode(encoding, "replace"))}
    return sum(char not in usual for char in text)


def _word(data: bytes) -> Contents:
    with _open_archive(data) as archive:
        _check_parts(archive)
        try:
            reading = word.read(archive)
        except BackendError:
            raise
        except Exception as error:  # a damaged archive can raise anything: zlib.error, NotImplementedError ...
            raise word.refusal(type(error).__name__) from None
    return _converted(reading)


def _converted(reading: word.Reading) -> Contents:
    text, left_out = reading
    if not text.strip() and left_out:
        hint = f"it holds only: {', '.join(left_out)}; move the text into the body"
        raise BadRequest("The document has no text in its body", "", hint)
    return Contents([_within_limit(text)], left_out, converted=True)


def _within_limit(text: str) -> str:
    if len(text.encode("utf-8", "replace")) > LIMIT:
        raise TooLarge("The document's text is too large", f"over {LIMIT} bytes", "send fewer reports at once")
    return text


def _check_parts(archive: zipfile.ZipFile) -> None:
    """Refuse what unpacks to too much, before anything is unpacked, and other documents by name.

    The sizes are those that the archive declares; zipfile never unpacks more of a part than that.
    """
    parts = archive.infolist()
    size = sum(part.file_size for part in parts)
    if size > UNPACKED_LIMIT or len(parts) > PARTS_LIMIT:
        hint = f"send at most {UNPACKED_LIMIT} bytes in {PARTS_LIMIT} parts"
        raise TooLarge("The document unpacks to too much", f"{size} bytes in {len(parts)} parts", hint)
    names = {part.filename for part in parts}
    for name, kind in _OTHER_ARCHIVES.items():
        if name in names:
            raise word.refusal(kind)


def _open_archive(data: bytes) -> zipfile.ZipFile:
    """The archive in the bytes; raises BadRequest."""
    try:
        return zipfile.ZipFile(io.BytesIO(data))
    except (zipfile.BadZipFile, ValueError, OSError):
        raise word.refusal("no ZIP archive") from None
