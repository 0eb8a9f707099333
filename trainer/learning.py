"""From annotated reports to a predictor and its judgement; no Label Studio, no registry, no job queue.

A round of a project and `ecgal train` both learn here.
"""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Protocol

from backend.labelstudio.config import LabelConfig
from backend.merging import Trust
from backend.model_card import Calibration, Method, TrainingSummary
from backend.ner.scheme import LabelScheme
from backend.predictor import ModelPredictor, RulesPredictor, TaggerPredictor, open_model
from backend.ranking.copies import report_key
from backend.registry import MEMORY
from backend.rules import SpanMemory
from backend.settings import Settings
from backend.tagging.tagger import FILE as TAGGER
from trainer import base_model
from trainer.augmentation import augment
from trainer.calibration import calibrate
from trainer.chunks import AnnotatedText
from trainer.corpus.splits import stratified
from trainer.dataset import Report
from trainer.evaluation import Judge, Judged, best_f1, cross_validate, judge, weigh
from trainer.export import export_openvino
from trainer.plan import Plan
from trainer.pretraining import Pretraining, pretrain
from trainer.progress import Progress
from trainer.recipe import customized
from trainer.self_training import Mixture, mix, pseudo_label
from trainer.tagging.fitting import fit as fit_tagger
from trainer.training import fine_tune

logger = logging.getLogger(__name__)

FEWEST_TO_CHOOSE = 14
"""Training reports below which no weights are chosen by validation F1: two reports would choose."""
VALIDATION_SHARE = 0.15
"""Of the training reports, where the recipe chooses weights by validation F1."""
PROGRESS_SECONDS = 1.0
"""Steps of a fine-tuning are told at most this often."""


class Tell(Protocol):
    """Hears what a learning does now: `stage`, `step`, `steps`, `loss`, `eta_seconds`, `f1` ..."""

    def __call__(self, **fields: object) -> None:
        """Take the fields that changed."""


FOLDS = 5
"""Folds of a tagger's cross-validation, of which each takes a second at most."""
NETWORK_FOLDS = 3
"""Folds where a network is fine-tuned for each."""

Network = RulesPredictor | ModelPredictor
"""The side beside the tagger: a network, or rules with span memory where none is trained."""


@dataclass(frozen=True)
class Learned:
    """Tagger and network as they would serve, how they were trained and judged, and what was measured for them."""

    tagger: TaggerPredictor | None
    predictor: Network
    training: TrainingSummary
    judged: Judged
    method: Method
    calibration: Calibration
    trust: Trust

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels that it knows: of a network those it was trained on."""
        known = self.predictor
        return known.scheme.labels if isinstance(known, ModelPredictor) else known.labels


@dataclass
class Learner:
    """Learns one version into `folder`; everything that serves it is left there."""

    settings: Settings
    config: LabelConfig
    folder: Path
    version: str
    tell: Tell
    plan: Plan = field(default_factory=Plan)
    network_only: bool = False
    _told: float = field(default=0.0, init=False)

    def learn(self, train: Sequence[Report], holdout: Sequence[Report]) -> Learned:
        """Fine-tune on `train` and judge on `holdout`; without a holdout, judge by cross-validation."""
        if self.trains_network(train):
            _ = self.base  # before all stages that fine-tune it
        judged = Judged((), {}) if holdout else self.cross_validate(train)
        predictor, training = self.fit(train, holdout)
        tagger, training = self.fit_tagger(train, training)
        if holdout:
            self.tell(stage="evaluating")
            judged = judge_both(tagger, predictor, holdout)
        # Both are measured on what the network has not seen: the holdout, or each fold by the network of the others.
        judged, trust = weigh(judged)
        self.tell(f1=best_f1(judged, self.config.labels))
        calibration = Calibration(note="no network")
        if isinstance(predictor, ModelPredictor):
            calibration = calibrate(judged.tokens)
            predictor = replace(predictor, temperature=calibration.temperature, trust=trust)
        method: Method = "holdout" if holdout else "cross-validation"
        return Learned(tagger, predictor, training, judged, method, calibration, trust)

    def stages(self, train: Sequence[Report], holdout: Sequence[Report]) -> list[str]:
        """What `learn` will tell as stages, in order."""
        network = self.trains_network(train)
        first = ["pre-training"] if network and self.plan.texts else []
        last = [
            *(["training", "exporting"] if network else []),
            *([] if self.network_only else ["training the tagger"]),
        ]
        if holdout:
            return [*first, *last, "evaluating"]
        return [
            *first,
            *(f"cross-validation, fold {fold + 1}" for fold in range(min(self.folds(train), len(train)))),
            *last,
        ]

    def trains_network(self, reports: Sequence[Report]) -> bool:
        """Whether a network is wanted, and there is enough for one."""
        return (
            self.settings.deep == "always" and len(reports) >= self.settings.train_min and bool(self.labels_of(reports))
        )

    def cross_validate(self, reports: Sequence[Report]) -> Judged:
        """Every report judged by a predictor that did not see it; the folds' weights are removed at once."""
        network = self.trains_network(reports)

        def fit(rest: Sequence[Report], fold: int) -> Judge:
            self.tell(stage=f"cross-validation, fold {fold + 1}")
            tagger, predictor = self.tagger_of(rest), network_of(rest, fold)
            return lambda held: judge_both(tagger, predictor, held)

        def network_of(rest: Sequence[Report], fold: int) -> Network:
            memory = remember(rest)
            if not network or not self.labels_of(rest):
                return RulesPredictor("fold", self.config.labels, memory)
            place = self.folder / f"fold-{fold}"
            # As long as on all reports: one that learned less does not tell how far to trust the one that serves.
            trained, _ = self.fine_tune(rest, place, like=len(reports))
            settings = self.settings.model_copy(update={"engine": "torch"})
            predictor = open_model(place, "fold", "model", trained, self.config.labels, memory, settings)
            shutil.rmtree(place)
            return predictor

        def told(judged: Judged) -> None:
            self.tell(f1=best_f1(judged, self.config.labels))

        return cross_validate(reports, fit, told, self.settings.seed, self.folds(reports))

    def folds(self, reports: Sequence[Report]) -> int:
        """In how many folds reports are judged where there is no holdout."""
        return NETWORK_FOLDS if self.trains_network(reports) else FOLDS

    def tagger_of(self, reports: Sequence[Report]) -> TaggerPredictor | None:
        """The tagger of the reports; None where only a network is wanted."""
        if self.network_only:
            return None
        labels = self.config.labels
        tagger = fit_tagger([(report.text, report.spans) for report in reports], labels)
        return TaggerPredictor(self.version, labels, tagger, remember(reports))

    def fit_tagger(
        self, reports: Sequence[Report], training: TrainingSummary
    ) -> tuple[TaggerPredictor | None, TrainingSummary]:
        """The tagger that would serve, whose file is in the folder, with how it was trained."""
        if self.network_only:
            return None, training
        self.tell(stage="training the tagger")
        started = time.monotonic()
        predictor = self.tagger_of(reports)
        assert predictor is not None
        (self.folder / TAGGER).write_bytes(predictor.tagger.to_bytes())
        took = round(time.monotonic() - started, 2)
        fields = {"iterations": predictor.tagger.iterations, "tagger_seconds": took}
        return predictor, training.model_copy(update=fields)

    def fit(self, reports: Sequence[Report], held_out: Sequence[Report] = ()) -> tuple[Network, TrainingSummary]:
        """The predictor that would serve, as it would serve; its files are in the folder."""
        memory = remember(reports)
        predictor: Network = RulesPredictor(self.version, self.config.labels, memory)
        summary = TrainingSummary()
        if self.trains_network(reports):
            self.tell(stage="training")
            trained, summary = self.fine_tune(reports, self.folder, held_out)
            self.tell(stage="exporting")
            if self.settings.engine == "openvino":
                export_openvino(self.folder)
            predictor = open_model(
                self.folder, self.version, "model", trained, self.config.labels, memory, self.settings
            )
        # Last: the fine-tuning replaces the folder.
        (self.folder / MEMORY).write_text(memory.to_json(), "utf-8")
        known = {"tasks": [r.task_id for r in reports], "texts": [report_key(r.text) for r in reports]}
        return predictor, summary.model_copy(update=known)

    def fine_tune(
        self, reports: Sequence[Report], folder: Path, held_out: Sequence[Report] = (), like: int = 0
    ) -> tuple[tuple[str, ...], TrainingSummary]:
        """Fine-tune the base model into `folder`; returns the labels it knows and a summary.

        `held_out` reports are scored by seqeval when it is done, network alone; they choose nothing.
        The recipe is the one for `like` reports, by default for those given.
        """
        labels = self.labels_of(reports)
        plan = self.plan if held_out else replace(self.plan, start=None)
        recipe = plan.recipe(like or len(reports), self.settings)
        if (recipe.patience or recipe.evaluate_every) and len(reports) < FEWEST_TO_CHOOSE:
            logger.warning("%d reports are too few to choose weights by some of them", len(reports))
            recipe = customized(recipe, patience=0, evaluate_every=0)
        elif recipe.patience or recipe.evaluate_every:
            # What chooses the weights must not judge them.
            reports, held_out = stratified(reports, VALIDATION_SHARE, self.settings.seed)
        mixture = self.mixture(reports, labels)
        result = fine_tune(
            mixture.reports,
            LabelScheme(labels),
            self.base,
            folder,
            recipe,
            self.on_step,
            annotated(held_out, labels),
            mixture.weights,
        )
        return labels, TrainingSummary(
            steps=result.steps,
            seconds=round(result.seconds, 1),
            loss=round(result.loss, 4),
            validation_f1=result.validation_f1,
            options=self.settings.train_options,
        )

    @cached_property
    def base(self) -> Path:
        """Folder of the encoder to start from, after it has read the plan's texts."""
        base = base_model.resolve(self.settings, progress=lambda message: self.tell(stage=message))
        if not self.plan.texts:
            return base
        self.tell(stage="pre-training")
        settings = self.settings
        options = Pretraining(seed=settings.seed, threads=settings.threads, minutes=settings.train_minutes)
        return pretrain(self.plan.texts, base, settings.home / "pretrained", options, self.on_step)

    def mixture(self, reports: Sequence[Report], labels: Sequence[str]) -> Mixture:
        """The reports, their variants, and what rules and memory say about unlabelled texts, each with its weight."""
        plan, seed = self.plan, self.settings.seed
        variants = augment(reports, plan.policies, plan.copies, seed) if plan.copies else []
        gold = annotated([*reports, *variants], labels)
        if not (plan.self_training and plan.unlabelled):
            return Mixture(gold, [1.0] * len(gold))
        teacher = RulesPredictor("teacher", tuple(labels), remember(reports))
        return mix(gold, pseudo_label(plan.unlabelled, teacher), plan.self_training)

    def labels_of(self, reports: Sequence[Report]) -> tuple[str, ...]:
        """The configuration's labels that occur in the reports, in its order: what a network can learn."""
        used = {span.label for report in reports for span in report.spans}
        return tuple(label for label in self.config.labels if label in used)

    def on_step(self, step: Progress) -> None:
        """Called by the fine-tuning every few steps."""
        if time.monotonic() - self._told >= PROGRESS_SECONDS or step.step == step.steps:
            self._told = time.monotonic()
            self.tell(step=step.step, steps=step.steps, epoch=step.epoch, loss=step.loss, eta_seconds=step.eta_seconds)


def judge_both(tagger: TaggerPredictor | None, network: Network, reports: Sequence[Report]) -> Judged:
    """The reports in all modes of the tagger and of the network beside it."""
    if tagger is None:
        return judge(network, reports)
    found = judge(tagger, reports)
    return found.beside(judge(network, reports)) if isinstance(network, ModelPredictor) else found


def annotated(reports: Sequence[Report], labels: Sequence[str]) -> list[AnnotatedText]:
    """Texts with their spans of these labels."""
    return [(report.text, [span for span in report.spans if span.label in labels]) for report in reports]


def remember(reports: Sequence[Report]) -> SpanMemory:
    """The strings annotators labelled in the reports."""
    return SpanMemory.from_reports((report.text, report.spans) for report in reports)
