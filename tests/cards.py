"""A model card with everything it must have, for tests that mind a field or two."""

from __future__ import annotations

from typing import Any

from backend.model_card import DatasetSummary, Decision, Evaluation, ModelCard, TrainingSummary


def card(**fields: Any) -> ModelCard:
    """The card of a promoted first version with a network that knows HR and DIAG, but for the given fields."""
    made = {
        "version": "ecg-r0001-0badcafe",
        "project": "1",
        "round": 1,
        "created": "",
        "mode": "model",
        "labels": ["HR", "DIAG"],
        "base_model": "built-in",
        "seed": 0,
        "dataset": DatasetSummary(hash="", reports=0, spans=0, tasks=[], annotations=[], holdout_tasks=[]),
        "training": TrainingSummary(steps=1),
        "evaluation": Evaluation(method="holdout"),
        "decision": Decision(promote=True, reason="first", serving=""),
    }
    return ModelCard.model_validate(made | fields)
