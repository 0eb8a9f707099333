"""The runs of `benchmarks.label_efficiency`: learn drawn reports as a round does, and as others do."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backend.labelstudio.config import LabelConfig
from backend.ner.alignment import tags_to_spans
from backend.ner.scheme import LabelScheme
from backend.predictor import ModelPredictor, open_model
from backend.rules import EMPTY_MEMORY
from backend.settings import Settings
from trainer import base_model
from trainer.dataset import Report, split
from trainer.evaluation import Found, score_modes
from trainer.learning import Learner, judge_both
from trainer.plan import Plan
from trainer.promotion import best_mode
from trainer.recipe import Recipe, customized
from trainer.training import fine_tune

PLAIN: dict[str, Any] = {
    "epochs": 10.0,
    "encoder_rate": 2e-5,
    "head_rate": 2e-5,
    "warmup_share": 0.0,
    "weight_decay": 0.0,
    "betas": (0.9, 0.999),
    "chunks_per_report": 1,
}
"""Fine-tuning as the tutorials have it: AdamW, 2e-5, ten epochs, one window of each report."""

ABLATION: dict[str, dict[str, Any]] = {
    "label smoothing 0.1": {"label_smoothing": 0.1},
    "class weights": {"class_weights": "inverse-sqrt"},
    "focal loss": {"focal_gamma": 2.0},
    "layer-wise decay 0.9": {"layer_decay": 0.9},
    "no dropout": {"hidden_dropout": 0.0, "head_dropout": 0.0},
    "weight decay 0.1": {"weight_decay": 0.1},
    "2 batches of 4": {"batch": 4, "accumulation": 2},
    "4 layers": {"layers": 4},
    "LoRA rank 16": {"lora_rank": 16},
    "rate 2e-4": {"encoder_rate": 2e-4},
    "best tag of each token": {},
}
"""What is changed against the preset, by name."""
ARGMAX = "best tag of each token"


@dataclass
class Runs:
    """Learns and forgets one model at a time in `folder`."""

    folder: Path
    settings: Settings

    def round(self, reports: Sequence[Report], config: LabelConfig, tests: dict[str, list[Report]]) -> dict[str, Any]:
        """What the modes and what would serve find in each test set; the mode chosen; seconds of learning."""
        started = time.monotonic()
        train, holdout = split(reports, self.settings.holdout_share)
        if len(holdout) < self.settings.holdout_min:
            train, holdout = list(reports), []
        self.folder.mkdir(parents=True)
        learned = Learner(self.settings, config, self.folder, "benchmark", lambda **_: None).learn(train, holdout)
        mode = best_mode(score_modes(learned.judged, config.labels))
        seconds = time.monotonic() - started
        found = {name: judge_both(learned.tagger, learned.predictor, test).by_mode for name, test in tests.items()}
        shutil.rmtree(self.folder)
        return {
            "mode": mode,
            "seconds": seconds,
            "found": {name: {"serving": modes[mode], **modes} for name, modes in found.items()},
        }

    def plain(self, reports: Sequence[Report], config: LabelConfig, tests: dict[str, list[Report]]) -> dict[str, Found]:
        """What a plain fine-tuning finds in each test set, with the best tag of each token."""
        return self._network(reports, config, tests, customized(self._recipe(reports), **PLAIN), argmax=True)

    def ablation(
        self, reports: Sequence[Report], config: LabelConfig, tests: dict[str, list[Report]]
    ) -> Iterator[tuple[str, dict[str, Found]]]:
        """The preset and each change of it, network alone."""
        recipe = self._recipe(reports)
        yield "default", self._network(reports, config, tests, recipe)
        for name, changes in ABLATION.items():
            yield name, self._network(reports, config, tests, customized(recipe, **changes), argmax=name == ARGMAX)
        for name, factor in (("half the steps", 0.5), ("twice the steps", 2.0)):
            steps, epochs = round(recipe.steps * factor), recipe.epochs * factor
            changed = customized(recipe, **({"steps": steps} if steps else {"epochs": epochs}))
            yield name, self._network(reports, config, tests, changed)

    def _recipe(self, reports: Sequence[Report]) -> Recipe:
        return Plan.from_settings(self.settings).recipe(len(reports), self.settings)

    def _network(
        self,
        reports: Sequence[Report],
        config: LabelConfig,
        tests: dict[str, list[Report]],
        recipe: Recipe,
        *,
        argmax: bool = False,
    ) -> dict[str, Found]:
        used = {span.label for report in reports for span in report.spans}
        labels = tuple(label for label in config.labels if label in used)
        base = base_model.resolve(self.settings)
        fine_tune([(r.text, r.spans) for r in reports], LabelScheme(labels), base, self.folder, recipe)
        settings = self.settings.model_copy(update={"engine": "torch"})
        predictor = open_model(self.folder, "benchmark", "model", labels, config.labels, EMPTY_MEMORY, settings)
        found = {name: network_alone(predictor, test, argmax) for name, test in tests.items()}
        shutil.rmtree(self.folder)
        return found


def network_alone(predictor: ModelPredictor, reports: Sequence[Report], argmax: bool) -> Found:
    """Spans of the network, for labels it has not seen as well none; `argmax` takes the best tag of each token.

    That is what most scripts decode; a sequence that BIO forbids is read as CoNLL does.
    """
    tagged = predictor.tag([report.text for report in reports])
    return {
        report.task_id: tags_to_spans(seen.probabilities.argmax(axis=1), seen.encoding.offsets, predictor.scheme)
        if argmax
        else predictor.network_spans(seen)
        for report, seen in zip(reports, tagged, strict=True)
    }
