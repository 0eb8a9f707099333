"""What was sent to /api/parse, whatever its form, as texts with ids."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from backend.batches import ID_LIMIT, Item, documents, holds_several
from backend.errors import BackendError, BadRequest
from backend.http.body import parse_json
from backend.http.body import read as read_body

DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
SUFFIXES = {
    "text/plain": ".txt",
    "text/csv": ".csv",
    DOCX: ".docx",
    "application/rtf": ".txt",
    "text/rtf": ".txt",
    "application/msword": ".doc",
    "application/x-ndjson": ".jsonl",
    "application/ndjson": ".jsonl",
    "application/jsonl": ".jsonl",
}
"""Content type of a document -> suffix by which `backend.parsing.documents` knows its kind."""
# The second is what curl -d says unless told otherwise.
JSON = ("application/json", "application/x-www-form-urlencoded", "")
FORM = "multipart/form-data"
SHAPES = 'send {"text": "..."}, {"texts": ["...", ...]} or [{"id": 1, "text": "..."}, ...]'

Work = Callable[..., Awaitable[Any]]
"""Runs a function with its arguments in another thread."""


class UnknownMedia(BackendError):
    """A content type that cannot be read."""

    status = 415


@dataclass(frozen=True)
class Body:
    """The items to parse; `single`: the answer is one report, not a list. `options` are `project` and `format`."""

    items: list[Item]
    single: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)


async def read(request: Request, work: Work, column: str) -> Body:
    """The request's texts. Raises BadRequest, PayloadTooLarge, UnknownMedia; none of them quotes a report."""
    kind = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind not in (*JSON, *SUFFIXES, FORM):
        hint = f"one of {', '.join((JSON[0], *SUFFIXES, FORM))}"
        raise UnknownMedia("This kind of content cannot be read", kind[:100], hint)
    raw = await read_body(request)
    if not raw:
        raise BadRequest("The body is empty", "0 bytes", SHAPES)
    if kind == FORM:
        return await _form(request, raw, work, column)
    if kind in SUFFIXES:
        return await work(_document, raw, SUFFIXES[kind], column)  # type: ignore[no-any-return]
    return await work(from_json, raw)  # type: ignore[no-any-return]


def from_json(raw: bytes) -> Body:
    """The body of a JSON request; raises BadRequest for another shape than the three."""
    value = parse_json(raw)
    if isinstance(value, list):
        return Body(_items(value))
    if not isinstance(value, dict):
        raise BadRequest("The body is neither an object nor a list", type(value).__name__, SHAPES)
    options = {name: value[name] for name in ("project", "format") if value.get(name) is not None}
    if ("text" in value) == ("texts" in value):
        raise BadRequest("The body needs either text or texts", "both" if "text" in value else "neither", SHAPES)
    if "text" in value:
        return Body([Item(1, value["text"])], True, options)
    if not isinstance(value["texts"], list):
        raise BadRequest("texts must be a list", type(value["texts"]).__name__, SHAPES)
    return Body(_items(value["texts"]), False, options)


def _items(values: list[Any]) -> list[Item]:
    """Strings or objects with a text; the id of one without is its place, counted from 1."""
    if not values:
        raise BadRequest("There is no report to parse", "an empty list", SHAPES)
    return [_item(place, value) for place, value in enumerate(values, 1)]


def _item(place: int, value: Any) -> Item:
    if isinstance(value, str):
        return Item(place, value)
    if not isinstance(value, dict):
        return Item(place, None, BadRequest("An item must be a string or an object", type(value).__name__, SHAPES))
    name = value.get("id", place)
    if not _is_id(name):
        hint = f"send a number, or at most {ID_LIMIT} characters"
        return Item(place, None, BadRequest("An id cannot be used", type(name).__name__, hint))
    return Item(name, value.get("text"))


def _is_id(name: object) -> bool:
    if isinstance(name, str):
        return len(name) <= ID_LIMIT and not any("\ud800" <= char <= "\udfff" for char in name)
    return type(name) is int and abs(name) < 2**63


def _document(raw: bytes, suffix: str, column: str) -> Body:
    found = documents(raw, "", column, suffix)
    items = [replace(item, id=place) for place, item in enumerate(found, 1)]
    return Body(items, single=not holds_several("", suffix))


async def _form(request: Request, raw: bytes, work: Work, column: str) -> Body:
    """The files of a form, and its other fields as options."""

    async def replayed() -> dict[str, Any]:
        return {"type": "http.request", "body": raw, "more_body": False}

    try:
        form = await Request(request.scope, replayed).form()
    except HTTPException as error:
        hint = "let the client set boundary and parts"
        raise BadRequest("The form cannot be read", str(error.detail), hint) from None
    files = [value for _, value in form.multi_items() if isinstance(value, UploadFile)]
    options = {name: form[name] for name in ("project", "format") if form.get(name)}
    sent = [(await file.read(), file.filename or f"{place}.txt") for place, file in enumerate(files, 1)]
    await form.close()
    if not sent:
        raise BadRequest("The form holds no file", f"{len(options)} options", "send the document as a file")
    if len(sent) == 1:
        data, name = sent[0]
        return Body(await work(documents, data, name, column), not holds_several(name), options)
    return Body([item for data, name in sent for item in await work(_readable, data, name, column)], False, options)


def _readable(data: bytes, name: str, column: str) -> list[Item]:
    """The reports of one of several documents; one that cannot be read is an error in its place."""
    try:
        return documents(data, name, column)
    except BackendError as error:
        return [Item(name, None, error)]
