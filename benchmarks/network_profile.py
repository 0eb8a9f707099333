"""What the network takes: as exported and as served, by kind of operation, in a first pass, and in memory.

    python -m benchmarks.network_profile [--model DIR] [--reports N] [--chunks N] [--rounds N] [--threads N] [--json]

`reports_per_second` of each precision, from token ids to probabilities, medians of rounds in which all take turns at
other reports each time: `exported` is OpenVINO's own attention operation with its mask, `live` what
`backend.engine.openvino` makes of it, one batch after another, `pool` the same with `POOL_STREAMS` batches at once.
`milliseconds` of one full batch are on one thread, by OpenVINO's counters. `first_ms` and `later_ms` are per report of
`pool`: in a first round kernels are compiled for all shapes of batches, in later ones for new shapes only. `memory_mb`
is what a process holds after each chunk of 4,000 reports in `pool`, with the kernels that we keep and with those that
OpenVINO would keep. Without --model a network is trained first, as in `benchmarks.throughput`.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import time
from collections import Counter
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

import numpy as np
import psutil
from numpy.typing import NDArray

from backend.engine import POOL_STREAMS, Engine, Precision, batching, open_engine, openvino
from backend.engine.model_folder import ModelFolder
from backend.engine.tokenizer import TextTokenizer
from backend.ner.alignment import windows
from backend.predictor import OVERLAP
from backend.settings import Settings
from benchmarks.throughput import PRECISIONS, prepared, texts_of

WAYS = ("exported", "live", "pool")
CHUNK = 4000
KEPT = (openvino.KEPT_KERNELS, 5000)
"""Kernels of each stream: ours, and the default of OpenVINO 2026.4."""
HALF_AND_8_BITS: tuple[Precision, ...] = ("bf16", "int8")
ROWS, WIDTH, BATCHES, WARM = 20, 98, 15, 5
"""Of the batches that are counted by kind."""

Sequences = list[NDArray[np.int64]]


def main() -> int:
    """Measure; the last line is one JSON object with --json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, help="model folder; without one a network is trained first")
    parser.add_argument("--reports", type=int, default=1000)
    parser.add_argument("--chunks", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=Settings().threads)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with prepared(arguments.model) as (folder, corpus):
        texts = texts_of(max(arguments.reports * (arguments.rounds + 1), CHUNK * arguments.chunks), corpus)
        results = measure(folder, texts, arguments)
    lines = [json.dumps(results)] if arguments.json else [f"{name}: {found}" for name, found in results.items()]
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


def measure(folder: Path, texts: list[str], arguments: argparse.Namespace) -> dict[str, Any]:
    """All figures of a model folder."""
    count, threads = arguments.reports, arguments.threads
    engines = {(name, way): opened(folder, name, threads, way) for name in PRECISIONS for way in WAYS}
    taken: dict[tuple[str, str], list[float]] = {key: [] for key in engines}
    for number in range(arguments.rounds + 1):
        parts = parts_of(folder, texts[number * count : (number + 1) * count])
        for key, engine in engines.items():
            taken[key].append(seconds(engine, parts))
    later = {key: median(times[1:]) for key, times in taken.items()}
    return {
        "reports": count,
        "rounds": arguments.rounds,
        "threads": threads,
        "reports_per_second": {n: {way: round(count / later[n, way], 1) for way in WAYS} for n in PRECISIONS},
        "milliseconds": {n: {way: by_kind(folder, n, way) for way in WAYS[:2]} for n in PRECISIONS},
        "first_ms": {n: round(1000 * taken[n, "pool"][0] / count, 2) for n in PRECISIONS},
        "later_ms": {n: round(1000 * later[n, "pool"] / count, 2) for n in PRECISIONS},
        "memory_mb": {
            f"{n} {kept}": memory(folder, n, texts, arguments.chunks, threads, kept)
            for n in HALF_AND_8_BITS
            for kept in KEPT
        },
    }


class Exported:
    """The graph as it was exported, one batch at a time."""

    def __init__(self, folder: Path, precision: Precision, threads: int) -> None:
        self._model = ModelFolder.read(folder)
        self._compiled = compiled(folder, precision, "exported", threads)

    def probabilities(self, sequences: Sequences) -> Sequences:
        """See `Engine.probabilities`."""
        return batching.run(sequences, self._model, self._forward)

    def _forward(self, ids: NDArray[np.int64], mask: NDArray[np.int64]) -> NDArray[np.float32]:
        logits: NDArray[np.float32] = self._compiled({"input_ids": ids, openvino.MASK: mask}, share_inputs=True)[0]
        return logits


def compiled(folder: Path, precision: Precision, way: str, threads: int, **more: Any) -> Any:
    """The graph of one stream, as the engine compiles it."""
    core = openvino.library().Core()
    file = folder / (openvino.INT8_FILE if precision == "int8" else openvino.MODEL_FILE)
    if way == "exported":
        graph = core.read_model(str(file))
    else:
        graph = openvino.read_graph(core, file, ModelFolder.read(folder).model_type)
    native = openvino.device_precision(core) if precision == "int8" else precision
    return openvino.compile_graph(core, graph, folder, native, threads, **more)


def opened(folder: Path, precision: Precision, threads: int, way: str) -> Engine | Exported:
    """A new engine, which has compiled no kernels yet."""
    if way == "exported":
        return Exported(folder, precision, threads)
    streams = POOL_STREAMS if way == "pool" else 1
    return open_engine(folder, kind="openvino", precision=precision, threads=threads, streams=streams)


def seconds(engine: Engine | Exported, parts: Sequences) -> float:
    """What all parts take."""
    start = time.perf_counter()
    engine.probabilities(parts)
    return time.perf_counter() - start


def parts_of(folder: Path, texts: list[str]) -> Sequences:
    """The sequences that the texts are computed in."""
    model, tokenizer = ModelFolder.read(folder), TextTokenizer.from_folder(folder)
    parts = []
    for text in texts:
        ids = tokenizer.encode(text).input_ids
        ranges = windows(len(ids), model.window, model.window // OVERLAP, whole=model.max_tokens)
        parts += [ids[start:end] for start, end in ranges]
    return parts


def by_kind(folder: Path, precision: Precision, way: str) -> dict[str, float]:
    """Milliseconds of each kind of operation in a batch on one thread: the mean of ten."""
    network = compiled(folder, precision, way, 1, PERF_COUNT=True)
    request = network.create_infer_request()
    ids = np.random.default_rng(0).integers(100, 1000, (ROWS, WIDTH))
    masks = {openvino.MASK: np.ones_like(ids)} if len(network.inputs) > 1 else {}
    found: Counter[str] = Counter()
    for number in range(BATCHES):
        request.infer({"input_ids": ids, **masks})
        for entry in request.profiling_info if number >= WARM else ():
            found[entry.node_type] += entry.real_time.total_seconds() * 1000 / (BATCHES - WARM)
    kinds = {kind: round(taken, 2) for kind, taken in found.most_common() if taken > 0.05}
    return {**kinds, "all": round(sum(found.values()), 2)}


def memory(folder: Path, precision: Precision, texts: list[str], chunks: int, threads: int, kept: int) -> list[int]:
    """Megabytes after each chunk, in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return list(pool.apply(_memory, (folder, precision, texts, chunks, threads, kept)))


def _memory(folder: Path, precision: Precision, texts: list[str], chunks: int, threads: int, kept: int) -> list[int]:
    with patch.object(openvino, "KEPT_KERNELS", kept):
        engine = opened(folder, precision, threads, "pool")
    held = []
    for number in range(chunks):
        seconds(engine, parts_of(folder, texts[number * CHUNK : (number + 1) * CHUNK]))
        held.append(psutil.Process().memory_info().rss >> 20)
    return held


if __name__ == "__main__":
    sys.exit(main())
