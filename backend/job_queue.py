"""Hints, rounds and rank jobs in Redis, on RQ.

A webhook leaves a *hint* (which annotation changed) and is answered; `dispatch_due` turns hints into at most one
waiting round per project. A round *takes* the hints when it starts and drops them when it is done, so a killed round
leaves them for its repetition. Nothing here is the truth: that is Label Studio's annotations, the registry's versions.

Keys per project beside those of the hints: `ecg:{id}:round` (number of the last round queued), `:jobs:<kind>` (ids of
RQ jobs that may still be alive, a ranking's shards too), `:progress:<kind>`, `:failure:<kind>`, `:outcome:<kind>`,
`:durations:<kind>` (seconds of each stage of the last job).
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from redis import Redis
from redis.exceptions import RedisError
from rq import Queue, Worker
from rq.exceptions import InvalidJobOperation, NoSuchJobError
from rq.job import Job, JobStatus, Retry

from backend.errors import Unavailable
from backend.hints import Hints, key, text
from backend.policy import is_due, pause_after
from backend.registry import Registry
from backend.settings import Settings

logger = logging.getLogger(__name__)

Kind = Literal["retrain", "rank"]
FUNCTIONS: dict[Kind, str] = {"retrain": "trainer.jobs.retrain", "rank": "trainer.jobs.rank"}
"""Kind of job -> dotted path; the path is stored in Redis, so changing it orphans queued jobs."""
QUEUES: dict[Kind, str] = {"retrain": "train", "rank": "rank"}

JOB_TIMEOUT = 12 * 3600
"""Seconds; the round's own limit is ECG_TRAIN_MINUTES, this only catches what hangs."""
FAILURE_TTL = 7 * 24 * 3600
RESULT_TTL = PROGRESS_TTL = 24 * 3600
SIGNAL = "signal"
"""Key of a job's meta data."""
ALIVE = {JobStatus.QUEUED, JobStatus.STARTED, JobStatus.SCHEDULED, JobStatus.DEFERRED}


@dataclass(frozen=True)
class JobView:
    """A job that waits or runs; `state` is RQ's word for it, `signal` what ended its process when it ran last."""

    id: str
    kind: Kind
    state: str
    signal: str = ""


class JobQueue(Hints):
    """All of Redis that rounds need. Methods raise Unavailable when Redis does not answer."""

    def __init__(self, redis: Redis, registry: Registry, settings: Settings) -> None:
        self.redis = redis
        self.registry = registry
        self.settings = settings

    def ping(self) -> None:
        """Raise Unavailable unless Redis answers."""
        try:
            self.redis.ping()
        except RedisError as error:
            hint = "start `ecgal up` or check REDIS_URL"
            raise Unavailable("Redis does not answer", type(error).__name__, hint) from None

    # Outcomes ---------------------------------------------------------------------------------------

    def failed(self, project: str, kind: Kind, reason: str, now: float) -> None:
        """Remember why a job failed; the next one comes after a pause that doubles."""
        failures = int(self.failure(project, kind).get("failures", 0)) + 1
        failure = {"reason": reason, "failures": failures, "not_before": now + pause_after(failures), "at": now}
        self.redis.delete(key(project, f"progress:{kind}"))
        self.redis.set(key(project, f"failure:{kind}"), json.dumps(failure))

    def succeeded(self, project: str, kind: Kind, message: str, now: float) -> None:
        """Remember what the job led to, and forget earlier failures."""
        self.redis.delete(key(project, f"failure:{kind}"), key(project, f"progress:{kind}"))
        self.redis.set(key(project, f"outcome:{kind}"), json.dumps({"message": message, "at": now}))

    def retry_now(self, project: str) -> None:
        """End the pauses after failures: what the jobs failed for is mended."""
        for kind in FUNCTIONS:
            failure = self.failure(project, kind)
            if failure:
                self.redis.set(key(project, f"failure:{kind}"), json.dumps({**failure, "not_before": 0.0}))

    def failure(self, project: str, kind: Kind) -> dict[str, Any]:
        """The last failure: reason, failures in a row, not_before; empty when the last job went well."""
        return _loads(self.redis.get(key(project, f"failure:{kind}")))

    def outcome(self, project: str, kind: Kind) -> dict[str, Any]:
        """What the last finished job led to: message, at; empty before the first."""
        return _loads(self.redis.get(key(project, f"outcome:{kind}")))

    def paused(self, project: str, kind: Kind, now: float) -> bool:
        """Whether a job of this kind has to wait because the last one failed."""
        return now < float(self.failure(project, kind).get("not_before", 0.0))

    # Jobs ---------------------------------------------------------------------------------------

    def dispatch_due(self, now: float) -> list[str]:
        """Queue a round for every project whose hints are due; returns the new job ids."""
        started = []
        for project in sorted(text(p) for p in self.redis.smembers("ecg:dirty")):
            waiting = any(self._will_take(project, job) for job in self.jobs(project, "retrain"))
            due = is_due(
                self.pending(project),
                now=now,
                minimum=self.settings.retrain_min,
                quiet=self.settings.retrain_quiet,
                max_wait=self.settings.retrain_max_wait,
                waiting=waiting,
                not_before=float(self.failure(project, "retrain").get("not_before", 0.0)),
            )
            if due:
                started.append(self.request_round(project))
        return started

    def request_round(self, project: str) -> str:
        """Queue a round now, unless one waits already; returns the id of the waiting job."""
        return self._request(project, "retrain")

    def request_rank(self, project: str) -> str:
        """Queue a ranking of the pool by the target version, unless one waits already; returns the job id."""
        return self._request(project, "rank")

    def jobs(self, project: str, kind: Kind) -> list[JobView]:
        """Jobs of the project that wait or run, shards of a ranking among them."""
        states = self._states(project, kind).items()
        alive = [(job_id, state) for job_id, state in states if state and state in ALIVE]
        return [JobView(job_id, kind, state.value, self.signal(job_id)) for job_id, state in alive]

    def signal(self, job_id: str) -> str:
        """Name of the signal that ended the job's process when it ran last (SIGKILL, SIGSEGV); "" for none."""
        try:
            return str(Job.fetch(job_id, connection=self.redis).meta.get(SIGNAL, ""))
        except NoSuchJobError:
            return ""

    def ahead(self, job: JobView) -> list[str]:
        """Jobs of all projects that run or wait before a waiting one, in the order of their turn."""
        queue = Queue(QUEUES[job.kind], connection=self.redis)
        waiting = queue.get_job_ids()
        place = waiting.index(job.id) if job.id in waiting else 0
        return [*queue.started_job_registry.get_job_ids(cleanup=False), *waiting[:place]]

    def workers(self, kind: Kind) -> int:
        """How many workers take jobs of this kind."""
        return Worker.count(queue=Queue(QUEUES[kind], connection=self.redis))

    def orphans(self, project: str) -> list[int]:
        """Rounds whose hints were taken but whose job is no longer alive (given up by RQ, or Redis lost it)."""
        alive = {job.id for job in self.jobs(project, "retrain")}
        taken = self.redis.scan_iter(match=key(project, "taken:*"), count=1000)
        rounds = (int(text(key).rsplit(":", 1)[1]) for key in taken)
        return sorted(number for number in rounds if job_id_of(project, "retrain", number) not in alive)

    def given_up(self, project: str, kind: Kind) -> list[str]:
        """Jobs whose process was killed whenever RQ ran it; each is told once."""
        failed = [job_id for job_id, state in self._states(project, kind).items() if state is JobStatus.FAILED]
        return [job_id for job_id in failed if self.redis.srem(key(project, f"jobs:{kind}"), job_id)]

    def _will_take(self, project: str, job: JobView) -> bool:
        """Whether a round has yet to take the hints: it waits, or its process is still starting."""
        return job.state != "started" or number_of(job.id) > self.last_read(project)

    def _request(self, project: str, kind: Kind) -> str:
        try:
            with self.redis.lock(key(project, f"request:{kind}"), timeout=30, blocking_timeout=10):
                for job in self.jobs(project, kind):
                    if job.state != "started" and job.id.startswith(kind):
                        return job.id
                number = self._next_number(project, kind)
                job_id = job_id_of(project, kind, number)
                return self._enqueue(project, kind, job_id, FUNCTIONS[kind], (project, number))
        except RedisError as error:
            raise Unavailable("The job could not be queued", type(error).__name__, "Redis must run") from None

    def enqueue(self, project: str, kind: Kind, job_id: str, function: str, args: tuple[Any, ...]) -> None:
        """Queue a part of a job of this kind."""
        with self.redis.lock(key(project, f"request:{kind}"), timeout=30, blocking_timeout=10):
            self._enqueue(project, kind, job_id, function, args)

    def _enqueue(self, project: str, kind: Kind, job_id: str, function: str, args: tuple[Any, ...]) -> str:
        # Remembered before it exists, so that it is never overlooked; forgotten here, or by `given_up`, when it ended.
        wanted = ALIVE | ({JobStatus.FAILED} if kind == "rank" else set())
        kept = [known for known, state in self._states(project, kind).items() if state in wanted]
        with self.redis.pipeline() as pipe:
            pipe.delete(key(project, f"jobs:{kind}"))
            pipe.sadd(key(project, f"jobs:{kind}"), *kept, job_id)
            pipe.execute()
        Queue(QUEUES[kind], connection=self.redis).enqueue_call(
            function,
            args=args,
            job_id=job_id,
            unique=True,
            timeout=JOB_TIMEOUT,
            result_ttl=RESULT_TTL,
            failure_ttl=FAILURE_TTL,
            retry=Retry(max=5),
        )
        logger.info("queued %s", job_id)
        return job_id

    def _next_number(self, project: str, kind: Kind) -> int:
        name = key(project, "round" if kind == "retrain" else "rankings")
        published = self.registry.last_round(project) if kind == "retrain" else 0
        number = max(int(self.redis.get(name) or 0), published) + 1
        while Job.exists(job_id_of(project, kind, number), connection=self.redis):
            number += 1
        self.redis.set(name, number)
        return number

    def _states(self, project: str, kind: Kind) -> dict[str, JobStatus | None]:
        ids = self.redis.smembers(key(project, f"jobs:{kind}"))
        return {job_id: self._state(job_id) for job_id in sorted(map(text, ids))}

    def _state(self, job_id: str) -> JobStatus | None:
        try:
            return Job.fetch(job_id, connection=self.redis).get_status()
        except (NoSuchJobError, InvalidJobOperation):  # gone, or going at this moment
            return None

    # Progress -----------------------------------------------------------------------------------

    def set_progress(self, project: str, kind: Kind, fields: dict[str, Any]) -> None:
        """Publish what the running job of this kind does; shown by `ecgal status`. No job fails for its sake."""
        try:
            self.redis.set(key(project, f"progress:{kind}"), json.dumps(fields), ex=PROGRESS_TTL)
        except RedisError as error:
            logger.warning("progress of project %s is not shown: %s", project, type(error).__name__)

    def save_durations(self, project: str, kind: Kind, seconds: Mapping[str, float]) -> None:
        """Keep how long each stage of a job took, for the next one's time left."""
        self.redis.set(key(project, f"durations:{kind}"), json.dumps(dict(seconds)))

    def durations(self, project: str, kind: Kind) -> dict[str, float]:
        """Seconds that each stage of the last such job took; empty before the first."""
        return _loads(self.redis.get(key(project, f"durations:{kind}")))

    def progress(self, project: str, kind: Kind) -> dict[str, Any]:
        """What the running job published last; empty when none runs."""
        return _loads(self.redis.get(key(project, f"progress:{kind}")))


def remember_signal(job: Job, name: str) -> None:
    """Keep the signal that ended the job's process with the job; `JobQueue.signal` tells it."""
    job.meta[SIGNAL] = name
    job.save_meta()  # type: ignore[no-untyped-call]


def ended_by(name: str) -> str:
    """What a signal's name means for an operator; "" for none.

    >>> ended_by("SIGKILL")
    ' (by SIGKILL: too little memory, or somebody stopped it)'
    """
    causes = {"SIGKILL": "too little memory, or somebody stopped it", "SIGTERM": "somebody stopped it"}
    return (
        f" (by {name}: {causes.get(name, 'a fault in native code, whose stack is in the worker log')})" if name else ""
    )


def job_id_of(project: str, kind: Kind, number: int) -> str:
    """The RQ job id; a number because RQ keeps ids of failed jobs taken (RQ 3.0)."""
    return f"{kind}-{project}-{number}"


def number_of(job_id: str) -> int:
    """The number in a job id: 3 in `retrain-12-3`."""
    return int(job_id.rsplit("-", 1)[1])


def _loads(raw: Any) -> dict[str, Any]:
    return dict(json.loads(raw)) if raw else {}
