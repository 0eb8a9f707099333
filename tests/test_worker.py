"""The worker whose Redis was emptied while it was idle: each job still runs exactly once."""

import logging
import signal
from pathlib import Path

import pytest
from redis import Redis
from rq import Queue, Retry
from rq.job import JobStatus

from backend.job_queue import JobQueue
from backend.registry import Registry
from backend.settings import Settings
from cli.worker import Worker


@pytest.fixture
def worker(redis: Redis) -> Worker:
    worker = Worker(["train"], connection=redis)
    worker.register_birth()
    redis.flushall()
    return worker


def test_a_forgotten_worker_is_listed_again(worker: Worker, redis: Redis) -> None:
    worker.heartbeat()  # leaves a stub of an entry
    assert Worker.all(connection=redis) == []
    worker.run_maintenance_tasks()
    (found,) = Worker.all(connection=redis)
    assert (found.name, found.queue_names()) == (worker.name, ["train"])


def test_housekeeping_is_no_line_of_the_log(worker: Worker, redis: Redis, caplog: pytest.LogCaptureFixture) -> None:
    worker.stay_registered()
    with caplog.at_level(logging.INFO, worker.log.name):
        worker.run_maintenance_tasks()
        worker.log.info("a job")
    assert [record.message for record in caplog.records if record.levelno == logging.INFO] == ["a job"]
    assert worker.last_cleaned_at is not None


def test_a_job_whose_process_a_signal_ends_is_told_as_such(worker: Worker, redis: Redis) -> None:
    worker.stay_registered()
    queue = Queue("train", connection=redis)
    job = queue.enqueue("signal.raise_signal", signal.SIGSEGV, retry=Retry(max=1))
    taken = worker.dequeue_job_and_maintain_ttl(1)
    assert taken is not None
    worker.execute_job(*taken)
    jobs = JobQueue(redis, Registry(Path("unused")), Settings())
    assert jobs.signal(job.id) == "SIGSEGV"
    assert queue.get_job_ids() == [job.id], "it runs once more"
    assert jobs.signal("retrain-1-1") == ""


def test_a_job_of_a_forgotten_worker_does_not_stay_in_the_intermediate_queue(worker: Worker, redis: Redis) -> None:
    job = Queue("train", connection=redis).enqueue("time.time")
    taken = worker.dequeue_job_and_maintain_ttl(1)
    assert taken is not None
    worker.execute_job(*taken)
    assert job.get_status() == JobStatus.FINISHED
    assert Queue("train", connection=redis).intermediate_queue.get_job_ids() == []
