"""A trained model as OpenVINO files, so that the web process serves it without torch."""

from __future__ import annotations

import logging
import tempfile
import warnings
from pathlib import Path
from typing import Any

from backend.engine.openvino import MODEL_FILE, library
from backend.engine.torch import load_classifier, quiet_transformers
from backend.errors import ModelError
from trainer.export.tracing import example_input, logits_only

logger = logging.getLogger(__name__)


def export_openvino(folder: Path, output: Path | None = None) -> None:
    """Write `openvino.xml` and `openvino.bin` into `output`, by default beside `model.safetensors` in `folder`.

    Weights stay float32: bf16 computed from a file of float16 weights flips eight times as many tags.
    Raises ModelError when the model cannot be loaded or converted; the folder is then as it was.
    """
    write(convert(folder), folder if output is None else output)
    logger.info("Exported %s to OpenVINO", folder)


def convert(folder: Path) -> Any:
    """The model of a folder as an OpenVINO graph: token ids and mask -> logits; raises ModelError."""
    openvino = library()
    traced = logits_only(load_classifier(folder))
    import torch

    shapes = [(name, [-1, -1], openvino.Type.i64) for name in ("input_ids", "attention_mask")]
    try:
        with warnings.catch_warnings(), quiet_transformers(), torch.inference_mode():
            # openvino 2026.4 converts by tracing: torch calls that deprecated and warns of shape checks in
            # transformers.
            warnings.simplefilter("ignore")
            return openvino.convert_model(traced, example_input=example_input(), input=shapes)
    except (RuntimeError, OSError) as error:
        raise refused(folder, error) from error


def write(graph: Any, folder: Path, file: str = MODEL_FILE) -> None:
    """Put a graph into `folder` as an `.xml` file and a `.bin` beside it; both appear or none. Raises ModelError."""
    try:
        with tempfile.TemporaryDirectory(dir=folder, prefix=".export-") as aside:
            library().save_model(graph, Path(aside) / file, compress_to_fp16=False)
            for name in (Path(file).with_suffix(".bin"), Path(file)):
                (Path(aside) / name).replace(folder / name)
    except (RuntimeError, OSError) as error:
        raise refused(folder, error) from error


def refused(folder: Path, error: Exception) -> ModelError:
    """What OpenVINO said, in one line."""
    said = str(error).splitlines() or [type(error).__name__]
    return ModelError("The model cannot be exported to OpenVINO", folder, said[0])
