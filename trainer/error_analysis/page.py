"""One HTML page to share: everything inside, nothing loaded, readable without a network.

Reports are escaped like every other value, and the page's policy runs no script but its own.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

from jinja2 import Environment, PackageLoader, StrictUndefined

from backend.error_analysis import ErrorAnalysis, ErrorKind, ReportErrors, SpanError
from backend.ner.spans import Span
from trainer.dataset import Report
from trainer.error_analysis.cases import Case, make_cases
from trainer.evaluation import Found

TOP = 30
"""Rows of a table by default."""
_GOLDEN_ANGLE = 137.5
"""Degrees between the hues of two labels: neighbours differ, and no two are ever equal."""
_KIND_NAMES: dict[ErrorKind, tuple[str, str]] = {
    "missed": ("漏标", "missed"),
    "spurious": ("多标", "spurious"),
    "boundary": ("边界", "boundary"),
    "wrong-label": ("标签", "wrong label"),
    "wrong-label-and-boundary": ("标签+边界", "label and boundary"),
}


@dataclass(frozen=True)
class Piece:
    """A stretch of a report in which neither gold nor predicted spans begin or end; `starts_…` at a span's start."""

    start: int
    text: str
    gold: Span | None
    predicted: Span | None
    starts_gold: bool
    starts_predicted: bool
    kind: ErrorKind | None


@dataclass(frozen=True)
class Shown:
    """A report with errors as the page shows it; no pieces where its text is not to be shown."""

    row: ReportErrors
    errors: list[SpanError]
    pieces: list[Piece]


def render(
    analysis: ErrorAnalysis, reports: Sequence[Report] = (), found: Found | None = None, *, title: str, top: int = TOP
) -> str:
    """The page; tables have at most `top` rows.

    `reports` and `found` are what was analysed: with them each report with errors is shown in full. An analysis
    without texts shows none either way.
    """
    cases = {case.report.task_id: case for case in make_cases(reports, found or {}, analysis.labels)}
    if not analysis.texts:
        cases = {}
    errors: dict[int, list[SpanError]] = {row.task_id: [] for row in analysis.reports}
    for error in analysis.errors:
        errors[error.task_id].append(error)
    shown = [Shown(row, errors[row.task_id], _pieces(cases.get(row.task_id))) for row in analysis.reports]
    script = _environment().get_template("page.js").render()
    return (
        _environment()
        .get_template("page.html")
        .render(
            analysis=analysis,
            shown=shown,
            faulty=frozenset(errors),
            title=title,
            top=top,
            hues={label: round(i * _GOLDEN_ANGLE % 360) for i, label in enumerate(analysis.labels)},
            number={label: i for i, label in enumerate(analysis.labels)},
            kinds=_KIND_NAMES,
            script=script,
            script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        )
    )


def _pieces(case: Case | None) -> list[Piece]:
    """The report cut at every end of a span."""
    if case is None:
        return []
    text = case.report.text
    ends = {end for span in (*case.gold, *case.predicted) for end in (span.start, span.end)}
    cuts = sorted({0, len(text), *ends})
    return [_piece(case, start, end) for start, end in pairwise(cuts)]


def _piece(case: Case, start: int, end: int) -> Piece:
    gold, predicted = _covering(case.gold, start), _covering(case.predicted, start)
    kinds = [error.kind for error in case.pairing.errors if any(s.start <= start < s.end for s in error.spans)]
    return Piece(
        start=start,
        text=case.report.text[start:end],
        gold=gold,
        predicted=predicted,
        starts_gold=bool(gold and gold.start == start),
        starts_predicted=bool(predicted and predicted.start == start),
        kind=kinds[0] if kinds else None,
    )


def _covering(spans: Sequence[Span], position: int) -> Span | None:
    return next((span for span in spans if span.start <= position < span.end), None)


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("trainer.error_analysis"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
