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
    Mode,
    ModelCard,
    RejectedAnnotation,
)
from trainer.dataset import FrozenDataset, Report, freeze, split
from trainer.evaluation import compare, score_modes
from trainer.learning import Learned, Learner
from trainer.parts import WorkerParts
from trainer.promotion import best_mode, decide
from trainer.rival import Rival, find_rival

logger = logging.getLogger(__name__)


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
        rival = find_rival(self.registry, self.settings, self.project, config, holdout or train)
        to_beat = rival.score(config.labels)
        if to_beat:
            self.progress(f1_to_beat=to_beat.micro.f1)
        learned = Learner(self.settings, config, folder, version, self.progress).learn(train, holdout)
        return self.judge(config, dataset, version, rival, learned, holdout)

    # Judging ----------------------------------------------------------------------------------

    def judge(
        self,
        config: LabelConfig,
        dataset: FrozenDataset,
        version: str,
        rival: Rival,
        learned: Learned,
        holdout: Sequence[Report],
    ) -> ModelCard:
        """The mode that would serve, and whether it shall replace the version to beat."""
        labels, trained = config.labels, learned.labels(config)
        modes = score_modes(learned.judged, labels)
        mode = best_mode(modes, rival.card.mode if rival.card else None)
        pair = (learned.judged.by_mode[mode], rival.found)
        evaluation = compare(modes, learned.method, learned.judged, labels, rival.unseen, pair)
        evaluation = evaluation.model_copy(update={"serving_estimate": rival.estimate(trained)})
        decision = decide(rival.contest(learned.judged, mode, evaluation, labels))
        return self.card(dataset, version, mode, trained, learned, evaluation, decision, holdout)

    def card(
        self,
        dataset: FrozenDataset,
        version: str,
        mode: Mode,
        labels: Sequence[str],
        learned: Learned,
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
            training=learned.training,
            evaluation=evaluation,
            decision=decision,
            calibration=learned.calibration,
            trust=dict(learned.trust),
            engine={"engine": self.settings.engine, "precision": self.settings.precision},
        )

    # Progress ---------------------------------------------------------------------------------

    def progress(self, **fields: Any) -> None:
        """Publish what the round does now; a new stage forgets the steps of the last one."""
        if "stage" in fields:
            for name in ("step", "steps", "epoch", "loss", "eta_seconds"):
                self._progress.pop(name, None)
            logger.info("round project=%s number=%d stage=%s", self.project, self.number, fields["stage"])
        self._progress.update(fields, updated=time.time())
        self.queue.set_progress(self.project, "retrain", self._progress)
