"""The end of a project: what `ecgal connect` made goes, and nothing is computed for it any more.

The versions and the annotations stay. `ecgal connect` takes the project up again.
"""

from __future__ import annotations

import logging

from rq.command import send_stop_job_command
from rq.exceptions import InvalidJobOperation, NoSuchJobError
from rq.job import Job

from backend.job_queue import FUNCTIONS, JobQueue, JobView
from backend.labelstudio.client import LabelStudioClient
from backend.labelstudio.session import shown
from backend.registry import VERSION
from backend.settings import Settings
from trainer.connection import VIEW_TITLE, Change, is_ours, same_url, webhook_fields
from trainer.parts import WorkerParts

logger = logging.getLogger(__name__)

SAMPLING = "Sequential sampling"
"""Label Studio's own default."""


def disconnect(
    client: LabelStudioClient, settings: Settings, project: str, *, delete_predictions: bool
) -> list[Change]:
    """Remove from Label Studio what `connect` made; returns what was removed, nothing on a second run.

    Predictions stay unless they shall be deleted: annotators go on with what is prefilled. Raises LabelStudioError.
    """
    mine = [row for row in client.backends(project) if is_ours(row, settings)]
    urls = [webhook_fields(settings)["url"], *(f"{str(row['url']).rstrip('/')}/webhook" for row in mine)]
    hooks = [hook for hook in client.webhooks(project) if any(same_url(hook["url"], url) for url in urls)]
    changes = []
    for hook in hooks:
        client.delete_webhook(hook["id"])
        changes.append(Change("webhook", f"removed the one to {shown(str(hook['url']))}"))
    for row in mine:
        client.delete_backend(row)
        changes.append(Change("ML backend", f"removed {shown(str(row['url']))}"))
    changes += _reset_project(client, project)
    for view in client.views(project):
        if (view.get("data") or {}).get("title") == VIEW_TITLE:
            client.delete_view(view["id"])
            changes.append(Change("view", f"removed {VIEW_TITLE}"))
    for version in filter(VERSION.fullmatch, client.model_versions(project) if delete_predictions else ()):
        count = client.delete_predictions(project, version)
        changes.append(Change("predictions", f"removed {count} of {version}"))
    return changes


def _reset_project(client: LabelStudioClient, project: str) -> list[Change]:
    fields = client.project(project).fields
    changed = {"sampling": SAMPLING} if fields.get("sampling") != SAMPLING else {}
    if VERSION.fullmatch(str(fields.get("model_version") or "")):
        changed["model_version"] = ""
    if changed:
        client.update_project(project, changed)
    return [Change("project", f"{name} = {value!r}") for name, value in changed.items()]


def end(parts: WorkerParts, project: str, reason: str) -> list[str]:
    """End the project here: it is marked, its jobs are stopped, its hints dropped. Returns the jobs that ended."""
    parts.registry.end(project, reason)
    jobs = [job for kind in FUNCTIONS for job in parts.queue.jobs(project, kind)]
    for job in jobs:
        _stop(parts.queue, job)
    drop_hints(parts.queue, project)
    logger.info("project %s ended: %s", project, reason)
    return [job.id for job in jobs]


def drop_hints(queue: JobQueue, project: str) -> None:
    """Forget what would start a round; a project that is connected again is compared with Label Studio anyway."""
    number = queue.last_read(project)
    queue.take(project, number)
    for taken in {number, *queue.orphans(project)}:
        queue.done(project, taken)


def _stop(queue: JobQueue, view: JobView) -> None:
    """Cancel a job that waits, end one that runs: what it had computed is discarded."""
    try:
        job = Job.fetch(view.id, connection=queue.redis)
        if view.state == "started":
            send_stop_job_command(queue.redis, view.id)
        else:
            job.cancel()
    except (NoSuchJobError, InvalidJobOperation) as error:
        logger.info("%s had ended already (%s)", view.id, type(error).__name__)
