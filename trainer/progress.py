"""How far a training or a whole round is, told while it runs, and a training's time limit."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

logger = logging.getLogger(__name__)

SAID_SHARE, SAID_SECONDS = 0.1, 30.0
"""A log says how far a job is after such a share of it or so many seconds, whichever comes first."""
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


class Timeline:
    """The stages of a job (at least one), one after the other, and the time left for all of them.

    A stage takes as long as the last of its kind in this job, else as long as `known` (seconds by kind) says. The kind
    is what stands before the comma: all folds of a cross-validation are one.
    """

    def __init__(self, stages: Sequence[str], known: Mapping[str, float]) -> None:
        self.stages, self.known = list(stages), dict(known)
        self.place, self.took = 0, dict[str, float]()
        self.began = self.entered = time.monotonic()
        self.own: float | None = None

    @property
    def stage(self) -> str:
        """The present stage."""
        return self.stages[self.place]

    def finish(self) -> dict[str, float]:
        """The present stage was the last: seconds of all, by kind."""
        self.took[_kind(self.stage)] = time.monotonic() - self.entered
        return self.took

    def plan(self, stages: Sequence[str]) -> None:
        """What comes after the present stage."""
        self.stages[self.place + 1 :] = stages

    def enter(self, stage: str) -> None:
        """The stage begins, and the one before is over; those between are left out, one that is unknown is put in."""
        now = time.monotonic()
        if stage == self.stage:
            return
        self.took[_kind(self.stage)] = now - self.entered
        later = self.stages[self.place + 1 :]
        if stage in later:
            self.place += 1 + later.index(stage)
        else:
            self.place += 1
            self.stages.insert(self.place, stage)
        self.entered, self.own = now, None

    def fields(self, eta: float | None = None) -> dict[str, Any]:
        """Number of the stage, of how many, seconds left and share done of the whole; `eta` is the stage's own.

        The last two only where it is known how long the stage takes: a guess would have to be taken back.
        """
        self.own = eta if eta is not None else self.own
        now, present = time.monotonic(), _kind(self.stage)
        spent = now - self.entered
        places = {"stage_number": self.place + 1, "stages": len(self.stages)}
        guess = {**self.known, **self.took}
        if self.own is not None:
            guess.setdefault(present, spent + self.own)
        for alike, other in (("training", "cross-validation"), ("cross-validation", "training")):  # as many steps
            if alike not in guess and other in guess:
                guess[alike] = guess[other]
        if self.own is None and present not in guess:
            return places
        own = self.own if self.own is not None else max(0.0, guess[present] - spent)
        left = own + sum(guess.get(_kind(stage), 0.0) for stage in self.stages[self.place + 1 :])
        whole = now - self.began + left
        share = round((now - self.began) / whole, 3) if whole else 0.0
        return {**places, "eta_seconds": round(left, 1), "share": share}


def staged(tell: Callable[..., None], timeline: Timeline) -> Callable[..., None]:
    """Tells with each stage and step its number, of how many, and the share and time left of the whole."""

    def told(**fields: Any) -> None:
        if "stage" in fields:
            timeline.enter(fields["stage"])
        tell(**{**fields, **timeline.fields(fields.get("eta_seconds"))})

    return told


def _kind(stage: str) -> str:
    return stage.partition(",")[0]


class Milestones:
    """Says a line whenever another tenth is done, or half a minute has passed."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self.say = say
        self.share, self.at = 0.0, time.monotonic()

    def reach(self, share: float, words: str) -> None:
        """So much (0..1) is done; a lower share than the last begins anew."""
        now, step = time.monotonic(), int(share / SAID_SHARE + 1e-9)
        before = int(self.share / SAID_SHARE + 1e-9)
        if step == before and now - self.at < SAID_SECONDS:
            return
        self.share, self.at = share, now
        if step >= before:
            self.say(f"{share:.0%}, {words}")


def left(seconds: float) -> str:
    """Time left for people.

    >>> left(50.0), left(250.0)
    ('about 50 s left', 'about 4 min left')
    """
    return f"about {seconds:.0f} s left" if seconds < 90 else f"about {seconds / 60:.0f} min left"


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
