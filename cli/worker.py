"""The RQ worker of `ecgal up`: SpawnWorker, which also survives a Redis that was emptied.

RQ registers a worker once, when it starts. Without that entry the process of a job takes the worker for
one without queues, leaves the job in the intermediate queue, and RQ runs it again a minute later, and
again. (RQ 3.0)
"""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Callable
from resource import struct_rusage

from rq import worker_registration
from rq.executions import Execution
from rq.job import Job
from rq.queue import Queue
from rq.worker import SpawnWorker

from backend.job_queue import remember_signal

PASSWORD = "ECGAL_REDIS_PASSWORD"
"""Environment variable of a job's process: others can read its command line, but not its environment."""


class Hidden(str):
    """A password whose `repr`, which RQ writes into the command line of a job's process, looks it up there."""

    def __repr__(self) -> str:
        return f"os.environ[{PASSWORD!r}]"


class Worker(SpawnWorker):
    """Looks at its registration while idle, before a job and during one."""

    def run_maintenance_tasks(self) -> None:
        """Called every --maintenance-interval while idle."""
        self.stay_registered()
        super().run_maintenance_tasks()  # type: ignore[no-untyped-call]

    def fork_work_horse(self, job: Job, queue: Queue) -> None:
        """Start the job's process without the password of Redis on its command line."""
        kwargs = self.connection.connection_pool.connection_kwargs
        if kwargs.get("password"):
            os.environ[PASSWORD] = kwargs["password"]
            kwargs["password"] = Hidden(kwargs["password"])
        super().fork_work_horse(job, queue)

    def handle_work_horse_killed(
        self, job: Job, retpid: int | None, ret_val: int | None, rusage: struct_rusage | None
    ) -> None:
        """Say which signal ended the job's process: RQ only knows its number, and runs the job again."""
        super().handle_work_horse_killed(job, retpid, ret_val, rusage)  # type: ignore[no-untyped-call]
        if ret_val is not None and os.WIFSIGNALED(ret_val):
            name = signal.Signals(os.WTERMSIG(ret_val)).name
            remember_signal(job, name)
            self.log.error("Worker %s: the process of job %s was ended by %s", self.name, job.id, name)

    def clean_registries(self) -> None:
        """As RQ does, without its line every few seconds."""
        self._quietly(super().clean_registries)

    def clean_group_registries(self) -> None:
        """As RQ does, without its line every few seconds."""
        self._quietly(super().clean_group_registries)

    def _quietly(self, clean: Callable[[], None]) -> None:
        level = self.log.level
        self.log.setLevel(logging.WARNING)
        try:
            clean()
        finally:
            self.log.setLevel(level)

    def execute_job(self, job: Job, queue: Queue) -> None:
        """Run the job in a process of its own."""
        self.stay_registered()
        super().execute_job(job, queue)

    def maintain_heartbeats(self, job: Job, execution: Execution) -> None:
        """Called every --job-monitoring-interval while a job runs."""
        super().maintain_heartbeats(job, execution)
        self.stay_registered()

    def stay_registered(self) -> None:
        """Register again unless Redis still knows this worker."""
        if self.connection.sismember(self.redis_workers_keys, self.key):
            return
        with self.connection.pipeline() as pipe:
            pipe.hset(self.key, mapping=self.serialize())
            pipe.expire(self.key, self.worker_ttl + 60)
            worker_registration.register(self, pipe)
            pipe.execute()
        self.log.warning("Worker %s: Redis had forgotten it, registered again", self.name)
