"""How far a training is, told while it runs, and its time limit."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

logger = logging.getLogger(__name__)

REPORT_STEPS = 5
REPORT_SECONDS = 2.0
"""Progress is told after so many steps or seconds, whichever comes first."""


@dataclass(frozen=True)
class Progress:
    """Where a training is. `loss` is the mean since the last progress; `eta_seconds` minds the time limit."""

    step: int
    steps: int
    epoch: float
    loss: float
    eta_seconds: float


def remaining(step: int, steps: int, seconds: float, evaluating: Sequence[float], evaluations: int) -> float:
    """Seconds to go after `seconds`, of which the evaluations made so far took those in `evaluating`.

    `evaluations` are planned in all. Before the first one its cost is not known and counts as 0.

    >>> remaining(10, 40, 50.0, [30.0], 4)  # 30 steps of 2 s and 3 evaluations of 30 s
    150.0
    """
    pace = (seconds - sum(evaluating)) / step
    evaluation = sum(evaluating) / len(evaluating) if evaluating else 0.0
    return pace * (steps - step) + evaluation * max(0, evaluations - len(evaluating))


class Watch:
    """What a training's callback does: tells progress, and stops the training after so many minutes.

    Time runs from the first step; the last step is always told, with nothing left to wait for.
    """

    def __init__(self, on_progress: Callable[[Progress], None], minutes: float, evaluations: int) -> None:
        self.on_progress = on_progress
        self.seconds = minutes * 60
        self.evaluations = evaluations
        self.on_train_begin()  # an evaluation may come before

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        """Start the clock."""
        self.start = self.told = self.stepped = time.monotonic()
        self.evaluating: list[float] = []
        self.last: Progress | None = None

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
        """Ask for a log where progress is due, and for the end where the time is over."""
        self.stepped = now = time.monotonic()
        over = now - self.start >= self.seconds
        if over and state.global_step < state.max_steps:
            logger.warning("Training stops at step %s of %s: time limit", state.global_step, state.max_steps)
            control.should_training_stop = True
        done = over or state.global_step >= state.max_steps
        due = state.global_step % REPORT_STEPS == 0 or now - self.told >= REPORT_SECONDS
        control.should_log = control.should_log or due or done

    def on_evaluate(self, *_: Any, **__: Any) -> None:
        """An evaluation took the time since the last step."""
        self.evaluating.append(time.monotonic() - self.stepped)

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:  # noqa: ARG002
        """Tell the progress."""
        if "loss" not in logs:
            return
        self.told = time.monotonic()
        elapsed = self.told - self.start
        left = remaining(state.global_step, state.max_steps, elapsed, self.evaluating, self.evaluations)
        eta = 0.0 if control.should_training_stop else max(0.0, min(left, self.seconds - elapsed))
        self.last = Progress(state.global_step, state.max_steps, float(state.epoch), float(logs["loss"]), eta)
        self.on_progress(self.last)

    def on_train_end(self, *_: Any, **__: Any) -> None:
        """Stopped by an evaluation, which comes after the log, there is nothing left either."""
        if self.last and self.last.eta_seconds:
            self.on_progress(replace(self.last, eta_seconds=0.0))


def watcher(on_progress: Callable[[Progress], None], minutes: float, evaluations: int = 0) -> Any:
    """A Watch as transformers' Trainer takes it; `evaluations` are expected in between."""
    from transformers import TrainerCallback

    class Watcher(Watch, TrainerCallback):
        """What Watch does not answer to, TrainerCallback ignores."""

    return Watcher(on_progress, minutes, evaluations)
