"""The ranked pool in Redis: top of the queue in milliseconds, rebuilt from Label Studio when lost.

Per project and version a sorted set (task id -> priority) and a hash (task id -> uncertainty, reason,
preview). `replace` builds aside and renames, so that a reader sees the old ranking or the new one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from backend.errors import Unavailable

PREVIEW = 60
"""Characters of the report shown in a queue."""
BATCH = 5000
"""Rows written to Redis in one command."""


@dataclass(frozen=True)
class RankedTask:
    """One task of the pool. `priority` and `uncertainty` are 0..1, high = ask first."""

    task_id: int
    priority: float
    uncertainty: float
    reason: str
    preview: str


class RankingIndex:
    """Reads and writes the rankings; raises Unavailable when Redis does not answer."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis

    def replace(self, project: str, version: str, rows: Iterable[RankedTask]) -> int:
        """Make `rows` the whole ranking of the version; returns how many they are."""
        order, details = _keys(project, version)
        new_order, new_details = f"{order}:new", f"{details}:new"
        self.redis.delete(new_order, new_details)
        count = self._write(new_order, new_details, rows)
        with self.redis.pipeline() as pipe:
            for new, old in ((new_order, order), (new_details, details)):
                pipe.rename(new, old) if count else pipe.delete(old)
            pipe.execute()
        return count

    def top(self, project: str, version: str, k: int) -> list[RankedTask]:
        """The first `k` tasks, highest priority first."""
        order, details = _keys(project, version)
        try:
            ranked: list[Any] = self.redis.zrevrange(order, 0, k - 1, withscores=True) if k > 0 else []
            rows: list[Any] = self.redis.hmget(details, [task for task, _ in ranked]) if ranked else []
        except RedisError as error:
            raise Unavailable("The queue cannot be read", type(error).__name__, "Redis must run") from None
        return [_row(int(task), score, raw) for (task, score), raw in zip(ranked, rows, strict=True)]

    def remove(self, project: str, version: str, task_ids: Sequence[int]) -> None:
        """Take tasks out of the ranking, as they were annotated, skipped or deleted."""
        if not task_ids:
            return
        order, details = _keys(project, version)
        try:
            with self.redis.pipeline() as pipe:
                for start in range(0, len(task_ids), BATCH):
                    part = [str(task) for task in task_ids[start : start + BATCH]]
                    pipe.zrem(order, *part)
                    pipe.hdel(details, *part)
                pipe.execute()
        except RedisError as error:
            raise Unavailable("The queue cannot be changed", type(error).__name__, "Redis must run") from None

    def count(self, project: str, version: str) -> int:
        """How many tasks are ranked."""
        return int(self.redis.zcard(_keys(project, version)[0]))

    def drop(self, project: str, version: str) -> None:
        """Forget the ranking of a version that no longer serves."""
        self.redis.delete(*_keys(project, version))

    def _write(self, order: str, details: str, rows: Iterable[RankedTask]) -> int:
        count = 0
        scores: dict[str, float] = {}
        values: dict[Any, Any] = {}
        for row in rows:
            scores[str(row.task_id)] = row.priority
            values[str(row.task_id)] = json.dumps([row.uncertainty, row.reason, row.preview], ensure_ascii=False)
            count += 1
            if len(scores) == BATCH:
                self._flush(order, details, scores, values)
                scores, values = {}, {}
        if scores:
            self._flush(order, details, scores, values)
        return count

    def _flush(self, order: str, details: str, scores: dict[str, float], values: dict[Any, Any]) -> None:
        with self.redis.pipeline() as pipe:
            pipe.zadd(order, scores)
            pipe.hset(details, mapping=values)
            pipe.execute()


def preview(text: str) -> str:
    """The start of a report on one line."""
    line = " ".join(text[: 2 * PREVIEW].split())
    return line if len(line) <= PREVIEW else line[: PREVIEW - 1] + "…"


def _keys(project: str, version: str) -> tuple[str, str]:
    return f"ecg:{project}:ranking:{version}", f"ecg:{project}:ranked:{version}"


def _row(task_id: int, priority: float, raw: bytes | str | None) -> RankedTask:
    uncertainty, reason, shown = json.loads(raw) if raw else (priority, "", "")
    return RankedTask(task_id, priority, uncertainty, reason, shown)
