"""Everything `ecgal evaluate` tells about a predictor on annotated reports: one record, for people and machines.

Strict and relaxed scores with intervals, by label, by length and kind of report, calibration and speed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from backend.errors import BadRequest
from backend.model_card import Mode, TrainingSummary
from backend.ner.metrics import Counts, scores_of
from backend.predictor import ModelPredictor, Predictor, TaggerPredictor
from trainer.bootstrap import Interval, f1, f1_interval, interval, resample
from trainer.calibration import calibration_error
from trainer.copies import learned_by, merged, notes
from trainer.dataset import Report
from trainer.evaluation import Judged, count, judge
from trainer.report_groups import KINDS, LENGTHS, kind_of, length_of

WARM_UP = 8
"""Reports predicted before the clock starts: engines compile at their first batches."""
TIMED = 200
"""Reports that are timed at most."""

Modes = Literal["served", "tagger", "rules", "model", "merged", "all"]
"""Which modes to score: the one that serves, one by name, or every one there is."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True)


class Rates(_Record):
    """Ratios 0..1, the spans behind them, and the 95 % interval of F1 (bootstrap by report; None without any
    span, or where the reports do not differ)."""

    precision: float
    recall: float
    f1: float
    gold: int
    predicted: int
    interval: Interval | None


class Scores(_Record):
    """All labels together (micro), their mean (macro: labels that gold or prediction has), and each."""

    micro: Rates
    macro_f1: float
    macro_interval: Interval | None
    by_label: dict[str, Rates]


class Group(_Record):
    """Some of the reports, all labels together."""

    reports: int
    characters: int
    strict: Rates
    relaxed: Rates


class ModeScores(_Record):
    """Scores of one mode. `mean_report_f1` counts each report once, however long; 1 for one rightly left empty."""

    strict: Scores
    relaxed: Scores
    mean_report_f1: float
    by_length: dict[str, Group]
    by_kind: dict[str, Group]


class TokenCalibration(_Record):
    """Expected calibration error (0..1) of the network on these reports, without and with its temperature."""

    tokens: int
    temperature: float
    ece_before: float
    ece_after: float


class Speed(_Record):
    """Of the predictor as it serves, on `reports` different texts, after a warm-up."""

    reports: int
    seconds: float
    reports_per_second: float
    characters_per_second: float


class EvaluationReport(_Record):
    """A version on annotated reports; `notes` are sentences on what limits these figures."""

    version: str
    served: Mode
    reports: int
    characters: int
    spans: int
    labels: list[str]
    rejects: int
    modes: dict[Mode, ModeScores]
    calibration: TokenCalibration | None
    speed: Speed
    notes: list[str]


def evaluate(
    predictor: Predictor,
    reports: Sequence[Report],
    labels: Sequence[str],
    modes: Modes = "served",
    *,
    trained_on: TrainingSummary | None = None,
    rejects: int = 0,
) -> EvaluationReport:
    """Score a predictor on at least one report; raises BadRequest for a mode that it does not have.

    Copies of a report count once. `trained_on` is the training of the predictor; `rejects` is what was left out of the
    data.
    """
    given, (reports, differing) = reports, merged(reports)
    judged = judge(predictor, reports)
    served: Mode = predictor.mode if isinstance(predictor, ModelPredictor | TaggerPredictor) else "rules"
    scored = {mode: _mode_scores(judged, mode, labels) for mode in _chosen(judged, served, modes)}
    return EvaluationReport(
        version=predictor.version,
        served=served,
        reports=len(reports),
        characters=sum(len(report.text) for report in reports),
        spans=sum(len(report.spans) for report in reports),
        labels=list(labels),
        rejects=rejects,
        modes=scored,
        calibration=_calibration(predictor, judged),
        speed=_speed(predictor, [report.text for report in reports]),
        notes=[
            *notes(given, reports, differing),
            *_notes(predictor, reports, labels, next(iter(scored.values())), trained_on),
        ],
    )


def _chosen(judged: Judged, served: Mode, modes: Modes) -> list[Mode]:
    """The modes to score, the one that serves first."""
    if modes == "all":
        return sorted(judged.by_mode, key=lambda mode: mode != served)
    mode = served if modes == "served" else modes
    if mode not in judged.by_mode:
        raise BadRequest("This version has no network and so no mode", mode, "leave --mode out, or ask for rules")
    return [mode]


def _mode_scores(judged: Judged, mode: Mode, labels: Sequence[str]) -> ModeScores:
    strict, relaxed = (
        count(judged.reports, judged.by_mode[mode], labels, relaxed=relaxed) for relaxed in (False, True)
    )
    one = strict.sum(axis=1)
    return ModeScores(
        strict=_scores(strict, labels),
        relaxed=_scores(relaxed, labels),
        mean_report_f1=float(np.where(one.sum(axis=1) > 0, f1(one), 1.0).mean()),
        by_length=_groups(judged.reports, strict, relaxed, length_of, LENGTHS),
        by_kind=_groups(judged.reports, strict, relaxed, kind_of, KINDS),
    )


def _scores(counts: NDArray[np.int64], labels: Sequence[str]) -> Scores:
    sums = scores_of(counts.sum(axis=0), labels)
    drawn = resample(counts)
    values, seen = f1(drawn), drawn.sum(axis=2) > 0
    labelled = seen.sum(axis=1)
    macro = values.sum(axis=1)[labelled > 0] / labelled[labelled > 0]
    return Scores(
        micro=_rates(sums.micro, f1_interval(counts.sum(axis=1))),
        macro_f1=sums.macro_f1,
        macro_interval=interval(macro, len(counts)) if len(macro) else None,
        by_label={
            # A resample without the label says nothing of it.
            label: _rates(
                sums.by_label[label], interval(values[seen[:, i], i], len(counts)) if seen[:, i].any() else None
            )
            for i, label in enumerate(labels)
        },
    )


def _groups(
    reports: Sequence[Report],
    strict: NDArray[np.int64],
    relaxed: NDArray[np.int64],
    name_of: Callable[[str], str],
    names: Sequence[str],
) -> dict[str, Group]:
    """Groups that have any report, in the order of their names."""
    belongs = np.array([name_of(report.text) for report in reports])
    members = {name: np.flatnonzero(belongs == name) for name in names}
    return {
        name: Group(
            reports=len(rows),
            characters=sum(len(reports[row].text) for row in rows),
            strict=_micro(strict[rows].sum(axis=1)),
            relaxed=_micro(relaxed[rows].sum(axis=1)),
        )
        for name, rows in members.items()
        if len(rows)
    }


def _micro(counts: NDArray[np.int64]) -> Rates:
    return _rates(Counts(*counts.sum(axis=0).tolist()), f1_interval(counts))


def _rates(counts: Counts, spread: Interval | None) -> Rates:
    return Rates(
        precision=counts.precision,
        recall=counts.recall,
        f1=counts.f1,
        gold=counts.tp + counts.fn,
        predicted=counts.tp + counts.fp,
        interval=None if counts == Counts() else spread,
    )


def _calibration(predictor: Predictor, judged: Judged) -> TokenCalibration | None:
    tokens = sum(len(report.tags) for report in judged.tokens)
    if not isinstance(predictor, ModelPredictor) or not tokens:
        return None
    before, after = (calibration_error([(judged.tokens, heat)]) for heat in (1.0, predictor.temperature))
    return TokenCalibration(tokens=tokens, temperature=predictor.temperature, ece_before=before, ece_after=after)


def _speed(predictor: Predictor, texts: Sequence[str]) -> Speed:
    timed = texts[:TIMED]
    predictor.predict(timed[:WARM_UP])
    start = time.perf_counter()
    predictor.predict(timed)
    seconds = time.perf_counter() - start
    return Speed(
        reports=len(timed),
        seconds=seconds,
        reports_per_second=len(timed) / seconds,
        characters_per_second=sum(map(len, timed)) / seconds,
    )


def _notes(
    predictor: Predictor,
    reports: Sequence[Report],
    labels: Sequence[str],
    scores: ModeScores,
    trained_on: TrainingSummary | None,
) -> list[str]:
    told = []
    if not any(report.spans for report in reports):
        told.append("The data hold no span: every prediction counts as wrong, and F1 says nothing.")
    rates = scores.strict.by_label
    silent = [
        f"{label} ({rates[label].gold} spans)" for label in labels if rates[label].gold and not rates[label].predicted
    ]
    if silent:
        told.append(f"Nothing was predicted for {', '.join(silent)}.")
    if isinstance(predictor, ModelPredictor):
        told += _notes_on_labels(predictor.scheme.labels, labels)
    both = len(learned_by(reports, trained_on))
    if both and trained_on and trained_on.texts:
        told.append(f"The model was trained on {both} of the {len(reports)} reports (same text): F1 flatters.")
    elif both:
        ids = f"{both} of {len(reports)} reports have ids that the model was trained on"
        told.append(f"{ids}: if they are the same reports, F1 flatters.")
    return told


def _notes_on_labels(known: Sequence[str], asked: Sequence[str]) -> list[str]:
    unknown, unasked = [la for la in asked if la not in known], [la for la in known if la not in asked]
    told = []
    if unknown:
        told.append(f"The network was not trained on {', '.join(unknown)}: they come from rules and span memory.")
    if unasked:
        told.append(f"The network also knows {', '.join(unasked)}, which are no labels of the data: left out.")
    return told
