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

logger = logging.getLogger(__name__)


def export_openvino(folder: Path) -> None:
    """Write `openvino.xml` and `openvino.bin` beside `model.safetensors`: token ids and mask -> logits.

    Weights stay float32: bf16 computed from a file of float16 weights flips eight times as many tags.
    Raises ModelError when the model cannot be loaded or converted; the folder is then as it was.
    """
    openvino = library()
    network = load_classifier(folder)
    try:
        graph = _convert(openvino, network)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".export-") as aside:
            openvino.save_model(graph, Path(aside) / MODEL_FILE, compress_to_fp16=False)
            for name in (Path(MODEL_FILE).with_suffix(".bin"), Path(MODEL_FILE)):
                (Path(aside) / name).replace(folder / name)
    except (RuntimeError, OSError) as error:
        raise ModelError("The model cannot be exported to OpenVINO", folder, str(error).splitlines()[0]) from error
    logger.info("Exported %s to OpenVINO", folder)


def _convert(openvino: Any, network: Any) -> Any:
    import torch

    class Logits(torch.nn.Module):
        """Two inputs, one output, whatever else the model could take and give."""

        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            """Logits [rows, width, tags] as float32."""
            outputs = self.network(input_ids=input_ids, attention_mask=attention_mask, return_dict=False)
            logits: torch.Tensor = outputs[0]
            return logits.float()

    # Two rows with padding, so that tracing sees a mask that masks.
    ids = torch.ones(2, 32, dtype=torch.long)
    mask = torch.ones_like(ids)
    mask[1, 16:] = 0
    shapes = [(name, [-1, -1], openvino.Type.i64) for name in ("input_ids", "attention_mask")]
    with warnings.catch_warnings(), quiet_transformers(), torch.inference_mode():
        # openvino 2026.4 converts by tracing: torch calls that deprecated and warns of shape checks in transformers.
        warnings.simplefilter("ignore")
        return openvino.convert_model(
            Logits().eval(), example_input={"input_ids": ids, "attention_mask": mask}, input=shapes
        )
