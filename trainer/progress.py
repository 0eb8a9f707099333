"""How far a fine-tuning is, told while it runs, and its time limit."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

logger = logging.getLogger(__name__)

REPORT_STEPS = 5
REPORT_SECONDS = 2.0
"""Progress is told after so many steps or seconds, whichever comes first."""


@dataclass(frozen=True)
class Progress:
    """Where a fine-tuning is. `loss` is the mean since the last progress; `eta_seconds` minds the time limit."""

    step: int
    steps: int
    epoch: float
    loss: float
    eta_seconds: float


def watcher(on_progress: Callable[[Progress], None], minutes: float) -> Any:
    """A callback for transformers' Trainer: tells progress, and stops the training after so many minutes."""
    from transformers import TrainerCallback

    class Watcher(TrainerCallback):
        """Time runs from the first step; the last step is always told."""

        def on_train_begin(self, *_: Any, **__: Any) -> None:
            self.start = self.told = time.monotonic()

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:  # noqa: ARG002
            now = time.monotonic()
            over = now - self.start >= minutes * 60
            if over and state.global_step < state.max_steps:
                logger.warning(
                    "Fine-tuning stops at step %s of %s: %s minutes", state.global_step, state.max_steps, minutes
                )
                control.should_training_stop = True
            done = over or state.global_step >= state.max_steps
            due = state.global_step % REPORT_STEPS == 0 or now - self.told >= REPORT_SECONDS
            control.should_log = control.should_log or due or done

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:  # noqa: ARG002
            if "loss" not in logs:
                return
            self.told = time.monotonic()
            elapsed = self.told - self.start
            left = elapsed / state.global_step * (state.max_steps - state.global_step)
            eta = max(0.0, min(left, minutes * 60 - elapsed)) if not control.should_training_stop else 0.0
            on_progress(Progress(state.global_step, state.max_steps, float(state.epoch), float(logs["loss"]), eta))

    return Watcher()
