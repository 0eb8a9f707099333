"""Concurrent live requests of one project, answered together.

A request that finds the inference thread free is computed at once, alone. Those that wait meanwhile are taken together
by the first of them whose turn comes: one call of the engine, one version, and each request gets its own answers.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Protocol

from backend.batches import SLICE, SLICE_TEXT

Answer = dict[str, Any]
Predict = Callable[[str, str, list[Any]], list[Answer]]
"""Project, label configuration, tasks -> one answer per task."""
Key = tuple[str, str]
"""Project and label configuration."""


class Infer(Protocol):
    """Runs a call in the inference thread, after the calls before it."""

    def __call__(self, call: Callable[[Key, _Waiting], None], key: Key, waiting: _Waiting, /) -> Awaitable[None]:
        """See `WebParts.infer`."""


@dataclass(eq=False)
class _Waiting:
    """Tasks of one request with `size` characters in all, and what comes of them."""

    tasks: list[Any]
    size: int
    answers: Future[list[Answer]] = field(default_factory=Future)


class MicroBatches:
    """Tasks that wait for the inference thread, by project and configuration."""

    def __init__(self, predict: Predict) -> None:
        self._predict = predict
        self._waiting: defaultdict[Key, list[_Waiting]] = defaultdict(list)
        self._lock = Lock()

    async def predict(self, infer: Infer, key: Key, tasks: list[Any], size: int) -> list[Answer]:
        """One answer per task, all of one version; raises what predicting these tasks alone raises.

        The tasks are a slice (`backend.batches.slices`) of `size` characters. Cancelling it leaves the others alone.
        """
        waiting = _Waiting(tasks, size)
        with self._lock:
            self._waiting[key].append(waiting)
        try:
            await infer(self._turn, key, waiting)
        finally:
            self._take(key, [waiting])
        return waiting.answers.result(timeout=0)  # it is there: never wait in the event loop

    def _turn(self, key: Key, first: _Waiting) -> None:
        """Answer a request, and with it those of its kind that fit; nothing to do if another has taken it along."""
        if not first.answers.done():
            self._answer(key, self._take(key, self._fitting(key, first)))

    def _answer(self, key: Key, batch: list[_Waiting]) -> None:
        try:
            answers = self._predict(*key, [task for waiting in batch for task in waiting.tasks])
        except Exception as error:
            if len(batch) == 1:
                batch[0].answers.set_exception(error)
            else:  # only the one whose fault it was shall pay
                for waiting in batch:
                    self._answer(key, [waiting])
            return
        for waiting in batch:
            own, answers = answers[: len(waiting.tasks)], answers[len(waiting.tasks) :]
            waiting.answers.set_result(own)

    def _fitting(self, key: Key, first: _Waiting) -> list[_Waiting]:
        """The request, and as many that wait as are computed in one go, oldest first."""
        batch, count, size = [first], len(first.tasks), first.size
        with self._lock:
            others = [waiting for waiting in self._waiting[key] if waiting is not first]
        for other in others:
            if count + len(other.tasks) <= SLICE and size + other.size <= SLICE_TEXT:
                batch.append(other)
                count, size = count + len(other.tasks), size + other.size
        return batch

    def _take(self, key: Key, batch: list[_Waiting]) -> list[_Waiting]:
        """Those of the batch that still wait, which from now on do not."""
        with self._lock:
            left = self._waiting.pop(key, [])
            taken = [waiting for waiting in batch if waiting in left]
            left = [waiting for waiting in left if waiting not in taken]
            if left:
                self._waiting[key] = left
        return taken
