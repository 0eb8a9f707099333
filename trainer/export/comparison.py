"""What compression costs and gains: every network on the same reports, against the first one.

The network alone is judged, decoded as it serves; rules and span memory would hide what it lost. Speed is from text
to tag probabilities, in rounds in which every network has its turn, so that a busy moment slows all of them; decoding
is left out because it is the same for all.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.engine import Engine
from backend.engine.tokenizer import TextTokenizer
from backend.engine.torch import TorchEngine
from backend.model_card import ModelCard, TrainingSummary
from backend.ner.scheme import LabelScheme
from backend.ner.uncertainty import mean_token_entropy
from backend.predictor import ModelPredictor, Tagged, temper
from backend.settings import Settings
from trainer.copies import learned_by
from trainer.dataset import Report
from trainer.evaluation import score
from trainer.export.artefacts import Artefact, require_network, weight_bytes
from trainer.export.sample import spread

TIMED_REPORTS = 100
ROUNDS = 5


@dataclass(frozen=True)
class Candidate:
    """A network to compare. `bytes` is its size on disk."""

    name: str
    engine: Engine
    bytes: int
    logit_difference: float | None = None


@dataclass(frozen=True)
class Row:
    """One network. F1 is strict and micro (0..1); entropies are the reports' uncertainties (0..1).

    `spearman` compares the order of the reports with the reference's; None where there is none (a single report, or
    all equally uncertain). `speedup` is reports per second over the reference's.
    """

    name: str
    precision: str
    bytes: int
    f1: float
    spearman: float | None
    max_entropy_difference: float
    mean_entropy_difference: float
    reports_per_second: float
    speedup: float
    logit_difference: float | None


@dataclass(frozen=True)
class Comparison:
    """The rows, the reference first; `known` reports have the id of one that the model was trained on."""

    version: str
    reports: int
    spans: int
    known: int
    timed: int
    threads: int
    rows: tuple[Row, ...]

    def to_json(self) -> dict[str, Any]:
        """As `export.json` has it."""
        return asdict(self)


def measure(
    folder: Path,
    card: ModelCard,
    artefacts: Sequence[Artefact],
    reports: Sequence[Report],
    labels: Sequence[str],
    settings: Settings,
) -> Comparison:
    """The model of a folder in float32 by torch, and beside it what was exported from it; raises ModelError."""
    predictor = reference(folder, card, labels, settings.threads)
    candidates = [Candidate("torch", predictor.engine, torch_bytes(folder))]
    for artefact in artefacts:
        engine, size = artefact.open(settings), weight_bytes(artefact.folder)
        candidates.append(Candidate(artefact.format, engine, size, artefact.logit_difference))
    return compare(predictor, reports, candidates, settings.threads, card.training)


def torch_bytes(folder: Path) -> int:
    """Bytes of the weights that torch loads from a model folder, which may have those of other engines as well."""
    return sum(path.stat().st_size for path in folder.glob("*.safetensors"))


def reference(folder: Path, card: ModelCard, labels: Sequence[str], threads: int) -> ModelPredictor:
    """The network of a model folder in float32 by torch, for the labels of the data; raises ModelError."""
    require_network(card)
    engine, tokenizer = TorchEngine(folder, "f32", threads), TextTokenizer.from_folder(folder)
    scheme, heat = LabelScheme(tuple(card.labels)), card.calibration.temperature
    return ModelPredictor(card.version, "model", scheme, tuple(labels), tokenizer, engine, temperature=heat)


def compare(
    predictor: ModelPredictor,
    reports: Sequence[Report],
    candidates: Sequence[Candidate],
    threads: int,
    trained_on: TrainingSummary | None = None,
) -> Comparison:
    """Every candidate on at least one report; the first is the reference.

    `predictor` gives tokenizer, labels and temperature, the candidates' networks know the same tags. `trained_on`
    is the training of what they come from.
    """
    texts = list(dict.fromkeys(report.text for report in reports))
    predictors = [replace(predictor, engine=candidate.engine) for candidate in candidates]
    judged = [judge_network(one, reports, texts) for one in predictors]
    timed = spread(texts, TIMED_REPORTS)
    rates = _speeds(predictors, timed)
    places = zip(candidates, judged, rates, strict=True)
    return Comparison(
        version=predictor.version,
        reports=len(reports),
        spans=sum(len(report.spans) for report in reports),
        known=len(learned_by(reports, trained_on)),
        timed=len(timed),
        threads=threads,
        rows=tuple(_row(*place, expected=judged[0][1], base_rate=rates[0]) for place in places),
    )


def _row(
    candidate: Candidate,
    judged: tuple[float, NDArray[np.float64]],
    rate: float,
    expected: NDArray[np.float64],
    base_rate: float,
) -> Row:
    f1, entropies = judged
    differences = np.abs(entropies - expected)
    return Row(
        name=candidate.name,
        precision=candidate.engine.precision,
        bytes=candidate.bytes,
        f1=f1,
        spearman=spearman(expected, entropies),
        max_entropy_difference=float(differences.max()),
        mean_entropy_difference=float(differences.mean()),
        reports_per_second=rate,
        speedup=rate / base_rate,
        logit_difference=candidate.logit_difference,
    )


def judge_network(
    predictor: ModelPredictor, reports: Sequence[Report], texts: Sequence[str]
) -> tuple[float, NDArray[np.float64]]:
    """F1 of the network alone, and the uncertainty of each text; the reports' texts are among them."""
    tagged = {one.text: one for one in predictor.tag(texts)}
    found = {report.task_id: predictor.network_spans(tagged[report.text]) for report in reports}
    entropies = np.array([_entropy(predictor, tagged[text]) for text in texts])
    return score(reports, found, predictor.labels).micro.f1, entropies


def _entropy(predictor: ModelPredictor, tagged: Tagged) -> float:
    return mean_token_entropy(temper(tagged.probabilities, predictor.temperature))


def spearman(left: NDArray[np.float64], right: NDArray[np.float64]) -> float | None:
    """Rank correlation (-1..1); None where one side has no order."""
    from scipy.stats import spearmanr  # type: ignore[import-untyped]

    if np.ptp(left) == 0 or np.ptp(right) == 0:
        return None
    return float(spearmanr(left, right).statistic)


def _speeds(predictors: Sequence[ModelPredictor], texts: Sequence[str]) -> list[float]:
    """Reports per second of each: the median of the rounds. All of them have computed before."""
    seconds: list[list[float]] = [[] for _ in predictors]
    for _ in range(ROUNDS):
        for predictor, taken in zip(predictors, seconds, strict=True):
            start = time.perf_counter()
            predictor.tag(texts)
            taken.append(time.perf_counter() - start)
    return [len(texts) / median(taken) for taken in seconds]
