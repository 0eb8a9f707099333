"""How long and how fast a network is fine-tuned; the figures were measured on Chinese ECG reports."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import sqrt

STEPS_BY_REPORTS = ((10, 60), (25, 80), (50, 150), (100, 150), (250, 250))
"""Reports -> optimiser steps. Fewer than 60 leave even ten reports unlearned, and 100 lost 6 F1 against 200 at 50."""

WIDE = 768
"""Hidden size from which on an encoder (BERT base and larger) takes the smaller learning rate."""


@dataclass(frozen=True)
class Recipe:
    """Everything that decides, with the reports and the encoder, what a fine-tuning gives.

    `encoder_rate` 0 takes the rate for the width of the encoder. `chunk` counts tokens with the two special
    ones. `minutes` is wall time. `bf16` None is where the processor computes it natively.
    """

    steps: int
    seed: int
    threads: int
    minutes: float
    encoder_rate: float = 0.0
    head_rate: float = 1e-3
    batch: int = 8
    chunk: int = 128
    chunks_per_report: int = 3
    bf16: bool | None = None
    warmup_share: float = 0.1
    weight_decay: float = 0.01
    betas: tuple[float, float] = (0.9, 0.98)
    clip: float = 1.0

    def encoder_rate_for(self, hidden_size: int) -> float:
        """The peak learning rate of the encoder."""
        return self.encoder_rate or (5e-5 if hidden_size >= WIDE else 5e-4)


def recipe_for(n_reports: int, *, steps: int = 0, seed: int, threads: int, minutes: float) -> Recipe:
    """The recipe for so many annotated reports; `steps` other than 0 wins.

    >>> [recipe_for(n, seed=0, threads=1, minutes=60).steps for n in (3, 10, 40, 70, 250, 1000)]
    [60, 60, 122, 150, 250, 500]
    """
    return Recipe(steps=steps or _steps(n_reports), seed=seed, threads=threads, minutes=minutes)


def _steps(n_reports: int) -> int:
    """Straight lines between the measured points; beyond the last one as the square root (not measured)."""
    points = STEPS_BY_REPORTS
    for (fewer, low), (more, high) in pairwise(points):
        if n_reports <= more:
            share = max(0, n_reports - fewer) / (more - fewer)
            return round(low + share * (high - low))
    most, steps = points[-1]
    return round(steps * sqrt(n_reports / most))
