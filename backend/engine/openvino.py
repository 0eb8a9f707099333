"""Inference by OpenVINO on the CPU: no torch, small, fast to start. Serves by default.

The only module of the backend that imports openvino.
"""

from __future__ import annotations

import logging
import sys
from collections import deque
from collections.abc import Generator, Iterable, Sequence
from contextlib import suppress
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.engine import batching
from backend.engine.model_folder import ModelFolder
from backend.errors import ModelError

logger = logging.getLogger(__name__)

MODEL_FILE = "openvino.xml"
INT8_FILE = "openvino-int8.xml"
"""The same network with 8-bit weights and activations; only where `trainer.quantisation` has let it pass."""
INT8_FILES = (INT8_FILE, "openvino-int8.bin")

MATRIX_PRODUCTS = ("FullyConnected", "MatMul")
"""Kinds of operation in a compiled model, as OpenVINO 2026.4 names them."""
ATTENTION = "ScaledDotProductAttention"
"""The operation that attention is in an exported graph."""
MASK = "attention_mask"

KEPT_KERNELS = 1000
"""Kernels that OpenVINO keeps in each stream, four or five for each shape of a batch: those of 200 shapes or more.

It would keep 5,000, a megabyte for each shape: a rank job grew from 0.6 GB at 1,000 reports to 1.8 GB at 50,000.
"""

FULL_ATTENTION = frozenset({"bert", "camembert", "electra", "roberta", "xlm-roberta"})
"""Kinds of model whose tokens attend to all others, so that a mask only says what is padding."""


def library() -> Any:
    """The openvino package, with its telemetry left out.

    Without a consent file, merely importing openvino 2026.4 reports the import to Google Analytics through the
    package openvino_telemetry. When that package cannot be imported, openvino uses its own stub that sends
    nothing. Raises ModelError when openvino is not installed.
    """
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # None is how Python blocks an import
    try:
        import openvino
    except ImportError as error:
        raise ModelError("openvino cannot be imported", error, "install it, or set ECG_ENGINE=torch") from error
    return openvino


class OpenVinoEngine:
    """An Engine on `openvino.xml`, or for `int8` on `openvino-int8.xml`, as `trainer.export` writes them."""

    def __init__(self, folder: Path, precision: str, threads: int, streams: int = 1) -> None:
        self._model = ModelFolder.read(folder)
        file = folder / (INT8_FILE if precision == "int8" else MODEL_FILE)
        if not file.is_file():
            raise ModelError(
                f"The model folder has no {file.name}", folder, "export the model, or set ECG_ENGINE=torch"
            )
        core = library().Core()
        native = precision if precision in ("bf16", "f32") else device_precision(core)
        graph = read_graph(core, file, self._model.model_type)
        compiled = compile_graph(core, graph, folder, native, threads, streams)
        half = "bf" in _reported(compiled, "INFERENCE_PRECISION_HINT")
        self.precision = "int8" if _computes_int8(compiled) else "bf16" if half else "f32"
        self.max_tokens, self.window = self._model.max_tokens, self._model.window
        # OpenVINO makes fewer streams than asked for where this process may use fewer cores.
        self._requests = [compiled.create_infer_request() for _ in range(int(_reported(compiled, "NUM_STREAMS")))]
        self._inputs = {name for entry in compiled.inputs for name in entry.get_names()}
        logger.info(
            "OpenVINO computes in %s (asked for: %s) with %s threads in %d streams",
            self.precision,
            precision,
            _reported(compiled, "INFERENCE_NUM_THREADS"),
            len(self._requests),
        )

    def probabilities(self, sequences: Sequence[NDArray[np.int64]]) -> list[NDArray[np.float32]]:
        """See `Engine.probabilities`."""
        return batching.run_all(sequences, self._model, self._forward)

    def _forward(self, batches: Iterable[batching.Batch]) -> Generator[NDArray[np.float32]]:
        """As many batches at once as there are streams, all started by this thread.

        Threads of our own are none: two that made their first tensors at the same time blocked each other for good in
        one process of twenty, on a busy machine (OpenVINO 2026.4).
        """
        turns, running = cycle(self._requests), deque[Any]()
        try:
            for ids, mask in batches:
                finished = [self._logits(running.popleft())] if len(running) == len(self._requests) else []
                inputs = {"input_ids": ids, MASK: mask} if MASK in self._inputs else {"input_ids": ids}
                running.append(next(turns))
                running[-1].start_async(inputs, share_inputs=True)
                yield from finished
            yield from map(self._logits, running)
        finally:
            for request in self._requests:  # which read memory of ours as long as they run
                with suppress(RuntimeError):
                    request.wait()

    def _logits(self, request: Any) -> NDArray[np.float32]:
        """A copy, because the request's next batch overwrites them."""
        try:
            request.wait()
        except RuntimeError as error:
            advice = "train or promote another one, unless memory is short"
            raise ModelError("OpenVINO cannot compute a batch", self._model.path, advice) from error
        logits: NDArray[np.float32] = request.get_output_tensor().data.copy()
        return logits


def device_precision(core: Any) -> str:
    """What the CPU plugin would choose by itself: bf16 only where the processor has instructions for it."""
    return "bf16" if "bf" in str(core.get_property("CPU", "INFERENCE_PRECISION_HINT")) else "f32"


def _computes_int8(compiled: Any) -> bool:
    """Whether matrices are multiplied in 8 bits, as in the files of `trainer.export.int8`."""
    operations = (operation.get_rt_info() for operation in compiled.get_runtime_model().get_ops())
    return any(
        info["layerType"].astype(str) in MATRIX_PRODUCTS and info["runtimePrecision"].astype(str) in ("i8", "u8")
        for info in operations
    )


def read_graph(core: Any, file: Path, model_type: str) -> Any:
    """The graph of a file, written for batches without padding where the kind of model allows it; raises ModelError."""
    try:
        graph = core.read_model(str(file))
        if model_type in FULL_ATTENTION:
            _leave_out_mask(graph)
    except RuntimeError as error:
        raise ModelError("OpenVINO cannot load the model", file.parent, "export or train it again") from error
    return graph


def _leave_out_mask(graph: Any) -> None:
    """Attention as two products and a softmax in place of one operation with a mask, and no input for a mask.

    OpenVINO 2026.4 fuses them again, into a kernel without mask and with one transposition less a layer; ratios are in
    docs/inference.md. A mask that anything else needs stays.
    """
    for node in graph.get_ordered_ops():
        if node.get_type_name() == ATTENTION and not node.get_attributes()["causal"]:
            _as_products(node)
    del node  # it holds on to what made its mask, and that to the input
    for entry in graph.get_parameters():
        if MASK in entry.output(0).get_names() and not entry.output(0).get_target_inputs():
            graph.remove_parameter(entry)


def _as_products(attention: Any) -> None:
    """Inputs of the operation are query, key, value, mask and mostly the scale."""
    from openvino import opset13 as ops

    query, key, value = (attention.input_value(place) for place in range(3))
    if attention.get_input_size() > 4:
        scale = attention.input_value(4)
    else:
        scale = ops.constant(np.float32(query.get_partial_shape()[3].get_length() ** -0.5))
    weights = ops.softmax(ops.multiply(ops.matmul(query, key, False, True), scale), -1)
    attention.output(0).replace(ops.matmul(weights, value, False, False).output(0))


def compile_graph(
    core: Any, graph: Any, folder: Path, precision: str, threads: int, streams: int = 1, **more: Any
) -> Any:
    """A compiled model for so many batches at a time, with `more` of OpenVINO's properties; raises ModelError."""
    options = {
        "INFERENCE_PRECISION_HINT": precision,
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": streams,
        # Pinned threads of several processes would all sit on the same first cores.
        "ENABLE_CPU_PINNING": False,
        "CPU_RUNTIME_CACHE_CAPACITY": KEPT_KERNELS,
        **more,
    }
    try:
        return core.compile_model(graph, "CPU", options)
    except RuntimeError as error:
        raise ModelError("OpenVINO cannot load the model", folder, "export or train it again") from error


def _reported(compiled: Any, name: str) -> str:
    return str(compiled.get_property(name))
