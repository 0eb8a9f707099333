"""Which weights a fine-tuning ends with: the last, the best on validation reports, or an average."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

logger = logging.getLogger(__name__)

Weights = dict[str, Any]
"""Copies of the tensors that learn, by name; they stay in memory."""


@dataclass
class Selection:
    """What was seen of the weights so far.

    `evaluates`: there are validation reports and the recipe asks for the best. `patience` 0 never stops. The last
    `average` snapshots are kept. `scores` are steps with their F1.
    """

    evaluates: bool
    interval: int
    patience: int
    average: int
    scores: list[tuple[int, float]] = field(default_factory=list)
    best: Weights = field(default_factory=dict)
    recent: deque[Weights] = field(default_factory=deque)

    @property
    def best_f1(self) -> float:
        """The highest F1 so far, -1 before the first."""
        return max((f1 for _, f1 in self.scores), default=-1.0)

    def snapshot(self, network: Any) -> None:
        """Remember the weights for the average."""
        self.recent.append(copied(network))
        while len(self.recent) > self.average:
            self.recent.popleft()

    def score(self, step: int, f1: float, network: Any) -> bool:
        """Remember the weights if none were better, the later of equals; returns whether patience is at its end."""
        if f1 >= self.best_f1:
            self.best = copied(network)
        self.scores.append((step, f1))
        first_best = next(i for i, (_, other) in enumerate(self.scores) if other == self.best_f1)
        return 0 < self.patience <= len(self.scores) - 1 - first_best

    def settle(self, trainer: Any) -> float | None:
        """Give the network the average, or the best where there is one and the average is worse.

        Returns the F1 of what it was given, None where that is not known.
        """
        if self.recent:
            restore(trainer.model, mean(self.recent))
            f1 = float(trainer.evaluate()["eval_f1"]) if self.evaluates else None
            if f1 is None or f1 >= self.best_f1:
                return f1
        if self.best:
            restore(trainer.model, self.best)
            return self.best_f1
        return None


def follower(selection: Selection) -> Any:
    """A callback for transformers' Trainer that fills the selection, and stops when patience is at its end.

    It must come after the callback that minds the time: the last step is always seen.
    """
    from transformers import TrainerCallback

    class Follower(TrainerCallback):
        """Looks every `interval` steps."""

        def on_step_end(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:  # noqa: ARG002
            if state.global_step % selection.interval and not control.should_training_stop:
                return
            if selection.evaluates:
                control.should_evaluate = control.should_log = True  # it may be the last step
            if selection.average:
                selection.snapshot(model)

        def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
            if selection.score(state.global_step, float(kwargs["metrics"]["eval_f1"]), kwargs["model"]):
                logger.info("No better F1 in %s evaluations, step %s", selection.patience, state.global_step)
                control.should_training_stop = True

    return Follower()


def copied(network: Any) -> Weights:
    """The weights that learn."""
    return {name: weight.detach().clone() for name, weight in network.named_parameters() if weight.requires_grad}


def restore(network: Any, weights: Weights) -> None:
    """Put the weights into the network."""
    import torch

    with torch.no_grad():
        for name, weight in network.named_parameters():
            if name in weights:
                weight.copy_(weights[name])


def mean(snapshots: Sequence[Weights]) -> Weights:
    """The equal average of all snapshots, tensor by tensor."""
    import torch

    return {name: torch.stack([weights[name] for weights in snapshots]).mean(0) for name in snapshots[0]}
