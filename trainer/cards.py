"""A model card from what was learned; rounds and `ecgal train` write the same."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from backend import left_out
from backend.model_card import DatasetSummary, Decision, Evaluation, Mode, ModelCard, RejectedAnnotation
from backend.settings import Settings
from trainer import base_model
from trainer.dataset import FrozenDataset, Report
from trainer.learning import Learned


def card_of(
    learned: Learned,
    dataset: FrozenDataset,
    holdout: Sequence[Report],
    mode: Mode,
    evaluation: Evaluation,
    decision: Decision,
    settings: Settings,
    project: str = "",
    number: int = 0,
) -> ModelCard:
    """The card of the version that the predictor names; `number` is the round, 0 outside a project."""
    return ModelCard(
        version=learned.predictor.version,
        project=project,
        round=number,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        mode=mode,
        labels=list(learned.labels),
        base_model=base_model.name(settings),
        seed=settings.seed,
        dataset=_summary(dataset, holdout),
        training=learned.training,
        evaluation=evaluation,
        decision=decision,
        calibration=learned.calibration,
        trust=learned.trust,
        engine={"engine": settings.engine, "precision": settings.precision},
    )


def _summary(dataset: FrozenDataset, holdout: Sequence[Report]) -> DatasetSummary:
    return DatasetSummary(
        hash=dataset.hash,
        reports=len(dataset.reports),
        spans=sum(len(report.spans) for report in dataset.reports),
        tasks=[report.task_id for report in dataset.reports],
        annotations=[report.annotation_id for report in dataset.reports],
        holdout_tasks=[task for report in holdout for task in report.tasks],
        rejects=(rejects := rejected(dataset)),
        left_out=[row.sentence for row in left_out.summary(rejects)],
    )


def rejected(dataset: FrozenDataset) -> list[RejectedAnnotation]:
    """The dataset's rejects as cards keep them."""
    return [
        RejectedAnnotation(
            task=reject.task_id,
            reason=reject.reason,
            annotation=reject.annotation_id,
            annotations=reject.annotations,
            regions=reject.spans,
        )
        for reject in dataset.rejects
    ]
