"""Reports with their paired spans, and how errors quote their texts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from backend.error_analysis import Mention, SpanError
from backend.ner.spans import Span
from backend.rules.fold import fold
from trainer.dataset import Report
from trainer.error_analysis.pairing import Pair, Pairing, pair
from trainer.evaluation import Found
from trainer.report_groups import kind_of, length_of

CONTEXT = 12
"""Characters of the report quoted before and after an error."""
_NUMBER = re.compile(r"[0-9]+(?:[.,][0-9]+)*")


@dataclass(frozen=True)
class Case:
    """A report, what was predicted for it, and what of that is wrong."""

    report: Report
    kind: str
    gold: tuple[Span, ...]
    predicted: tuple[Span, ...]
    pairing: Pairing

    def quote(self, start: int, end: int) -> str:
        """That part of the report; what lies before its start is left out."""
        return self.report.text[max(0, start) : max(0, end)]

    def mention(self, span: Span | None) -> Mention | None:
        """The span with its text."""
        if span is None:
            return None
        text = self.quote(span.start, span.end)
        score = round(span.score, 4) if is_scored(span) else None
        return Mention(start=span.start, end=span.end, label=span.label, text=text, score=score, source=span.source)


def make_cases(reports: Sequence[Report], found: Found, labels: Sequence[str]) -> list[Case]:
    """One case per report in order; spans with other labels are left out, as in the scores."""
    return [_case(report, found.get(report.task_id, []), frozenset(labels)) for report in reports]


def span_errors(case: Case) -> list[SpanError]:
    """The errors of a report, by offset."""
    return [_span_error(case, error) for error in case.pairing.errors]


def is_scored(span: Span) -> bool:
    """Whether the score says something: spans without a source carry 1.0 by default."""
    return bool(span.source) or span.score < 1.0


def skeleton(text: str) -> str:
    """The folded text with every number as `#`.

    >>> skeleton("６２-１０８次／分")
    '#-#次/分'
    """
    return _NUMBER.sub("#", fold(text))


def _case(report: Report, spans: Sequence[Span], labels: frozenset[str]) -> Case:
    gold = tuple(sorted({span for span in report.spans if span.label in labels}))
    predicted = tuple(sorted({span for span in spans if span.label in labels}))
    kind = f"{kind_of(report.text)}, {length_of(report.text)} characters"
    return Case(report, kind, gold, predicted, pair(gold, predicted))


def _span_error(case: Case, error: Pair) -> SpanError:
    return SpanError(
        task_id=case.report.task_id,
        kind=error.kind,
        gold=case.mention(error.gold),
        predicted=case.mention(error.predicted),
        shape=error.shape,
        left=error.left,
        right=error.right,
        left_text=case.quote(error.start, error.start + abs(error.left)),
        right_text=case.quote(error.end - abs(error.right), error.end),
        text=case.quote(error.start, error.end),
        before=case.quote(error.start - CONTEXT, error.start),
        after=case.quote(error.end, error.end + CONTEXT),
    )
