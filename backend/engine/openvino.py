"""Inference by OpenVINO on the CPU: no torch, small, fast to start. Serves by default.

The only module of the backend that imports openvino.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
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
CACHE_FOLDER = "openvino_cache"
"""Compiled models, inside the model folder; may be deleted at any time."""

MATRIX_PRODUCTS = ("FullyConnected", "MatMul")
"""Kinds of operation in a compiled model, as OpenVINO 2026.4 names them."""


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

    def __init__(self, folder: Path, precision: str, threads: int) -> None:
        self._model = ModelFolder.read(folder)
        file = folder / (INT8_FILE if precision == "int8" else MODEL_FILE)
        if not file.is_file():
            raise ModelError(
                f"The model folder has no {file.name}", folder, "export the model, or set ECG_ENGINE=torch"
            )
        core = library().Core()
        native = precision if precision in ("bf16", "f32") else _device_precision(core)
        compiled = _compile(core, file, native, threads)
        half = "bf" in _reported(compiled, "INFERENCE_PRECISION_HINT")
        self.precision = "int8" if _computes_int8(compiled) else "bf16" if half else "f32"
        self.max_tokens, self.window = self._model.max_tokens, self._model.window
        self._request = compiled.create_infer_request()
        logger.info(
            "OpenVINO computes in %s (asked for: %s) with %s threads",
            self.precision,
            precision,
            _reported(compiled, "INFERENCE_NUM_THREADS"),
        )

    def probabilities(self, sequences: Sequence[NDArray[np.int64]]) -> list[NDArray[np.float32]]:
        """See `Engine.probabilities`."""
        return batching.run(sequences, self._model, self._forward)

    def _forward(self, ids: NDArray[np.int64], mask: NDArray[np.int64]) -> NDArray[np.float32]:
        outputs = self._request.infer({"input_ids": ids, "attention_mask": mask}, share_inputs=True, share_outputs=True)
        logits: NDArray[np.float32] = outputs[0]  # a view that the next call overwrites
        return logits


def _device_precision(core: Any) -> str:
    """What the CPU plugin would choose by itself: bf16 only where the processor has instructions for it."""
    return "bf16" if "bf" in str(core.get_property("CPU", "INFERENCE_PRECISION_HINT")) else "f32"


def _computes_int8(compiled: Any) -> bool:
    """Whether matrices are multiplied in 8 bits, as in the files of `trainer.export.int8`."""
    operations = (operation.get_rt_info() for operation in compiled.get_runtime_model().get_ops())
    return any(
        info["layerType"].astype(str) in MATRIX_PRODUCTS and info["runtimePrecision"].astype(str) in ("i8", "u8")
        for info in operations
    )


def _compile(core: Any, file: Path, precision: str, threads: int) -> Any:
    options = {
        "INFERENCE_PRECISION_HINT": precision,
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY",
        "NUM_STREAMS": 1,
        # Pinned threads of several processes would all sit on the same first cores.
        "ENABLE_CPU_PINNING": False,
    }
    # 0.4 MB, without the weights
    cache = {"CACHE_DIR": str(file.with_name(CACHE_FOLDER)), "CACHE_MODE": "OPTIMIZE_SIZE"}
    try:
        return core.compile_model(str(file), "CPU", {**options, **cache})
    except RuntimeError:  # also where the folder may only be read
        logger.debug("OpenVINO could not use %s", cache["CACHE_DIR"])
    try:
        return core.compile_model(str(file), "CPU", options)
    except RuntimeError as error:
        raise ModelError("OpenVINO cannot load the model", file.parent, "export or train it again") from error


def _reported(compiled: Any, name: str) -> str:
    return str(compiled.get_property(name))
