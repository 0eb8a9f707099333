"""Reports annotated since the serving version was trained: their strings become proposals at once.

A webhook puts the report here, `backend.serving` and `trainer.proposing` add its counts to the version's span
memory. A report counts once: of several annotations of a text, in one task or in copies, the one that came last, in
here until a version serves that was trained on it. One that changed after it was learned counts as it is now, and what
the version counted of it is taken out (`LiveReport.replaces`). Only states that came through here are known: a change
of an annotation that is older than what is kept here counts beside what the version learned of it, until the next
round.

Kept in Redis, like everything between two rounds; a Redis that was emptied costs the proposals until the next round.

Keys, per project: `ecg:{id}:live` (hash, annotation -> report), `:live:stamp` (changes with every change),
`:live:puts` (counts what was put). For all: `ecg:proposing` (sorted set of the projects whose stored predictions
`trainer.proposing` shall complete, the one that asked first first).
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar
from uuid import uuid4

from redis import Redis
from redis.exceptions import RedisError

from backend.errors import Unavailable
from backend.model_card import ModelCard
from backend.ner.spans import Span
from backend.ranking.copies import bare_spans, report_key, spans_in
from backend.rules import SpanMemory

LIMIT = 500
"""Newest reports kept of a project: counting them takes 80 ms."""
WAITING = "ecg:proposing"

R = TypeVar("R")
State = tuple[int, tuple[Span, ...]]
"""The last round that had begun, and what the annotation said."""


@dataclass(frozen=True)
class LiveReport:
    """An annotated report. `after` is the last round that had begun; `changed`: it may have read another state.

    `put` tells which came later. `earlier` are the states before, each the last of those with the same `after`.
    `replaces` is set by `LiveMemory.reports`: what the version counted of this report, None for nothing.
    """

    annotation: int
    task: int
    text: str
    spans: tuple[Span, ...]
    after: int = 0
    changed: bool = False
    put: int = field(default=0, compare=False)
    earlier: tuple[State, ...] = ()
    replaces: tuple[Span, ...] | None = None

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

    def learned_by(self, card: ModelCard | None) -> tuple[Span, ...] | None:
        """What this annotation said when the version learned it; None if it did not, or it is not known."""
        if card is None or self.annotation not in card.dataset.annotations or self.task in card.dataset.holdout_tasks:
            return None
        read = [spans for after, spans in (*self.earlier, (self.after, self.spans)) if after < card.round]
        if read:
            return read[-1]
        return None if self.changed else self.spans

    def following(self, old: LiveReport | None) -> LiveReport:
        """This state of the annotation, which remembers those that rounds may have read."""
        if old is None or old.text != self.text:
            return self
        earlier = [state for state in (*old.earlier, (old.after, old.spans)) if state[0] < self.after]
        return replace(self, earlier=tuple(dict(earlier).items()))

    def to_json(self) -> str:
        """The report without its annotation's id."""
        earlier = [(after, _bare(spans)) for after, spans in self.earlier]
        return json.dumps([self.task, self.text, _bare(self.spans), self.after, self.changed, self.put, earlier])

    @classmethod
    def from_json(cls, annotation: int, stored: bytes | str) -> LiveReport:
        """What `to_json` wrote."""
        task, text, spans, after, changed, *rest = json.loads(stored)
        put, earlier = rest or (0, ())
        states = tuple((round_, _spans(said)) for round_, said in earlier)
        return cls(annotation, task, text, _spans(spans), after, changed, put, states)


class LiveMemory:
    """Reads and writes the reports of all projects; raises Unavailable when Redis does not answer."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis

    def put(self, project: str, reports: Sequence[LiveReport]) -> None:
        """Keep the reports; each replaces what its annotation said before."""
        if reports:
            _asking(lambda: self._change(project, self._following(project, reports), ()))

    def forget(self, project: str, annotations: Iterable[int]) -> None:
        """Take back what these annotations said: skipped, made a draft, deleted."""
        numbers = [str(number) for number in annotations]
        if numbers:
            _asking(lambda: self._change(project, {}, numbers))

    def forget_tasks(self, project: str, tasks: Iterable[int]) -> None:
        """Take back what was said of these tasks: they are gone."""
        gone = set(tasks)
        self.forget(project, [report.annotation for report in self._all(project) if report.task in gone])

    def reports(self, project: str, card: ModelCard | None = None) -> list[LiveReport]:
        """The reports that the version of `card` does not know (None: the rules), one per text, by annotation."""
        ordered = sorted(self._all(project), key=_age)
        keys = {report.annotation: report_key(report.text) for report in ordered}
        now = {report.task: keys[report.annotation] for report in ordered}
        told: dict[int, list[LiveReport]] = {}
        for report in ordered:
            if (key := keys[report.annotation]) == now[report.task]:
                told.setdefault(key, []).append(report)
        found = [
            replace(copies[-1], replaces=_learned(copies[-1].text, copies, card))
            for copies in told.values()
            if copies[-1].is_new_to(card)
        ]
        return sorted(found, key=lambda report: report.annotation)

    def stamp(self, project: str) -> str:
        """Another text after each change; "" when nothing was ever kept."""
        raw = _asking(lambda: self.redis.get(f"{_key(project)}:stamp"))
        return raw.decode() if isinstance(raw, bytes) else raw or ""

    def request_proposing(self, project: str) -> None:
        """Ask for the stored predictions of the next tasks to be completed; asking twice is asking once."""
        _asking(lambda: self.redis.zadd(WAITING, {project: time.time()}, nx=True))

    def next_project(self, timeout: float) -> str | None:
        """Wait for a project that asks, for `timeout` seconds at most; it asks no more then."""
        found: Any = _asking(lambda: self.redis.bzpopmin(WAITING, timeout))
        return found[1].decode() if found else None

    def _all(self, project: str) -> list[LiveReport]:
        stored: dict[Any, Any] = _asking(lambda: self.redis.hgetall(_key(project)))
        return [LiveReport.from_json(int(number), raw) for number, raw in stored.items()]

    def _following(self, project: str, reports: Sequence[LiveReport]) -> dict[Any, Any]:
        """Fields of the hash for the reports, which remember what their annotations said before."""
        put: Any = self.redis.incr(f"{_key(project)}:puts")
        known: Any = self.redis.hmget(_key(project), [str(report.annotation) for report in reports])
        fields: dict[Any, Any] = {}
        for report, raw in zip(reports, known, strict=True):
            old = LiveReport.from_json(report.annotation, raw) if raw else None
            fields[str(report.annotation)] = replace(report, put=put).following(old).to_json()
        return fields

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
            # By when they came, not by their numbers: an old annotation that is corrected now is news.
            oldest = sorted(self._all(project), key=_age)[: count - LIMIT]
            self.redis.hdel(key, *(str(report.annotation) for report in oldest))


def without_replaced(memory: SpanMemory, reports: Iterable[LiveReport]) -> SpanMemory:
    """The memory of the version that `reports` are new to, less what it counted of them before they changed.

    >>> report = LiveReport(1, 1, "ab cd", (Span(3, 5, "X"),), replaces=(Span(0, 2, "X"),))
    >>> without_replaced(SpanMemory({"ab": {"X": 1}, "cd": {"X": 3}}, {"cd": 1}), [report])
    SpanMemory(labelled={'cd': {'X': 3}}, unlabelled={})
    """
    old = [(report.text, report.replaces) for report in reports if report.replaces is not None]
    if not old:
        return memory
    gone = SpanMemory.from_reports(old, memory.labelled)
    left = {said: Counter(counts) - Counter(gone.labelled.get(said)) for said, counts in memory.labelled.items()}
    unlabelled = Counter(memory.unlabelled) - Counter(gone.unlabelled)
    return SpanMemory({said: dict(counts) for said, counts in left.items() if counts}, dict(unlabelled))


def _learned(text: str, reports: Iterable[LiveReport], card: ModelCard | None) -> tuple[Span, ...] | None:
    """What the version counted of a text, by whichever annotation of it or of a copy, as ranges of this text."""
    learned = ((report.text, report.learned_by(card)) for report in reports)
    for said, spans in learned:
        if spans is not None:
            return spans if said == text else spans_in(text, bare_spans(said, spans))
    return None


def _age(report: LiveReport) -> tuple[int, int]:
    """What came first is least."""
    return report.put, report.annotation


def _bare(spans: Iterable[Span]) -> list[tuple[int, int, str]]:
    return [(span.start, span.end, span.label) for span in spans]


def _spans(stored: Iterable[Sequence[Any]]) -> tuple[Span, ...]:
    return tuple(Span(*span) for span in stored)


def _key(project: str) -> str:
    return f"ecg:{project}:live"


def _asking(command: Callable[[], R]) -> R:
    try:
        return command()
    except RedisError as error:
        raise Unavailable("The live memory cannot be reached", type(error).__name__, "Redis must run") from None
