"""Rules and network together: of what both propose, what was more often right on held-out reports wins.

A span that the rules or the network propose is a candidate. Its group says whether the other side agrees, is silent or
says something else there, then which rule or how sure the network, then the label. `measure` counts on reports that
neither side was made from how often candidates were right; `merge` keeps the disjoint ones of the highest precision.
Nothing is fixed by belief but the priors, and each group's prior is the precision of the wider group around it, so that
ten reports already tell something of every label.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from backend.ner.spans import Span

SURE = (0.6, 0.85, 0.97)
"""Span probabilities between the groups of the network's candidates."""
PRIOR_WEIGHT = 10
"""Candidates that the precision of the wider group counts as."""
PRIORS = {"agreed": 0.9, "rules alone": 0.75, "rules against": 0.75, "network alone": 0.5, "network against": 0.3}
"""Precision before anything was measured; the network's is multiplied by its probability."""
Proposals = tuple[Sequence[Span], Sequence[Span]]
"""What the rules and what the network propose for one report."""


@dataclass(frozen=True)
class Trust:
    """What was measured on held-out reports.

    `groups`: group of candidates -> how many were right, and how many there were. Candidates of a precision below
    `threshold` are dropped: where F1 is F at best, one pays from a precision of F / 2 on (Lipton, Elkan, Narayanaswamy
    2014). Good rules want a high threshold, a network that is right every other time a low one.
    """

    groups: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    threshold: float = 0.5


def measure(reports: Iterable[tuple[Sequence[Span], Proposals]]) -> dict[str, tuple[int, int]]:
    """Count right candidates and all candidates of each group, for gold spans and proposals of each report.

    >>> measure([([Span(0, 2, "HR")], ([Span(0, 2, "HR", source="rate"), Span(4, 5, "HR", source="rate")], []))])
    {'rules alone': (1, 2), 'rules alone|rate': (1, 2), 'rules alone|rate|HR': (1, 2)}
    """
    counts: dict[str, tuple[int, int]] = {}
    for gold, proposals in reports:
        known = set(gold)
        for groups, span, _ in _candidates(*proposals):
            for group in groups:
                right, seen = counts.get(group, (0, 0))
                counts[group] = (right + (span in known), seen + 1)
    return dict(sorted(counts.items()))


def merge(rules: Sequence[Span], network: Sequence[Span], trust: Trust) -> list[Span]:
    """The disjoint candidates of the highest precision, sorted; `score` is that precision.

    >>> merge([Span(0, 2, "HR", source="rate")], [Span(1, 2, "HR", 0.5, "model")], Trust())
    [Span(start=0, end=2, label='HR', score=0.75, source='rate')]
    """
    rated = [
        replace(span, score=precision)
        for groups, span, prior in _candidates(rules, network)
        if (precision := _precision(groups, prior, trust.groups)) >= trust.threshold
    ]
    kept: list[Span] = []
    for span in sorted(rated, key=lambda s: (-s.score, s)):
        if not any(span.overlaps(other) for other in kept):
            kept.append(span)
    return sorted(kept)


def _precision(groups: Sequence[str], prior: float, counts: Mapping[str, tuple[int, int]]) -> float:
    """From the widest group to the narrowest, each correcting the one before."""
    for group in groups:
        right, seen = counts.get(group, (0, 0))
        prior = (right + PRIOR_WEIGHT * prior) / (seen + PRIOR_WEIGHT)
    return prior


def _candidates(rules: Sequence[Span], network: Sequence[Span]) -> Iterator[tuple[list[str], Span, float]]:
    """Groups from wide to narrow, span and prior of each candidate; what both propose is one, of the rules."""
    agreed = set(rules) & set(network)
    for span in rules:
        situation = "agreed" if span in agreed else _situation("rules", span, network)
        yield _groups(situation, span.source, span.label), span, PRIORS[situation]
    for span in network:
        if span not in agreed:
            situation = _situation("network", span, rules)
            sure = f"sure {sum(span.score >= bound for bound in SURE)}"
            yield _groups(situation, sure, span.label), span, PRIORS[situation] * span.score


def _situation(side: str, span: Span, others: Sequence[Span]) -> str:
    return f"{side} against" if any(span.overlaps(other) for other in others) else f"{side} alone"


def _groups(situation: str, kind: str, label: str) -> list[str]:
    return [situation, f"{situation}|{kind}", f"{situation}|{kind}|{label}"]
