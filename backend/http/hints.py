"""What a webhook or a setup call leaves behind: hints, a tidied ranking, the labelling configuration.

Label Studio's own data is the truth; whatever is missed here the reconciler finds. Used by the web process
and by `model.py`, so it knows nothing of HTTP.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from typing import Any

from backend.annotated_texts import Answer
from backend.errors import LabelConfigError
from backend.hints import OTHER
from backend.http.parts import WebParts
from backend.labelstudio.config import parse_label_config
from backend.labelstudio.wire import (
    START_TRAINING,
    WEBHOOK_ACTIONS,
    Hook,
    annotation_spans,
    is_trainable,
    parse_webhook,
    task_text,
)
from backend.left_out import says_nothing
from backend.live_memory import LiveReport

log = logging.getLogger(__name__)

IGNORED: dict[str, Any] = {"status": "ignored"}
STORED: dict[str, Any] = {"status": "stored"}


def remember(parts: WebParts, project: str, label_config: str | None) -> str:
    """Keep a usable labelling configuration when it is new; returns the version that serves the project.

    Why another cannot be used is kept and logged once: Label Studio asks at every task it opens, and needs the version.
    """
    if project and label_config:
        try:
            parse_label_config(label_config)
            label_config.encode()
        except (LabelConfigError, UnicodeEncodeError) as error:
            reason = str(error) if isinstance(error, LabelConfigError) else type(error).__name__
            if parts.registry.refuse_label_config(project, reason):
                log.warning("Project %s: labelling configuration not usable, nothing is predicted: %s", project, reason)
        else:
            if parts.registry.remember_label_config(project, label_config):
                log.info("Project %s has a new labelling configuration", project)
    return parts.serving.version(project)


def receive(parts: WebParts, body: dict[str, Any], now: float) -> dict[str, Any]:
    """Store what the webhook says; returns the answer's body. Raises BadRequest, or Unavailable without Redis.

    `now` is seconds since the epoch. The hint is stored first: whoever gets an answer may forget the event.
    """
    hook = parse_webhook(body)
    if hook.action not in (*WEBHOOK_ACTIONS, START_TRAINING) or not hook.project_id:
        log.info("Webhook ignored: action %.40r, project %r", hook.action, hook.project_id)
        return IGNORED
    answer = _store(parts, hook, body, now)
    remember(parts, hook.project_id, hook.label_config)
    return answer


def _store(parts: WebParts, hook: Hook, body: dict[str, Any], now: float) -> dict[str, Any]:
    project = hook.project_id
    if hook.starts_training:
        return {**STORED, "job": parts.queue.request_round(project)}
    if hook.action == "PROJECT_UPDATED":
        return STORED
    if hook.action == "TASKS_CREATED":
        return {**STORED, "job": parts.queue.request_rank(project)}
    known = [f"annotation:{number}" for number in _annotations_to_train(hook, body)]
    if hook.action == "ANNOTATIONS_DELETED":
        parts.queue.hint(project, [f"{OTHER}deleted-{number}" for number in hook.annotation_ids], now, gone=known)
    else:
        parts.queue.hint(project, known, now)
    parts.index.remove(project, parts.serving.version(project), hook.task_ids)
    _remember_annotations(parts, hook, body)
    return STORED


def _remember_annotations(parts: WebParts, hook: Hook, body: dict[str, Any]) -> None:
    """Bring the live memory up to date, and with it the proposals for the next reports."""
    project = hook.project_id
    if hook.action == "TASKS_DELETED":
        parts.live.forget_tasks(project, hook.task_ids)
        parts.annotated.forget_tasks(project, hook.task_ids)
        _ask_copies(parts, project, hook.task_ids)
    elif hook.annotation_ids:
        reports = _live_reports(parts, hook, body)
        gone = set(hook.annotation_ids) - {report.annotation for report in reports}
        parts.live.forget(project, gone)
        parts.live.put(project, reports)
        parts.annotated.forget(project, gone)
        parts.annotated.put(project, [Answer.of(r.annotation, r.task, r.text, r.spans) for r in reports])
    parts.live.request_proposing(project)


def _ask_copies(parts: WebParts, project: str, deleted: Collection[int]) -> None:
    """Let copies of the deleted tasks be asked for: they come last as long as another task asks for their text."""
    for version in {parts.serving.version(project), parts.registry.target(project)}:
        parts.annotated.tell_changed(project, parts.index.release(project, version, deleted))


def _live_reports(parts: WebParts, hook: Hook, body: dict[str, Any]) -> list[LiveReport]:
    """The submitted annotations of the body with their reports; skipped ones, drafts and unplaced ones say nothing."""
    try:
        config = parse_label_config(hook.label_config or parts.registry.label_config(hook.project_id) or "")
    except LabelConfigError:
        return []
    after = max(parts.queue.last_read(hook.project_id), parts.registry.last_round(hook.project_id))
    tasks = {task.get("id"): task for task in _objects(body.get("task"))}
    reports = []
    for annotation in _objects(body.get("annotation")):
        text = task_text(tasks.get(annotation.get("task")), config)
        if type(annotation.get("id")) is int and text is not None and is_trainable(annotation):
            spans, reasons = annotation_spans(annotation, text, config)
            if says_nothing(spans, reasons):
                continue
            changed = hook.action == "ANNOTATION_UPDATED"
            reports.append(
                LiveReport(annotation["id"], annotation["task"], text, tuple(spans), after=after, changed=changed)
            )
    return reports


def _annotations_to_train(hook: Hook, body: dict[str, Any]) -> tuple[int, ...]:
    """Annotations whose change is worth a round: a new one that only skips the task is not."""
    created = body.get("annotation") if hook.action == "ANNOTATION_CREATED" else None
    return hook.annotation_ids if created is None or is_trainable(created) else ()


def _objects(field: object) -> list[dict[str, Any]]:
    """A field that holds one object or a list of them."""
    return [item for item in (field if isinstance(field, list) else [field]) if isinstance(item, dict)]
