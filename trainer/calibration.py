"""How honest the network's probabilities are, and the one number that makes them honest.

A temperature divides the logits: one parameter, fitted by the likelihood of the gold tags of tokens that the network
was not trained on (Guo et al. 2017). It changes no span, only uncertainties and scores. The error after is measured on
other reports than the temperature was fitted on: half against half, by a hash of the task.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backend.model_card import Calibration
from backend.ner.alignment import spans_to_tags
from backend.predictor import ModelPredictor, Tagged, temper
from trainer.dataset import Report

BINS = 15
"""Of equal width over 0..1, as in Guo et al. 2017."""
MIN_TOKENS = 500
"""Fewer tokens leave the temperature at 1; half of it is needed on each side to measure out of sample."""
LOWEST, HIGHEST = 0.25, 10.0
"""Bounds of the temperature."""


@dataclass(frozen=True)
class TokenProbabilities:
    """Tag probabilities [tokens, tags] of a report, and the gold tags [tokens]."""

    task_id: int
    probabilities: NDArray[np.float32]
    tags: NDArray[np.int64]


def token_probabilities(
    predictor: ModelPredictor, reports: Sequence[Report], tagged: Sequence[Tagged]
) -> list[TokenProbabilities]:
    """What the network said about the tokens of the reports, beside gold; labels it does not know are O."""
    known = set(predictor.scheme.labels)
    return [
        TokenProbabilities(
            report.task_id,
            seen.probabilities,
            spans_to_tags([s for s in report.spans if s.label in known], seen.encoding.offsets, predictor.scheme),
        )
        for report, seen in zip(reports, tagged, strict=True)
    ]


def calibrate(reports: Sequence[TokenProbabilities]) -> Calibration:
    """The temperature for a network, from reports that it was not trained on."""
    tokens = sum(len(report.tags) for report in reports)
    if tokens < MIN_TOKENS:
        return Calibration(tokens=tokens, note=f"only {tokens} tokens, {MIN_TOKENS} are needed")
    temperature = fit(reports)
    halves = [[r for r in reports if half_of(r.task_id) == side] for side in (0, 1)]
    apart = all(sum(len(report.tags) for report in half) >= MIN_TOKENS / 2 for half in halves)
    measured = [(half, fit(other)) for half, other in (halves, halves[::-1])] if apart else [(reports, temperature)]
    return Calibration(
        temperature=round(temperature, 4),
        ece_before=round(calibration_error([(reports, 1.0)]), 6),
        ece_after=round(calibration_error(measured), 6),
        tokens=tokens,
        method="out of sample" if apart else "in sample",
        note="" if apart else "too few tokens to measure on others than the temperature was fitted on",
    )


def fit(reports: Sequence[TokenProbabilities]) -> float:
    """The temperature under which the gold tags are most likely; at least one token."""
    from scipy.optimize import minimize_scalar  # type: ignore[import-untyped]

    tables = _tables(reports)

    def loss(log_temperature: float) -> float:
        return sum(_surprise(probabilities, tags, math.exp(log_temperature)) for probabilities, tags in tables)

    found = minimize_scalar(loss, bounds=(math.log(LOWEST), math.log(HIGHEST)), method="bounded")
    return float(math.exp(found.x))


def calibration_error(parts: Iterable[tuple[Sequence[TokenProbabilities], float]]) -> float:
    """Expected calibration error (0..1) of the best tag's probability, of reports each at a temperature.

    The mean gap between probability and share of right tokens in BINS bins, weighted by their tokens; 0 without any.
    """
    tops, right = [np.zeros(0)], [np.zeros(0)]
    for reports, temperature in parts:
        for probabilities, tags in _tables(reports):
            honest = temper(probabilities, temperature)
            tops.append(honest.max(axis=1).astype(np.float64))
            right.append((honest.argmax(axis=1) == tags).astype(np.float64))
    top, correct = np.concatenate(tops), np.concatenate(right)
    bins = np.minimum((top * BINS).astype(np.int64), BINS - 1)
    gaps = np.bincount(bins, weights=top - correct, minlength=BINS)
    return float(np.abs(gaps).sum() / max(len(top), 1))


def _tables(reports: Sequence[TokenProbabilities]) -> list[tuple[NDArray[np.float32], NDArray[np.int64]]]:
    """All tokens below each other, by number of tags: networks of a cross-validation can know different labels."""
    filled = [report for report in reports if len(report.tags)]
    widths = sorted({report.probabilities.shape[1] for report in filled})
    groups = [[report for report in filled if report.probabilities.shape[1] == width] for width in widths]
    return [
        (np.concatenate([report.probabilities for report in group]), np.concatenate([report.tags for report in group]))
        for group in groups
    ]


def _surprise(probabilities: NDArray[np.float32], tags: NDArray[np.int64], temperature: float) -> float:
    """Negative log-likelihood of the gold tags, summed over tokens."""
    honest = temper(probabilities, temperature)[np.arange(len(tags)), tags]
    return -float(np.log(np.maximum(honest, np.finfo(np.float32).tiny)).sum(dtype=np.float64))


def half_of(task_id: int) -> int:
    """0 or 1, by the task alone; another hash than the holdout's, which would put all of them on one side."""
    return hashlib.sha256(f"calibration:{task_id}".encode()).digest()[0] % 2
