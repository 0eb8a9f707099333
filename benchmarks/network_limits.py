"""What the machine could do at best: its matrix products in each precision, and how many of them a network needs."""

from __future__ import annotations

import json
import logging
import time
import warnings
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np

from backend.engine.openvino import library

ROWS = 2048
"""Rows of a product: the tokens of a full batch."""
PAIRS = 6
"""Feed-forward blocks in a row, so that bringing numbers in and out does not count."""


@dataclass(frozen=True)
class Shape:
    """What decides how many operations a token takes."""

    layers: int
    hidden: int
    inner: int
    tags: int

    @classmethod
    def read(cls, folder: Path) -> Shape:
        """From the `config.json` of a model folder."""
        config = json.loads((folder / "config.json").read_text("utf-8"))
        layers, hidden, inner = (
            int(config[name]) for name in ("num_hidden_layers", "hidden_size", "intermediate_size")
        )
        return cls(layers, hidden, inner, len(config["id2label"]))

    @property
    def linear_flop(self) -> int:
        """Operations of a token in linear layers: 2 (layers (4 hidden^2 + 2 hidden inner) + hidden tags)."""
        layer = 4 * self.hidden**2 + 2 * self.hidden * self.inner
        return 2 * (self.layers * layer + self.hidden * self.tags)

    def attention_flop(self, width: float) -> float:
        """Operations of a token in attention, where a sequence has `width` tokens: 4 layers width hidden."""
        return 4 * self.layers * width * self.hidden


def limits(shape: Shape, threads: int) -> dict[str, Callable[[], float]]:
    """By name a function that measures operations per second: products as in the feed-forward blocks."""
    library()
    quantised = _quantised(shape)
    return {
        "f32": _openvino(_blocks(shape), "f32", shape, threads),
        "bf16": _openvino(_blocks(shape), "bf16", shape, threads),
        "bf16 torch": _torch(shape, threads),
        "int8": _openvino(quantised, "bf16", shape, threads),
    }


def _blocks(shape: Shape) -> Any:
    import openvino
    from openvino import opset13 as ops

    random = np.random.default_rng(0)
    entry = ops.parameter([ROWS, shape.hidden], np.float32, name="x")
    node = entry
    for rows, columns in [(shape.hidden, shape.inner), (shape.inner, shape.hidden)] * PAIRS:
        weights = (random.standard_normal((rows, columns)) / np.sqrt(rows)).astype(np.float32)
        node = ops.matmul(node, ops.constant(weights), False, False)
    return openvino.Model([node], [entry])


def _quantised(shape: Shape) -> Any:
    import nncf

    nncf.set_log_level(logging.ERROR)
    data = np.random.default_rng(1).standard_normal((ROWS, shape.hidden)).astype(np.float32)
    with warnings.catch_warnings(), redirect_stdout(StringIO()):
        warnings.simplefilter("ignore")
        return nncf.quantize(_blocks(shape), nncf.Dataset([{"x": data}]), subset_size=1)


def _openvino(model: Any, precision: str, shape: Shape, threads: int) -> Callable[[], float]:
    options = {"INFERENCE_PRECISION_HINT": precision, "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1}
    options |= {"PERFORMANCE_HINT": "LATENCY", "ENABLE_CPU_PINNING": False}
    request = library().Core().compile_model(model, "CPU", options).create_infer_request()
    data = np.random.default_rng(2).standard_normal((ROWS, shape.hidden)).astype(np.float32)
    return lambda: _rate(lambda: request.infer([data], share_inputs=True, share_outputs=True), shape, 2 * PAIRS)


def _torch(shape: Shape, threads: int) -> Callable[[], float]:
    import torch

    torch.set_num_threads(threads)
    layer = torch.nn.Linear(shape.hidden, shape.inner, bias=False, dtype=torch.bfloat16)
    data = torch.randn(ROWS, shape.hidden, dtype=torch.bfloat16)
    return lambda: _rate(lambda: layer(data), shape, 1)


def _rate(call: Callable[[], Any], shape: Shape, products: int) -> float:
    """Operations per second: the mean of some calls in about a second, the first not counted.

    Not the best of them: other work on the machine slows the network down as well.
    """
    import torch

    taken: list[float] = []
    with torch.inference_mode():
        call()
        while sum(taken) < 1.0:
            start = time.perf_counter()
            call()
            taken.append(time.perf_counter() - start)
    return 2 * ROWS * shape.hidden * shape.inner * products * len(taken) / sum(taken)
