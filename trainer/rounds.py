"""One round: annotations -> frozen dataset -> fine-tuning -> evaluation -> gate -> published version.

Each step can be killed and run again: the version's name is made from the round and the content it
learns from, a published version is found again, everything else lives in a folder that is swept.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from backend.labelstudio.client import LabelStudioClient
from backend.labelstudio.config import LabelConfig, parse_label_config
from backend.model_card import (
    DatasetSummary,
    Decision,
    Evaluation,
    Method,
    Mode,
    ModelCard,
    RejectedAnnotation,
    TrainingSummary,
)
from backend.ner.scheme import LabelScheme
from backend.predictor import ModelPredictor, Predictor, RulesPredictor, open_model
from backend.registry import MEMORY
from backend.rules import SpanMemory
from trainer import base_model
from trainer.dataset import FrozenDataset, Report, freeze, split
from trainer.evaluation import Judged, best_f1, compare, cross_validate, judge
from trainer.export import export_openvino
from trainer.parts import WorkerParts
from trainer.progress import Progress
from trainer.promotion import best_mode, decide
from trainer.recipe import recipe_for
from trainer.rival import find_rival
from trainer.training import fine_tune

logger = logging.getLogger(__name__)

PROGRESS_SECONDS = 1.0
"""Progress is published at most this often."""


@dataclass(frozen=True)
class Outcome:
    """What a round led to: a version with its card, or none and the reason."""

    card: ModelCard | None
    message: str


class Round:
    """One round of one project; `run` does all of it."""

    def __init__(self, parts: WorkerParts, project: str, number: int, client: LabelStudioClient) -> None:
        self.settings = parts.settings
        self.registry = parts.registry
        self.queue = parts.queue
        self.client = client
        self.project = project
        self.number = number
        self._progress: dict[str, Any] = {"round": number, "started": time.time()}
        self._published = 0.0

    def run(self) -> Outcome:
        """Read, train, judge, decide, publish; call it with the project's round lock held."""
        self.registry.sweep(self.project)
        self.progress(stage="reading annotations")
        config, dataset = self.freeze()
        if not dataset.reports:
            return Outcome(None, "no annotation to train on")
        version = f"ecg-r{self.number:04d}-{self.content_hash(dataset)}"
        known = self.same_content(version)
        if known is not None:
            message = "published before" if known.round == self.number else f"nothing changed since {known.version}"
            return Outcome(known, message)
        self.progress(version=version, reports=len(dataset.reports))
        folder = self.registry.new_folder(self.project)
        card = self.learn(config, dataset, version, folder)
        self.registry.publish(card, folder)
        return Outcome(card, card.decision.reason)

    # Data -------------------------------------------------------------------------------------

    def freeze(self) -> tuple[LabelConfig, FrozenDataset]:
        """The project's configuration and trainable annotations, as Label Studio has them now."""
        xml = self.client.project(self.project).label_config
        self.registry.remember_label_config(self.project, xml)
        config = parse_label_config(xml)
        return config, freeze(self.client.labelled_tasks(self.project), config)

    def content_hash(self, dataset: FrozenDataset) -> str:
        """Eight hex digits of all that the weights depend on."""
        settings = self.settings
        parts = [dataset.hash, settings.base_model, settings.train_steps, settings.seed, settings.train_min]
        parts += [settings.holdout_share, settings.holdout_min, settings.engine]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:8]

    def same_content(self, version: str) -> ModelCard | None:
        """The newest version when it was made from the same content and its files are whole."""
        newest = self.registry.versions(self.project, 1)
        same = bool(newest) and newest[0].version.rsplit("-", 1)[1] == version.rsplit("-", 1)[1]
        return newest[0] if same and not self.registry.damage(self.project, newest[0].version) else None

    # Learning ---------------------------------------------------------------------------------

    def learn(self, config: LabelConfig, dataset: FrozenDataset, version: str, folder: Path) -> ModelCard:
        """Fine-tune, judge and decide; leaves everything that serves in `folder`."""
        train, holdout = split(dataset.reports, self.settings.holdout_share)
        if len(holdout) < self.settings.holdout_min:
            train, holdout = list(dataset.reports), []
        network = len(train) >= self.settings.train_min and bool(labels_of(train, config))
        rival = find_rival(self.registry, self.settings, self.project, config, holdout or train)
        if rival.score:
            self.progress(f1_to_beat=rival.score.micro.f1)
        if holdout:
            predictor, training = self.fit(train, config, folder, version, network, holdout)
            self.progress(stage="evaluating")
            method: Method = "holdout"
            judged = judge(predictor, holdout)
        else:
            method = "cross-validation"
            judged = self.cross_validate(train, config, folder, network)
            predictor, training = self.fit(train, config, folder, version, network)
        trained = predictor.scheme.labels if isinstance(predictor, ModelPredictor) else config.labels
        self.progress(f1=best_f1(judged, config.labels))
        evaluation = compare(judged, config.labels, method, rival.unseen, rival.score)
        if rival.card and rival.card.labels == list(trained):
            evaluation = evaluation.model_copy(update={"serving_estimate": rival.card.f1})
        mode = best_mode(evaluation.modes)
        decision = decide(evaluation, mode, rival.version)
        return self.card(dataset, version, mode, trained, training, evaluation, decision, holdout)

    def cross_validate(self, reports: Sequence[Report], config: LabelConfig, folder: Path, network: bool) -> Judged:
        """Every report judged by a predictor that did not see it; the folds' weights are removed at once."""

        def fit(rest: Sequence[Report], fold: int) -> Predictor:
            self.progress(stage=f"cross-validation, fold {fold + 1}")
            memory = remember(rest)
            if not network or not labels_of(rest, config):
                return RulesPredictor("fold", config.labels, memory)
            place = folder / f"fold-{fold}"
            trained, _ = self.fine_tune(rest, config, place)
            settings = self.settings.model_copy(update={"engine": "torch"})
            predictor = open_model(place, "fold", "model", trained, config.labels, memory, settings)
            shutil.rmtree(place)
            return predictor

        return cross_validate(reports, fit, lambda judged: self.progress(f1=best_f1(judged, config.labels)))

    def fit(
        self,
        reports: Sequence[Report],
        config: LabelConfig,
        folder: Path,
        version: str,
        network: bool,
        held_out: Sequence[Report] = (),
    ) -> tuple[Predictor, TrainingSummary]:
        """The predictor that would serve, as it would serve; its files are in `folder`."""
        memory = remember(reports)
        predictor: Predictor = RulesPredictor(version, config.labels, memory)
        summary = TrainingSummary()
        if network:
            self.progress(stage="training")
            trained, summary = self.fine_tune(reports, config, folder, held_out)
            self.progress(stage="exporting")
            if self.settings.engine == "openvino":
                export_openvino(folder)
            predictor = open_model(folder, version, "model", trained, config.labels, memory, self.settings)
        # Last: the fine-tuning replaces the folder.
        (folder / MEMORY).write_text(memory.to_json(), "utf-8")
        return predictor, summary.model_copy(update={"tasks": [report.task_id for report in reports]})

    def fine_tune(
        self, reports: Sequence[Report], config: LabelConfig, folder: Path, held_out: Sequence[Report] = ()
    ) -> tuple[tuple[str, ...], TrainingSummary]:
        """Fine-tune the base model into `folder`; returns the labels it knows and a summary.

        `held_out` reports are scored by seqeval when it is done, network alone.
        """
        base = base_model.resolve(self.settings, progress=lambda message: self.progress(stage=message))
        labels = labels_of(reports, config)
        recipe = recipe_for(
            len(reports),
            steps=self.settings.train_steps,
            seed=self.settings.seed,
            threads=self.settings.threads,
            minutes=self.settings.train_minutes,
        )
        training, validation = (
            [(report.text, [s for s in report.spans if s.label in labels]) for report in some]
            for some in (reports, held_out)
        )
        result = fine_tune(training, LabelScheme(labels), base, folder, recipe, self.on_step, validation)
        return labels, TrainingSummary(
            steps=result.steps,
            seconds=round(result.seconds, 1),
            loss=round(result.loss, 4),
            validation_f1=result.validation_f1,
        )

    # Judging ----------------------------------------------------------------------------------

    def card(
        self,
        dataset: FrozenDataset,
        version: str,
        mode: Mode,
        labels: Sequence[str],
        training: TrainingSummary,
        evaluation: Evaluation,
        decision: Decision,
        holdout: Sequence[Report],
    ) -> ModelCard:
        """Everything above, for people and for later rounds."""
        return ModelCard(
            version=version,
            project=self.project,
            round=self.number,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            mode=mode,
            labels=list(labels),
            base_model=self.settings.base_model or "built-in",
            seed=self.settings.seed,
            dataset=DatasetSummary(
                hash=dataset.hash,
                reports=len(dataset.reports),
                spans=sum(len(report.spans) for report in dataset.reports),
                tasks=[report.task_id for report in dataset.reports],
                annotations=[report.annotation_id for report in dataset.reports],
                holdout_tasks=[report.task_id for report in holdout],
                rejects=[RejectedAnnotation(task=r.task_id, reason=r.reason) for r in dataset.rejects],
            ),
            training=training,
            evaluation=evaluation,
            decision=decision,
            engine={"engine": self.settings.engine, "precision": self.settings.precision},
        )

    # Progress ---------------------------------------------------------------------------------

    def on_step(self, step: Progress) -> None:
        """Called by the fine-tuning every few steps."""
        if time.monotonic() - self._published >= PROGRESS_SECONDS or step.step == step.steps:
            self.progress(
                step=step.step, steps=step.steps, epoch=step.epoch, loss=step.loss, eta_seconds=step.eta_seconds
            )

    def progress(self, **fields: Any) -> None:
        """Publish what the round does now; a new stage forgets the steps of the last one."""
        if "stage" in fields:
            for name in ("step", "steps", "epoch", "loss", "eta_seconds"):
                self._progress.pop(name, None)
            logger.info("round project=%s number=%d stage=%s", self.project, self.number, fields["stage"])
        self._progress.update(fields, updated=time.time())
        self._published = time.monotonic()
        self.queue.set_progress(self.project, "retrain", self._progress)


def remember(reports: Sequence[Report]) -> SpanMemory:
    """The strings annotators labelled in the reports."""
    return SpanMemory.from_reports((report.text, report.spans) for report in reports)


def labels_of(reports: Sequence[Report], config: LabelConfig) -> tuple[str, ...]:
    """The configuration's labels that occur in the reports, in its order: what a network can learn."""
    used = {span.label for report in reports for span in report.spans}
    return tuple(label for label in config.labels if label in used)
