"""Jobs as HTTP shows them: the state of one, the depths of all job queues. Reads RQ, queues nothing."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from redis import Redis
from rq import Queue, Worker
from rq.exceptions import NoSuchJobError
from rq.job import Job

from backend.errors import NotFound
from backend.job_queue import QUEUES


def job_status(redis: Redis, job_id: object) -> dict[str, Any]:
    """State of a job; of a failure only the fact, its traceback stays in the worker's log. Raises NotFound."""
    try:
        job = Job.fetch(str(job_id), connection=redis)
    except (NoSuchJobError, ValueError):
        raise NotFound("No such job", job_id, "send the job that /train returned") from None
    state = job.get_status(refresh=False).value
    return {
        "job_status": state,
        "error": "the worker's log says why" if state == "failed" else None,
        "created_at": _time(job.created_at),
        "enqueued_at": _time(job.enqueued_at),
        "started_at": _time(job.started_at),
        "ended_at": _time(job.ended_at),
    }


def depths(redis: Redis) -> dict[tuple[str, str], int]:
    """(job queue, state) -> number of jobs; state "workers" counts the processes that listen."""
    counts: dict[tuple[str, str], int] = {}
    for name in sorted(QUEUES.values()):
        queue = Queue(name, connection=redis)
        counts[name, "queued"] = queue.count
        counts[name, "started"] = queue.started_job_registry.get_job_count(cleanup=False)
        counts[name, "failed"] = queue.failed_job_registry.get_job_count(cleanup=False)
        counts[name, "scheduled"] = queue.scheduled_job_registry.get_job_count(cleanup=False)
        counts[name, "workers"] = Worker.count(connection=redis, queue=queue)
    return counts


def _time(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
