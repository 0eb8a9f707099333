"""One round: annotations -> frozen dataset -> fine-tuning -> evaluation -> gate -> published version.

Each step can be killed and run again: the version's name is made from the round and the content it
learns from, a published version is found again, everything else lives in a folder that is swept.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from backend.labelstudio.client import LabelStudioClient
from backend.labelstudio.config import LabelConfig, parse_label_config
from backend.labelstudio.wire import task_text
from backend.model_card import ModelCard
from backend.predictor import ModelPredictor
from trainer import base_model
from trainer.cards import card_of
from trainer.copies import answers, once, unseen
from trainer.dataset import FrozenDataset, Report, freeze, split
from trainer.error_analysis import analyse, write_analysis
from trainer.evaluation import compare, score_modes
from trainer.learning import Learned, Learner
from trainer.parts import WorkerParts
from trainer.plan import Plan
from trainer.promotion import best_mode, decide
from trainer.quantisation import MEASURED, Evidence, offer
from trainer.rival import Rival, find_rival

logger = logging.getLogger(__name__)

TEXTS = 2000
"""Unlabelled reports that pre-training and self-training look at, at most."""


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
        self.annotated = parts.annotated
        self.client = client
        self.project = project
        self.number = number
        self._progress: dict[str, Any] = {"round": number, "started": time.time()}

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
        """The project's configuration and trainable annotations, as Label Studio has them now; copies count once."""
        xml = self.client.project(self.project).label_config
        self.registry.remember_label_config(self.project, xml)
        config = parse_label_config(xml)
        before = self.annotated.known(self.project)
        dataset = freeze(self.client.labelled_tasks(self.project), config)
        self.annotated.renew(self.project, answers(dataset.reports), before)
        return config, once(dataset)

    def content_hash(self, dataset: FrozenDataset) -> str:
        """Eight hex digits of the annotations and settings that the weights depend on.

        Not of unlabelled texts, nor of the version that a warm start begins with: another one of these alone is no
        reason to train.
        """
        settings = self.settings
        parts = [dataset.hash, base_model.name(settings), settings.train_steps, settings.seed, settings.train_min]
        parts += [settings.holdout_share, settings.holdout_min, settings.engine, settings.train_options]
        parts += [settings.augment, settings.pretrain, settings.self_training, settings.warm_start]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:8]

    def same_content(self, version: str) -> ModelCard | None:
        """The newest version when it was made from the same content and its files are whole."""
        newest = self.registry.versions(self.project, 1)
        same = bool(newest) and newest[0].version.rsplit("-", 1)[1] == version.rsplit("-", 1)[1]
        damaged = same and any(
            look(self.project, newest[0].version) for look in (self.registry.damage, self.registry.int8_damage)
        )
        return newest[0] if same and not damaged else None

    # Learning ---------------------------------------------------------------------------------

    def learn(self, config: LabelConfig, dataset: FrozenDataset, version: str, folder: Path) -> ModelCard:
        """Fine-tune, judge and decide; leaves everything that serves in `folder`."""
        train, holdout = split(dataset.reports, self.settings.holdout_share)
        if len(holdout) < self.settings.holdout_min:
            train, holdout = list(dataset.reports), []
        rival = find_rival(self.registry, self.settings, self.project, config, holdout or train)
        to_beat = rival.score(config.labels)
        if to_beat:
            self.progress(f1_to_beat=to_beat.micro.f1)
        plan = self.plan(config, dataset, rival, holdout)
        learned = Learner(self.settings, config, folder, version, self.progress, plan).learn(train, holdout)
        card = self.judge(config, dataset, version, rival, learned, holdout, folder)
        return self.quantise(card, learned, config, dataset, holdout, folder) if card.decision.promote else card

    def plan(self, config: LabelConfig, dataset: FrozenDataset, rival: Rival, holdout: Sequence[Report]) -> Plan:
        """What the settings ask for beside the preset, with the project's texts where they are of use."""
        plan = Plan.from_settings(self.settings)
        if self.settings.pretrain or plan.self_training:
            unlabelled = self.unlabelled(config, TEXTS)
            # By id, so that the same texts are read again after some were annotated: reading takes minutes.
            known = sorted([*unlabelled, *((r.task_id, r.text) for r in dataset.reports)])[:TEXTS]
            texts = [text for _, text in known] if self.settings.pretrain else []
            plan = replace(plan, unlabelled=[text for _, text in unlabelled], texts=texts)
        return replace(plan, start=self.start(rival, holdout)) if self.settings.warm_start else plan

    def unlabelled(self, config: LabelConfig, at_most: int) -> list[tuple[int, str]]:
        """Ids and texts of the pool's first tasks; at most so many tasks are read."""
        tasks = islice(self.client.unlabelled_tasks(self.project), at_most)
        return [(task["id"], text) for task in tasks if (text := task_text(task, config)) is not None]

    def start(self, rival: Rival, holdout: Sequence[Report]) -> Path | None:
        """Folder of the version to beat, unless it has no network or one of another kind, or has seen the holdout."""
        card = rival.card
        if not card or not card.training.steps:
            return None
        alike = (base_model.name(self.settings), self.settings.train_options)
        if alike != (card.base_model, card.training.options):
            return None
        blind = len(unseen(holdout, card.training.tasks)) == len(holdout)
        return self.registry.model_folder(self.project, rival.version) if blind else None

    # Judging ----------------------------------------------------------------------------------

    def judge(
        self,
        config: LabelConfig,
        dataset: FrozenDataset,
        version: str,
        rival: Rival,
        learned: Learned,
        holdout: Sequence[Report],
        folder: Path,
    ) -> ModelCard:
        """The mode that would serve, and whether it shall replace the version to beat."""
        labels = config.labels
        modes = score_modes(learned.judged, labels)
        mode = best_mode(modes, rival.card.mode if rival.card else None)
        found = learned.judged.by_mode[mode]
        evaluation = compare(modes, mode, learned.method, learned.judged, labels, rival.unseen, rival.found)
        evaluation = evaluation.model_copy(update={"serving_estimate": rival.estimate(learned.labels)})
        decision = decide(rival.contest(learned.judged, mode, evaluation, labels))
        analysis = analyse(learned.judged.reports, found, labels, annotated=dataset.reports, version=version)
        write_analysis(folder, analysis)
        return card_of(learned, dataset, holdout, mode, evaluation, decision, self.settings, self.project, self.number)

    def quantise(
        self,
        card: ModelCard,
        learned: Learned,
        config: LabelConfig,
        dataset: FrozenDataset,
        holdout: Sequence[Report],
        folder: Path,
    ) -> ModelCard:
        """The card of a version that shall serve, with what became of its network in 8 bits; see `quantisation`."""
        wanted = (self.settings.engine, self.settings.precision) == ("openvino", "auto")
        if not wanted or not isinstance(learned.predictor, ModelPredictor):
            return card
        self.progress(stage="quantising")
        held = {report.task_id for report in holdout}
        evidence = Evidence(
            reports=holdout or dataset.reports,
            judged_on="holdout" if holdout else "annotated reports",
            calibration=[report.text for report in dataset.reports if report.task_id not in held],
            unlabelled=lambda: [text for _, text in self.unlabelled(config, MEASURED)],
        )
        found = offer(folder, learned.predictor, evidence, self.settings)
        engine = {**card.engine, "precision": "int8"} if found.passed else card.engine
        return card.model_copy(update={"quantisation": found, "engine": engine})

    # Progress ---------------------------------------------------------------------------------

    def progress(self, **fields: Any) -> None:
        """Publish what the round does now; a new stage forgets the steps of the last one."""
        if "stage" in fields:
            for name in ("step", "steps", "epoch", "loss", "eta_seconds"):
                self._progress.pop(name, None)
            logger.info("round project=%s number=%d stage=%s", self.project, self.number, fields["stage"])
        self._progress.update(fields, updated=time.time())
        self.queue.set_progress(self.project, "retrain", self._progress)
