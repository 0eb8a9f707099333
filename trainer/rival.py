"""The version to beat: what serves or is about to, scored where a comparison is fair."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

from backend.engine import POOL_STREAMS
from backend.errors import BackendError
from backend.labelstudio.config import LabelConfig
from backend.model_card import Evaluation, Mode, ModelCard, Score
from backend.predictor import ModelPredictor, Predictor, RulesPredictor, load_predictor
from backend.registry import RULES_VERSION, Registry
from backend.settings import Settings
from trainer.copies import unseen
from trainer.dataset import Report
from trainer.evaluation import Found, Judged, count, judge, predict_spans, score, weigh
from trainer.promotion import Contest

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Rival:
    """The version to beat, its card, the reports it can be compared on, and what it finds there."""

    version: str
    card: ModelCard | None
    unseen: list[Report]
    found: Found = field(default_factory=dict)

    def score(self, labels: Sequence[str]) -> Score | None:
        """Its score on these reports; None without one."""
        return score(self.unseen, self.found, labels) if self.unseen else None

    def estimate(self, trained: Sequence[str]) -> float | None:
        """The micro F1 in its card, where it learned the same labels."""
        return self.card.f1 if self.card and self.card.labels == list(trained) else None

    def contest(self, judged: Judged, mode: Mode, evaluation: Evaluation, labels: Sequence[str]) -> Contest:
        """This version beside a candidate that shall serve in `mode`."""
        return Contest(
            serving=self.version,
            mode=mode,
            method=evaluation.method,
            labels=tuple(labels),
            ours=count(self.unseen, judged.by_mode[mode], labels),
            theirs=count(self.unseen, self.found, labels),
            estimate=evaluation.modes[mode].micro.f1,
            serving_estimate=evaluation.serving_estimate,
            debt=self.card.decision.debt if self.card else 0.0,
        )


def find_rival(
    registry: Registry, settings: Settings, project: str, config: LabelConfig, reports: Sequence[Report]
) -> Rival:
    """The version to beat, with what it finds in those of `reports` that it was not trained on.

    One that cannot be used is compared on none: it must not keep a usable candidate from serving.
    """
    version = registry.target(project)
    try:
        # As the candidate is judged, else what 8 bits may lose would be lost anew in each round.
        predictor, card = open_version(registry, settings, project, version, config, in_8_bits=False)
        fair = unseen(reports, card.training if card else None)
        return Rival(version, card, fair, unseen_spans(predictor, fair))
    except BackendError as error:
        logger.error("project %s: the serving version cannot be compared with: %s", project, error)
        return Rival(version, None, [])


def unseen_spans(predictor: Predictor, reports: Sequence[Report]) -> Found:
    """What the predictor finds, as if none of the reports had served to judge it.

    A merge goes by counts made on the very reports that judged it: they are made anew, as those of a candidate.
    """
    if isinstance(predictor, ModelPredictor) and predictor.mode == "merged":
        return weigh(judge(predictor, reports))[0].by_mode["merged"]
    return predict_spans(predictor, reports)


def open_version(
    registry: Registry,
    settings: Settings,
    project: str,
    version: str,
    config: LabelConfig,
    *,
    in_8_bits: bool = True,
) -> tuple[Predictor, ModelCard | None]:
    """Predictor and card of a published version for the project's present labels; the rules have no card.

    `in_8_bits`: where it passed its gate.
    """
    if version == RULES_VERSION:
        return RulesPredictor(version, config.labels), None
    card = registry.card(project, version)
    served = card if in_8_bits else card.model_copy(update={"quantisation": None})
    folder = registry.model_folder(project, version)
    return load_predictor(folder, served, config.labels, settings, POOL_STREAMS), card
