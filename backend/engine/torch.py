"""Inference by torch and transformers: any model transformers can load, CPU or CUDA."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.engine import batching
from backend.engine.model_folder import ModelFolder
from backend.errors import ModelError

logger = logging.getLogger(__name__)


class TorchEngine:
    """An Engine on `model.safetensors`; on the first CUDA device if there is one."""

    def __init__(self, folder: Path, precision: str, threads: int) -> None:
        import torch

        self._model = ModelFolder.read(folder)
        torch.set_num_threads(threads)
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._network = load_classifier(folder).to(self._device)
        self.precision = ("bf16" if computes_bf16() else "f32") if precision == "auto" else precision
        self.max_tokens, self.window = self._model.max_tokens, self._model.window
        logger.info("torch computes in %s on %s with %s threads", self.precision, self._device, threads)

    def probabilities(self, sequences: Sequence[NDArray[np.int64]]) -> list[NDArray[np.float32]]:
        """See `Engine.probabilities`."""
        return batching.run(sequences, self._model, self._forward)

    def _forward(self, ids: NDArray[np.int64], mask: NDArray[np.int64]) -> NDArray[np.float32]:
        import torch

        half = torch.autocast(self._device.type, torch.bfloat16) if self.precision == "bf16" else nullcontext()
        with torch.inference_mode(), half:
            input_ids, attention_mask = (torch.from_numpy(array).to(self._device) for array in (ids, mask))
            logits = self._network(input_ids=input_ids, attention_mask=attention_mask, return_dict=False)[0]
        array: NDArray[np.float32] = logits.float().cpu().numpy()
        return array


def computes_bf16() -> bool:
    """Whether torch's device here has instructions for bf16; emulated bf16 is slower than f32."""
    import torch

    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    features = torch.cpu.get_capabilities()
    return bool(features.get("avx512_bf16") or features.get("amx_bf16"))


def load_classifier(folder: Path) -> Any:
    """The transformers token classifier of a model folder, float32, in evaluation mode; raises ModelError."""
    import torch
    from transformers import AutoModelForTokenClassification

    try:
        with quiet_transformers():
            network, report = AutoModelForTokenClassification.from_pretrained(
                folder, local_files_only=True, dtype=torch.float32, output_loading_info=True
            )
    except Exception as error:  # safetensors and transformers raise what they like
        raise ModelError("torch cannot load the model", folder, f"{type(error).__name__}: train it again") from error
    if report["missing_keys"]:
        raise ModelError(
            "The model file has no", ", ".join(sorted(report["missing_keys"])), f"{folder}: train it again"
        )
    return network.eval()


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """No progress bars and no table of missing weights on stderr while a model is loaded or saved."""
    from transformers.utils import logging as untyped

    transformers_logging: Any = untyped
    verbosity, bars = transformers_logging.get_verbosity(), transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(verbosity)
        if bars:
            transformers_logging.enable_progress_bar()
