"""How unsure a model is about tokens and reports: 0 is sure, 1 is no idea.

Entropy is divided by the logarithm of the number of tags, so that values compare across label sets.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.ner.spans import Span


def token_entropy(probabilities: NDArray[Any]) -> NDArray[np.float64]:
    """Token entropy [n] in 0..1 of probabilities [n, tags], O included: 0 for one sure tag, 1 for all equal.

    Never NaN: negative, infinite and missing values count as 0, rows are normalised, and a row without any mass is
    as unsure as can be (1). With a single tag there is nothing to be unsure about (0).

    >>> token_entropy(np.array([[1.0, 0.0], [0.5, 0.5]])).tolist()
    [0.0, 1.0]
    """
    p = np.nan_to_num(np.asarray(probabilities, dtype=np.float64), nan=0.0, posinf=0.0, neginf=0.0).clip(min=0.0)
    n, tags = p.shape
    if n == 0 or tags < 2:
        return np.zeros(n, dtype=np.float64)
    p /= np.maximum(p.max(axis=1, keepdims=True), np.finfo(np.float64).tiny)  # first, so that the sum cannot overflow
    mass = p.sum(axis=1, keepdims=True)
    p = np.where(mass > 0, p / np.where(mass > 0, mass, 1.0), 1.0 / tags)
    entropy = 0.0 - (p * np.log(np.where(p > 0, p, 1.0))).sum(axis=1) / np.log(tags)  # 0.0 - x: never -0.0
    return np.asarray(entropy.clip(0.0, 1.0), dtype=np.float64)


def mean_token_entropy(probabilities: NDArray[Any]) -> float:
    """Mean of the report's token entropies, 0..1; 0.0 for a report without tokens.

    >>> mean_token_entropy(np.array([[1.0, 0.0], [0.5, 0.5]]))
    0.5
    """
    return float(token_entropy(probabilities).mean()) if len(probabilities) else 0.0


def report_entropy(entropies: NDArray[np.float64]) -> float:
    """How much a report of these token entropies [n] is worth asking about: 0..1, 0.0 for one without tokens.

    The sum over the root of the number of tokens, s / (1 + s): between the sum, which longer reports win, and the
    mean, which reports of two characters win. It goes better with the number of wrong spans in a report than the mean
    does (docs/learning.md).

    >>> report_entropy(np.zeros(0)), report_entropy(np.full(4, 0.5))
    (0.0, 0.5)
    """
    damped = float(entropies.sum()) / max(1.0, float(np.sqrt(len(entropies))))
    return damped / (1.0 + damped)


def doubted(
    spans: Iterable[Span],
    doubt: float,
    offsets: NDArray[np.int64] | None = None,
    entropies: NDArray[np.float64] | None = None,
) -> list[Span]:
    """The spans with scores that agree with the ranking: that of their source times 1 - doubt.

    `doubt` (0..1) is what ranks the report, so that a report asked first shows no region as certain, whatever proposed
    it (a string remembered from one report has score 1). Where a network ranks, `offsets` [n, 2] and `entropies` [n]
    are those of its tokens, and the mean over the tokens that a span touches counts if it is higher.

    >>> [span.score for span in doubted([Span(0, 2, "HR"), Span(4, 6, "HR", 0.5)], 0.25)]
    [0.75, 0.375]
    """
    found = []
    for span in spans:
        most = doubt
        if offsets is not None and entropies is not None and len(offsets):
            touched = (offsets[:, 0] < span.end) & (offsets[:, 1] > span.start)
            most = max(doubt, float(entropies[touched].mean()) if touched.any() else 0.0)
        found.append(replace(span, score=span.score * (1.0 - most)))
    return found
