"""Many reports through the structured parser: the HTTP route and `ecgal parse` share this.

A report that cannot be parsed costs only itself: its place is taken by an error that says why, without its text.
"""

from __future__ import annotations

import csv
import io
import json
import logging
import traceback
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

from backend.errors import BackendError, BadRequest
from backend.labelstudio.wire import LONGEST_REPORT
from backend.ner.prediction import Prediction
from backend.parsing import StructuredReport, parse
from backend.parsing.documents import TooLarge, texts
from backend.parsing.formats import COLUMNS, csv_lines, to_json
from backend.predictor import Predictor

logger = logging.getLogger(__name__)

SLICE = 32
"""Reports that are parsed in one go; between two slices other requests have their turn."""
ID_LIMIT = 200
"""Characters of an id."""
SEVERAL = (".csv", ".jsonl", ".ndjson")
"""Suffixes of documents that hold many reports."""

Id = str | int
R = TypeVar("R")


@dataclass(frozen=True)
class Item:
    """A text to parse under its id; `text` may be anything that was sent. `error`: it could not even be read."""

    id: Id
    text: object
    error: BackendError | None = None


@dataclass(frozen=True)
class Parsed:
    """What came of an item."""

    id: Id
    outcome: StructuredReport | BackendError

    def to_json(self) -> str:
        """One line of JSON: id and report, or id and error; the same input gives the same bytes."""
        if isinstance(self.outcome, StructuredReport):
            return f'{{"id":{json.dumps(self.id, ensure_ascii=False)},"report":{to_json(self.outcome)}}}'
        error = {"error": self.outcome.what, "value": self.outcome.value, "hint": self.outcome.hint}
        return json.dumps({"id": self.id, **error}, ensure_ascii=False, separators=(",", ":"))


def documents(data: bytes, name: str, column: str, kind: str = "") -> list[Item]:
    """The reports of a document, named after it: `name`, or `name#1`, `name#2` where it can hold several.

    `kind` is its suffix where the name does not tell. Raises BadRequest for a document that cannot be read.
    """
    file = f"report{kind}" if kind else name
    found, shown = texts(data, file, column), name.encode("utf-8", "replace").decode("utf-8")
    if not file.lower().endswith(SEVERAL):
        return [Item(shown, found[0])]
    return [Item(f"{shown}#{number}", text) for number, text in enumerate(found, 1)]


def slices(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    """The items in pieces that are parsed in one go."""
    return (items[start : start + SLICE] for start in range(0, len(items), SLICE))


def parse_items(predictor: Predictor, labels: Collection[str], items: Sequence[Item]) -> list[Parsed]:
    """One result per item, in order; never raises for a report's sake. `labels` are the predictor's."""
    return structure_items(labels, items, predict_items(predictor, items))


def predict_items(predictor: Predictor, items: Sequence[Item]) -> list[Prediction | BackendError]:
    """The first half of `parse_items`: one prediction per item, or why there is none."""
    problems = [item.error or problem(item.text) for item in items]
    good = [str(item.text) for item, found in zip(items, problems, strict=True) if found is None]
    predictions = iter(_predictions(predictor, good))
    return [found or next(predictions) for found in problems]


def _predictions(predictor: Predictor, found: Sequence[str]) -> Sequence[Prediction | BackendError]:
    """All at once; when that fails one by one, so that a bad text costs only itself."""
    try:
        return predictor.predict(found)
    except Exception:
        return [_attempt(text, lambda said: predictor.predict([said])[0]) for text in found]


def structure_items(
    labels: Collection[str], items: Sequence[Item], predicted: Sequence[Prediction | BackendError]
) -> list[Parsed]:
    """The second half."""
    return [Parsed(item.id, _structure(item, made, labels)) for item, made in zip(items, predicted, strict=True)]


def _structure(item: Item, made: Prediction | BackendError, labels: Collection[str]) -> StructuredReport | BackendError:
    if isinstance(made, BackendError):
        return made
    return _attempt(str(item.text), lambda text: parse(text, made.spans, made.version, labels))


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
    yield from csv_lines(())
    for parsed in results:
        if isinstance(parsed.outcome, StructuredReport):
            yield from islice(csv_lines([(str(parsed.id), parsed.outcome)]), 1, None)  # without the header
        else:
            yield _error_row(parsed)


def _error_row(parsed: Parsed) -> bytes:
    cells = {"report": str(parsed.id), "item": "error", "text": str(parsed.outcome)}
    line = io.StringIO()
    csv.writer(line, lineterminator="\r\n").writerow([cells.get(column) for column in COLUMNS])
    return line.getvalue().encode("utf-8")


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
