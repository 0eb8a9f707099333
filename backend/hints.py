"""What changed in Label Studio and no round has read yet, in Redis.

Keys: `ecg:dirty` (set of projects with hints), and per project `ecg:{id}:pending` (sorted set, hint -> time), `:since`,
`:taken:<round>` and `:reading` (number of the last round that took hints).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from backend.errors import Unavailable
from backend.policy import Pending

UNREAD = "unread-"
"""Begins the hints for annotations that only their number is known of."""
OTHER = "other:"
"""Begins the hints for changes that are no annotation to read."""


class Hints:
    """Changes that wait for a round; one that runs holds those that it took until it is done."""

    redis: Redis

    def hint(self, project: str, members: Iterable[str], now: float, gone: Iterable[str] = ()) -> None:
        """Remember that annotations changed; the same member again only renews its time.

        A member that begins with OTHER is no annotation to read. Those in `gone` are forgotten.
        """
        scores, old = dict.fromkeys(members, now), list(gone)
        if not (scores or old):
            return
        try:
            with self.redis.pipeline() as pipe:
                if old:
                    pipe.zrem(key(project, "pending"), *old)
                if scores:
                    pipe.zadd(key(project, "pending"), scores)
                    pipe.set(key(project, "since"), now, nx=True)
                    pipe.sadd("ecg:dirty", project)
                pipe.execute()
        except RedisError as error:
            raise Unavailable("The hint could not be stored", type(error).__name__, "Redis must run") from None

    def hint_unread(self, project: str, annotations: int, now: float) -> None:
        """Label Studio holds so many annotations that no round has read, told by hints or not; 0: something else.

        Hints that are known keep their time.
        """
        waiting: Any = self.redis.zrange(key(project, "pending"), 0, -1)
        known = {text(member) for member in waiting}
        told = sum(not member.startswith((UNREAD, OTHER)) for member in known)
        wanted = {f"{UNREAD}{i}" for i in range(annotations - told)}
        gone = [member for member in known - wanted if member.startswith(UNREAD)]
        if not (wanted or told):
            wanted = {f"{OTHER}changed"}
        self.hint(project, wanted - known, now, gone)

    def pending(self, project: str) -> Pending:
        """Hints that no round has taken."""
        with self.redis.pipeline() as pipe:
            pipe.zrange(key(project, "pending"), 0, -1, withscores=True)
            pipe.get(key(project, "since"))
            hints, since = pipe.execute()
        last = float(hints[-1][1]) if hints else 0.0
        annotations = sum(not text(member).startswith(OTHER) for member, _ in hints)
        return Pending(count=len(hints), oldest=float(since or last), newest=last, annotations=annotations)

    def take(self, project: str, round_number: int) -> int:
        """Move all hints to the round; returns how many it holds. Repeating a killed round adds new ones."""
        pending, taken = key(project, "pending"), key(project, f"taken:{round_number}")
        with self.redis.pipeline() as pipe:
            pipe.zunionstore(taken, [taken, pending], aggregate="MAX")
            pipe.delete(pending, key(project, "since"))
            pipe.srem("ecg:dirty", project)
            pipe.set(key(project, "reading"), round_number)
            pipe.zcard(taken)
            return int(pipe.execute()[-1])

    def last_read(self, project: str) -> int:
        """The last round that took hints; 0 before the first."""
        return int(self.redis.get(key(project, "reading")) or 0)

    def done(self, project: str, round_number: int) -> None:
        """The round is finished: forget its hints."""
        self.redis.delete(key(project, f"taken:{round_number}"))

    def give_back(self, project: str, round_number: int, now: float) -> None:
        """The round did not finish: its hints wait again."""
        pending, taken = key(project, "pending"), key(project, f"taken:{round_number}")
        if not self.redis.exists(taken):
            return
        with self.redis.pipeline() as pipe:
            pipe.zunionstore(pending, [pending, taken], aggregate="MAX")
            pipe.delete(taken)
            pipe.set(key(project, "since"), now, nx=True)
            pipe.sadd("ecg:dirty", project)
            pipe.execute()


def text(raw: bytes | str) -> str:
    """What Redis answers, as a string."""
    return raw.decode() if isinstance(raw, bytes) else raw


def key(project: str, name: str) -> str:
    """The Redis key of a project's value."""
    return f"ecg:{project}:{name}"
