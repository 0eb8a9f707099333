"""The model card: what a version was made from, how it was judged, and why it serves or does not.

Written once as `card.json` beside the weights; nothing but a person's choice changes it, and only its decision. The
format is read by people, `ecgal models` and later versions of this package: a new field needs a default.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, model_validator

from backend.merging import Trust

Mode = Literal["tagger", "rules", "model", "merged"]
"""Where the spans come from: the tagger, rules + span memory, the network, or the last two merged by precision."""


Method = Literal["holdout", "cross-validation"]
"""On which reports: held-out ones, or all of them by networks that did not see them."""

Verdict = Literal["better", "not worse", "worse", "label lost", "losses add up", "too few reports"]
"""What the gate found; `trainer.promotion` defines each."""


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
    """An annotation, or a region of one, that was not trained on, and how many were lost."""

    task: int
    reason: str
    annotation: int | None = None
    annotations: int = 0
    regions: int = 0

    @model_validator(mode="before")
    @classmethod
    def _counted(cls, fields: Any) -> Any:
        """A region's reject of an older card counts as one region."""
        if isinstance(fields, dict) and "regions" not in fields and str(fields.get("reason", "")).startswith("region "):
            return {**fields, "regions": 1}
        return fields


class DatasetSummary(_Record):
    """The frozen dataset of a round; `left_out` says in sentences what the rejects are."""

    hash: str
    reports: int
    spans: int
    tasks: list[int]
    annotations: list[int]
    holdout_tasks: list[int]
    rejects: list[RejectedAnnotation] = []
    left_out: list[str] = []


class Evaluation(_Record):
    """Scores of the modes, and of the version that served, on the same reports.

    `interval` is the 95 % interval, by report, of the micro F1 of the mode that shall serve; older cards have none.
    `serving_estimate` is the micro F1 that the serving version's own card has, where it learned the same labels.
    """

    method: Method
    tasks: list[int] = []
    modes: dict[Mode, Score] = {}
    interval: tuple[float, float] | None = None
    compared_tasks: list[int] = []
    candidate_compared: Score | None = None
    serving_compared: Score | None = None
    serving_estimate: float | None = None


Action = Literal["held", "superseded", "promoted", "rolled back"]
"""How a person's choice went before the gate's; see `Override`."""


class Override(_Record):
    """What a person's choice made of a decision, with the gate's own sentence; "" where nobody said.

    "held": a hold kept the version that the gate wanted; "superseded": another one was chosen after the comparison;
    "promoted": against the gate; "rolled back": it served, and shall not. `since` is ISO 8601 in UTC.
    """

    action: Action
    gate: str
    by: str = ""
    since: str = ""
    reason: str = ""


class Decision(_Record):
    """Whether the version was promoted over `serving`, and a sentence that says why.

    `difference` is the version's micro F1 minus that of `serving` and `interval` its 95 % interval (ends in -1..1), on
    `reports` reports; with too few of them the difference of two estimates, without an interval. `debt` is the F1 that
    promotions have given up since the best version: the gate bounds it. Older cards have no `state`. Where a person
    chose otherwise, `promote` and `reason` are what became of it, and `override` says more.
    """

    promote: bool
    reason: str
    serving: str
    state: Verdict | None = None
    difference: float | None = None
    interval: tuple[float, float] | None = None
    reports: int = 0
    labels_lost: list[str] = []
    debt: float = 0.0
    override: Override | None = None


class Calibration(_Record):
    """The temperature that makes the network's probabilities honest, and how honest they were on `tokens` tokens.

    `ece_before` and `ece_after` are expected calibration errors (0..1, 0 is perfect) of the probability of the best
    tag. `method` says on which tokens the error after was measured: others than the temperature was fitted on, or the
    same; none when the temperature was left at 1, for the reason in `note`.
    """

    temperature: float = 1.0
    ece_before: float | None = None
    ece_after: float | None = None
    tokens: int = 0
    method: Literal["out of sample", "in sample", "none"] = "none"
    note: str = ""


class Quantisation(_Record):
    """Whether the network serves in 8 bits, and a sentence that says why.

    `f1` is the strict micro F1 of the network alone in 32 bits on `reports` reports, which `judged_on` names, and
    `loss` what 8 bits lose of it (negative: they gain). `spearman` is the rank correlation of the uncertainties of
    `texts` texts, `unlabelled` of them from the pool; None where there is no order. `speedup` is how many times as fast
    8 bits are as what serves without them, on the machine of the round. Where it failed before, nothing is measured;
    where 8 bits are not fast enough, nothing else.
    """

    passed: bool
    reason: str
    judged_on: Literal["holdout", "annotated reports"] = "holdout"
    reports: int = 0
    texts: int = 0
    unlabelled: int = 0
    f1: float | None = None
    loss: float | None = None
    spearman: float | None = None
    speedup: float | None = None
    seconds: float = 0.0


class TrainingSummary(_Record):
    """The fine-tuning run; all zero when the network was not trained. `options` changed the recipe.

    `iterations` and `tagger_seconds` are those of the tagger.

    `tasks` and `texts` (`report_key`; none in older cards) are those it learned from: a report that is imported again
    is in another task. `validation_f1` is seqeval's strict F1 of the network alone on the holdout, chunk by chunk.
    """

    steps: int = 0
    seconds: float = 0.0
    loss: float = 0.0
    iterations: int = 0
    tagger_seconds: float = 0.0
    validation_f1: float | None = None
    options: str = ""
    tasks: list[int] = []
    texts: list[int] = []


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
    calibration: Calibration = Calibration()
    trust: Trust = Trust()
    engine: dict[str, str] = {}
    quantisation: Quantisation | None = None
    files: dict[str, int] = {}
    """Bytes of each file of the version, by which damage is noticed."""

    @property
    def learned(self) -> bool:
        """Whether it has weights of its own, a tagger's or a network's, beside rules and span memory."""
        return self.mode == "tagger" or self.training.steps > 0

    @property
    def f1(self) -> float | None:
        """Strict micro F1 of the serving mode on the evaluation reports; None when nothing was evaluated."""
        score = self.evaluation.modes.get(self.mode)
        return score.micro.f1 if score else None
