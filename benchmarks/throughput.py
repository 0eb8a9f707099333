"""Reports per second of each precision, against one report at a time by transformers, and against the machine's limit.

    python -m benchmarks.throughput [--model DIR] [--reports 10000] [--sample 1000] [--rounds 3] [--threads N] [--json]

Ours is `predict` of the network alone: tokens, windows, batches, spans, uncertainty; the network in 32 bits, bf16 and 8
bits. The peer is transformers' `pipeline("token-classification")`, float32, one report at a time, on the same weights
and tokens with the same number of threads. All take turns in every round, on a sample of the reports; figures are
medians over the rounds of characters per second, ratios are medians of the rounds' ratios, and times of all reports are
projected.
`--sample` as large as `--reports` computes them all.

`share_of_limit` is operations per second in linear layers over those of bare matrix products of the same shape in the
same precision (`limit_gflops`); attention is not counted, in `share_with_attention` it is. Both
are of the network's time alone, `outside_network` is the share of the rest.

Without --model a network is trained first, on 100 reports of examples/ecg_reports. `f1_loss` and `spearman` are of
each precision against 32 bits on the other reports of gold.json. DIR is what `ecgal train` writes, or a version; it is
copied, and quantised where it has no 8 bits yet.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from backend.engine import POOL_STREAMS, Engine, Precision, open_engine
from backend.engine.openvino import INT8_FILE
from backend.predictor import ModelPredictor, cuts, load_predictor
from backend.settings import Settings
from benchmarks.learning_corpora import Corpus, draw, load
from benchmarks.network_limits import Shape, limits
from trainer import corpus as corpora
from trainer.dataset import Report, frozen
from trainer.export import int8
from trainer.export.comparison import judge_network, spearman
from trainer.export.sample import spread
from trainer.offline import read_card, train_model
from trainer.plan import Plan

TRAINED_ON = 100
SEED = 0
PEER_REPORTS = 24
"""Reports of the peer in a round."""
PRECISIONS: tuple[Precision, ...] = ("f32", "bf16", "int8")


def main() -> int:
    """Measure; the last line is one JSON object with --json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, help="model folder; without one a network is trained first")
    parser.add_argument("--reports", type=int, default=10_000)
    parser.add_argument("--sample", type=int, default=1000, help="reports of a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=Settings().threads)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with prepared(arguments.model) as (folder, corpus):
        results = measure(folder, corpus, arguments)
    sys.stdout.write((json.dumps(results) if arguments.json else table(results)) + "\n")
    return 0


@contextmanager
def prepared(model: Path | None) -> Iterator[tuple[Path, Corpus]]:
    """A folder with the network in 32 and in 8 bits, for as long as the block runs, and the corpus."""
    corpus = load("ecg_reports", None)
    assert corpus is not None
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "model"
        if model is None:
            reports = draw(corpus.pool, TRAINED_ON, SEED)
            dataset = frozen(reports, [], corpus.config.labels)
            learned = corpora.Corpus(corpus.config, dataset)
            train_model(learned, folder, Settings.from_env(), Plan(), lambda **_: None)
        else:
            shutil.copytree(model, folder)
        if not (folder / INT8_FILE).is_file():
            seen = set(read_card(folder).training.tasks)
            known = [report.text for report in corpus.pool if report.task_id in seen]
            int8.quantise(folder, known or [report.text for report in corpus.pool], folder, INT8_FILE)
        yield folder, corpus


def texts_of(count: int, corpus: Corpus) -> list[str]:
    """Texts of the corpus cut anew to lengths as reports have: lognormal, mean about 120, 40 to 400 characters."""
    random = np.random.default_rng(SEED)
    lengths = np.clip(random.lognormal(np.log(105), 0.5, count), 40, 400).astype(int)
    source = "\n".join(report.text for report in corpus.pool) * 2
    starts = random.integers(0, len(source) // 2, count)
    return [source[start : start + length] for start, length in zip(starts, lengths, strict=True)]


def measure(folder: Path, corpus: Corpus, arguments: argparse.Namespace) -> dict[str, Any]:
    """All figures of a model folder."""
    card, threads = read_card(folder), arguments.threads
    settings = Settings.from_env().model_copy(update={"precision": "f32", "threads": threads})
    predictor = load_predictor(folder, card, card.labels, settings)
    assert isinstance(predictor, ModelPredictor), "the model has no network"
    ours = {name: Timed(folder, name, threads) for name in PRECISIONS}
    predictors = {name: replace(predictor, engine=engine, mode="model") for name, engine in ours.items()}
    texts = texts_of(arguments.reports, corpus)
    sample = spread(texts, arguments.sample)
    shape, tokens = Shape.read(folder), tokens_of(predictor, sample)
    rounds = list(_rounds(predictors, ours, Peer(folder, threads), limits(shape, threads), sample, arguments.rounds))
    unseen = [report for report in corpus.pool if report.task_id not in set(card.training.tasks)]
    fidelity = _fidelity({name: replace(predictor, engine=ours[name]) for name in PRECISIONS}, unseen)
    mean = sum(map(len, texts)) / len(texts)
    results: dict[str, Any] = {"reports": len(texts), "sample": len(sample), "rounds": len(rounds), "threads": threads}
    results |= {
        "mean_length": round(mean, 1),
        "evaluated_on": len(unseen),
        "peer": _speed(rounds, "peer", mean, len(texts)),
    }
    for name in PRECISIONS:
        results[name] = {
            "computed_in": ours[name].precision,
            **_speed(rounds, name, mean, len(texts)),
            **_shares(rounds, name, shape, tokens),
            **fidelity[name],
        }
    return results


class Timed:
    """An engine that adds up the seconds it computes."""

    def __init__(self, folder: Path, precision: Precision, threads: int) -> None:
        self._engine: Engine = open_engine(
            folder, kind="openvino", precision=precision, threads=threads, streams=POOL_STREAMS
        )
        self.precision, self.seconds = self._engine.precision, 0.0
        self.max_tokens, self.window = self._engine.max_tokens, self._engine.window

    def probabilities(self, sequences: Sequence[Any]) -> list[Any]:
        """See `Engine.probabilities`."""
        start = time.perf_counter()
        found = self._engine.probabilities(sequences)
        self.seconds += time.perf_counter() - start
        return found


class Peer:
    """One report at a time, as the examples of other backends have it; the model's own tokens, whole reports."""

    def __init__(self, folder: Path, threads: int) -> None:
        import torch
        from transformers import AutoModelForTokenClassification, PreTrainedTokenizerFast, pipeline

        torch.set_num_threads(threads)
        network: Any = AutoModelForTokenClassification.from_pretrained(folder, local_files_only=True)
        untyped: Any = PreTrainedTokenizerFast
        tokenizer = untyped(tokenizer_file=str(folder / "tokenizer.json"), model_max_length=512)
        self._pipeline: Any = pipeline("token-classification", model=network.eval(), tokenizer=tokenizer, device="cpu")

    def __call__(self, texts: Sequence[str]) -> None:
        """Label the texts."""
        for text in texts:
            self._pipeline(text)


def tokens_of(predictor: ModelPredictor, texts: Sequence[str]) -> tuple[int, float]:
    """Tokens that the network computes for the texts, special and shared ones included, and the mean width of each."""
    lengths = (len(predictor.tokenizer.encode(text).input_ids) for text in texts)
    widths = [end - start + 2 for n in lengths for start, end in cuts(n, predictor.engine)]
    return sum(widths), sum(width * width for width in widths) / sum(widths)


def _rounds(
    predictors: dict[Precision, ModelPredictor],
    engines: dict[Precision, Timed],
    peer: Callable[[Sequence[str]], None],
    rates: dict[str, Callable[[], float]],
    sample: Sequence[str],
    count: int,
) -> Any:
    """Figures of each round: characters a second, seconds of the network, and the limits; the first is not counted."""
    few = spread(sorted(sample, key=len), PEER_REPORTS)
    for number in range(count + 1):
        texts = spread(sample, 32) if number == 0 else sample
        found: dict[str, float] = {"peer": _characters(peer, few)}
        for name, predictor in predictors.items():
            found[f"limit {name}"] = max(rate() for known, rate in rates.items() if known.split()[0] == name)
            engines[name].seconds = 0.0
            found[name] = _characters(predictor.predict, texts)
            found[f"network {name}"] = engines[name].seconds
            found[f"total {name}"] = sum(map(len, texts)) / found[name]
        if number:
            yield found


def _characters(call: Callable[[Sequence[str]], Any], texts: Sequence[str]) -> float:
    start = time.perf_counter()
    call(texts)
    return sum(map(len, texts)) / (time.perf_counter() - start)


def _speed(rounds: list[dict[str, float]], name: str, mean: float, reports: int) -> dict[str, float]:
    rate = median(found[name] for found in rounds) / mean
    speed = {"reports_per_second": round(rate, 2), "seconds": round(reports / rate, 1)}
    return speed if name == "peer" else {**speed, "x_peer": round(median(r[name] / r["peer"] for r in rounds), 2)}


def _shares(rounds: list[dict[str, float]], name: str, shape: Shape, tokens: tuple[int, float]) -> dict[str, float]:
    count, width = tokens
    linear, attention = count * shape.linear_flop, count * shape.attention_flop(width)
    limit = [found[f"limit {name}"] for found in rounds]
    seconds = [found[f"network {name}"] for found in rounds]
    share = median(linear / taken / most for taken, most in zip(seconds, limit, strict=True))
    return {
        "limit_gflops": round(median(limit) / 1e9, 1),
        "share_of_limit": round(share, 3),
        "share_with_attention": round(share * (linear + attention) / linear, 3),
        "outside_network": round(median(1 - r[f"network {name}"] / r[f"total {name}"] for r in rounds), 3),
    }


def _fidelity(predictors: dict[Precision, ModelPredictor], reports: list[Report]) -> dict[Precision, dict[str, Any]]:
    """F1 of the network alone, what it loses against 32 bits, and how it ranks."""
    texts = list(dict.fromkeys(report.text for report in reports))
    judged = {name: judge_network(predictor, reports, texts) for name, predictor in predictors.items()}
    f1, doubts = judged["f32"]
    return {
        name: {"f1": round(own, 4), "f1_loss": round(f1 - own, 4), "spearman": round(spearman(doubts, ranks) or 0.0, 5)}
        for name, (own, ranks) in judged.items()
    }


def table(results: dict[str, Any]) -> str:
    """The figures for people."""
    lines = [f"{key} {value}" for key, value in results.items() if not isinstance(value, dict)]
    rows = [f"{name:<5} {found}" for name, found in results.items() if isinstance(found, dict)]
    return "\n".join([*lines, *rows])


if __name__ == "__main__":
    sys.exit(main())
