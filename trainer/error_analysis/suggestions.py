"""What to annotate or to decide next, each with the figures that make the case."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from backend.error_analysis import Inconsistency, LabelErrors, ReportKind, Suggestion, Summary
from trainer.error_analysis.cases import Case
from trainer.error_analysis.consistency import says

LOW_RECALL = 0.85
"""A label below is worth a suggestion."""
LITTLE = 100
"""Annotated spans of a label below which more of them help most; above, the errors want a look."""
WORSE = 0.02
"""F1 below that of all reports from which on a kind of report is worth a suggestion."""
MOST = 5
"""Suggestions about strings, and about kinds of reports."""
SHOWN = 20
"""Tasks and example strings named."""


def suggest(
    cases: Sequence[Case],
    summary: Summary,
    labels: Sequence[LabelErrors],
    kinds: Sequence[ReportKind],
    support: dict[str, int],
    inconsistencies: Sequence[Inconsistency],
) -> list[Suggestion]:
    """Suggestions about labels, strings and kinds of reports, in this order, each group most errors first.

    `support` counts the annotated spans of each label, training reports included.
    """
    low = [row for row in labels if row.gold and row.recall < LOW_RECALL]
    low.sort(key=lambda row: row.correct - row.gold)
    unknown = [label for label, count in support.items() if not count]
    worse = [row for row in kinds if row.f1 <= summary.f1 - WORSE]
    return [
        *(_about_label(cases, row, support[row.label]) for row in low),
        *(_about_unseen(label) for label in unknown),
        *(_about_string(row) for row in inconsistencies[:MOST]),
        *(_about_kind(cases, row, summary) for row in worse[:MOST]),
    ]


def _about_label(cases: Sequence[Case], row: LabelErrors, support: int) -> Suggestion:
    lost, strings = Counter[int](), Counter[str]()
    for case in cases:
        for span in set(case.gold) - set(case.pairing.correct):
            if span.label == row.label:
                lost[case.report.task_id] += 1
                strings[case.quote(span.start, span.end)] += 1
    figures = f"recall {row.recall:.2f}: {row.gold - row.correct} of {row.gold} not found as annotated"
    if support < LITTLE:
        reason = f"{figures}, and only {support} annotated: annotate more reports that have it"
    else:
        reason = f"{figures}, though {support} are annotated: look at its errors and suspects before annotating more"
    return Suggestion(
        kind="label",
        target=row.label,
        reason=reason,
        figures={"recall": row.recall, "lost": row.gold - row.correct, "gold": row.gold, "annotated": support},
        tasks=[task for task, _ in lost.most_common(SHOWN)],
        examples=[string for string, _ in strings.most_common(SHOWN) if string],
    )


def _about_unseen(label: str) -> Suggestion:
    reason = "no span is annotated: annotate some, or take the label out of the configuration"
    return Suggestion(kind="label", target=label, reason=reason, figures={"annotated": 0})


def _about_string(row: Inconsistency) -> Suggestion:
    uses = ", ".join(f"{says(use.label)} {use.count}x" for use in row.uses)
    return Suggestion(
        kind="string",
        target=row.text,
        reason=f"annotated in more than one way ({uses}): decide on one and correct the others, unless context decides",
        figures={says(use.label): use.count for use in row.uses},
        tasks=sorted({task for use in row.uses[1:] for task in use.tasks})[:SHOWN],
    )


def _about_kind(cases: Sequence[Case], row: ReportKind, summary: Summary) -> Suggestion:
    worst = sorted((c for c in cases if c.kind == row.kind and c.pairing.errors), key=lambda c: -len(c.pairing.errors))
    each = row.errors / row.reports
    return Suggestion(
        kind="report-kind",
        target=row.kind,
        reason=f"F1 {row.f1:.2f} against {summary.f1:.2f} over all, {each:.1f} errors a report: annotate more of them",
        figures={"f1": row.f1, "reports": row.reports, "errors": row.errors, "errors_per_report": round(each, 2)},
        tasks=[case.report.task_id for case in worst[:SHOWN]],
    )
