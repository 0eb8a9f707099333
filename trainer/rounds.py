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

from backend import left_out
from backend.errors import LabelConfigError
from backend.labelstudio.client import LabelStudioClient
from backend.labelstudio.config import LabelConfig, parse_label_config
from backend.labelstudio.wire import task_text
from backend.model_card import ModelCard
from backend.predictor import ModelPredictor
from backend.switching import carry_out, deciding
from backend.tagging.features import CHECKSUM
from trainer import base_model
from trainer.cards import card_of, rejected
from trainer.copies import answers, once, unseen
from trainer.dataset import FrozenDataset, Report, freeze, split
from trainer.error_analysis import analyse, write_analysis
from trainer.evaluation import compare, score_modes
from trainer.learning import Learned, Learner
from trainer.parts import WorkerParts
from trainer.plan import Plan
from trainer.progress import Milestones, Timeline, left
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


def nothing_to_learn(dataset: FrozenDataset) -> str:
    """Why a round without any report ends."""
    rejects = rejected(dataset)
    told = [row.sentence for row in left_out.summary(rejects)]
    skipped = sum(reject.reason == left_out.NOT_SUBMITTED for reject in rejects)
    has = "task has" if skipped == 1 else "tasks have"
    told += [f"{skipped} {has} only skipped annotations or drafts"] if skipped else []
    return "no annotation to train on" + (f": {'; '.join(told)}" if told else "")


@dataclass(frozen=True)
class Candidate:
    """What a round learned, before it is compared; `rival` is the version to beat when the round began."""

    config: LabelConfig
    dataset: FrozenDataset
    holdout: Sequence[Report]
    rival: Rival
    learned: Learned
    version: str
    folder: Path


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
        ranking = self.registry.ranking(project)
        known = {**self.queue.durations(project, "retrain"), "ranking": ranking.seconds if ranking else 0.0}
        self._timeline = Timeline(["reading annotations", "training", "ranking"], known)
        self._milestones = Milestones(lambda said: self.log("is at", done=said))

    def run(self) -> Outcome:
        """Read, train, judge, publish, decide; call it with the project's round lock held."""
        self.registry.sweep(self.project)
        self.progress(stage="reading annotations")
        config, dataset = self.freeze()
        if not dataset.reports:
            return Outcome(None, nothing_to_learn(dataset))
        version = f"ecg-r{self.number:04d}-{self.content_hash(dataset)}"
        known = self.same_content(version)
        if known is not None:
            message = "published before" if known.round == self.number else f"nothing changed since {known.version}"
            left_out.save(self.registry, self.project, left_out.Reading(round=known.round, rejects=rejected(dataset)))
            with deciding(self.registry, self.project):
                return Outcome(carry_out(self.registry, known), message)
        self.progress(version=version, reports=len(dataset.reports))
        folder = self.registry.new_folder(self.project)
        card = self.conclude(self.learn(config, dataset, version, folder))
        self._timeline.enter("ranking")
        self.queue.save_durations(self.project, "retrain", self._timeline.took)
        self.log("decided", version=version, promoted=card.decision.promote, reason=repr(card.decision.reason))
        return Outcome(card, card.decision.reason)

    def conclude(self, candidate: Candidate) -> ModelCard:
        """Judge, publish and carry out the decision; anew when another version was chosen meanwhile."""
        while True:
            card = self.judge(candidate)
            with deciding(self.registry, self.project):
                target = self.registry.target(self.project)
                if target == card.decision.serving:
                    self.registry.publish(card, candidate.folder)
                    return carry_out(self.registry, self.registry.card(self.project, card.version))
            self.log("compares again", chosen=target)

    # Data -------------------------------------------------------------------------------------

    def freeze(self) -> tuple[LabelConfig, FrozenDataset]:
        """The project's configuration and trainable annotations, as Label Studio has them now; copies count once."""
        xml = self.client.project(self.project).label_config
        try:
            config = parse_label_config(xml)
        except LabelConfigError as error:
            self.registry.refuse_label_config(self.project, str(error))
            raise
        self.registry.remember_label_config(self.project, xml)
        before = self.annotated.known(self.project)
        read = freeze(self.client.labelled_tasks(self.project), config)
        self.annotated.renew(self.project, answers(read.reports), before)
        dataset = once(read)
        left_out.save(self.registry, self.project, left_out.Reading(round=self.number, rejects=rejected(dataset)))
        return config, dataset

    def content_hash(self, dataset: FrozenDataset) -> str:
        """Eight hex digits of the annotations and settings that the weights depend on.

        Not of unlabelled texts, nor of the version that a warm start begins with: another one of these alone is no
        reason to train.
        """
        settings = self.settings
        parts = [dataset.hash, CHECKSUM, base_model.name(settings), settings.seed, settings.deep]
        parts += [settings.train_steps, settings.train_min, settings.holdout_share, settings.holdout_min]
        parts += [settings.engine, settings.train_options]
        parts += [settings.augment, settings.pretrain, settings.self_training, settings.warm_start]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:8]

    def same_content(self, version: str) -> ModelCard | None:
        """The newest version when it was made from the same content, and its files are whole.

        Not one of an earlier round when an operator wants it compared anew (`decided` is empty then).
        """
        newest = self.registry.versions(self.project, 1)
        same = bool(newest) and newest[0].version.rsplit("-", 1)[1] == version.rsplit("-", 1)[1]
        if same and newest[0].round < self.number:
            same = bool(self.registry.decided(self.project))
        damaged = same and any(
            look(self.project, newest[0].version) for look in (self.registry.damage, self.registry.int8_damage)
        )
        return newest[0] if same and not damaged else None

    # Learning ---------------------------------------------------------------------------------

    def learn(self, config: LabelConfig, dataset: FrozenDataset, version: str, folder: Path) -> Candidate:
        """Fine-tune; leaves everything that serves in `folder`."""
        train, holdout = split(dataset.reports, self.settings.holdout_share)
        if len(holdout) < self.settings.holdout_min:
            train, holdout = list(dataset.reports), []
        rival = find_rival(self.registry, self.settings, self.project, config, holdout or train)
        to_beat = rival.score(config.labels)
        if to_beat:
            self.progress(f1_to_beat=to_beat.micro.f1)
        plan = self.plan(config, dataset, rival, holdout)
        learner = Learner(self.settings, config, folder, version, self.progress, plan)
        self._timeline.plan([*learner.stages(train, holdout), *(["quantising"] if self.quantises() else []), "ranking"])
        learned = learner.learn(train, holdout)
        trained = learned.training
        self.log("learned", steps=trained.steps, seconds=trained.seconds, loss=trained.loss)
        return Candidate(config, dataset, holdout, rival, learned, version, folder)

    def plan(self, config: LabelConfig, dataset: FrozenDataset, rival: Rival, holdout: Sequence[Report]) -> Plan:
        """What the settings ask for beside the preset, with the project's texts where they are of use."""
        plan = Plan.from_settings(self.settings)
        if self.settings.deep == "always" and (self.settings.pretrain or plan.self_training):
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
        blind = len(unseen(holdout, card.training)) == len(holdout)
        return self.registry.model_folder(self.project, rival.version) if blind else None

    # Judging ----------------------------------------------------------------------------------

    def judge(self, candidate: Candidate) -> ModelCard:
        """The mode that would serve, and whether it shall replace the version that shall serve now."""
        labels, learned, rival = candidate.config.labels, candidate.learned, self.rival_of(candidate)
        modes = score_modes(learned.judged, labels)
        mode = best_mode(modes, rival.card.mode if rival.card else None)
        found = learned.judged.by_mode[mode]
        evaluation = compare(modes, mode, learned.method, learned.judged, labels, rival.unseen, rival.found)
        evaluation = evaluation.model_copy(update={"serving_estimate": rival.estimate(learned.labels)})
        decision = decide(rival.contest(learned.judged, mode, evaluation, labels))
        reports, annotated = learned.judged.reports, candidate.dataset.reports
        analysis = analyse(reports, found, labels, annotated=annotated, version=candidate.version)
        write_analysis(candidate.folder, analysis)
        fields = (learned, candidate.dataset, candidate.holdout, mode, evaluation, decision, self.settings)
        card = card_of(*fields, self.project, self.number)
        self.log("judged", mode=mode, f1=f"{card.f1 or 0.0:.3f}", against=rival.version, verdict=decision.state)
        return self.quantise(card, candidate) if decision.promote else card

    def rival_of(self, candidate: Candidate) -> Rival:
        """The version to beat now: another one than at the beginning when one was chosen meanwhile."""
        if self.registry.target(self.project) == candidate.rival.version:
            return candidate.rival
        reports = candidate.holdout or candidate.dataset.reports
        return find_rival(self.registry, self.settings, self.project, candidate.config, reports)

    def quantises(self) -> bool:
        """Whether a network that shall serve is offered 8 bits."""
        wanted = (self.settings.deep, self.settings.engine, self.settings.precision)
        return wanted == ("always", "openvino", "auto")

    def quantise(self, card: ModelCard, candidate: Candidate) -> ModelCard:
        """The card of a version that shall serve, with what became of its network in 8 bits; see `quantisation`."""
        predictor, dataset, holdout = candidate.learned.predictor, candidate.dataset, candidate.holdout
        if card.mode == "tagger" or not self.quantises() or not isinstance(predictor, ModelPredictor):
            return card
        self.progress(stage="quantising")
        held = {report.task_id for report in holdout}
        evidence = Evidence(
            reports=holdout or dataset.reports,
            judged_on="holdout" if holdout else "annotated reports",
            calibration=[report.text for report in dataset.reports if report.task_id not in held],
            unlabelled=lambda: [text for _, text in self.unlabelled(candidate.config, MEASURED)],
        )
        found = offer(candidate.folder, predictor, evidence, self.settings)
        engine = {**card.engine, "precision": "int8"} if found.passed else card.engine
        return card.model_copy(update={"quantisation": found, "engine": engine})

    # Progress ---------------------------------------------------------------------------------

    def progress(self, **fields: Any) -> None:
        """Publish what the round does now; a new stage forgets the steps of the last one.

        `eta_seconds` is the stage's own; what is published is that of the whole round and the ranking after it.
        """
        if "stage" in fields:
            for name in ("step", "steps", "epoch", "loss", "eta_seconds", "share"):
                self._progress.pop(name, None)
            self._timeline.enter(fields["stage"])
        whole = self._timeline.fields(fields.get("eta_seconds"))
        number, count = whole["stage_number"], whole["stages"]
        if "stage" in fields:
            self.log("enters", stage=fields["stage"], number_of=f"{number}/{count}")
        if "share" in whole:
            self._milestones.reach(whole["share"], f"stage {number} of {count}, {left(whole['eta_seconds'])}")
        self._progress.update({**fields, **whole}, updated=time.time())
        self.queue.set_progress(self.project, "retrain", self._progress)

    def log(self, what: str, **fields: object) -> None:
        """A line in the worker's log; no report text."""
        said = " ".join(f"{name}={value}" for name, value in fields.items())
        logger.info("round project=%s number=%d %s %s", self.project, self.number, what, said)
