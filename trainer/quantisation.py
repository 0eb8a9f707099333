"""A promoted network in 8 bits, as a candidate: it serves only if it gains time and loses nothing that matters.

Both sides are the network alone, decoded as it serves; the reference is the same folder in 32 bits. What counts is the
difference between two ways to compute one network, so reports that it was trained on can judge where none are held out.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Literal, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from backend.engine import Engine, Precision, open_engine
from backend.engine.openvino import INT8_FILE, INT8_FILES
from backend.errors import BackendError
from backend.logs import type_and_place
from backend.model_card import Quantisation
from backend.predictor import ModelPredictor
from backend.settings import Settings
from trainer.dataset import Report
from trainer.export import int8
from trainer.export.comparison import judge_network, spearman
from trainer.export.sample import spread

logger = logging.getLogger(__name__)

Item = TypeVar("Item")

MEASURED = 200
"""Reports and texts that are measured on, at most each; seconds on two cores."""
MEASURED_CHARACTERS = 15_000
"""Of either, about: a pool of long reports must not hold up a round."""
FEWEST_REPORTS = 10
"""Reports that judge, however long they are."""
FEWEST_TEXTS = 50
"""Texts that are ranked; where the pool has fewer, annotated ones fill up. Among ten, one swap costs 0.012."""
TIMED_TOKENS = 1024
"""Of a batch whose computation is timed, at most."""
TIMED_ROUNDS = 5
RANKED_CHARACTERS = 300
"""Of a text that is ranked; its beginning is ranked as well as the whole."""


@dataclass(frozen=True)
class Evidence:
    """What judges: reports for the F1, texts for the ranking, and other texts whose activations set the ranges.

    `unlabelled` gives texts of the pool, none where there are none; then the reports' own texts are ranked.
    """

    reports: Sequence[Report]
    judged_on: Literal["holdout", "annotated reports"]
    calibration: Sequence[str]
    unlabelled: Callable[[], Sequence[str]]


class _Cost(NamedTuple):
    """F1 that is lost, and the rank correlation."""

    loss: float
    spearman: float | None


@dataclass(frozen=True)
class _Measured:
    """F1 on the reports and the uncertainties of the texts, in one precision."""

    f1: float
    doubts: NDArray[np.float64]

    def against(self, reference: _Measured) -> _Cost:
        rank = spearman(reference.doubts, self.doubts)
        return _Cost(round(reference.f1 - self.f1, 6), None if rank is None else round(rank, 6))


def offer(folder: Path, predictor: ModelPredictor, evidence: Evidence, settings: Settings) -> Quantisation:
    """Quantise the network of `folder` into it, and let it pass or remove it again; never raises.

    `predictor` gives tokenizer, labels and temperature.
    """
    started = time.monotonic()
    try:
        int8.quantise(folder, evidence.calibration, folder, INT8_FILE)
        speedup, otherwise = _speedup(folder, settings)
        if speedup >= settings.int8_speedup:
            found = _judged(folder, predictor, evidence, settings)
        else:
            found = Quantisation(passed=False, reason=_slow(speedup, otherwise, settings))
        found = found.model_copy(update={"speedup": speedup})
    except Exception as error:  # whatever happens here, the round has a network that serves without it
        logger.error("the network was not quantised: %s", type_and_place(error))
        said = str(error) if isinstance(error, BackendError) else f"{type(error).__name__}."
        found = Quantisation(passed=False, reason=f"Does not serve in 8 bits: {said}")
    if not found.passed:
        discard(folder)
    logger.info("%s", found.reason)
    return found.model_copy(update={"seconds": round(time.monotonic() - started, 1)})


def discard(folder: Path) -> None:
    """Remove the 8-bit files of a folder, if there are any."""
    for name in INT8_FILES:
        (folder / name).unlink(missing_ok=True)


def _speedup(folder: Path, settings: Settings) -> tuple[float, str]:
    """How many times as fast 8 bits compute a batch as what serves without them, and what that is.

    Processors without instructions for 8 bits are slower with them: 0.76 times float32 on one with AVX2 alone. The two
    take turns; the median counts.
    """
    engines = [
        open_engine(folder, kind="openvino", precision=precision, threads=settings.threads)
        for precision in ("auto", "int8")
    ]
    width = engines[0].window
    # Which tokens are computed does not matter, but equal ones might be computed once.
    rows = [np.full(width, number, dtype=np.int64) for number in range(max(1, TIMED_TOKENS // (width + 2)))]

    def seconds(engine: Engine) -> float:
        started = time.perf_counter()
        engine.probabilities(rows)
        return time.perf_counter() - started

    rounds = [[seconds(engine) for engine in engines] for _ in range(TIMED_ROUNDS + 1)]
    ratio = median(slow / fast for slow, fast in rounds[1:])  # the first one also prepares
    return round(ratio, 2), engines[0].precision


def _slow(speedup: float, otherwise: str, settings: Settings) -> str:
    return (
        f"Does not serve in 8 bits: {speedup:g} times as fast as {otherwise} on this machine,"
        f" at least {settings.int8_speedup:g} is asked for."
    )


def _judged(folder: Path, predictor: ModelPredictor, evidence: Evidence, settings: Settings) -> Quantisation:
    reports = _bounded(evidence.reports, lambda report: report.text)
    pool = _bounded(_beginnings(_unlabelled(evidence)), str)
    annotated = [text for text in _beginnings([report.text for report in reports]) if text not in pool]
    texts = [*pool, *annotated[: max(0, FEWEST_TEXTS - len(pool))]]

    def measured(precision: Precision) -> _Measured:
        engine = open_engine(folder, kind="openvino", precision=precision, threads=settings.threads)
        return _measure(replace(predictor, engine=engine), reports, texts)

    reference = measured("f32")
    found = measured("int8").against(reference)
    return Quantisation(
        passed=_passes(found, settings),
        reason=_reason(found, settings, reference.f1, len(reports), evidence.judged_on, len(texts)),
        judged_on=evidence.judged_on,
        reports=len(reports),
        texts=len(texts),
        unlabelled=len(pool),
        f1=round(reference.f1, 6),
        loss=found.loss,
        spearman=found.spearman,
    )


def _unlabelled(evidence: Evidence) -> Sequence[str]:
    """None where Label Studio is away: a round's network must not lose its 8 bits for that."""
    try:
        return evidence.unlabelled()
    except BackendError as error:
        logger.warning("8 bits are judged without the pool: %s", error)
        return []


def _beginnings(texts: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(text[:RANKED_CHARACTERS] for text in texts))


def _measure(predictor: ModelPredictor, reports: Sequence[Report], texts: Sequence[str]) -> _Measured:
    """The network alone on the reports and the texts, in the precision of the predictor's engine."""
    distinct = list(dict.fromkeys([*(report.text for report in reports), *texts]))
    f1, entropies = judge_network(predictor, reports, distinct)
    doubts = dict(zip(distinct, entropies, strict=True))
    return _Measured(f1, np.array([doubts[text] for text in texts]))


def _passes(found: _Cost, settings: Settings) -> bool:
    ranks = found.spearman is not None and found.spearman >= settings.int8_spearman
    return ranks and found.loss <= settings.int8_loss


def _reason(found: _Cost, settings: Settings, reference: float, reports: int, judged_on: str, texts: int) -> str:
    head = "Serves in 8 bits" if _passes(found, settings) else "Does not serve in 8 bits"
    rank = "cannot be told" if found.spearman is None else f"{found.spearman:.4f}"
    return (
        f"{head}: F1 {reference - found.loss:.3f} against {reference:.3f} in 32 bits on {reports} reports"
        f" ({judged_on}),"
        f" at most {settings.int8_loss:g} may be lost; rank correlation of {texts} uncertainties {rank},"
        f" at least {settings.int8_spearman:g} is asked for."
    )


def _bounded(items: Sequence[Item], text: Callable[[Item], str]) -> list[Item]:
    """A part of the items, evenly spaced, that is computed in seconds."""
    kept = spread(items, MEASURED)
    size = max(1, sum(len(text(item)) for item in kept))
    return (
        spread(kept, max(FEWEST_REPORTS, len(kept) * MEASURED_CHARACTERS // size))
        if size > MEASURED_CHARACTERS
        else kept
    )
