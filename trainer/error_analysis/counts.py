"""Errors counted: in all, by label, by source, by kind of report, and label against label."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import get_args

from backend.error_analysis import (
    Confusion,
    ErrorKind,
    LabelErrors,
    ReportErrors,
    ReportKind,
    SourceErrors,
    Summary,
)
from backend.ner.metrics import Counts
from trainer.error_analysis.cases import Case
from trainer.error_analysis.pairing import Pair

DIGITS = 6
"""Decimal places of ratios, as in the model card."""


def summarise(cases: Sequence[Case]) -> Summary:
    """All reports together."""
    counts = scores(cases)
    kinds = Counter(error.kind for error in errors_of(cases))
    return Summary(
        reports=len(cases),
        faulty=sum(bool(case.pairing.errors) for case in cases),
        gold=counts.tp + counts.fn,
        predicted=counts.tp + counts.fp,
        correct=counts.tp,
        precision=round(counts.precision, DIGITS),
        recall=round(counts.recall, DIGITS),
        f1=round(counts.f1, DIGITS),
        kinds={kind: kinds[kind] for kind in get_args(ErrorKind)},
    )


def scores(cases: Iterable[Case], label: str | None = None) -> Counts:
    """Strict counts over the cases, of one label or of all."""
    total = Counts()
    for case in cases:
        gold, predicted, correct = (
            sum(label in (None, span.label) for span in spans)
            for spans in (case.gold, case.predicted, case.pairing.correct)
        )
        total += Counts(tp=correct, fp=predicted - correct, fn=gold - correct)
    return total


def confusion(cases: Sequence[Case], labels: Sequence[str]) -> Confusion:
    """Spans by gold and predicted label."""
    place = {label: i for i, label in enumerate(labels)}
    none = len(labels)
    counts = [[0] * (none + 1) for _ in range(none + 1)]
    for case in cases:
        for span in case.pairing.correct:
            counts[place[span.label]][place[span.label]] += 1
        for error in case.pairing.errors:
            row = place[error.gold.label] if error.gold else none
            column = place[error.predicted.label] if error.predicted else none
            counts[row][column] += 1
    return Confusion(labels=list(labels), counts=counts)


def by_label(cases: Sequence[Case], labels: Sequence[str]) -> list[LabelErrors]:
    """One row per label, in the order given."""
    return [_label(cases, label) for label in labels]


def by_source(cases: Sequence[Case]) -> list[SourceErrors]:
    """One row per source of predicted spans, most errors first."""
    predicted: Counter[str] = Counter(span.source for case in cases for span in case.predicted)
    correct: Counter[str] = Counter(span.source for case in cases for span in case.pairing.correct)
    kinds: defaultdict[str, Counter[ErrorKind]] = defaultdict(Counter)
    for error in errors_of(cases):
        if error.predicted:
            kinds[error.predicted.source][error.kind] += 1
    rows = [_source(source, count, correct[source], kinds[source]) for source, count in predicted.items()]
    return sorted(rows, key=lambda row: (row.correct - row.predicted, row.source))


def by_report_kind(cases: Sequence[Case]) -> list[ReportKind]:
    """One row per kind of report, most errors first."""
    groups: defaultdict[str, list[Case]] = defaultdict(list)
    for case in cases:
        groups[case.kind].append(case)
    rows = [_report_kind(kind, group) for kind, group in groups.items()]
    return sorted(rows, key=lambda row: (-row.errors, row.kind))


def faulty_reports(cases: Sequence[Case]) -> list[ReportErrors]:
    """Reports with errors, most errors first."""
    rows = [
        ReportErrors(
            task_id=case.report.task_id,
            kind=case.kind,
            characters=len(case.report.text),
            gold=len(case.gold),
            predicted=len(case.predicted),
            correct=len(case.pairing.correct),
            errors=len(case.pairing.errors),
        )
        for case in cases
        if case.pairing.errors
    ]
    return sorted(rows, key=lambda row: (-row.errors, row.task_id))


def errors_of(cases: Iterable[Case]) -> list[Pair]:
    """All errors, report by report."""
    return [error for case in cases for error in case.pairing.errors]


def _label(cases: Sequence[Case], label: str) -> LabelErrors:
    errors = errors_of(cases)
    ours = Counter(error.kind for error in errors if error.gold and error.gold.label == label)
    shapes = Counter(e.shape for e in errors if e.kind == "boundary" and e.gold and e.gold.label == label)
    theirs = [e for e in errors if e.predicted and e.predicted.label == label]
    counts = scores(cases, label)
    return LabelErrors(
        label=label,
        gold=counts.tp + counts.fn,
        predicted=counts.tp + counts.fp,
        correct=counts.tp,
        precision=round(counts.precision, DIGITS),
        recall=round(counts.recall, DIGITS),
        f1=round(counts.f1, DIGITS),
        missed=ours["missed"],
        spurious=sum(error.kind == "spurious" for error in theirs),
        too_long=shapes["too long"],
        too_short=shapes["too short"],
        shifted=shapes["shifted"],
        wrong_label=ours["wrong-label"],
        wrong_label_and_boundary=ours["wrong-label-and-boundary"],
        taken_for=sum(error.kind in ("wrong-label", "wrong-label-and-boundary") for error in theirs),
    )


def _source(source: str, predicted: int, correct: int, kinds: Counter[ErrorKind]) -> SourceErrors:
    return SourceErrors(
        source=source,
        predicted=predicted,
        correct=correct,
        precision=round(correct / predicted, DIGITS),
        spurious=kinds["spurious"],
        boundary=kinds["boundary"],
        wrong_label=kinds["wrong-label"],
        wrong_label_and_boundary=kinds["wrong-label-and-boundary"],
    )


def _report_kind(kind: str, cases: Sequence[Case]) -> ReportKind:
    counts = scores(cases)
    return ReportKind(
        kind=kind,
        reports=len(cases),
        faulty=sum(bool(case.pairing.errors) for case in cases),
        gold=counts.tp + counts.fn,
        errors=len(errors_of(cases)),
        f1=round(counts.f1, DIGITS),
    )
