"""What the network alone takes: as exported and as served, by kind of operation, in a first pass, and in memory.

    python -m benchmarks.network_profile [--model DIR] [--reports N] [--chunks N] [--rounds N] [--threads N] [--json]

`reports_per_second` of each precision, medians of rounds in which all take turns: `exported` is OpenVINO's own
attention operation with its mask, `served` what `backend.engine.openvino` makes of it. `milliseconds` of one full batch
on one thread, by OpenVINO's counters. `first_pass_ms` and `later_ms` are per report, in bf16 as served: the difference
is what it costs to compile kernels for the shapes of the batches. `memory_mb` is what a process holds after each chunk
of 4,000 reports, with the kernels that we keep and with those that OpenVINO would keep. Without --model a network is
trained first, as in `benchmarks.throughput`.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

from backend.engine import Precision
from backend.engine.batching import pad, plan
from backend.engine.model_folder import ModelFolder
from backend.engine.openvino import INT8_FILE, KEPT_KERNELS, MASK, MODEL_FILE, compile_graph, library, read_graph
from backend.engine.tokenizer import TextTokenizer
from backend.ner.alignment import windows
from backend.predictor import OVERLAP
from backend.settings import Settings
from benchmarks.learning_corpora import load
from benchmarks.throughput import PRECISIONS, prepared, texts_of

CHUNK = 4000
OPENVINO_KEEPS = 5000
"""Kernels, the default of OpenVINO 2026.4."""
FULL_BATCH_WIDTH = 98

Batch = tuple[NDArray[np.int64], NDArray[np.int64]]


def main() -> int:
    """Measure; the last line is one JSON object with --json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, help="model folder; without one a network is trained first")
    parser.add_argument("--reports", type=int, default=1000)
    parser.add_argument("--chunks", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=Settings().threads)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    corpus = load("ecg_reports", None)
    assert corpus is not None
    with tempfile.TemporaryDirectory() as scratch:
        folder = prepared(arguments.model, Path(scratch), corpus)
        texts = texts_of(max(arguments.reports, CHUNK * arguments.chunks), corpus)
        results = measure(folder, texts, arguments)
    lines = [json.dumps(results)] if arguments.json else [f"{name}: {found}" for name, found in results.items()]
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


def measure(folder: Path, texts: list[str], arguments: argparse.Namespace) -> dict[str, Any]:
    """All figures of a model folder."""
    count, threads = arguments.reports, arguments.threads
    batches = batches_of(folder, texts[:count])
    networks = {
        (name, way): Network(folder, name, threads, exported=way == "exported")
        for name in PRECISIONS
        for way in ("exported", "served")
    }
    taken: dict[tuple[str, str], list[float]] = {key: [] for key in networks}
    for _ in range(arguments.rounds + 1):
        for key, network in networks.items():
            taken[key].append(network.seconds(batches))
    speed = {key: round(count / median(seconds[1:]), 1) for key, seconds in taken.items()}
    served = taken["bf16", "served"]
    return {
        "reports": count,
        "rounds": arguments.rounds,
        "threads": threads,
        "reports_per_second": {n: {way: speed[n, way] for way in ("exported", "served")} for n in PRECISIONS},
        "milliseconds": {n: {way: by_kind(folder, n, way) for way in ("exported", "served")} for n in PRECISIONS},
        "first_pass_ms": round(1000 * served[0] / count, 2),
        "later_ms": round(1000 * median(served[1:]) / count, 2),
        "memory_mb": {
            str(kept): memory(folder, texts, arguments.chunks, threads, kept) for kept in (KEPT_KERNELS, OPENVINO_KEEPS)
        },
    }


class Network:
    """A network of a folder, compiled; a batch goes in, nothing is made of what comes out."""

    def __init__(self, folder: Path, precision: Precision, threads: int, *, exported: bool, **more: Any) -> None:
        core = library().Core()
        file = folder / (INT8_FILE if precision == "int8" else MODEL_FILE)
        kind = "as exported" if exported else ModelFolder.read(folder).model_type
        native = "bf16" if precision == "int8" else precision
        compiled = compile_graph(core, read_graph(core, file, kind), folder, native, threads, **more)
        self._masked = len(compiled.inputs) > 1
        self.request = compiled.create_infer_request()

    def run(self, ids: NDArray[np.int64], mask: NDArray[np.int64]) -> None:
        """Compute a batch."""
        inputs = {"input_ids": ids, MASK: mask} if self._masked else {"input_ids": ids}
        self.request.infer(inputs, share_inputs=True, share_outputs=True)

    def seconds(self, batches: list[Batch]) -> float:
        """What all batches take."""
        start = time.perf_counter()
        for batch in batches:
            self.run(*batch)
        return time.perf_counter() - start


def batches_of(folder: Path, texts: list[str]) -> list[Batch]:
    """The batches that the engine makes of the texts."""
    model, tokenizer = ModelFolder.read(folder), TextTokenizer.from_folder(folder)
    parts = []
    for text in texts:
        ids = tokenizer.encode(text).input_ids
        ranges = windows(len(ids), model.window, model.window // OVERLAP, whole=model.max_tokens)
        parts += [ids[start:end] for start, end in ranges]
    return [pad([parts[place] for place in batch], model) for batch in plan([len(part) + 2 for part in parts])]


def by_kind(folder: Path, precision: Precision, way: str) -> dict[str, float]:
    """Milliseconds of each kind of operation in a batch of 20 x 98 tokens on one thread: the mean of ten."""
    network = Network(folder, precision, 1, exported=way == "exported", PERF_COUNT=True)
    ids = np.random.default_rng(0).integers(100, 1000, (20, FULL_BATCH_WIDTH))
    found: Counter[str] = Counter()
    for number in range(15):
        network.run(ids, np.ones_like(ids))
        for entry in network.request.profiling_info if number >= 5 else ():
            found[entry.node_type] += entry.real_time.total_seconds() * 1000 / 10
    kinds = {kind: round(taken, 2) for kind, taken in found.most_common() if taken > 0.05}
    return {**kinds, "all": round(sum(found.values()), 2)}


def memory(folder: Path, texts: list[str], chunks: int, threads: int, kept: int) -> list[int]:
    """Megabytes after each chunk, in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return list(pool.apply(_memory, (folder, texts, chunks, threads, kept)))


def _memory(folder: Path, texts: list[str], chunks: int, threads: int, kept: int) -> list[int]:
    network = Network(folder, "bf16", threads, exported=False, CPU_RUNTIME_CACHE_CAPACITY=kept)
    held = []
    for number in range(chunks):
        network.seconds(batches_of(folder, texts[number * CHUNK : (number + 1) * CHUNK]))
        held.append(psutil.Process().memory_info().rss >> 20)
    return held


if __name__ == "__main__":
    sys.exit(main())
