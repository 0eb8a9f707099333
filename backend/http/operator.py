"""Routes of project leads and operators, guarded by the API key."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from redis.exceptions import RedisError
from starlette.responses import Response

from backend import overview, switching
from backend.doubts import checked, token_doubts
from backend.error_analysis import ErrorKind
from backend.errors import BadRequest, Unavailable
from backend.http import auth
from backend.http.body import json_object, parse_object, read
from backend.http.errors import Answer
from backend.http.jobs import depths
from backend.http.label_studio import parts_of
from backend.http.metrics import Metrics
from backend.http.parts import WebParts
from backend.records import Hold

TOP_LIMIT = 10_000
"""Rows of a queue in one answer."""

Limit = Annotated[int, Query(ge=1, le=TOP_LIMIT)]
TaskId = Annotated[int, Path(ge=1, lt=2**63)]

router = APIRouter(tags=["Operators"], dependencies=[Depends(auth.operator)])


@router.get("/api/projects")
async def projects(request: Request) -> Answer:
    """Projects that Label Studio has called for."""
    return Answer(await parts_of(request).work(overview.projects, parts_of(request)))


@router.get("/api/projects/{project}/queue")
async def queue(request: Request, project: str, top: Limit = 50) -> Answer:
    """Tasks to annotate next."""
    return Answer(await parts_of(request).work(overview.queue, parts_of(request), project, top))


@router.get("/api/projects/{project}/queue/{task_id}")
async def place(request: Request, project: str, task_id: TaskId) -> Answer:
    """Where a task stands in the queue."""
    return Answer(await parts_of(request).work(overview.place, parts_of(request), project, task_id))


@router.get("/api/projects/{project}/status")
async def status(request: Request, project: str) -> Answer:
    """What serves, what waits, what runs, how the last rounds went."""
    return Answer(await parts_of(request).work(overview.status, parts_of(request), project))


@router.get("/api/projects/{project}/models")
async def models(request: Request, project: str) -> Answer:
    """Versions with their scores."""
    return Answer(await parts_of(request).work(overview.models, parts_of(request), project))


@router.get("/api/projects/{project}/errors")
async def errors(
    request: Request, project: str, kind: ErrorKind | None = None, label: str | None = None, limit: Limit = 50
) -> Answer:
    """What the serving version gets wrong, and what to annotate next."""
    return Answer(await parts_of(request).work(overview.errors, parts_of(request), project, kind, label, limit))


@router.get("/api/projects/{project}/suspects")
async def suspects(request: Request, project: str, label: str | None = None, limit: Limit = 50) -> Answer:
    """Annotations that look wrong."""
    return Answer(await parts_of(request).work(overview.suspects, parts_of(request), project, label, limit))


@router.post("/api/projects/{project}/tokens")
async def tokens(request: Request, project: str) -> Answer:
    """How unsure the serving version is about each token of a text."""
    text = checked((await json_object(request)).get("text"))
    return Answer(await parts_of(request).infer(_tokens, parts_of(request), project, text))


@router.post("/api/projects/{project}/retrain")
async def retrain(request: Request, project: str) -> Answer:
    """Queue a round now."""
    return Answer({"job": await parts_of(request).work(_retrain, parts_of(request), project)}, 202)


@router.post("/api/projects/{project}/rerank")
async def rerank(request: Request, project: str) -> Answer:
    """Queue a ranking of the pool now."""
    return Answer({"job": await parts_of(request).work(_rerank, parts_of(request), project)}, 202)


@router.post("/api/projects/{project}/models/{version}/promote")
async def promote(request: Request, project: str, version: str) -> Answer:
    """Make a version serve once the pool is ranked with it; with `{"hold": true}` rounds promote nothing then."""
    wanted = await _wanted(request)
    hold = _hold(wanted) if _flag(wanted, "hold") else None
    return Answer(await parts_of(request).work(switching.promote, parts_of(request), project, version, hold), 202)


@router.post("/api/projects/{project}/rollback")
async def rollback(request: Request, project: str) -> Answer:
    """Go back to the promoted version before, and hold it: rounds promote nothing until `resume`."""
    hold = _hold(await _wanted(request))
    return Answer(await parts_of(request).work(switching.roll_back, parts_of(request), project, hold), 202)


@router.post("/api/projects/{project}/resume")
async def resume(request: Request, project: str) -> Answer:
    """End the hold; what rounds found meanwhile is considered now."""
    return Answer(await parts_of(request).work(switching.resume, parts_of(request), project), 202)


@router.get("/metrics")
async def metrics(request: Request) -> Response:
    """Prometheus text; answered without Redis too."""
    own: Metrics = request.app.state.metrics
    await parts_of(request).work(_scrape, parts_of(request), own)
    return Response(generate_latest(own.registry), media_type=CONTENT_TYPE_LATEST)


async def _wanted(request: Request) -> dict[str, Any]:
    """The body of a switch; none is as good as an empty object."""
    raw = await read(request)
    return parse_object(raw) if raw else {}


def _flag(body: dict[str, Any], name: str) -> bool:
    value = body.get(name, False)
    if not isinstance(value, bool):
        raise BadRequest(f"{name} is true or false", str(value)[:20])
    return value


def _hold(body: dict[str, Any]) -> Hold:
    """A hold by whom the body names, for the reason it gives; the API key names nobody."""
    by, reason = body.get("by", ""), body.get("reason", "")
    if not (isinstance(by, str) and isinstance(reason, str)):
        raise BadRequest("by and reason are strings", type(by if isinstance(reason, str) else reason).__name__)
    return switching.new_hold(by or "API", reason)


def _tokens(parts: WebParts, project: str, text: str) -> list[dict[str, Any]]:
    labels = parts.serving.config(overview.known(parts, project), "").labels
    return token_doubts(parts.serving.predictor(project, labels), text)


def _retrain(parts: WebParts, project: str) -> str:
    return parts.queue.request_round(overview.known(parts, project))


def _rerank(parts: WebParts, project: str) -> str:
    return parts.queue.request_rank(overview.known(parts, project))


def _scrape(parts: WebParts, metrics: Metrics) -> None:
    """Bring the gauges up to date; without Redis they are dropped, so that no old number is shown."""
    metrics.jobs.clear()
    metrics.pending.clear()
    try:
        for (name, state), count in depths(parts.redis).items():
            metrics.jobs.labels(name, state).set(count)
        for project in parts.registry.projects():
            metrics.pending.labels(project).set(parts.queue.pending(project).annotations)
    except (RedisError, Unavailable):
        metrics.redis_up.set(0)
    else:
        metrics.redis_up.set(1)
