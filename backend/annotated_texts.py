"""What annotators said of each text: an unlabelled copy of an annotated report is prefilled from here.

Webhooks keep it up to date, each round and a ranking that finds nothing write it anew. No report text is kept: a key
of 64 bits and ranges of the text without white space (`backend.ranking.copies`) stand for it.

Keys, per project: `ecg:{id}:annotated` (hash, annotation -> task, text key, spans), `ecg:{id}:annotated:by` (hash,
text key -> the annotation that counts), `ecg:{id}:annotated:changed` (set of the text keys whose answer changed since
`trainer.proposing` took them).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from redis import Redis
from redis.exceptions import RedisError

from backend.errors import Unavailable
from backend.ner.prediction import Prediction
from backend.ner.spans import Span
from backend.ranking.control import behind
from backend.ranking.copies import bare_spans, report_key, spans_in

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
        if answers:
            _asking(lambda: self._write(project, answers))

    def forget(self, project: str, annotations: Iterable[int]) -> None:
        """Take answers back: skipped, made a draft, deleted. Another answer to the text counts again."""
        if gone := set(annotations):
            _asking(lambda: self._forget(project, gone))

    def forget_tasks(self, project: str, tasks: Iterable[int]) -> None:
        """Take back what was said of these tasks: they are gone."""
        gone = set(tasks)
        self.forget(project, [one.annotation for one in _asking(lambda: self._all(project)) if one.task in gone])

    def renew(self, project: str, answers: Sequence[Answer], known: Collection[int]) -> None:
        """Keep these answers, and of the annotations `known` before they were read no other."""
        self.put(project, answers)
        self.forget(project, set(known) - {answer.annotation for answer in answers})

    def known(self, project: str) -> set[int]:
        """Numbers of the annotations that are kept; none where nothing was annotated, or Redis was emptied."""
        return {int(number) for number in _asking(lambda: self._numbers(project))}

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
        return _asking(lambda: self._read(project, [report_key(text) for text in texts])) if texts else []

    def _read(self, project: str, keys: Sequence[int]) -> list[Answer | None]:
        numbers: Any = self.redis.hmget(f"{_key(project)}:by", [str(key) for key in keys])
        found = [number for number in numbers if number is not None]
        raws: Any = self.redis.hmget(_key(project), found) if found else []
        answers = {int(number): _answer(number, raw) for number, raw in zip(found, raws, strict=True) if raw}
        found_answers = [None if number is None else answers.get(int(number)) for number in numbers]
        # An annotation whose report was edited since speaks of another text.
        return [one if one and one.key == key else None for key, one in zip(keys, found_answers, strict=True)]

    def _numbers(self, project: str) -> list[Any]:
        found: Any = self.redis.hkeys(_key(project))
        return list(found)

    def _all(self, project: str) -> list[Answer]:
        stored: dict[Any, Any] = self.redis.hgetall(_key(project))
        return [_answer(number, raw) for number, raw in stored.items()]

    def _write(self, project: str, answers: Sequence[Answer]) -> None:
        rows: dict[Any, Any] = {str(one.annotation): _stored(one) for one in answers}
        counting: dict[Any, Any] = {str(one.key): str(one.annotation) for one in answers}
        before: Any = self.redis.hmget(f"{_key(project)}:by", list(counting))
        said: Any = self.redis.hmget(_key(project), list(counting.values()))
        changed = [
            key
            for (key, number), old, raw in zip(counting.items(), before, said, strict=True)
            if old != number.encode() or raw != rows[number].encode()
        ]
        with self.redis.pipeline() as pipe:
            if changed:
                pipe.sadd(f"{_key(project)}:changed", *changed)
            pipe.hset(_key(project), mapping=rows)
            pipe.hset(f"{_key(project)}:by", mapping=counting)
            pipe.execute()

    def _forget(self, project: str, gone: Collection[int]) -> None:
        raws: Any = self.redis.hmget(_key(project), [str(number) for number in gone])
        keys = {_answer(number, raw).key for number, raw in zip(gone, raws, strict=True) if raw}
        if not keys:
            return
        left = sorted((o for o in self._all(project) if o.key in keys and o.annotation not in gone), key=_age)
        with self.redis.pipeline() as pipe:
            pipe.hdel(_key(project), *map(str, gone))
            pipe.hdel(f"{_key(project)}:by", *map(str, keys))
            pipe.sadd(f"{_key(project)}:changed", *map(str, keys))
            if left:
                pipe.hset(f"{_key(project)}:by", mapping={str(o.key): str(o.annotation) for o in left})
            pipe.execute()


def same_text(task: int) -> str:
    """The reason of a copy's place in the queue."""
    return f"same text as task {task}"


def _age(answer: Answer) -> int:
    return answer.annotation


def _stored(answer: Answer) -> str:
    return json.dumps([answer.task, answer.key, [(s.start, s.end, s.label) for s in answer.spans]])


def _answer(annotation: bytes | int, raw: bytes) -> Answer:
    task, key, spans = json.loads(raw)
    return Answer(int(annotation), task, key, tuple(Span(*span) for span in spans))


def _key(project: str) -> str:
    return f"ecg:{project}:annotated"


def _asking(command: Callable[[], R]) -> R:
    try:
        return command()
    except RedisError as error:
        raise Unavailable("The annotated texts cannot be reached", type(error).__name__, "Redis must run") from None
