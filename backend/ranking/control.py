"""The holdout and its random order.

F1 measured on reports that active learning picked is not F1 of the pool. So a fixed share of the tasks
is held out before anything is ranked: not trained on (once there are enough of them to judge a round), and mixed
into the ranking at random places, so that the annotated part of it stays a random sample of the pool. Which ones
depends on the text (`copies.report_key`): copies of a report are never on both sides.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

QUANTILES = 201
"""Points of the stored distribution of uncertainties; more than the eye can tell apart in a queue."""

JITTER = 1e-7
"""Upper bound of the tie-breaker added to a priority; far below what a difference in entropy means."""


def _draw(purpose: str, number: int) -> float:
    """A number in [0, 1) that depends on purpose and number alone."""
    digest = hashlib.sha256(f"{purpose}:{number}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def is_holdout(key: int, share: float) -> bool:
    """Whether the report with this `copies.report_key` is held out; fixed for as long as its text is.

    >>> sum(is_holdout(key, 0.2) for key in range(1000))
    204
    """
    return _draw("holdout", key) < share


def quantiles(uncertainties: Sequence[float]) -> tuple[float, ...]:
    """The distribution of the pool's uncertainties as QUANTILES rising numbers; empty for an empty pool."""
    if not uncertainties:
        return ()
    return tuple(float(q) for q in np.quantile(np.asarray(uncertainties), np.linspace(0, 1, QUANTILES)))


def priority(key: int, uncertainty: float, share: float, distribution: Sequence[float]) -> float:
    """Priority in 0..1: the uncertainty, or for a held-out report a random draw from `distribution`.

    `key` is the text's (`copies.report_key`), `distribution` what `quantiles` gave for the pool ((): a uniform draw).
    A jitter below JITTER that depends on the key makes ties improbable, so that every consumer sorts alike.

    >>> priority(1, 0.25, 0.2, ())  # doctest: +ELLIPSIS
    0.250000...
    """
    base = uncertainty
    if is_holdout(key, share):
        place = _draw("order", key)
        base = float(np.interp(place, np.linspace(0, 1, len(distribution)), distribution)) if distribution else place
    return min(1.0, max(0.0, round(base, 6) + JITTER * _draw("tie", key)))


def behind(task_id: int) -> float:
    """Priority of a task whose report is asked for, or answered, elsewhere: behind whatever says something new.

    >>> behind(7) < JITTER
    True
    """
    return JITTER * _draw("tie", task_id)
