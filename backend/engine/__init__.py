"""Token ids to tag probabilities, by OpenVINO or torch behind one interface.

Neither library is imported before `open_engine` is called, and each only when it is asked for.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from backend.engine.openvino import OpenVinoEngine
from backend.engine.torch import TorchEngine

Kind = Literal["openvino", "torch"]
Precision = Literal["auto", "bf16", "f32", "int8"]


POOL_STREAMS = 2
"""Batches of many reports that OpenVINO computes at once, each with its share of the threads.

Faster than all threads on one batch, because one compiles its kernels while another computes; a single report would
be slower. The bits are the same (seen with two threads).
"""


class Engine(Protocol):
    """A loaded token classifier. To be used by one thread at a time."""

    @property
    def precision(self) -> str:
        """What it really computes in: `bf16`, `f32`, or `int8` for a model that was quantised."""

    @property
    def max_tokens(self) -> int:
        """Most tokens of a sequence, special tokens not counted. Longer texts are the caller's to cut."""

    @property
    def window(self) -> int:
        """Tokens of each of the parts that a text of more than `max_tokens` is cut into."""

    def probabilities(self, sequences: Sequence[NDArray[np.int64]]) -> list[NDArray[np.float32]]:
        """Tag probabilities [n, tags] of each sequence [n], in input order; each row sums to 1.

        Sequences and rows are without special tokens. Raises ModelError for a sequence over `max_tokens`,
        and when the model computes anything that is not a finite number.
        """


def open_engine(folder: Path, *, kind: Kind, precision: Precision, threads: int, streams: int = 1) -> Engine:
    """Load the model of a folder; raises ModelError naming what is missing or damaged.

    `auto` is bf16 where the processor computes it natively, else f32. `int8` is for OpenVINO, in a folder that has it.
    OpenVINO computes `streams` batches at once, if there are cores and the threads divide evenly; torch computes one,
    with one thread fewer than this process may use cores.
    """
    if kind == "openvino":
        return OpenVinoEngine(folder, precision, threads, streams if threads % streams == 0 else 1)
    return TorchEngine(folder, precision, spared(threads))


def spared(threads: int) -> int:
    """As many threads as asked for, but one core stays free for others.

    Torch's threads wait for each other at every operation: with as many as cores, beside any other work, a report took
    913 ms in place of 47.
    """
    return min(threads, max(1, cores() - 1))


def cores() -> int:
    """Cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
