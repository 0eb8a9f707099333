"""What a webhook or a setup call leaves behind: hints, a tidied ranking, the labelling configuration.

Label Studio's own data is the truth; whatever is missed here the reconciler finds. Used by the web process
and by `model.py`, so it knows nothing of HTTP.
"""

from __future__ import annotations

import logging
from typing import Any

from backend.errors import LabelConfigError
from backend.http.parts import WebParts
from backend.labelstudio.config import parse_label_config
from backend.labelstudio.wire import START_TRAINING, WEBHOOK_ACTIONS, Hook, is_trainable, parse_webhook

log = logging.getLogger(__name__)

IGNORED: dict[str, Any] = {"status": "ignored"}
STORED: dict[str, Any] = {"status": "stored"}


def remember(parts: WebParts, project: str, label_config: str | None) -> str:
    """Keep a usable labelling configuration when it is new; returns the version that serves the project.

    A broken one is only logged: Label Studio asks at every task it opens and needs the version.
    """
    if project and label_config:
        try:
            parse_label_config(label_config)
            label_config.encode()
        except (LabelConfigError, UnicodeEncodeError) as error:
            log.warning("Project %s: labelling configuration not usable: %s", project, type(error).__name__)
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
    answer = _store(parts, hook, _annotations_to_train(hook, body), now)
    remember(parts, hook.project_id, hook.label_config)
    return answer


def _store(parts: WebParts, hook: Hook, annotations: tuple[int, ...], now: float) -> dict[str, Any]:
    project = hook.project_id
    if hook.starts_training:
        return {**STORED, "job": parts.queue.request_round(project)}
    if hook.action == "PROJECT_UPDATED":
        return STORED
    if hook.action == "TASKS_CREATED":
        return {**STORED, "job": parts.queue.request_rank(project)}
    parts.queue.hint(project, [f"annotation:{number}" for number in annotations], now)
    parts.index.remove(project, parts.serving.version(project), hook.task_ids)
    return STORED


def _annotations_to_train(hook: Hook, body: dict[str, Any]) -> tuple[int, ...]:
    """Annotations whose change is worth a round: a new one that only skips the task is not."""
    created = body.get("annotation") if hook.action == "ANNOTATION_CREATED" else None
    return hook.annotation_ids if created is None or is_trainable(created) else ()
