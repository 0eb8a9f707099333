"""Many reports through the structured parser: the HTTP route and `ecgal parse` share this.

A report that cannot be parsed costs only itself: its place is taken by an error that says why, without its text.
"""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import TypeVar

from backend.errors import BackendError, BadRequest
from backend.labelstudio.wire import LONGEST_REPORT
from backend.ner.spans import Span
from backend.parsing import StructuredReport, parse
from backend.parsing.documents import TooLarge, read
from backend.parsing.formats import COLUMNS, csv_head, csv_rows, report_rows, to_json
from backend.predictor import Predictor

logger = logging.getLogger(__name__)

SLICE, SLICE_TEXT = 32, 20_000
"""Reports, and characters in all, that are computed in one go; between two slices other requests have their turn."""
ID_LIMIT = 200
"""Characters of an id."""
SEVERAL = (".csv", ".jsonl", ".ndjson")
"""Suffixes of documents that hold many reports."""

Id = str | int
R = TypeVar("R")
T = TypeVar("T")


@dataclass(frozen=True)
class Item:
    """A text to parse under its id; `text` may be anything that was sent. `error`: it could not even be read.

    `left_out` names what its document holds besides the text: page headers, pictures and so on. `converted`: the text
    was made of a document, so that the answer carries it: its offsets are those of that text.
    """

    id: Id
    text: object
    error: BackendError | None = None
    left_out: tuple[str, ...] = ()
    converted: bool = False

    @property
    def size(self) -> int:
        """Characters."""
        return len(self.text) if isinstance(self.text, str) else 0


@dataclass(frozen=True)
class Parsed:
    """What came of an item."""

    id: Id
    outcome: StructuredReport | BackendError
    left_out: tuple[str, ...] = ()
    text: str = ""
    """What was read from a Word or RTF document."""

    def to_json(self) -> str:
        """One line of JSON: id and report, or id and error; the same input gives the same bytes."""
        if isinstance(self.outcome, StructuredReport):
            return f'{{"id":{json.dumps(self.id, ensure_ascii=False)},"report":{to_json(self.outcome)}{self._told()}}}'
        error = {"error": self.outcome.what, "value": self.outcome.value, "hint": self.outcome.hint}
        return json.dumps({"id": self.id, **error}, ensure_ascii=False, separators=(",", ":"))

    def report_json(self) -> str:
        """The report alone; raises the error of one that failed."""
        if isinstance(self.outcome, BackendError):
            raise self.outcome
        return f"{to_json(self.outcome)[:-1]}{self._told()}}}"

    def _told(self) -> str:
        """The members `left_out` and `document_text`, only where there is something."""
        left_out = f',"left_out":{json.dumps(self.left_out)}' if self.left_out else ""
        return left_out + (f',"document_text":{json.dumps(self.text, ensure_ascii=False)}' if self.text else "")


def documents(data: bytes, name: str, column: str, kind: str = "") -> list[Item]:
    """The reports of a document, named after it: `name`, or `name#1`, `name#2` where it can hold several.

    `kind` is its suffix where the name does not tell. Raises BadRequest for a document that cannot be read.
    """
    file = f"report{kind}" if kind else name
    contents, shown = read(data, file, column), name.encode("utf-8", "replace").decode("utf-8")
    if not holds_several(name, kind):
        return [Item(shown, contents.texts[0], None, contents.left_out, contents.converted)]
    rows = ((f"{shown}#{number}", row) for number, row in enumerate(contents.texts, 1))
    return [Item(name, None, row) if isinstance(row, BackendError) else Item(name, row) for name, row in rows]


def holds_several(name: str, kind: str = "") -> bool:
    """Whether a document can hold several reports, named as in `documents`; its result is a list, even of one.

    >>> holds_several("pool.CSV"), holds_several("a.docx"), holds_several("-", ".jsonl")
    (True, False, True)
    """
    return (kind or PurePath(name).suffix.lower()) in SEVERAL


def slices(items: Sequence[T], size: Callable[[T], int]) -> Iterator[list[T]]:
    """The items in pieces that are computed in one go; `size` gives an item's characters.

    >>> [len(piece) for piece in slices([15_000, 4_000, 4_000, 50_000, 1] + [100] * 40, lambda length: length)]
    [2, 1, 1, 32, 9]
    """
    piece: list[T] = []
    held = 0
    for item in items:
        length = size(item)
        if piece and (len(piece) == SLICE or held + length > SLICE_TEXT):
            yield piece
            piece, held = [], 0
        piece.append(item)
        held += length
    if piece:
        yield piece


def parse_items(predictor: Predictor, labels: Collection[str], items: Sequence[Item]) -> list[Parsed]:
    """One result per item, in order; never raises for a report's sake. `labels` are the predictor's."""
    return structure_items(predictor.version, labels, items, find_items(predictor, items))


def find_items(predictor: Predictor, items: Sequence[Item]) -> list[list[Span] | BackendError]:
    """The first half of `parse_items`: the spans of each item, or why there are none."""
    problems = [item.error or problem(item.text) for item in items]
    good = [str(item.text) for item, wrong in zip(items, problems, strict=True) if wrong is None]
    found = iter(_find(predictor, good))
    return [wrong or next(found) for wrong in problems]


def _find(predictor: Predictor, good: Sequence[str]) -> Sequence[list[Span] | BackendError]:
    """All at once; when that fails one by one, so that a bad text costs only itself."""
    try:
        return predictor.find(good)
    except Exception:
        return [_attempt(text, lambda said: predictor.find([said])[0]) for text in good]


def structure_items(
    version: str, labels: Collection[str], items: Sequence[Item], found: Sequence[list[Span] | BackendError]
) -> list[Parsed]:
    """The second half."""
    pairs = zip(items, found, strict=True)
    return [
        Parsed(
            item.id,
            _structure(item, spans, version, labels),
            item.left_out,
            str(item.text) if item.converted else "",
        )
        for item, spans in pairs
    ]


def _structure(
    item: Item, spans: list[Span] | BackendError, version: str, labels: Collection[str]
) -> StructuredReport | BackendError:
    if isinstance(spans, BackendError):
        return spans
    return _attempt(str(item.text), lambda text: parse(text, spans, version, labels))


def problem(text: object) -> BackendError | None:
    """Why this is no report's text; None when it is one."""
    if not isinstance(text, str):
        return BadRequest("A report's text must be a string", type(text).__name__, 'send {"text": "..."}')
    if not text.strip():
        return BadRequest("The report has no text", f"{len(text)} blank characters", "send a report")
    if len(text) > LONGEST_REPORT:
        hint = f"a report has at most {LONGEST_REPORT} characters: send several reports as several texts"
        return TooLarge("The report is too long", f"{len(text)} characters", hint)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        return BadRequest("The text is not valid Unicode", f"lone surrogate at {error.start}", "send UTF-8")
    return None


def to_csv(results: Iterable[Parsed]) -> Iterator[bytes]:
    """The results in CSV, piece by piece; a report that failed is one row with `error` as its item."""
    yield csv_head(COLUMNS)
    for parsed in results:
        if isinstance(parsed.outcome, StructuredReport):
            yield report_rows(str(parsed.id), parsed.outcome)
            for name in parsed.left_out:
                yield _note(str(parsed.id), "left out", name)
        else:
            yield _note(str(parsed.id), "error", str(parsed.outcome))


def _note(report: str, item: str, text: str) -> bytes:
    cells = {"report": report, "item": item, "text": text}
    return csv_rows([[cells.get(column) for column in COLUMNS]])


def _attempt(text: str, call: Callable[[str], R]) -> R | BackendError:
    """What the call makes of the text; when it fails, an error, and its type and place in the log."""
    try:
        return call(text)
    except Exception as error:
        # Never the message: it may quote the report.
        frame = traceback.extract_tb(error.__traceback__)[-1]
        kind = type(error).__name__
        logger.error("a report of %d characters: %s at %s:%s", len(text), kind, frame.filename, frame.lineno)
        return BackendError("The report could not be parsed", kind, "the log names the place")
