"""The error analysis of one predictor, and its place in a model folder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from backend.error_analysis import ERRORS, ErrorAnalysis
from backend.files import write_atomic
from trainer.dataset import Report
from trainer.error_analysis import counts
from trainer.error_analysis.cases import make_cases, span_errors
from trainer.error_analysis.consistency import as_inconsistencies, inconsistent, outvoted
from trainer.error_analysis.patterns import frequent_patterns, frequent_strings
from trainer.error_analysis.suggestions import suggest
from trainer.error_analysis.suspects import contradicted, strongest
from trainer.evaluation import Found


def analyse(
    reports: Sequence[Report],
    found: Found,
    labels: Sequence[str],
    *,
    annotated: Sequence[Report] | None = None,
    version: str = "",
) -> ErrorAnalysis:
    """What is wrong with the predictions `found` for the reports (a report without an entry has none).

    Spans of other labels than `labels` are left out, as in the scores. `annotated` are the reports in which
    inconsistent annotations are sought and spans of each label are counted, by default `reports`: a round gives
    training and holdout reports.
    """
    everything = reports if annotated is None else annotated
    cases = make_cases(sorted(reports, key=lambda report: report.task_id), found, labels)
    summary, by_label, by_source = counts.summarise(cases), counts.by_label(cases, labels), counts.by_source(cases)
    kinds = counts.by_report_kind(cases)
    errors = [error for case in cases for error in span_errors(case)]
    strings = inconsistent(everything)
    inconsistencies = as_inconsistencies(strings)
    return ErrorAnalysis(
        version=version,
        labels=list(labels),
        annotated=len(everything),
        summary=summary,
        confusion=counts.confusion(cases, labels),
        by_label=by_label,
        by_source=by_source,
        by_report_kind=kinds,
        strings=frequent_strings(errors),
        patterns=frequent_patterns(errors),
        reports=counts.faulty_reports(cases),
        errors=errors,
        inconsistencies=inconsistencies,
        suspects=strongest([*outvoted(strings), *contradicted(cases, by_source)]),
        suggestions=suggest(cases, summary, by_label, kinds, _support(everything, labels), inconsistencies),
    )


def write_analysis(folder: Path, analysis: ErrorAnalysis) -> None:
    """Put the analysis into a model folder; readable by the owner only, because it may quote reports."""
    write_atomic(folder / ERRORS, analysis.model_dump_json(), mode=0o600)


def _support(reports: Sequence[Report], labels: Sequence[str]) -> dict[str, int]:
    """Annotated spans of each label."""
    counted = Counter(span.label for report in reports for span in report.spans)
    return {label: counted[label] for label in labels}
