"""Routes Label Studio calls (section 3 of its recorded protocol), and those of older clients.

Label Studio waits 1 s for /health, 3 s for /setup, 1 s for /webhook (which it never repeats) and 100 s for
/predict; an answer with fewer results than tasks loses all of them.
"""

from __future__ import annotations

import logging
import time
from typing import Any

from fastapi import APIRouter, Depends, Request

from backend.batches import slices
from backend.errors import BackendError, BadRequest, LabelConfigError
from backend.http import auth, hints
from backend.http.body import json_object
from backend.http.errors import Answer, log_unexpected
from backend.http.jobs import job_status
from backend.http.metrics import Metrics
from backend.http.parts import WebParts
from backend.labelstudio.wire import (
    PredictRequest,
    empty_prediction,
    parse_predict,
    parse_setup,
    project_id,
    task_text,
)
from backend.registry import RULES_VERSION

log = logging.getLogger(__name__)

HEALTH = {"status": "UP", "model_class": "ECGNERModel"}

router = APIRouter(tags=["Label Studio"])
guarded = [Depends(auth.label_studio)]


@router.get("/")
async def root() -> Answer:
    """Whether the process is up; open, for containers and load balancers."""
    return Answer(HEALTH)


@router.get("/health", dependencies=guarded)
async def health() -> Answer:
    """As above, with credentials: Label Studio shows a clear message when it gets 401 here at connect."""
    return Answer(HEALTH)


@router.post("/setup", dependencies=guarded)
async def setup(request: Request) -> Answer:
    """Remember the project's labelling configuration; answer the version that serves it."""
    fields = parse_setup(await json_object(request))
    version = await parts_of(request).work(hints.remember, parts_of(request), fields.project_id, fields.label_config)
    return Answer({"model_version": version})


@router.post("/predict", dependencies=guarded)
async def predict(request: Request) -> Answer:
    """One result per task, whatever the tasks are."""
    started = time.perf_counter()
    parts, fields = parts_of(request), parse_predict(await json_object(request))
    try:
        config = await parts.work(parts.serving.config, fields.project_id, fields.label_config)
    except LabelConfigError as error:
        log.warning("predict project=%s refused: %s", fields.project_id or "-", error)
        raise
    results: list[dict[str, Any]] = []

    def size(task: Any) -> int:
        return len(task_text(task, config) or "")

    for piece in slices(fields.tasks, size):
        results += await _predict_slice(parts, fields, piece, sum(map(size, piece)))
    version = results[-1]["model_version"] if results else await parts.work(parts.serving.version, fields.project_id)
    _report(request.app.state.metrics, fields, results, version, time.perf_counter() - started)
    return Answer({"results": results, "model_version": version})


@router.post("/webhook", dependencies=[Depends(auth.webhook)])
async def webhook(request: Request) -> Answer:
    """Store what happened as a hint and answer; 503 when it could not be stored."""
    body, parts = await json_object(request), parts_of(request)
    answer = await parts.work(hints.receive, parts, body, time.time())
    metrics: Metrics = request.app.state.metrics
    metrics.webhooks.labels(answer["status"]).inc()
    return Answer(answer)


@router.get("/versions", dependencies=guarded)
async def versions(request: Request, project: str = "") -> Answer:
    """Versions newest first; Label Studio names no project, then those of all projects."""
    parts = parts_of(request)
    return Answer({"versions": await parts.work(_versions, parts, project_id(project))})


@router.post("/train", dependencies=guarded)
async def train(request: Request) -> Answer:
    """Queue a round (older clients; Label Studio sends START_TRAINING to /webhook)."""
    body, parts = await json_object(request), parts_of(request)
    field = body.get("project")
    project = project_id(field.get("id") if isinstance(field, dict) else field)
    if not project:
        raise BadRequest("A train body needs a project", "project", 'send {"project": "<id>"}')
    return Answer({"job": await parts.work(parts.queue.request_round, project)}, 201)


@router.post("/job_status", dependencies=guarded)
async def status_of_job(request: Request) -> Answer:
    """State of a job that /train returned."""
    body, parts = await json_object(request), parts_of(request)
    return Answer(await parts.work(job_status, parts.redis, body.get("job")))


def parts_of(request: Request) -> WebParts:
    """The running app's parts."""
    parts: WebParts = request.app.state.parts
    return parts


async def _predict_slice(parts: WebParts, fields: PredictRequest, tasks: list[Any], size: int) -> list[dict[str, Any]]:
    """Exactly one result per task; an error that is not about the request costs this slice only."""
    try:
        return await parts.predictions.predict(parts.infer, (fields.project_id, fields.label_config), tasks, size)
    except BackendError:
        raise
    except Exception as error:
        log_unexpected(error)
        version = await parts.work(parts.serving.version, fields.project_id)
        return [empty_prediction(version) for _ in tasks]


def _report(
    metrics: Metrics, fields: PredictRequest, results: list[dict[str, Any]], version: str, seconds: float
) -> None:
    """One log line and the counters; failed = answered with nothing (no text, or an error)."""
    failed = sum(result == empty_prediction(result["model_version"]) for result in results)
    metrics.predicted.labels("failed").inc(failed)
    metrics.predicted.labels("answered").inc(len(results) - failed)
    log.info(
        "predict project=%s version=%s tasks=%d failed=%d ms=%d",
        fields.project_id or "-",
        version,
        len(results),
        failed,
        seconds * 1000,
    )


def _versions(parts: WebParts, project: str) -> list[str]:
    projects = [project] if project else parts.registry.projects()
    cards = [card for number in projects for card in parts.registry.versions(number)]
    newest = sorted(cards, key=lambda card: card.created, reverse=True)
    return [*dict.fromkeys(card.version for card in newest), RULES_VERSION]
