"""Rules, network and their merge on the same reports, through the code that serves.

With enough annotated holdout reports they are the judge. Before that, every annotated report is judged
by a network and a memory that did not see it (cross-validation).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from backend.merging import Proposals, Trust, measure, merge
from backend.model_card import Evaluation, LabelScore, Method, Mode, Score
from backend.ner.metrics import Counts, SpanScores, match_counts, span_scores
from backend.ner.spans import Span
from backend.predictor import ModelPredictor, Predictor, RulesPredictor, TaggerPredictor
from trainer.bootstrap import f1_interval
from trainer.calibration import TokenProbabilities, token_probabilities
from trainer.corpus.splits import k_folds
from trainer.dataset import Report

MODES: tuple[Mode, ...] = ("rules", "model", "merged")
"""Those of a network."""

PARTS = 5
"""Parts of the judged reports; each is merged with the trust that the other four give."""

LEAST_PRECISION = 0.2
"""Candidates of a merge that are right less often are dropped whatever F1 says: somebody has to remove them."""

Found = dict[int, list[Span]]
"""Task id -> predicted spans."""


@dataclass(frozen=True)
class Judged:
    """Predicted spans of every evaluation report, by mode; each made without having seen the report.

    `tokens` are the network's probabilities of the same reports; none where there is no network.
    """

    reports: tuple[Report, ...]
    by_mode: dict[Mode, Found]
    tokens: tuple[TokenProbabilities, ...] = ()

    def merge(self, other: Judged) -> Judged:
        """Both together (folds of a cross-validation)."""
        # A fold whose training reports hold no label has no network: then none was judged on all reports.
        both = [mode for mode in other.by_mode if mode in self.by_mode or not self.reports]
        modes = {mode: {**self.by_mode.get(mode, {}), **other.by_mode[mode]} for mode in both}
        return Judged((*self.reports, *other.reports), modes, (*self.tokens, *other.tokens))

    def beside(self, other: Judged) -> Judged:
        """The modes of both for the same reports."""
        return Judged(self.reports, {**other.by_mode, **self.by_mode}, (*self.tokens, *other.tokens))


Judge = Callable[[Sequence[Report]], Judged]
"""Predicts reports in every mode there is."""


def judge(predictor: Predictor, reports: Sequence[Report]) -> Judged:
    """Predict the reports in every mode the predictor has; the network runs once."""
    if isinstance(predictor, TaggerPredictor):
        rules = RulesPredictor(predictor.version, predictor.labels, predictor.memory)
        sides: dict[Mode, Predictor] = {"tagger": predictor, "rules": rules}
        return Judged(tuple(reports), {mode: predict_spans(side, reports) for mode, side in sides.items()})
    if not isinstance(predictor, ModelPredictor):
        return Judged(tuple(reports), {"rules": predict_spans(predictor, reports)})
    distinct = {tagged.text: tagged for tagged in predictor.tag(list(dict.fromkeys(r.text for r in reports)))}
    by_mode: dict[Mode, Found] = {}
    for mode in MODES:
        found = {text: replace(predictor, mode=mode).spans(tagged) for text, tagged in distinct.items()}
        by_mode[mode] = {r.task_id: found[r.text] for r in reports}
    tokens = token_probabilities(predictor, reports, [distinct[r.text] for r in reports])
    return Judged(tuple(reports), by_mode, tuple(tokens))


def weigh(judged: Judged) -> tuple[Judged, Trust]:
    """How far rules and network are to be trusted in a merge, and the reports merged with the trust of others.

    The counts are of all reports; each report is merged with counts made without it and its part, so that the merged
    mode is judged as fairly as the two others. Only the threshold knows all of them.
    """
    if "model" not in judged.by_mode:
        return judged, Trust()
    rows = [(report.spans, _proposals(judged, report)) for report in judged.reports]
    # Chosen by trial instead, on 13 reports it cost 11 F1 on others.
    best = max(_micro_f1(judged.reports, judged.by_mode[mode]) for mode in ("rules", "model"))
    threshold = max(best / 2, LEAST_PRECISION)
    merged: Found = {}
    for part in range(PARTS):
        trust = Trust(measure(row for i, row in enumerate(rows) if i % PARTS != part), threshold)
        for report, (_, proposals) in list(zip(judged.reports, rows, strict=True))[part::PARTS]:
            merged[report.task_id] = merge(*proposals, trust)
    return replace(judged, by_mode={**judged.by_mode, "merged": merged}), Trust(measure(rows), threshold)


def _micro_f1(reports: Sequence[Report], found: Found) -> float:
    """Over all labels that occur."""
    labels = {span.label for report in reports for span in (*report.spans, *found[report.task_id])}
    return span_scores(*_sides(reports, found), labels).micro.f1


def _proposals(judged: Judged, report: Report) -> Proposals:
    network = [span for span in judged.by_mode["model"][report.task_id] if span.source == "model"]
    return judged.by_mode["rules"][report.task_id], network


def cross_validate(
    reports: Sequence[Report],
    fit: Callable[[Sequence[Report], int], Judge],
    on_fold: Callable[[Judged], None],
    seed: int,
    count: int,
) -> Judged:
    """Judge every report by what `fit(training_reports, fold)` made from the others of `count` folds.

    `on_fold` is told what has been judged so far. A single report is judged by a predictor that saw none.
    """
    judged = Judged((), {})
    folds = k_folds(reports, min(count, len(reports)), seed) if len(reports) > 1 else [([], list(reports))]
    for fold, (rest, held) in enumerate(folds):
        judged = judged.merge(fit(rest, fold)(held))
        on_fold(judged)
    return judged


def score_modes(judged: Judged, labels: Sequence[str]) -> dict[Mode, Score]:
    """Scores of every mode on all that was judged."""
    return {mode: score(judged.reports, found, labels) for mode, found in judged.by_mode.items()}


def compare(
    modes: dict[Mode, Score],
    mode: Mode,
    method: Method,
    judged: Judged,
    labels: Sequence[str],
    unseen: Sequence[Report] = (),
    to_beat: Found | None = None,
) -> Evaluation:
    """What the model card keeps: scores of all modes, how sure that of the one that shall serve is, and a comparison.

    Compared is that mode with the version `to_beat`, on the reports that neither has seen.
    """
    found = judged.by_mode[mode]
    ours, theirs = (score(unseen, side, labels) if unseen else None for side in (found, to_beat or {}))
    return Evaluation(
        method=method,
        tasks=[report.task_id for report in judged.reports],
        modes=modes,
        interval=f1_interval(count(judged.reports, found, labels).sum(axis=1)),
        compared_tasks=[report.task_id for report in unseen],
        candidate_compared=ours,
        serving_compared=theirs,
    )


def best_f1(judged: Judged, labels: Sequence[str]) -> float:
    """Micro F1 of the best mode on what has been judged so far."""
    return max(score(judged.reports, found, labels).micro.f1 for found in judged.by_mode.values())


def score(reports: Sequence[Report], found: Found, labels: Sequence[str]) -> Score:
    """Strict span scores of `found` over the reports; a report without an entry counts as no spans."""
    return as_score(span_scores(*_sides(reports, found), labels))


def count(
    reports: Sequence[Report], found: Found, labels: Sequence[str], *, relaxed: bool = False
) -> NDArray[np.int64]:
    """Spans found, wrong and missed [reports, labels, 3]; a report without an entry counts as no spans."""
    return match_counts(*_sides(reports, found), labels, relaxed=relaxed)


def as_score(scores: SpanScores) -> Score:
    """Counts as the model card keeps them."""
    return Score(
        micro=_label_score(scores.micro),
        by_label={label: _label_score(counts) for label, counts in scores.by_label.items()},
    )


def predict_spans(predictor: Predictor, reports: Sequence[Report]) -> Found:
    """What the predictor says about the reports, in its own mode."""
    found = predictor.find([report.text for report in reports])
    return {report.task_id: spans for report, spans in zip(reports, found, strict=True)}


def _sides(reports: Sequence[Report], found: Found) -> tuple[list[Sequence[Span]], list[Sequence[Span]]]:
    """Gold and predicted spans, report by report."""
    return [report.spans for report in reports], [found.get(report.task_id, []) for report in reports]


def _label_score(counts: Counts) -> LabelScore:
    return LabelScore(
        precision=round(counts.precision, 6),
        recall=round(counts.recall, 6),
        f1=round(counts.f1, 6),
        support=counts.tp + counts.fn,
    )
