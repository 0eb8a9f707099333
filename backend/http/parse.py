"""POST /api/parse: reports in (JSON, text, documents), structured data out (JSON, CSV, a stream of JSON lines).

Spans are found in the inference thread, slice by slice, so that an annotator's request has its turn in between;
documents, structure and answers are made in other threads, so that /health has. Answers hold what reports say, log
lines and errors never do.
"""

from __future__ import annotations

import logging
import time
from asyncio import Future, ensure_future
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal, get_args

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response, StreamingResponse

from backend import overview
from backend.batches import Item, Parsed, find_items, slices, structure_items, to_csv
from backend.errors import BackendError, BadRequest
from backend.http import auth, bodies_to_parse
from backend.http.label_studio import parts_of
from backend.http.parse_openapi import DOCUMENTATION
from backend.http.parts import WebParts
from backend.parsing.documents import COLUMN, TooLarge
from backend.parsing.layout import STRUCTURED
from backend.predictor import Predictor, RulesPredictor
from backend.registry import RULES_VERSION

log = logging.getLogger(__name__)

BATCH_LIMIT = 10_000
"""Reports of one answer that is put together in memory, about 50 MB; a stream has no such limit."""

Format = Literal["json", "csv", "ndjson"]
MEDIA: Mapping[str, Format] = {"application/x-ndjson": "ndjson", "application/ndjson": "ndjson", "text/csv": "csv"}

router = APIRouter(tags=["Parser"], dependencies=[Depends(auth.operator)])


@dataclass(frozen=True)
class Reader:
    """Who parses a request: one version for all of it."""

    parts: WebParts
    project: str
    predictor: Predictor
    labels: tuple[str, ...]
    started: float = field(default_factory=time.perf_counter)

    async def results(self, items: Sequence[Item]) -> AsyncIterator[list[Parsed]]:
        """What comes of the items, slice by slice.

        A slice is structured in another thread while the engine, which holds no lock of Python's, reads the next.
        """
        failed = 0
        before: Future[list[Parsed]] | None = None
        for piece in slices(items, lambda item: item.size):
            found = await self.parts.infer(find_items, self.predictor, piece)
            failed += sum(isinstance(spans, BackendError) for spans in found)
            if before:
                yield await before
            work = self.parts.work(structure_items, self.predictor.version, self.labels, piece, found)
            before = ensure_future(work)
        if before:
            yield await before
        log.info(
            "parse project=%s version=%s reports=%d failed=%d ms=%d",
            self.project or "-",
            self.predictor.version,
            len(items),
            failed,
            (time.perf_counter() - self.started) * 1000,
        )


@router.post("/api/parse", **DOCUMENTATION)
async def parse(
    request: Request,
    project: Annotated[str, Query(description="Whose serving version answers.")] = "",
    wanted: Annotated[
        Format | None, Query(alias="format", description="Of the answer; else `Accept`, else JSON.")
    ] = None,
    column: Annotated[str, Query(description="Column of a CSV file, key of a JSON line.")] = COLUMN,
) -> Response:
    """Structured data of one report or of many.

    A single report that cannot be parsed is an error; in a batch it costs only its own place.
    """
    parts = parts_of(request)
    body = await bodies_to_parse.read(request, parts.work, column)
    form = _form(body.options.get("format", wanted), request.headers.get("Accept", ""))
    if form != "ndjson" and len(body.items) > BATCH_LIMIT:
        hint = f"at most {BATCH_LIMIT}: send fewer, or ask for a stream with `Accept: application/x-ndjson`"
        raise TooLarge("Too many reports for one answer", f"{len(body.items)} reports", hint)
    reader = await parts.infer(_reader, parts, _project(body.options.get("project", project)))
    if form == "ndjson":
        return StreamingResponse(_stream(reader, body.items), media_type="application/x-ndjson")
    results = [parsed async for piece in reader.results(body.items) for parsed in piece]
    if body.single and isinstance(results[0].outcome, BackendError):
        raise results[0].outcome
    return await parts.work(_answer, results, form, body.single)


async def _stream(reader: Reader, items: Sequence[Item]) -> AsyncIterator[str]:
    async for piece in reader.results(items):
        yield "".join(f"{parsed.to_json()}\n" for parsed in piece)


def _answer(results: Sequence[Parsed], form: Format, single: bool) -> Response:
    if form == "csv":
        headers = {"Content-Disposition": 'attachment; filename="reports.csv"'}
        return Response(b"".join(to_csv(results)), media_type="text/csv; charset=utf-8", headers=headers)
    if single:
        return Response(results[0].report_json(), media_type="application/json")
    return Response(f"[{','.join(parsed.to_json() for parsed in results)}]", media_type="application/json")


def _form(asked: object, accept: str) -> Format:
    """What was asked for, else what `Accept` prefers, else JSON."""
    if asked is None:
        kinds = [part.partition(";")[0].strip().lower() for part in accept.split(",")]
        return next((MEDIA[kind] for kind in kinds if kind in MEDIA), "json")
    for known in get_args(Format):
        if asked == known:
            return known  # type: ignore[no-any-return]
    raise BadRequest("There is no such form of answer", str(asked)[:40], f"one of {', '.join(get_args(Format))}")


def _project(asked: object) -> str:
    if isinstance(asked, int) and not isinstance(asked, bool):
        return str(asked)
    if not isinstance(asked, str | None):
        raise BadRequest("A project is a number", type(asked).__name__, 'send {"project": "1"} or leave it out')
    return asked or ""


def _reader(parts: WebParts, project: str) -> Reader:
    """The project's serving version; without one the only learned version that serves, else the rules.

    Raises NotFound, LabelConfigError, ModelError.
    """
    if project:
        labels = parts.serving.config(overview.known(parts, project), "").labels
        return Reader(parts, project, parts.serving.predictor(project, labels), labels)
    learned = [known for known in parts.registry.projects() if _has_learned(parts, known)]
    if len(learned) == 1:
        return _reader(parts, learned[0])
    labels = tuple(sorted(STRUCTURED))
    return Reader(parts, "", RulesPredictor(RULES_VERSION, labels), labels)


def _has_learned(parts: WebParts, project: str) -> bool:
    version = parts.registry.serving(project)
    try:
        return version != RULES_VERSION and parts.registry.card(project, version).learned
    except BackendError:
        return False
