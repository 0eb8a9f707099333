"""The ranked pool in Redis: top of the queue in milliseconds, rebuilt from Label Studio when lost.

Per project and version a sorted set (task id -> priority), a hash (task id -> uncertainty, reason, preview), a hash
(text key -> the task that asks for the text; its copies come last), one that is its inverse, and a sorted set of those
copies ("text key:task", all of one score, so that those of a text are a range). A version's ranking is written while
another one serves; nobody reads it before the switch.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, ParamSpec, TypeVar
from uuid import uuid4

from redis import Redis
from redis.exceptions import RedisError

from backend.errors import Unavailable

PREVIEW = 60
"""Characters of the report shown in a queue."""
BATCH = 5000
"""Rows written to Redis in one command."""
FORGOTTEN = 3600
"""Seconds after which Redis forgets what a killed comparison left behind."""

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True)
class RankedTask:
    """One task of the pool. `priority` and `uncertainty` are 0..1, high = ask first.

    The uncertainty is None where it is no longer known: a ranking that was lost is rebuilt from the stored scores,
    which for held-out tasks are random places.
    """

    task_id: int
    priority: float
    uncertainty: float | None
    reason: str
    preview: str


class RankingIndex:
    """Reads and writes the rankings; raises Unavailable when Redis does not answer."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis

    def add(self, project: str, version: str, rows: Iterable[RankedTask]) -> None:
        """Rank these tasks too; a row replaces what the version said about the task before."""
        order, details = _keys(project, version)
        for part in _batches(rows):
            scores = {str(row.task_id): row.priority for row in part}
            values = {str(row.task_id): _details(row) for row in part}
            _asking(self._write, order, scores, details, values)

    def claim(self, project: str, version: str, keys: Mapping[int, int]) -> dict[int, int]:
        """For each task the one that asks for its text (`report_key`): whichever of its copies was ranked first.

        Shards that run at once agree, because the first to say so is kept until the ranking is dropped.
        """
        return {
            task: int(first)
            for part in _batches(sorted(keys))
            for task, first in zip(part, self._claim(project, version, [(t, keys[t]) for t in part]), strict=True)
        }

    def release(self, project: str, version: str, task_ids: Collection[int]) -> list[int]:
        """Keys of the texts that these tasks asked for: they were deleted, and whichever copy is ranked next asks."""
        texts, asking = _texts(project, version), _asking_tasks(project, version)
        released: list[int] = []
        for part in _batches(map(str, task_ids)):
            found: Any = _asking(self.redis.hmget, asking, part)
            keys = [key for key in found if key]
            if keys:
                _asking(self._unclaim, texts, keys, asking, part)
            released += map(int, keys)
        return released

    def tasks_of(self, project: str, version: str, key: int, limit: int) -> list[int]:
        """The task that asks for a text, and at most `limit` of its copies; none where the text has no copy."""
        low, high = f"[{key:016x}:", f"({key:016x};"
        found: Any = _asking(
            self.redis.zrangebylex,
            _copies(project, version),
            low,
            high,
            start=0,
            num=limit,
        )
        first: Any = _asking(self.redis.hget, _texts(project, version), str(key)) if found else None
        return [int(task) for task in ([first] if first else []) + [row.rpartition(b":")[2] for row in found]]

    def top(self, project: str, version: str, k: int) -> list[RankedTask]:
        """The first `k` tasks, highest priority first."""
        order, details = _keys(project, version)
        ranked: Any = _asking(self.redis.zrevrange, order, 0, k - 1, withscores=True) if k > 0 else []
        rows: Any = _asking(self.redis.hmget, details, [task for task, _ in ranked]) if ranked else []
        return [_row(int(task), score, raw) for (task, score), raw in zip(ranked, rows, strict=True)]

    def rank(self, project: str, version: str, task_id: int) -> int | None:
        """The task's place in the queue, 1 for the first; None when it is not in it."""
        place: Any = _asking(self.redis.zrevrank, _keys(project, version)[0], str(task_id))
        return None if place is None else int(place) + 1

    def sample(self, project: str, version: str, k: int) -> list[int]:
        """At most `k` different tasks of the ranking, drawn at random."""
        found: Any = _asking(self.redis.zrandmember, _keys(project, version)[0], k)
        return [int(task) for task in found]

    def uncertainties(self, project: str, version: str, k: int) -> list[float]:
        """Those of at most `k` tasks of the ranking, drawn at random."""
        order, details = _keys(project, version)
        drawn: Any = _asking(self.redis.zrandmember, order, k)
        rows: Any = _asking(self.redis.hmget, details, drawn) if drawn else []
        found = [_row(0, 0.0, raw).uncertainty for raw in rows]
        return [uncertainty for uncertainty in found if uncertainty is not None]

    def known(self, project: str, version: str, task_ids: Sequence[int]) -> set[int]:
        """Those of the tasks that are ranked."""
        order = _keys(project, version)[0]
        scores: Any = _asking(self.redis.zmscore, order, list(map(str, task_ids))) if task_ids else []
        return {task for task, score in zip(task_ids, scores, strict=True) if score is not None}

    def strangers(self, project: str, version: str, task_ids: Iterable[int]) -> Iterator[list[int]]:
        """Ranked tasks that are not among `task_ids`, in lists of at most BATCH; both may be millions.

        A task that is ranked while `task_ids` are read may be among them: look again before it is removed.
        """
        order, seen = _keys(project, version)[0], f"ecg:{project}:seen:{uuid4().hex}"
        try:
            for part in _batches(task_ids):
                _asking(self._remember, seen, part)
            for found in _batches(task for task, _ in self.redis.zscan_iter(order, count=BATCH)):
                among: Any = _asking(self.redis.smismember, seen, found)
                if gone := [int(task) for task, there in zip(found, among, strict=True) if not there]:
                    yield gone
        finally:
            self.redis.delete(seen)

    def remove(self, project: str, version: str, task_ids: Collection[int]) -> None:
        """Take tasks out of the ranking, as they were annotated, skipped or deleted."""
        order, details = _keys(project, version)
        for part in _batches(map(str, task_ids)):
            _asking(self._erase, order, details, part)

    def count(self, project: str, version: str) -> int:
        """How many tasks are ranked."""
        return int(self.redis.zcard(_keys(project, version)[0]))

    def drop(self, project: str, version: str) -> None:
        """Forget the ranking of a version that no longer serves."""
        claims = (name(project, version) for name in (_texts, _asking_tasks, _copies))
        self.redis.unlink(*_keys(project, version), *claims)

    def _write(self, order: str, scores: dict[str, float], details: str, values: dict[Any, Any]) -> None:
        with self.redis.pipeline() as pipe:
            pipe.zadd(order, scores)
            pipe.hset(details, mapping=values)
            pipe.execute()

    def _claim(self, project: str, version: str, pairs: Sequence[tuple[int, int]]) -> list[bytes]:
        name = _texts(project, version)
        with self.redis.pipeline() as pipe:
            for task, key in pairs:
                pipe.hsetnx(name, str(key), str(task))
            pipe.hmget(name, [str(key) for _, key in pairs])
            found: list[bytes] = _asking(pipe.execute)[-1]
        copies = {
            f"{key:016x}:{task}": 0 for (task, key), first in zip(pairs, found, strict=True) if int(first) != task
        }
        if copies:
            _asking(self.redis.zadd, _copies(project, version), copies)
        asking: dict[Any, Any] = {
            str(task): str(key) for (task, key), first in zip(pairs, found, strict=True) if int(first) == task
        }
        if asking:
            _asking(self.redis.hset, _asking_tasks(project, version), mapping=asking)
        return found

    def _unclaim(self, texts: str, keys: Sequence[bytes], asking: str, task_ids: Sequence[str]) -> None:
        with self.redis.pipeline() as pipe:
            pipe.hdel(texts, *keys)
            pipe.hdel(asking, *task_ids)
            pipe.execute()

    def _erase(self, order: str, details: str, task_ids: Sequence[str]) -> None:
        with self.redis.pipeline() as pipe:
            pipe.zrem(order, *task_ids)
            pipe.hdel(details, *task_ids)
            pipe.execute()

    def _remember(self, seen: str, task_ids: Sequence[int]) -> None:
        with self.redis.pipeline() as pipe:
            pipe.sadd(seen, *map(str, task_ids))
            pipe.expire(seen, FORGOTTEN)
            pipe.execute()


def preview(text: str) -> str:
    """The start of a report on one line."""
    line = " ".join(text[: 2 * PREVIEW].split())
    return line if len(line) <= PREVIEW else line[: PREVIEW - 1] + "…"


def _keys(project: str, version: str) -> tuple[str, str]:
    return f"ecg:{project}:ranking:{version}", f"ecg:{project}:ranked:{version}"


def _texts(project: str, version: str) -> str:
    return f"ecg:{project}:texts:{version}"


def _asking_tasks(project: str, version: str) -> str:
    return f"ecg:{project}:asking:{version}"


def _copies(project: str, version: str) -> str:
    return f"ecg:{project}:copies:{version}"


def _details(row: RankedTask) -> str:
    uncertainty = None if row.uncertainty is None else round(row.uncertainty, 6)
    return json.dumps([uncertainty, row.reason, row.preview], ensure_ascii=False, separators=(",", ":"))


def _row(task_id: int, priority: float, raw: bytes | str | None) -> RankedTask:
    uncertainty, reason, shown = json.loads(raw) if raw else (None, "", "")
    return RankedTask(task_id, priority, uncertainty, reason, shown)


def _batches(items: Iterable[R]) -> Iterator[list[R]]:
    iterator = iter(items)
    while part := list(islice(iterator, BATCH)):
        yield part


def _asking(command: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    try:
        return command(*args, **kwargs)
    except RedisError as error:
        raise Unavailable("The queue cannot be reached", type(error).__name__, "Redis must run") from None
