"""How a network is fine-tuned: every choice in one frozen value, with presets by the number of reports.

What is off by default was measured and not shown to help, or was not measured: `docs/training.md` has the figures.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from math import ceil, inf
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, ValidationError, model_validator
from pydantic.dataclasses import dataclass

from backend.errors import SettingsError

STEPS_BY_REPORTS = ((10, 60), (25, 80), (50, 150), (100, 150), (250, 250), (1000, 500))
"""Reports -> optimiser steps. Fewer than 60 leave even ten reports unlearned, and 100 lost 6 F1 against 200 at 50.

The last point continues the square root of the measured ones; it was not measured.
"""

Beta = Annotated[float, Field(ge=0, lt=1)]
PresetName = Literal["tiny", "small", "medium", "large"]

PRESETS: tuple[tuple[PresetName, float, Mapping[str, Any]], ...] = (
    ("tiny", 30, {}),
    ("small", 150, {}),
    ("medium", 1000, {}),
    # Steps that grow with the data: 10,000 reports are seen four times, like 1,000.
    ("large", inf, {"steps": 0, "epochs": 4.0}),
)
"""Name, the number of reports it is below, and what differs from the defaults and from the steps by reports."""

WIDE = 768
"""Hidden size from which on an encoder (BERT base and larger) takes the smaller learning rate."""

EVALUATIONS = 10
"""How often a fine-tuning is evaluated when that is needed and `evaluate_every` does not say."""


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class Recipe:
    """Everything that decides, with the reports and the encoder, what a fine-tuning gives.

    Values out of range raise pydantic's ValidationError; `customized` and `recipe_for` raise SettingsError.
    """

    seed: int = Field(ge=0, description="Seed of every random choice.")
    threads: int = Field(ge=1, le=256, description="Threads that compute.")
    minutes: float = Field(gt=0, description="Wall minutes after which the training stops.")

    steps: int = Field(default=0, ge=0, description="Optimiser steps; 0: by epochs.")
    epochs: float = Field(default=0.0, ge=0, le=1000, description="Passes over the training rows; 0: by steps.")
    batch: int = Field(default=8, ge=1, le=1024, description="Rows computed at once.")
    accumulation: int = Field(default=1, ge=1, le=1024, description="Batches whose gradients make one step.")
    chunk: int = Field(default=128, ge=8, le=512, description="Tokens of a row at most, with the two special ones.")
    chunks_per_report: int = Field(default=3, ge=1, description="Rows of a long report in an epoch at most.")
    bf16: bool | None = Field(default=None, description="Compute in bf16; None: where the processor does so natively.")

    encoder_rate: float = Field(default=0.0, ge=0, description="Peak learning rate; 0: by the encoder's width.")
    head_rate: float = Field(default=1e-3, gt=0, description="Peak learning rate of the new layer on top.")
    layer_decay: float = Field(default=1.0, gt=0, le=1, description="Factor on the rate for each layer further down.")
    warmup_share: float = Field(default=0.1, ge=0, lt=1, description="Share of the steps in which the rate rises.")
    weight_decay: float = Field(default=0.01, ge=0, le=1, description="AdamW's decay of matrices.")
    betas: tuple[Beta, Beta] = Field(default=(0.9, 0.98), description="AdamW's memory of gradients, of squares.")
    clip: float = Field(default=1.0, gt=0, description="Longest gradient.")

    hidden_dropout: float = Field(default=0.1, ge=0, lt=1, description="Dropout inside the encoder.")
    head_dropout: float = Field(default=0.1, ge=0, lt=1, description="Dropout before the layer on top.")
    label_smoothing: float = Field(default=0.0, ge=0, lt=1, description="Probability spread evenly over all tags.")
    class_weights: Literal["none", "inverse-sqrt"] = Field(
        default="none", description="Weight of a token by how rare its tag is in training."
    )
    focal_gamma: float = Field(default=0.0, ge=0, le=10, description="Focus on unsure tokens: (1 - p) to this power.")

    layers: int = Field(default=0, ge=0, description="Layers of the encoder that are kept, from below; 0: all.")
    lora_rank: int = Field(default=0, ge=0, le=1024, description="Rank of low-rank adapters; 0: all weights learn.")
    start: Path | None = Field(default=None, description="Model folder to start from instead of the base model.")

    evaluate_every: int = Field(
        default=0, ge=0, description="Steps between evaluations, of which the best is kept; 0: ten times if needed."
    )
    patience: int = Field(default=0, ge=0, description="Evaluations without a better F1 before the end; 0: no limit.")
    average: int = Field(default=0, ge=0, le=50, description="Last evaluations whose weights are averaged; 0: none.")

    @model_validator(mode="after")
    def _cross_checks(self) -> Recipe:
        if bool(self.steps) == bool(self.epochs):
            raise ValueError(f"one of steps ({self.steps}) and epochs ({self.epochs}) must be above 0")
        return self

    def encoder_rate_for(self, hidden_size: int) -> float:
        """The peak learning rate of the encoder; adapters learn at the rate of a narrow one."""
        wide = hidden_size >= WIDE and not self.lora_rank
        return self.encoder_rate or (5e-5 if wide else 5e-4)

    def steps_for(self, rows: int) -> int:
        """Optimiser steps on so many training rows, at least one."""
        batches = ceil(rows / self.batch)
        return self.steps or max(1, round(self.epochs * ceil(batches / self.accumulation)))

    def interval(self, steps: int) -> int:
        """Steps between two evaluations of a training that long."""
        return self.evaluate_every or max(1, steps // EVALUATIONS)


def preset_for(n_reports: int) -> PresetName:
    """The name of the preset for so many annotated reports.

    >>> [preset_for(n) for n in (29, 30, 150, 999, 1000)]
    ['tiny', 'small', 'medium', 'medium', 'large']
    """
    return next(name for name, below, _ in PRESETS if n_reports < below)


def recipe_for(
    n_reports: int, *, steps: int = 0, seed: int, threads: int, minutes: float, preset: PresetName | None = None
) -> Recipe:
    """The recipe for so many annotated reports, or the preset's; `steps` other than 0 wins. Raises SettingsError.

    >>> [recipe_for(n, seed=0, threads=1, minutes=60).steps for n in (3, 10, 40, 70, 250, 999)]
    [60, 60, 122, 150, 250, 500]
    """
    options = next(fields for name, _, fields in PRESETS if name == (preset or preset_for(n_reports)))
    fields = {"steps": _steps(n_reports), **options}
    if steps:
        fields |= {"steps": steps, "epochs": 0.0}
    try:
        return Recipe(seed=seed, threads=threads, minutes=minutes, **fields)
    except ValidationError as error:
        raise _refused(error) from None


def customized(recipe: Recipe, **options: object) -> Recipe:
    """The recipe with those options that are not None, by field name; steps and epochs replace each other.

    Raises SettingsError naming field and value.

    >>> few = recipe_for(10, seed=0, threads=1, minutes=60)
    >>> customized(few, epochs=3, layers=None).steps, customized(few, epochs=3).epochs
    (0, 3.0)
    """
    given: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    for one, other in (("steps", "epochs"), ("epochs", "steps")):
        if one in given:
            given.setdefault(other, 0)
    try:
        return replace(recipe, **given)
    except ValidationError as error:
        raise _refused(error) from None


def _refused(error: ValidationError) -> SettingsError:
    first = error.errors()[0]
    name = ".".join(str(part) for part in first["loc"])
    if not name:
        return SettingsError("The training options contradict each other", first["ctx"]["error"])
    return SettingsError(f"The training option {name} cannot be used ({first['msg']})", first["input"])


def _steps(n_reports: int) -> int:
    """Straight lines between the points of STEPS_BY_REPORTS, level before the first and after the last."""
    for (fewer, low), (more, high) in pairwise(STEPS_BY_REPORTS):
        if n_reports <= more:
            share = max(0, n_reports - fewer) / (more - fewer)
            return round(low + share * (high - low))
    return STEPS_BY_REPORTS[-1][1]
