"""What annotators said of each text: an unlabelled copy of an annotated report is prefilled from here.

Webhooks keep it up to date, each round and a ranking that finds nothing write it anew; each change is one transaction.
No report text is kept: a key of 64 bits and ranges of the text without white space (`backend.ranking.copies`) stand
for it.

Keys, per project: `ecg:{id}:annotated` (hash, annotation -> text key), `ecg:{id}:annotated:said` (hash, text key ->
annotation, task and spans of each answer, the one that counts last), `ecg:{id}:annotated:changed` (set of the text
keys whose answer changed since `trainer.proposing` took them).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from redis import Redis
from redis.client import Pipeline
from redis.exceptions import RedisError

from backend.errors import Unavailable
from backend.ner.prediction import Prediction
from backend.ner.spans import Span
from backend.ranking.control import behind
from backend.ranking.copies import bare_spans, report_key, spans_in

AT_ONCE = 200
"""Texts that are renewed in one transaction: it begins anew whenever a webhook writes meanwhile."""

R = TypeVar("R")


@dataclass(frozen=True)
class Answer:
    """An annotation as its copies need it; spans are those of `bare_spans`."""

    annotation: int
    task: int
    key: int
    spans: tuple[Span, ...]

    @classmethod
    def of(cls, annotation: int, task: int, text: str, spans: Iterable[Span]) -> Answer:
        """From an annotated report with spans of its text."""
        return cls(annotation, task, report_key(text), bare_spans(text, spans))

    def fill(self, prediction: Prediction, task: int, text: str, labels: Collection[str]) -> Prediction:
        """The prediction of a copy with what the annotation says, to be asked last: it is known."""
        spans = spans_in(text, (span for span in self.spans if span.label in labels), "copy")
        return replace(prediction, spans=spans, priority=behind(task))


class AnnotatedTexts:
    """Reads and writes the answers of all projects; raises Unavailable when Redis does not answer."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis

    def put(self, project: str, answers: Sequence[Answer]) -> None:
        """Keep the answers; of several to one text the last counts."""
        self._change(project, {answer.annotation: answer for answer in answers})

    def forget(self, project: str, annotations: Iterable[int]) -> None:
        """Take answers back: skipped, made a draft, deleted. Another answer to the text counts again."""
        self._change(project, dict.fromkeys(annotations))

    def forget_tasks(self, project: str, tasks: Iterable[int]) -> None:
        """Take back what was said of these tasks: they are gone."""
        gone = set(tasks)
        self.forget(project, [number for number, one in self.known(project).items() if one.task in gone])

    def renew(self, project: str, answers: Sequence[Answer], known: Mapping[int, Answer]) -> None:
        """Keep these answers and no other.

        `known` is what was kept before they were read: what changed since is newer than they are, and stays.
        """
        by_text: dict[int, dict[int, Answer | None]] = {}
        for answer in answers:
            by_text.setdefault(answer.key, {})[answer.annotation] = answer
        for number in known.keys() - {answer.annotation for answer in answers}:
            by_text.setdefault(known[number].key, {})[number] = None
        texts = list(by_text.values())
        for start in range(0, len(texts), AT_ONCE):
            part = texts[start : start + AT_ONCE]
            self._change(project, {number: new for text in part for number, new in text.items()}, known)

    def known(self, project: str) -> dict[int, Answer]:
        """The answers by their annotations; none where nothing was annotated, or Redis was emptied."""
        stored: dict[Any, Any] = _asking(lambda: self.redis.hgetall(f"{_key(project)}:said"))
        return {one.annotation: one for key, raw in stored.items() for one in _answers(int(key), raw)}

    def take_changed(self, project: str, most: int) -> list[int]:
        """Keys of at most so many texts whose answer changed, which are told once; `tell_changed` gives them back."""
        found: Any = _asking(lambda: self.redis.spop(f"{_key(project)}:changed", most))
        return [int(key) for key in found]

    def tell_changed(self, project: str, keys: Collection[int]) -> None:
        """Let `take_changed` tell these texts."""
        if keys:
            _asking(lambda: self.redis.sadd(f"{_key(project)}:changed", *map(str, keys)))

    def of(self, project: str, texts: Sequence[str]) -> list[Answer | None]:
        """For each text what was said of it or of a copy."""
        keys = [report_key(text) for text in texts]
        raws: Any = _asking(lambda: self.redis.hmget(f"{_key(project)}:said", list(map(str, keys)))) if keys else []
        return [_answers(key, raw)[-1] if raw else None for key, raw in zip(keys, raws, strict=True)]

    def _change(
        self, project: str, new: Mapping[int, Answer | None], known: Mapping[int, Answer] | None = None
    ) -> None:
        """Keep what is new of each annotation, None for nothing; with `known` only where that is still what is kept."""
        name = _key(project)

        def change(pipe: Pipeline) -> None:
            there: Any = pipe.hmget(name, list(map(str, new)))
            keys = {int(key) for key in there if key} | {answer.key for answer in new.values() if answer}
            raws: Any = pipe.hmget(f"{name}:said", list(map(str, keys))) if keys else []
            before = {key: _answers(key, raw) for key, raw in zip(keys, raws, strict=True)}
            now = {one.annotation: one for answers in before.values() for one in answers}
            changes = {n: new[n] for n in new if known is None or now.get(n) == known.get(n)}
            pipe.multi()
            _store(pipe, name, before, changes, newest=known is None)

        if new:
            _asking(lambda: self.redis.transaction(change, name, f"{name}:said"))


def _store(
    pipe: Pipeline, name: str, before: Mapping[int, list[Answer]], changes: Mapping[int, Answer | None], newest: bool
) -> None:
    """Write the answers of texts with their changes, which count more than those that stay if they are the newest."""
    put: dict[int, list[Answer]] = {key: [] for key in before}
    for number, answer in changes.items():
        if answer:
            put[answer.key].append(answer)
            pipe.hset(name, str(number), str(answer.key))
        else:
            pipe.hdel(name, str(number))
    for key, old in before.items():
        left = [one for one in old if one.annotation not in changes]
        now = [*left, *put[key]] if newest else [*put[key], *left]
        if now:
            pipe.hset(f"{name}:said", str(key), _stored(now))
        else:
            pipe.hdel(f"{name}:said", str(key))
        if now[-1:] != old[-1:]:
            pipe.sadd(f"{name}:changed", str(key))


def same_text(task: int) -> str:
    """The reason of a copy's place in the queue."""
    return f"same text as task {task}"


def _stored(answers: Iterable[Answer]) -> str:
    return json.dumps([(a.annotation, a.task, [(s.start, s.end, s.label) for s in a.spans]) for a in answers])


def _answers(key: int, raw: bytes | None) -> list[Answer]:
    rows = json.loads(raw or b"[]")
    return [Answer(number, task, key, tuple(Span(*span) for span in spans)) for number, task, spans in rows]


def _key(project: str) -> str:
    return f"ecg:{project}:annotated"


def _asking(command: Callable[[], R]) -> R:
    try:
        return command()
    except RedisError as error:
        raise Unavailable("The annotated texts cannot be reached", type(error).__name__, "Redis must run") from None
