"""How far a score could be off: intervals and comparisons by resampling whole reports.

Reports are drawn, not spans: spans of one report are right or wrong together, and four long reports can hold
40 % of them. Pure and seeded: the same counts give the same interval. Counts are [reports, ..., 3] as
`backend.ner.metrics.match_counts` makes them.
"""

from __future__ import annotations

from math import sqrt
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 1000
LEVEL = 0.95
SEED = 13

BATCH = 50
"""Resamples at a time: bounds memory for ten thousands of reports."""

Interval = tuple[float, float]
"""Lower and upper end."""


def f1(counts: NDArray[Any]) -> NDArray[np.float64]:
    """F1 of counts [..., 3]; 0 / 0 is 0.

    >>> f1(np.array([[1, 1, 0], [0, 0, 0]])).round(3).tolist()
    [0.667, 0.0]
    """
    hits = 2 * counts[..., 0]
    return np.asarray(hits / np.maximum(hits + counts[..., 1] + counts[..., 2], 1), dtype=np.float64)


def resample(counts: NDArray[np.int64], seed: int = SEED) -> NDArray[np.float64]:
    """Counts [RESAMPLES, ..., 3] of as many reports as there are, drawn with replacement; at least one report.

    Tables side by side (`np.stack` on axis 1) are drawn together, which makes a paired comparison.
    """
    random = np.random.default_rng(seed)
    reports = len(counts)
    table = counts.reshape(reports, -1).astype(np.float64)
    places = np.arange(BATCH)[:, None] * reports

    def batch() -> NDArray[np.float64]:
        picked = random.integers(0, reports, size=(BATCH, reports)) + places
        times = np.bincount(picked.ravel(), minlength=BATCH * reports)
        return np.asarray(times.reshape(BATCH, reports) @ table, dtype=np.float64)

    drawn = [batch() for _ in range(RESAMPLES // BATCH)]
    return np.asarray(np.concatenate(drawn).reshape(RESAMPLES, *counts.shape[1:]), dtype=np.float64)


def interval(values: NDArray[np.float64], reports: int, level: float = LEVEL) -> Interval | None:
    """The interval at `level` (0..1) from resampled values of so many reports; None where they do not differ.

    It is the percentile interval, widened as Student's t is beside the normal distribution, because the plain one is
    too narrow for few reports ("expanded percentile": Hesterberg 2015). Values that do not differ say how alike the
    reports are, not how sure the score is: an interval of zero width would claim certainty.

    >>> [round(end, 3) for end in interval(np.arange(101.0), 10**6, 0.5) or ()]
    [25.0, 75.0]
    >>> interval(np.ones(100), 12) is None
    True
    """
    share = _widened(level, reports)
    low, high = np.quantile(values, [(1 - share) / 2, (1 + share) / 2]).round(9)
    return (float(low), float(high)) if low < high else None


def _widened(level: float, reports: int) -> float:
    """The share of resampled values that holds the level with so many reports."""
    z, free = NormalDist().inv_cdf((1 + level) / 2), max(1, reports - 1)
    # Student's quantile by Cornish and Fisher; from 5 reports on it is right to 0.05.
    student = z + (z**3 + z) / (4 * free) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * free**2)
    return 2 * NormalDist().cdf(student * sqrt(1 + 1 / free)) - 1


def f1_interval(counts: NDArray[np.int64], level: float = LEVEL) -> Interval | None:
    """Interval of the F1 of counts [reports, 3]; None without a report, or where all give the same F1."""
    return interval(f1(resample(counts)), len(counts), level) if len(counts) else None


def difference_intervals(ours: NDArray[np.int64], theirs: NDArray[np.int64]) -> list[Interval | None]:
    """For each table the interval at LEVEL of F1 of ours - theirs; None where they are alike in all reports.

    Counts are [reports, tables, 3] of two versions on the same reports. The interval is that of paired resamples, and
    reaches as far as the difference that swapping the two versions at random makes at LEVEL: so it leaves out 0 only
    where an exchange test sees a difference too. A resampled interval alone does so too often on few reports
    (`benchmarks.gate`).
    """
    drawn = f1(resample(np.stack([ours, theirs], axis=1)))
    seen = f1(ours.sum(axis=0)) - f1(theirs.sum(axis=0))
    by_chance = swapped_difference(ours, theirs)
    found = []
    for table, (middle, reach) in enumerate(zip(seen, by_chance, strict=True)):
        spread = interval(drawn[:, 0, table] - drawn[:, 1, table], len(ours)) or (middle, middle)
        low, high = min(spread[0], middle - reach), max(spread[1], middle + reach)
        ends = round(max(-1.0, float(low)), 9), round(min(1.0, float(high)), 9)
        found.append(ends if ends[0] < ends[1] else None)
    return found


def swapped_difference(ours: NDArray[np.int64], theirs: NDArray[np.int64], seed: int = SEED) -> NDArray[np.float64]:
    """The difference in F1 [...] that arises in 1 - LEVEL of the cases when each report's two counts change places.

    A larger one is no chance: the approximate randomisation test for F1 (Yeh 2000), two-sided. It is exact at any
    number of reports when the two are equally good, which a bootstrap is not. Counts are [reports, ..., 3].
    """
    random = np.random.default_rng(seed)
    change = np.tensordot(random.integers(0, 2, (RESAMPLES, len(ours))).astype(np.float64), theirs - ours, axes=1)
    differences = np.abs(f1(ours.sum(axis=0) + change) - f1(theirs.sum(axis=0) - change))
    # What was seen is one of the cases.
    rank = int((1 - LEVEL) * (1 + RESAMPLES))
    return np.asarray(np.sort(differences, axis=0)[-rank], dtype=np.float64)
