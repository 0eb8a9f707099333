"""Gold annotations that look wrong: outvoted by the same string elsewhere, or contradicted by a sure prediction."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from backend.error_analysis import SourceErrors, Suspect
from trainer.error_analysis.cases import CONTEXT, Case, is_scored
from trainer.error_analysis.consistency import says
from trainer.error_analysis.pairing import Pair

SURE = 0.95
"""Probability from which on a prediction that contradicts the annotation makes it suspect."""
KEPT = 200
"""Suspects kept, the strongest ones."""


def contradicted(cases: Sequence[Case], sources: Sequence[SourceErrors]) -> list[Suspect]:
    """Annotations that a sure prediction contradicts.

    The strength is the prediction's probability times the share of its source's predictions that are right: a source
    that is often sure and wrong says little.
    """
    trust = {row.source: row.precision for row in sources}
    return [suspect for case in cases for suspect in _of_case(case, trust)]


def strongest(suspects: Iterable[Suspect]) -> list[Suspect]:
    """At most KEPT suspects, strongest first; two reasons for the same place and label become one suspect."""
    merged: dict[tuple[int, int, int, str], Suspect] = {}
    for suspect in suspects:
        place = (suspect.task_id, suspect.start, suspect.end, suspect.expected)
        merged[place] = _both(merged[place], suspect) if place in merged else suspect
    return sorted(merged.values(), key=lambda s: (-s.strength, s.task_id, s.start, s.end, s.expected))[:KEPT]


def _of_case(case: Case, trust: dict[str, float]) -> Iterator[Suspect]:
    for error in case.pairing.errors:
        span = error.predicted
        if span is not None and is_scored(span) and span.score >= SURE:
            yield _suspect(case, error, span.score, trust[span.source])


def _suspect(case: Case, error: Pair, score: float, trust: float) -> Suspect:
    shown = error.predicted or error.spans[0]
    source = shown.source or "the prediction"
    label = error.gold.label if error.gold else ""
    here = f"{says(label)} on another range" if error.kind == "boundary" else says(label)
    return Suspect(
        task_id=case.report.task_id,
        start=shown.start,
        end=shown.end,
        label=label,
        expected=shown.label,
        text=case.quote(shown.start, shown.end),
        before=case.quote(shown.start - CONTEXT, shown.start),
        after=case.quote(shown.end, shown.end + CONTEXT),
        strength=round(score * trust, 4),
        reason=f"{source} is {score:.0%} sure of {shown.label} (right in {trust:.0%} of its predictions), here {here}",
    )


def _both(one: Suspect, other: Suspect) -> Suspect:
    """One suspect for two independent reasons."""
    strength = 1 - (1 - one.strength) * (1 - other.strength)
    return one.model_copy(update={"strength": round(strength, 4), "reason": f"{one.reason}; {other.reason}"})
