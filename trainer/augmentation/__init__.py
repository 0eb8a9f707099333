"""More annotated reports out of few: variants whose spans are right by construction.

    segments   a report as mentions and plain text, and back: offsets are counted, never kept
    material   the vocabulary and the reports that policies may draw on: the given ones, nothing else
    mentions   another mention of the same label, or a synonym of the lexicon
    numbers    readings within physiological bounds, their order kept       kinds
    times      clock times, dates, durations in the notation found          digits
    surface    units, punctuation, width, line ends, case
    clauses    clauses of similar reports
    typos      typical typing errors

A policy changes segments only, takes all chance from the generator it is given, and leaves a report that it does not
apply to as it is. docs/augmentation.md has what each of them was measured to be worth.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random

from trainer.augmentation.clauses import clauses
from trainer.augmentation.material import Material, Policy
from trainer.augmentation.mentions import mentions
from trainer.augmentation.numbers import numbers
from trainer.augmentation.segments import Segments, cut, join
from trainer.augmentation.surface import surface
from trainer.augmentation.times import times
from trainer.augmentation.typos import typos
from trainer.dataset import Report

__all__ = ["DEFAULT", "POLICIES", "Augmented", "Policy", "augment", "variants"]

POLICIES: Mapping[str, Policy] = {
    "clauses": clauses,
    "mentions": mentions,
    "numbers": numbers,
    "times": times,
    "surface": surface,
    "typos": typos,
}
"""By name, in the order in which they are applied: content first, writing last."""

DEFAULT: tuple[str, ...] = ()
"""What training uses unless told otherwise: nothing, because no policy was shown to help (docs/augmentation.md)."""

SHARE = 0.5
"""Probability of each policy of a mix in one variant; a single policy always applies."""
TRIES = 5
"""Attempts at a variant that is new, before there is none."""


@dataclass(frozen=True)
class Augmented:
    """A variant: the report, the task it was made from, and the policies that changed something, in order.

    The report has the task and annotation id of its source: what keeps a source out of training, a fold or a
    holdout, keeps its variants out as well.
    """

    report: Report
    source_task_id: int
    policies: tuple[str, ...]


def augment(reports: Sequence[Report], policies: Sequence[str], copies: int, seed: int) -> list[Report]:
    """Only the new reports; see `variants`."""
    return [variant.report for variant in variants(reports, policies, copies, seed)]


def variants(reports: Sequence[Report], policies: Sequence[str], copies: int, seed: int) -> list[Augmented]:
    """At most `copies` variants of each report, by the named policies; the same arguments give the same variants.

    Every variant differs in text from its source and from the source's other variants and has the labels of its
    source, no more and no fewer. Where the policies change nothing there are fewer. Raises ValueError for an
    unknown policy or a negative number of copies.
    """
    unknown = [name for name in policies if name not in POLICIES]
    if unknown or copies < 0:
        raise ValueError(f"policies {unknown} are unknown" if unknown else f"copies must be 0 or more, got {copies}")
    material = Material.of(reports)
    ordered = [name for name in POLICIES if name in policies]
    return [variant for report in reports for variant in _variants_of(report, ordered, material, copies, seed)]


def _variants_of(
    report: Report, policies: Sequence[str], material: Material, copies: int, seed: int
) -> Iterator[Augmented]:
    segments = cut(report.text, report.spans)
    known = {report.text}
    for copy in range(copies if policies else 0):
        rng = Random(f"{seed}:{report.task_id}:{report.annotation_id}:{copy}")
        for _ in range(TRIES):
            changed, applied = _one(segments, policies, material, rng)
            text, spans = join(changed)
            if text not in known and text:
                known.add(text)
                yield Augmented(Report(report.task_id, report.annotation_id, text, spans), report.task_id, applied)
                break


def _one(
    segments: Segments, policies: Sequence[str], material: Material, rng: Random
) -> tuple[Segments, tuple[str, ...]]:
    """One pass of some of the policies, and which of them changed something."""
    chosen = [name for name in policies if rng.random() < SHARE] or [rng.choice(policies)]
    applied = []
    for name in policies if len(policies) == 1 else chosen:
        changed = POLICIES[name](segments, material, rng)
        applied += [name] if changed != segments else []
        segments = changed
    return segments, tuple(applied)
