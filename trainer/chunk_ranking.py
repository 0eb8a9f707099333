"""A few thousand tasks of the pool: predicted, placed in the order, written to the index, imported.

Nothing of a chunk outlives it, so a ranking needs the same memory for any pool. The index comes before Label Studio:
tasks without a prediction are asked for again after a kill, tasks without a row are not.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TypeVar

from backend.annotated_texts import AnnotatedTexts, Answer, same_text
from backend.labelstudio.client import LabelStudioClient
from backend.labelstudio.config import LabelConfig
from backend.labelstudio.wire import JsonObject, prediction_json, task_text
from backend.ner.prediction import Prediction
from backend.predictor import Predictor
from backend.ranking.control import behind, is_holdout, priority, quantiles
from backend.ranking.copies import report_key
from backend.ranking_index import RankedTask, RankingIndex, preview
from backend.registry import RULES_VERSION

T = TypeVar("T")

CHUNK = 4096
"""Tasks whose texts and predictions are in memory at a time, and predictions of one import."""
FEW = 200
"""Uncertainties below which a distribution is drawn anew from a larger chunk: one report that came first is no pool."""
SLICE = 256
"""Reports between two looks at the progress; those of similar length are predicted together."""


@dataclass
class Phases:
    """Seconds by what a ranking does."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def of(self, name: str) -> Iterator[None]:
        """Count what the block takes."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - started

    def rounded(self) -> dict[str, float]:
        """The seconds as a record keeps them."""
        return {name: round(seconds, 3) for name, seconds in self.seconds.items()}


@dataclass
class ChunkRanking:
    """Ranks chunk by chunk with one version.

    `distribution` is of the uncertainties of the pool, drawn from `drawn_from` of them. Where these are few (at first
    none) it is drawn from the next chunk that has more; `drawn` is told it before any place is given. `done` is told
    how many reports were predicted. Of copies of a report one is asked for; the others come last.
    """

    client: LabelStudioClient
    index: RankingIndex
    annotated: AnnotatedTexts
    project: str
    predictor: Predictor
    config: LabelConfig
    share: float
    distribution: tuple[float, ...]
    drawn_from: int
    drawn: Callable[[tuple[float, ...], int], None]
    done: Callable[[int], None]
    phases: Phases

    def rank(self, tasks: Sequence[JsonObject]) -> int:
        """Predict the tasks, add them to the index, store the predictions; returns how many have no text."""
        pairs = [(task["id"], text) for task in tasks if (text := task_text(task, self.config)) is not None]
        predictions = self._predict([text for _, text in pairs])
        if self.drawn_from < min(FEW, len(predictions)):
            self.distribution = quantiles([prediction.uncertainty for prediction in predictions])
            self.drawn_from = len(predictions)
            self.drawn(self.distribution, self.drawn_from)
        with self.phases.of("index"):
            said = self.annotated.of(self.project, [text for _, text in pairs])
            first = asked_for(self.index, self.project, self.predictor.version, pairs, said)
            placed = [
                self._placed(task, text, prediction, answer, first[task])
                for (task, text), prediction, answer in zip(pairs, predictions, said, strict=True)
            ]
            rows = [row(task, text, p, self.share, first[task]) for (task, text), p in zip(pairs, placed, strict=True)]
            self.index.add(self.project, self.predictor.version, rows)
        with self.phases.of("import"):
            self.client.store_predictions(
                self.project,
                [
                    {"task": task, **prediction_json(p, text, self.config, p.priority)}
                    for (task, text), p in zip(pairs, placed, strict=True)
                ],
            )
        return len(tasks) - len(pairs)

    def _predict(self, texts: Sequence[str]) -> list[Prediction]:
        """One prediction per text, in order; computed by length, so that little is padded."""
        order = sorted(range(len(texts)), key=lambda place: (len(texts[place]), texts[place]))
        found: dict[int, Prediction] = {}
        for part in batches(order, SLICE):
            with self.phases.of("predict"):
                found.update(zip(part, self.predictor.predict([texts[place] for place in part]), strict=True))
            self.done(len(part))
        return [found[place] for place in range(len(texts))]

    def _placed(self, task_id: int, text: str, prediction: Prediction, answer: Answer | None, first: int) -> Prediction:
        if answer is not None and answer.task != task_id:
            return answer.fill(prediction, task_id, text, self.config.labels)
        place = priority(report_key(text), prediction.uncertainty, self.share, self.distribution or ())
        return replace(prediction, priority=place if first == task_id else behind(task_id))


def asked_for(
    index: RankingIndex,
    project: str,
    version: str,
    pairs: Sequence[tuple[int, str]],
    said: Sequence[Answer | None],
) -> dict[int, int]:
    """For each of the tasks the one that answers for its text: the annotated one, else the one that is asked for.

    `said` is what was annotated of each text.
    """
    first = index.claim(project, version, {task: report_key(text) for task, text in pairs})
    return first | {task: answer.task for (task, _), answer in zip(pairs, said, strict=True) if answer}


def row(task_id: int, text: str, prediction: Prediction, share: float, first: int) -> RankedTask:
    """The task as the queue shows it; `first` is the task that answers for its text."""
    reason = reason_of(task_id, text, prediction.version, share, first)
    return RankedTask(task_id, prediction.priority, prediction.uncertainty, reason, preview(text))


def stored_row(task: JsonObject, text: str | None, version: str, share: float, first: int) -> RankedTask:
    """The task as the queue shows it, from the score that Label Studio holds; `first` as in `row`."""
    place, number = 1.0 - float(task["score"]), task["id"]
    if text is None:
        return RankedTask(number, place, place, "no report text", "")
    uncertainty = None if first != number or is_holdout(report_key(text), share) else place
    return RankedTask(number, place, uncertainty, reason_of(number, text, version, share, first), preview(text))


def reason_of(task_id: int, text: str, version: str, share: float, first: int) -> str:
    """Why the task has its place."""
    if first != task_id:
        return same_text(first)
    measure = "unexplained by the rules" if version == RULES_VERSION else "token entropy"
    return "control share: a random place" if is_holdout(report_key(text), share) else measure


def batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Lists of at most `size` items.

    >>> [len(b) for b in batches(range(5), 2)]
    [2, 2, 1]
    """
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
