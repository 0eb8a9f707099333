from pathlib import Path

import pytest
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from rq import Queue, SimpleWorker
from rq.job import Job

from backend.errors import Unavailable
from backend.job_queue import JobQueue, job_id_of
from backend.registry import Registry
from backend.settings import Settings


@pytest.fixture
def queue(redis: Redis, tmp_path: Path) -> JobQueue:
    settings = Settings(ECG_RETRAIN_QUIET=10, ECG_RETRAIN_MAX_WAIT=60, ECG_HOME=tmp_path)
    return JobQueue(redis, Registry(tmp_path), settings)


def test_hints_of_one_annotation_count_once(queue: JobQueue) -> None:
    queue.hint("1", ["a1", "a2"], now=100)
    queue.hint("1", ["a1"], now=105)
    pending = queue.pending("1")
    assert (pending.count, pending.oldest, pending.newest) == (2, 100, 105)


def test_thirty_submissions_make_one_waiting_round(queue: JobQueue, redis: Redis) -> None:
    for i in range(30):
        queue.hint("1", [f"a{i}"], now=100 + i / 6)
        assert queue.dispatch_due(now=100 + i / 6) == []
    assert queue.dispatch_due(now=120) == ["retrain-1-1"]
    assert queue.dispatch_due(now=130) == []
    assert Queue("train", connection=redis).job_ids == ["retrain-1-1"]


def test_annotations_are_counted_and_other_changes_only_make_a_round(queue: JobQueue) -> None:
    queue.hint("1", ["annotation:1", "annotation:2"], now=100)
    queue.hint_unread("1", 3, now=110)
    assert (queue.pending("1").annotations, queue.pending("1").count) == (3, 3)
    queue.hint_unread("1", 3, now=120)
    assert queue.pending("1").newest == 110
    queue.hint("1", ["annotation:3"], now=130)  # the webhook was late
    queue.hint_unread("1", 3, now=140)
    assert queue.pending("1").annotations == 3
    queue.hint("1", ["other:deleted-3"], now=150, gone=["annotation:3"])
    assert (queue.pending("1").annotations, queue.pending("1").count) == (2, 3)


def test_a_change_of_settings_alone_is_no_pending_annotation(queue: JobQueue) -> None:
    for now in (100, 105):
        queue.hint_unread("1", 0, now)
    assert (queue.pending("1").annotations, queue.pending("1").count, queue.pending("1").newest) == (0, 1, 100)
    assert queue.dispatch_due(now=120) == ["retrain-1-1"]


def test_a_waiting_job_knows_what_runs_before_it(queue: JobQueue, redis: Redis) -> None:
    queue.request_round("3")
    worker = SimpleWorker(["train"], connection=redis)
    worker.register_birth()
    taken = worker.dequeue_job_and_maintain_ttl(1)
    assert taken is not None
    worker.prepare_execution(taken[0])
    queue.request_round("1")
    queue.request_round("2")
    ahead = {project: queue.ahead(queue.jobs(project, "retrain")[0]) for project in ("1", "2")}
    assert ahead == {"1": ["retrain-3-1"], "2": ["retrain-3-1", "retrain-1-1"]}


def test_a_round_whose_process_is_still_starting_takes_the_hints(queue: JobQueue, redis: Redis) -> None:
    queue.hint("1", ["a1"], now=0)
    (job,) = queue.dispatch_due(now=20)
    Job.fetch(job, connection=redis).set_status("started")
    assert queue.dispatch_due(now=21) == []
    queue.take("1", 1)
    queue.hint("1", ["a2"], now=30)
    assert len(queue.dispatch_due(now=50)) == 1


def test_a_running_round_lets_exactly_one_wait(queue: JobQueue, redis: Redis) -> None:
    queue.hint("1", ["a1"], now=0)
    queue.dispatch_due(now=20)
    Queue("train", connection=redis).empty()  # as if a worker had popped it
    job = queue.request_round("1")
    Job.fetch(job, connection=redis).set_status("started")
    queue.take("1", 2)
    assert queue.dispatch_due(now=100) == []
    queue.hint("1", ["a2"], now=100)
    assert len(queue.dispatch_due(now=200)) == 1
    queue.hint("1", ["a3"], now=200)
    assert queue.dispatch_due(now=300) == []
    assert [view.state for view in queue.jobs("1", "retrain")] == ["started", "queued"]


def test_asking_twice_gives_the_job_that_waits(queue: JobQueue) -> None:
    assert queue.request_rank("1") == queue.request_rank("1") == "rank-1-1"
    assert queue.request_rank("2") == "rank-2-1"


def test_a_round_takes_the_hints_and_drops_them_when_done(queue: JobQueue) -> None:
    queue.hint("1", ["a1", "a2"], now=100)
    assert queue.take("1", 7) == 2
    assert queue.pending("1").count == 0
    queue.hint("1", ["a3"], now=101)
    queue.done("1", 7)
    assert queue.pending("1").count == 1
    assert queue.orphans("1") == []


def test_a_killed_round_finds_its_hints_again(queue: JobQueue) -> None:
    queue.hint("1", ["a1"], now=100)
    queue.take("1", 7)
    queue.hint("1", ["a2"], now=101)
    assert queue.take("1", 7) == 2


def test_hints_of_a_round_that_is_gone_are_orphans_and_come_back(queue: JobQueue) -> None:
    queue.hint("1", ["a1"], now=100)
    queue.take("1", 7)
    assert queue.orphans("1") == [7]
    queue.give_back("1", 7, now=200)
    queue.give_back("1", 7, now=300)
    assert queue.pending("1").count == 1
    assert queue.orphans("1") == []
    assert queue.dispatch_due(now=300) == ["retrain-1-1"]


def test_a_failure_pauses_the_next_round_and_success_forgets_it(queue: JobQueue) -> None:
    queue.hint("1", ["a1"], now=100)
    queue.failed("1", "retrain", "Label Studio is away", now=100)
    assert queue.paused("1", "retrain", now=105)
    assert queue.dispatch_due(now=109) == []
    queue.failed("1", "retrain", "Label Studio is away", now=110)
    assert queue.failure("1", "retrain") == {
        "reason": "Label Studio is away",
        "failures": 2,
        "not_before": 130.0,
        "at": 110,
    }
    queue.succeeded("1", "retrain", "Promoted.", now=140)
    assert queue.failure("1", "retrain") == {}
    assert queue.outcome("1", "retrain")["message"] == "Promoted."
    assert not queue.paused("1", "retrain", now=140)


def test_a_job_that_was_killed_whenever_it_ran_is_told_once(queue: JobQueue, redis: Redis) -> None:
    killed = queue.request_rank("1")
    assert queue.given_up("1", "rank") == []
    Job.fetch(killed, connection=redis).set_status("failed")
    another = queue.request_rank("1")
    assert another != killed
    assert queue.given_up("1", "rank") == [killed]
    assert queue.given_up("1", "rank") == []
    assert [job.id for job in queue.jobs("1", "rank")] == [another]


def test_ids_of_failed_jobs_are_not_used_again(queue: JobQueue, redis: Redis) -> None:
    first = queue.request_round("1")
    Job.fetch(first, connection=redis).set_status("failed")
    second = queue.request_round("1")
    assert (first, second) == ("retrain-1-1", "retrain-1-2")


def test_a_job_that_redis_lost_is_no_longer_listed(queue: JobQueue, redis: Redis) -> None:
    job = queue.request_round("1")
    Job.fetch(job, connection=redis).delete()
    assert queue.jobs("1", "retrain") == []


def test_a_job_that_was_looked_for_too_early_is_seen_later(queue: JobQueue, redis: Redis) -> None:
    redis.sadd("ecg:1:jobs:retrain", "retrain-1-1")  # as its request does before it makes the job
    assert queue.jobs("1", "retrain") == []
    Queue("train", connection=redis).enqueue("trainer.jobs.retrain", job_id="retrain-1-1")
    assert [view.id for view in queue.jobs("1", "retrain")] == ["retrain-1-1"]
    assert queue.request_round("1") == "retrain-1-1"


def test_a_job_of_which_redis_lost_all_but_a_heartbeat_is_no_longer_listed(queue: JobQueue, redis: Redis) -> None:
    job = queue.request_round("1")
    redis.hdel(Job.key_for(job), "status")
    assert queue.jobs("1", "retrain") == []


def test_jobs_that_ended_are_forgotten_with_the_next_request(queue: JobQueue, redis: Redis) -> None:
    for _ in range(3):
        Job.fetch(queue.request_round("1"), connection=redis).set_status("finished")
    assert redis.scard("ecg:1:jobs:retrain") == 1


def test_a_pause_ends_when_the_cause_is_mended(queue: JobQueue) -> None:
    queue.failed("1", "rank", "Label Studio is away", now=100)
    queue.retry_now("1")
    assert not queue.paused("1", "rank", now=101)
    assert queue.failure("1", "rank")["reason"] == "Label Studio is away"
    assert queue.failure("1", "retrain") == {}


def test_progress_is_what_was_published_last(queue: JobQueue) -> None:
    assert queue.progress("1", "rank") == {}
    queue.set_progress("1", "rank", {"step": 3, "steps": 10})
    assert queue.progress("1", "rank") == {"step": 3, "steps": 10}


def test_without_redis_a_hint_is_refused_loudly(tmp_path: Path) -> None:
    broken = JobQueue(
        Redis(unix_socket_path="/nonexistent/v.sock", retry=Retry(NoBackoff(), 0)), Registry(tmp_path), Settings()
    )
    with pytest.raises(Unavailable, match="hint"):
        broken.hint("1", ["a1"], now=0)
    broken.set_progress("1", "retrain", {"step": 1})  # lost, but no training fails for it
    with pytest.raises(Unavailable, match="Redis"):
        broken.ping()
    with pytest.raises(Unavailable, match="queued"):
        broken.request_round("1")


def test_job_ids_hold_only_what_rq_allows() -> None:
    assert job_id_of("12", "retrain", 3) == "retrain-12-3"
