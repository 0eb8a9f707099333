"""Reports annotated since the serving version was trained: their strings become proposals at once.

A webhook puts the report here, `backend.serving` and `trainer.proposing` add its counts to the version's span
memory. A report counts once: in here until a version serves that was trained on it. Kept in Redis, like everything
between two rounds; a Redis that was emptied costs the proposals until the next round.

Keys, per project: `ecg:{id}:live` (hash, annotation -> report), `:live:stamp` (changes with every change). For all:
`ecg:proposing` (sorted set of the projects whose stored predictions `trainer.proposing` shall complete).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import uuid4

from redis import Redis
from redis.exceptions import RedisError

from backend.errors import Unavailable
from backend.model_card import ModelCard
from backend.ner.spans import Span

LIMIT = 500
"""Newest reports kept of a project: counting them takes 80 ms."""
WAITING = "ecg:proposing"

R = TypeVar("R")


@dataclass(frozen=True)
class LiveReport:
    """An annotated report. `after` is the last round that had begun; `changed`: it may have read another state."""

    annotation: int
    task: int
    text: str
    spans: tuple[Span, ...]
    after: int = 0
    changed: bool = False

    def is_new_to(self, card: ModelCard | None) -> bool:
        """Whether the version's memory lacks this report; None stands for the rules, which have none.

        A round that began later has read the annotation, or left it out for good. Of the round that had begun only
        its card tells. No round trains on the holdout: what annotators labelled there is proposed from here.
        """
        if card is None or self.task in card.dataset.holdout_tasks:
            return True
        if card.round > self.after:
            return False
        return self.changed or self.annotation not in card.dataset.annotations

    def to_json(self) -> str:
        """The report without its annotation's id."""
        spans = [(span.start, span.end, span.label) for span in self.spans]
        return json.dumps([self.task, self.text, spans, self.after, self.changed])

    @classmethod
    def from_json(cls, annotation: int, stored: bytes | str) -> LiveReport:
        """What `to_json` wrote."""
        task, text, spans, after, changed = json.loads(stored)
        return cls(annotation, task, text, tuple(Span(*span) for span in spans), after, changed)


class LiveMemory:
    """Reads and writes the reports of all projects; raises Unavailable when Redis does not answer."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis

    def put(self, project: str, reports: Sequence[LiveReport]) -> None:
        """Keep the reports; each replaces what its annotation said before."""
        if reports:
            fields: dict[Any, Any] = {str(report.annotation): report.to_json() for report in reports}
            _asking(lambda: self._change(project, fields, ()))

    def forget(self, project: str, annotations: Iterable[int]) -> None:
        """Take back what these annotations said: skipped, made a draft, deleted."""
        numbers = [str(number) for number in annotations]
        if numbers:
            _asking(lambda: self._change(project, {}, numbers))

    def forget_tasks(self, project: str, tasks: Iterable[int]) -> None:
        """Take back what was said of these tasks: they are gone."""
        gone = set(tasks)
        self.forget(project, [report.annotation for report in self.reports(project) if report.task in gone])

    def reports(self, project: str, card: ModelCard | None = None) -> list[LiveReport]:
        """The reports that the version of `card` does not know (None: the rules), by annotation."""
        stored: dict[Any, Any] = _asking(lambda: self.redis.hgetall(_key(project)))
        reports = [LiveReport.from_json(int(number), raw) for number, raw in stored.items()]
        return sorted((r for r in reports if r.is_new_to(card)), key=lambda report: report.annotation)

    def stamp(self, project: str) -> str:
        """Another text after each change; "" when nothing was ever kept."""
        raw = _asking(lambda: self.redis.get(f"{_key(project)}:stamp"))
        return raw.decode() if isinstance(raw, bytes) else raw or ""

    def request_proposing(self, project: str) -> None:
        """Ask for the stored predictions of the next tasks to be completed; asking twice is asking once."""
        _asking(lambda: self.redis.zadd(WAITING, {project: 0}))

    def next_project(self, timeout: float) -> str | None:
        """Wait for a project that asks, for `timeout` seconds at most."""
        found: Any = _asking(lambda: self.redis.bzpopmin(WAITING, timeout))
        return found[1].decode() if found else None

    def _change(self, project: str, kept: dict[Any, Any], dropped: Sequence[str]) -> None:
        key = _key(project)
        with self.redis.pipeline() as pipe:
            if kept:
                pipe.hset(key, mapping=kept)
            if dropped:
                pipe.hdel(key, *dropped)
            pipe.set(f"{key}:stamp", uuid4().hex)
            pipe.hlen(key)
            count = pipe.execute()[-1]
        if count > LIMIT:
            oldest = sorted(self.redis.hkeys(key), key=int)[: count - LIMIT]
            self.redis.hdel(key, *oldest)


def _key(project: str) -> str:
    return f"ecg:{project}:live"


def _asking(command: Callable[[], R]) -> R:
    try:
        return command()
    except RedisError as error:
        raise Unavailable("The live memory cannot be reached", type(error).__name__, "Redis must run") from None
