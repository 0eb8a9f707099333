"""What a learning does beside the preset for the number of reports; nothing of it by default.

`docs/training.md` and `docs/benchmarks.md` say what each of these was measured to be worth.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from backend.errors import SettingsError
from backend.settings import Settings
from trainer.augmentation import DEFAULT, POLICIES
from trainer.recipe import PresetName, Recipe, customized, recipe_for


@dataclass(frozen=True)
class Plan:
    """Preset and options of the recipe, variants, unlabelled texts and what they are for, and where to start from.

    Without a `preset` it is the one for the number of reports. `copies` variants of each report are made by `policies`.
    The base model reads `texts` first. Rules and span memory label the `unlabelled` ones, which then count
    `self_training` times as much as the annotated reports. `start` is a model folder that none of the reports to judge
    on went into.
    """

    preset: PresetName | None = None
    options: Mapping[str, str | float] = field(default_factory=dict)
    policies: Sequence[str] = DEFAULT
    copies: int = 0
    texts: Sequence[str] = ()
    unlabelled: Sequence[str] = ()
    self_training: float = 0.0
    start: Path | None = None

    @classmethod
    def from_settings(cls, settings: Settings) -> Plan:
        """The plan of a project's rounds; raises SettingsError."""
        return cls(
            options=parse_options(settings.train_options),
            policies=DEFAULT or tuple(POLICIES),
            copies=settings.augment,
            self_training=settings.self_training,
        )

    def recipe(self, n_reports: int, settings: Settings) -> Recipe:
        """The preset for so many reports with this plan's options; raises SettingsError."""
        preset = recipe_for(
            n_reports,
            steps=settings.train_steps,
            seed=settings.seed,
            threads=settings.threads,
            minutes=settings.train_minutes,
            preset=self.preset,
        )
        return customized(preset, **self.options, start=self.start)


OWN = {
    "start": "--start or ECG_WARM_START",
    "seed": "ECG_SEED",
    "threads": "ECG_THREADS",
    "minutes": "ECG_TRAIN_MINUTES",
}
"""Fields of a recipe that are no options, with what sets them."""


def layered(*layers: Mapping[str, str | float]) -> dict[str, str | float]:
    """Options of which the later ones win; steps and epochs replace each other.

    >>> layered({"steps": "100", "layers": "4"}, {"epochs": 3})
    {'layers': '4', 'epochs': 3}
    """
    options: dict[str, str | float] = {}
    for layer in layers:
        if layer.keys() & {"steps", "epochs"}:
            options = {name: value for name, value in options.items() if name not in ("steps", "epochs")}
        options |= layer
    return options


def parse_options(text: str) -> dict[str, str | float]:
    """`name=value` pairs divided by white space; raises SettingsError naming the one that is none.

    >>> parse_options("epochs=3 layers=4")
    {'epochs': '3', 'layers': '4'}
    """
    pairs = [word.partition("=") for word in text.split()]
    for name, sign, value in pairs:
        if name in OWN:
            raise SettingsError("This is no training option", f"{name}={value}", f"use {OWN[name]}")
        if name not in Recipe.__dataclass_fields__ or not sign or not value:
            raise SettingsError(
                "There is no such training option", f"{name}{sign}{value}", "write name=value, see docs/training.md"
            )
    return {name: value for name, _, value in pairs}
