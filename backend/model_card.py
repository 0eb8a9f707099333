"""The model card: what a version was made from, how it was judged, and why it serves or does not.

Written once as `card.json` beside the weights and never changed. The format is read by people,
`ecgal models` and later versions of this package: a new field needs a default.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

Mode = Literal["rules", "model", "merged"]
"""Where the spans come from: rules + span memory, the network, or the network with number rules on top."""


Method = Literal["holdout", "cross-validation"]
"""On which reports: held-out ones, or all of them by networks that did not see them."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True)


class LabelScore(_Record):
    """Strict span scores, each 0..1, and the number of gold spans."""

    precision: float
    recall: float
    f1: float
    support: int


class Score(_Record):
    """Scores of one predictor on the evaluation reports."""

    micro: LabelScore
    by_label: dict[str, LabelScore] = {}


class RejectedAnnotation(_Record):
    """An annotation, or a region of one, that was not trained on."""

    task: int
    reason: str


class DatasetSummary(_Record):
    """The frozen dataset of a round."""

    hash: str
    reports: int
    spans: int
    tasks: list[int]
    annotations: list[int]
    holdout_tasks: list[int]
    rejects: list[RejectedAnnotation] = []


class Evaluation(_Record):
    """Scores of the three modes, and of the version that served, on the same reports.

    `serving_estimate` is the micro F1 that the serving version's own card has, where it learned the same labels.
    """

    method: Method
    tasks: list[int] = []
    modes: dict[Mode, Score] = {}
    compared_tasks: list[int] = []
    candidate_compared: Score | None = None
    serving_compared: Score | None = None
    serving_estimate: float | None = None


class Decision(_Record):
    """Whether the version was promoted over `serving`, and a sentence that says why."""

    promote: bool
    reason: str
    serving: str


class TrainingSummary(_Record):
    """The fine-tuning run; all zero when the network was not trained.

    `validation_f1` is seqeval's strict F1 of the network alone on the holdout, chunk by chunk.
    """

    steps: int = 0
    seconds: float = 0.0
    loss: float = 0.0
    validation_f1: float | None = None
    tasks: list[int] = []


class ModelCard(_Record):
    """One model version of one project."""

    version: str
    project: str
    round: int
    created: str
    mode: Mode
    labels: list[str]
    base_model: str
    seed: int
    dataset: DatasetSummary
    training: TrainingSummary
    evaluation: Evaluation
    decision: Decision
    engine: dict[str, str] = {}
    files: dict[str, int] = {}
    """Bytes of each file of the version, by which damage is noticed."""

    @property
    def f1(self) -> float | None:
        """Strict micro F1 of the serving mode on the evaluation reports; None when nothing was evaluated."""
        score = self.evaluation.modes.get(self.mode)
        return score.micro.f1 if score else None
