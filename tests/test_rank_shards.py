"""What is kept of a ranking that is shared out."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis import Redis
from rq import Queue, Worker
from rq.job import Job

from backend.job_queue import JobQueue
from backend.rank_shards import FUNCTION, RankShards, Shard, cut
from backend.registry import Registry
from backend.settings import Settings

PLAN = [Shard(0, 0, 10), Shard(1, 10, 20)]


@pytest.fixture
def shards(redis: Redis, tmp_path: Path) -> RankShards:
    made = RankShards(redis, JobQueue(redis, Registry(tmp_path), Settings(ECG_HOME=tmp_path)))
    made.plan("1", "v1", PLAN, 20)
    return made


@given(st.integers(1, 10**9), st.integers(0, 10**6), st.integers(1, 50))
def test_shards_cover_every_id_once(lowest: int, more: int, count: int) -> None:
    parts = cut(lowest, lowest + more, count)
    assert (parts[0].after, parts[-1].upto) == (lowest - 1, lowest + more)
    assert all(a.upto == b.after for a, b in pairwise(parts))
    assert all(part.after < part.upto for part in parts)
    assert len(parts) == min(count, more + 1)


def test_a_shard_is_queued_once_and_again_after_the_others_when_its_job_is_gone(
    shards: RankShards, redis: Redis
) -> None:
    assert shards.start("1", "v1") == shards.start("1", "v1") == 2
    (first,) = Queue("rank", connection=redis).job_ids
    job = Job.fetch(first, connection=redis)
    assert (job.func_name, job.args) == (FUNCTION, ("1", "v1", 0, 0, 10, shards.unfinished("1", "v1")[0].plan))
    job.delete()
    assert shards.start("1", "v1") == 2
    (second,) = Queue("rank", connection=redis).job_ids
    assert Job.fetch(second, connection=redis).args[2] == 1
    Job.fetch(second, connection=redis).delete()
    assert shards.start("1", "v1") == 2
    assert len(Queue("rank", connection=redis).job_ids) == 1


def test_as_many_shards_wait_as_there_are_workers(shards: RankShards, redis: Redis) -> None:
    for name in ("a", "b"):
        Worker(["rank"], name=name, connection=redis).register_birth()
    Worker(["train"], name="c", connection=redis).register_birth()
    shards.plan("1", "v1", cut(1, 40, 4), 40)
    shards.start("1", "v1")
    assert len(Queue("rank", connection=redis).job_ids) == 2


def test_another_project_has_its_turn_between_two_shards(shards: RankShards, redis: Redis) -> None:
    shards.plan("1", "v1", cut(1, 300, 300), 300)
    shards.start("1", "v1")
    queue = Queue("rank", connection=redis)
    (first,) = queue.job_ids
    other = shards.queue.request_rank("2")
    assert not shards.finish("1", "v1", shards.unfinished("1", "v1")[0])
    Job.fetch(first, connection=redis).delete()
    assert shards.start("1", "v1") == 299
    waiting = queue.job_ids
    assert (waiting[0], len(waiting)) == (other, 2)


def test_a_waiting_shard_is_not_the_ranking_that_is_asked_for(shards: RankShards) -> None:
    shards.start("1", "v1")
    assert shards.queue.request_rank("1") == shards.queue.request_rank("1") == "rank-1-1"
    assert len(shards.queue.jobs("1", "rank")) == 2


def test_the_last_shard_that_ends_is_told_so(shards: RankShards) -> None:
    first, second = shards.unfinished("1", "v1")
    assert not shards.finish("1", "v1", first)
    assert shards.unfinished("1", "v1") == PLAN[1:]
    assert not shards.finish("1", "v1", first)
    assert shards.finish("1", "v1", second)
    assert shards.start("1", "v1") == 0
    assert shards.planned("1", "v1")


def test_a_plan_that_redis_lost_stays_lost(shards: RankShards, redis: Redis) -> None:
    redis.flushall()
    assert not shards.finish("1", "v1", PLAN[0])
    assert not shards.planned("1", "v1")
    assert shards.unfinished("1", "v1") == []


def test_a_shard_of_an_earlier_plan_ends_none_of_the_present_one(shards: RankShards) -> None:
    old = shards.unfinished("1", "v1")[0]
    assert not shards.replanned("1", "v1", old)
    shards.plan("1", "v1", PLAN, 20)
    assert shards.replanned("1", "v1", old)
    assert not shards.finish("1", "v1", old)
    assert shards.unfinished("1", "v1") == PLAN


def test_steps_of_all_shards_add_up(shards: RankShards) -> None:
    shards.step("1", "v1", 5)
    step = shards.step("1", "v1", 7)
    assert (step.done, step.total) == (12, 20)
    shards.drop("1", "v1")
    assert shards.step("1", "v1", 0).done == 0
