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

from backend.labelstudio.client import LabelStudioClient
from backend.labelstudio.config import LabelConfig
from backend.labelstudio.wire import JsonObject, prediction_json, task_text
from backend.ner.prediction import Prediction
from backend.predictor import Predictor
from backend.ranking.control import is_holdout, priority, quantiles
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
    how many reports were predicted.
    """

    client: LabelStudioClient
    index: RankingIndex
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
        placed = [self._placed(task, prediction) for (task, _), prediction in zip(pairs, predictions, strict=True)]
        with self.phases.of("index"):
            rows = [row(task, text, p, self.share) for (task, text), p in zip(pairs, placed, strict=True)]
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

    def _placed(self, task_id: int, prediction: Prediction) -> Prediction:
        place = priority(task_id, prediction.uncertainty, self.share, self.distribution or ())
        return replace(prediction, priority=place)


def row(task_id: int, text: str, prediction: Prediction, share: float) -> RankedTask:
    """The task as the queue shows it."""
    reason = reason_of(task_id, prediction.version, share)
    return RankedTask(task_id, prediction.priority, prediction.uncertainty, reason, preview(text))


def stored_row(task: JsonObject, version: str, config: LabelConfig, share: float) -> RankedTask:
    """The task as the queue shows it, from the score that Label Studio holds."""
    place = 1.0 - float(task["score"])
    text = task_text(task, config)
    reason = "no report text" if text is None else reason_of(task["id"], version, share)
    uncertainty = None if is_holdout(task["id"], share) else place
    return RankedTask(task["id"], place, uncertainty, reason, preview(text or ""))


def reason_of(task_id: int, version: str, share: float) -> str:
    """Why the task has its place."""
    measure = "unexplained by the rules" if version == RULES_VERSION else "token entropy"
    return "control share: a random place" if is_holdout(task_id, share) else measure


def batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Lists of at most `size` items.

    >>> [len(b) for b in batches(range(5), 2)]
    [2, 2, 1]
    """
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
