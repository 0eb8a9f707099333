"""Rules, network and their merge on the same reports, through the code that serves.

With enough annotated holdout reports they are the judge. Before that, every annotated report is judged
by a network and a memory that did not see it (cross-validation).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from backend.model_card import Evaluation, LabelScore, Method, Mode, Score
from backend.ner.metrics import Counts, SpanScores, span_scores
from backend.ner.spans import Span
from backend.predictor import ModelPredictor, Predictor
from trainer.dataset import Report
from trainer.promotion import best_mode

MODES: tuple[Mode, ...] = ("rules", "model", "merged")
FOLDS = 3
"""Folds of the cross-validation; three keeps a first round under two minutes on two cores."""

Found = dict[int, list[Span]]
"""Task id -> predicted spans."""


@dataclass(frozen=True)
class Judged:
    """Predicted spans of every evaluation report, by mode; each made without having seen the report."""

    reports: tuple[Report, ...]
    by_mode: dict[Mode, Found]

    def merge(self, other: Judged) -> Judged:
        """Both together (folds of a cross-validation)."""
        modes = {mode: {**self.by_mode.get(mode, {}), **other.by_mode.get(mode, {})} for mode in other.by_mode}
        return Judged((*self.reports, *other.reports), modes)


def judge(predictor: Predictor, reports: Sequence[Report]) -> Judged:
    """Predict the reports in every mode the predictor has; the network runs once."""
    texts = [report.text for report in reports]
    if not isinstance(predictor, ModelPredictor):
        return Judged(tuple(reports), {"rules": predict_spans(predictor, reports)})
    network = predict_spans(replace(predictor, mode="model"), reports)
    by_mode: dict[Mode, Found] = {}
    for mode in MODES:
        variant = replace(predictor, mode=mode)
        by_mode[mode] = {
            report.task_id: variant.combine(text, network[report.task_id])
            for report, text in zip(reports, texts, strict=True)
        }
    return Judged(tuple(reports), by_mode)


def cross_validate(
    reports: Sequence[Report],
    fit: Callable[[Sequence[Report], int], Predictor],
    on_fold: Callable[[Judged], None],
) -> Judged:
    """Judge every report by a predictor that `fit(training_reports, fold)` made from the other folds.

    `on_fold` is told what has been judged so far.
    """
    judged = Judged((), {})
    folds = min(FOLDS, len(reports))
    for fold in range(folds):
        held = [report for i, report in enumerate(reports) if i % folds == fold]
        rest = [report for i, report in enumerate(reports) if i % folds != fold]
        judged = judged.merge(judge(fit(rest, fold), held))
        on_fold(judged)
    return judged


def compare(
    judged: Judged, labels: Sequence[str], method: Method, unseen: Sequence[Report], theirs: Score | None
) -> Evaluation:
    """Scores of all modes, and of the best one beside the version to beat on the reports neither has seen."""
    modes = {mode: score(judged.reports, found, labels) for mode, found in judged.by_mode.items()}
    ours = score(unseen, judged.by_mode[best_mode(modes)], labels) if unseen else None
    return Evaluation(
        method=method,
        tasks=[report.task_id for report in judged.reports],
        modes=modes,
        compared_tasks=[report.task_id for report in unseen],
        candidate_compared=ours,
        serving_compared=theirs,
    )


def best_f1(judged: Judged, labels: Sequence[str]) -> float:
    """Micro F1 of the best mode on what has been judged so far."""
    return max(score(judged.reports, found, labels).micro.f1 for found in judged.by_mode.values())


def score(reports: Sequence[Report], found: Found, labels: Sequence[str]) -> Score:
    """Strict span scores of `found` over the reports; a report without an entry counts as no spans."""
    gold = [report.spans for report in reports]
    predicted = [found.get(report.task_id, []) for report in reports]
    return as_score(span_scores(gold, predicted, labels))


def as_score(scores: SpanScores) -> Score:
    """Counts as the model card keeps them."""
    return Score(
        micro=_label_score(scores.micro),
        by_label={label: _label_score(counts) for label, counts in scores.by_label.items()},
    )


def predict_spans(predictor: Predictor, reports: Sequence[Report]) -> Found:
    """What the predictor says about the reports, in its own mode."""
    predictions = predictor.predict([report.text for report in reports])
    return {report.task_id: list(p.spans) for report, p in zip(reports, predictions, strict=True)}


def _label_score(counts: Counts) -> LabelScore:
    return LabelScore(
        precision=round(counts.precision, 6),
        recall=round(counts.recall, 6),
        f1=round(counts.f1, 6),
        support=counts.tp + counts.fn,
    )
