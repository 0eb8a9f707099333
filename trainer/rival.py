"""The version to beat: what serves or is about to, scored where a comparison is fair."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from backend.errors import BackendError
from backend.labelstudio.config import LabelConfig
from backend.model_card import ModelCard, Score
from backend.predictor import Predictor, RulesPredictor, load_predictor
from backend.registry import RULES_VERSION, Registry
from backend.settings import Settings
from trainer.dataset import Report
from trainer.evaluation import predict_spans, score

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Rival:
    """The version to beat, its card, the reports it can be compared on, and its score there."""

    version: str
    card: ModelCard | None
    unseen: list[Report]
    score: Score | None


def find_rival(
    registry: Registry, settings: Settings, project: str, config: LabelConfig, reports: Sequence[Report]
) -> Rival:
    """The version to beat, scored on those of `reports` that it was not trained on.

    One that cannot be used is scored on none: it must not keep a usable candidate from serving.
    """
    version = registry.target(project)
    try:
        predictor, card = open_version(registry, settings, project, version, config)
        seen = set(card.training.tasks) if card else set()
        unseen = [report for report in reports if report.task_id not in seen]
        theirs = score(unseen, predict_spans(predictor, unseen), config.labels) if unseen else None
    except BackendError as error:
        logger.error("project %s: the serving version cannot be compared with: %s", project, error)
        return Rival(version, None, [], None)
    return Rival(version, card, unseen, theirs)


def open_version(
    registry: Registry, settings: Settings, project: str, version: str, config: LabelConfig
) -> tuple[Predictor, ModelCard | None]:
    """Predictor and card of a published version for the project's present labels; the rules have no card."""
    if version == RULES_VERSION:
        return RulesPredictor(version, config.labels), None
    card = registry.card(project, version)
    return load_predictor(registry.model_folder(project, version), card, config.labels, settings), card
