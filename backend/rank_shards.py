"""A large pool cut into jobs by task ids, which any number of workers share; the state of it in Redis.

Label Studio's data is the truth: what a lost or repeated shard did not do, it lacks predictions for. So a plan may be
forgotten, and a shard may run twice, one after the other.

Keys per project and version: `ecg:{id}:shards:{version}` (a hash: `total`, `started`, `plan`, and per shard
`<n>:range`, `<n>:job`, `<n>:done`) and `ecg:{id}:shards:{version}:step` (reports done so far).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any
from uuid import uuid4

from redis import Redis

from backend.hints import text
from backend.job_queue import JobQueue

FUNCTION = "trainer.jobs.rank_shard"
"""Dotted path of the job; the path is stored in Redis, so changing it orphans queued jobs."""
FORGOTTEN = 7 * 24 * 3600
"""Seconds after which a plan is forgotten that nobody went on with."""


@dataclass(frozen=True)
class Shard:
    """The tasks of the pool with ids in (after, upto]; `plan` tells it from the same range of another plan."""

    number: int
    after: int
    upto: int
    plan: str = field(default="", compare=False)


@dataclass(frozen=True)
class Step:
    """Reports done of all that were planned, and when that began (seconds since the epoch)."""

    done: int
    total: int
    started: float


class RankShards:
    """Plans and progress of the rankings that are shared out."""

    def __init__(self, redis: Redis, queue: JobQueue) -> None:
        self.redis = redis
        self.queue = queue

    def plan(self, project: str, version: str, shards: Sequence[Shard], total: int) -> None:
        """Keep the shards of a ranking; `total` reports are to be done. Call it with the project's rank lock held."""
        fields: dict[Any, Any] = {f"{shard.number}:range": f"{shard.after}-{shard.upto}" for shard in shards}
        fields |= {"total": total, "started": time.time(), "plan": uuid4().hex[:8]}
        self.drop(project, version)
        with self.redis.pipeline() as pipe:
            pipe.hset(_key(project, version), mapping=fields)
            pipe.expire(_key(project, version), FORGOTTEN)
            pipe.execute()

    def planned(self, project: str, version: str) -> bool:
        """Whether this ranking was cut into shards, done or not."""
        return bool(self.redis.exists(_key(project, version)))

    def unfinished(self, project: str, version: str) -> list[Shard]:
        """Shards that are not done; none when there is no plan."""
        fields = self._fields(project, version)
        numbers = sorted(int(name.split(":")[0]) for name in fields if name.endswith(":range"))
        open_ones = [number for number in numbers if f"{number}:done" not in fields]
        plan = fields.get("plan", "")
        ranges = ((n, fields[f"{n}:range"].split("-")) for n in open_ones)
        return [Shard(n, int(after), int(upto), plan) for n, (after, upto) in ranges]

    def start(self, project: str, version: str) -> int:
        """Queue unfinished shards that no job waits or works for; returns how many are unfinished.

        No more at a time than there are workers: each that ends queues the next, behind what other projects asked for.
        """
        with self.redis.lock(f"{_key(project, version)}:start", timeout=30, blocking_timeout=30):
            shards, fields = self.unfinished(project, version), self._fields(project, version)
            alive = {job.id for job in self.queue.jobs(project, "rank")}
            idle = [shard for shard in shards if fields.get(f"{shard.number}:job") not in alive]
            idle.sort(key=lambda shard: f"{shard.number}:job" in fields)  # what failed comes after what was not tried
            room = max(1, self.queue.workers("rank")) - (len(shards) - len(idle))
            for shard in idle[: max(0, room)]:
                self._enqueue(project, version, shard)
        return len(shards)

    def _enqueue(self, project: str, version: str, shard: Shard) -> None:
        job = f"shard-{project}-{shard.number}-{uuid4().hex[:8]}"
        self.redis.hset(_key(project, version), f"{shard.number}:job", job)
        args = (project, version, shard.number, shard.after, shard.upto, shard.plan)
        self.queue.enqueue(project, "rank", job, FUNCTION, args)

    def finish(self, project: str, version: str, shard: Shard) -> bool:
        """The shard is done: queue the next; returns whether all are.

        One that is not of the present plan changes nothing: False.
        """
        if not self.planned(project, version) or self.replanned(project, version, shard):
            return False
        self.redis.hset(_key(project, version), f"{shard.number}:done", 1)
        return self.start(project, version) == 0

    def replanned(self, project: str, version: str, shard: Shard) -> bool:
        """Whether there is another plan than the one that the shard is of."""
        fields = self._fields(project, version)
        here = fields.get("plan", ""), fields.get(f"{shard.number}:range")
        return bool(fields) and here != (shard.plan, f"{shard.after}-{shard.upto}")

    def step(self, project: str, version: str, reports: int) -> Step:
        """Count reports that were done; how far all shards are together."""
        key = f"{_key(project, version)}:step"
        done = int(self.redis.incrby(key, reports))
        self.redis.expire(key, FORGOTTEN)
        fields = self._fields(project, version)
        return Step(done, int(fields.get("total", done)), float(fields.get("started", time.time())))

    def drop(self, project: str, version: str) -> None:
        """Forget the plan: the ranking is finished, or another version is wanted."""
        self.redis.delete(_key(project, version), f"{_key(project, version)}:step")

    def _fields(self, project: str, version: str) -> dict[str, str]:
        fields: Any = self.redis.hgetall(_key(project, version))
        return {text(name): text(value) for name, value in fields.items()}


def cut(lowest: int, highest: int, count: int) -> list[Shard]:
    """The ids from `lowest` to `highest` as `count` shards of equal width, fewer when there are not as many ids.

    >>> [(shard.after, shard.upto) for shard in cut(1, 10, 3)]
    [(0, 3), (3, 6), (6, 10)]
    """
    ids = highest - lowest + 1
    count = max(1, min(count, ids))
    ends = [lowest - 1 + ids * i // count for i in range(count + 1)]
    return [Shard(i, after, upto) for i, (after, upto) in enumerate(pairwise(ends))]


def _key(project: str, version: str) -> str:
    return f"ecg:{project}:shards:{version}"
