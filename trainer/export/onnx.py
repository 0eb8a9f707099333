"""A trained model as one ONNX file with an example that runs it without this package."""

from __future__ import annotations

import json
import logging
import shutil
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.engine import batching
from backend.engine.model_folder import ModelFolder
from backend.engine.tokenizer import TextTokenizer
from backend.engine.torch import load_classifier, quiet_transformers
from backend.errors import ModelError
from trainer.export.sample import spread
from trainer.export.tracing import example_input, logits_only

logger = logging.getLogger(__name__)

MODEL_FILE = "model.onnx"
EXAMPLE = "example.py"
OPSET = 18
"""The operators of the file; checked with onnxruntime 1.32."""

LARGEST_DIFFERENCE = 1e-3
"""Of a logit, up to which the file counts as the same network; 2e-5 was seen."""
CHECKED_TEXTS = 16
MADE_UP = "心率75次/分，窦性心律。"

README = """# {version} as ONNX

`{model}` tags the characters of a report: `input_ids` and `attention_mask` (int64, [batch, sequence]) give `logits`
(float32, [batch, sequence, {tags}]). Opset {opset}; batch and sequence may have any size, sequence up to {width}. The
tags are in the file's metadata, in order (`tags`), with two lengths without the two special tokens: the longest text
that is computed whole (`whole`), and the windows that a longer one is cut into (`window`).

    pip install onnxruntime numpy tokenizers
    python {example} report.txt

prints the spans of each file as a line of JSON; offsets count characters, half-open. Rules are not part of it.
"""


def export_onnx(folder: Path, texts: Sequence[str], version: str, output: Path) -> float:
    """Write the model of `folder` into `output` as `model.onnx`, with example and README.

    Returns the largest difference of a logit from torch's, on up to 16 of the texts and a made-up one.
    Raises ModelError when the model cannot be converted, or when the file computes something else.
    """
    network, model = logits_only(load_classifier(folder)), ModelFolder.read(folder)
    path = output / MODEL_FILE
    _trace(network, folder, path)
    _describe(path, folder, model)
    difference = _difference(network, OnnxForward(path, threads=1), _batches(folder, model, texts))
    if not difference < LARGEST_DIFFERENCE:
        raise ModelError("The ONNX file computes other logits than torch", f"{difference:.2g}", str(folder))
    shutil.copyfile(Path(__file__).with_name(EXAMPLE), output / EXAMPLE)
    facts = {"version": version, "model": MODEL_FILE, "example": EXAMPLE, "opset": OPSET}
    readme = README.format(**facts, tags=model.n_tags, width=model.max_tokens + 2)
    (output / "README.md").write_text(readme, encoding="utf-8")
    logger.info("Exported %s to ONNX, largest difference of a logit %.2g", folder, difference)
    return difference


class OnnxForward:
    """`model.onnx` as a function from token ids and mask to logits."""

    def __init__(self, path: Path, threads: int) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        # Threads that spin while they wait take the cores from everything else on the machine.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime has no common class
            raise ModelError("onnxruntime cannot load the model", path, type(error).__name__) from error

    def __call__(self, ids: NDArray[np.int64], mask: NDArray[np.int64]) -> NDArray[np.float32]:
        """Logits [rows, width, tags]."""
        logits: NDArray[np.float32] = self._session.run(None, {"input_ids": ids, "attention_mask": mask})[0]
        return logits


def _trace(network: Any, folder: Path, path: Path) -> None:
    """By torch.export; the older way is deprecated in torch 2.13 and left 707 nodes where this one leaves 314."""
    import torch

    sizes = {0: torch.export.Dim("batch"), 1: torch.export.Dim("sequence")}
    try:
        with _quiet():
            torch.onnx.export(
                network,
                (),
                path,
                kwargs=example_input(),
                input_names=["input_ids", "attention_mask"],
                output_names=["logits"],
                dynamic_shapes={"input_ids": sizes, "attention_mask": sizes},
                opset_version=OPSET,
                external_data=False,
                dynamo=True,
                verbose=False,
            )
    except Exception as error:  # torch wraps whatever went wrong in classes of its own
        raise ModelError("The model cannot be exported to ONNX", folder, type(error).__name__) from error


def _describe(path: Path, folder: Path, model: ModelFolder) -> None:
    """Check the file, and write into it what a reader has to know beside the logits."""
    import onnx

    network = onnx.load(path)
    onnx.checker.check_model(network, full_check=True)
    _strip(network.graph)
    names = json.loads((folder / "config.json").read_text(encoding="utf-8"))["id2label"]
    tags = json.dumps([names[str(i)] for i in range(model.n_tags)], ensure_ascii=False)
    onnx.helper.set_model_props(network, {"tags": tags, "whole": str(model.max_tokens), "window": str(model.window)})
    onnx.save(network, path)


def _strip(graph: Any) -> None:
    """Take out what torch notes for its own developers: stack traces, with the paths of this machine's files."""
    for part in (graph, *graph.node, *graph.input, *graph.output, *graph.initializer, *graph.value_info):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")


def _batches(folder: Path, model: ModelFolder, texts: Sequence[str]) -> list[tuple[Any, Any]]:
    """Padded ids and masks of the beginnings of some texts, and of a made-up one at several lengths."""
    tokenizer = TextTokenizer.from_folder(folder)
    chosen = [*spread(texts, CHECKED_TEXTS), *(MADE_UP * n for n in (1, 4, model.max_tokens))]
    encoded = [tokenizer.encode(text).input_ids[: model.max_tokens] for text in chosen]
    filled = [ids for ids in encoded if len(ids)]
    return [batching.pad([filled[i] for i in batch], model) for batch in batching.plan([len(ids) for ids in filled])]


def _difference(network: Any, forward: OnnxForward, batches: Sequence[tuple[Any, Any]]) -> float:
    import torch

    largest = 0.0
    for ids, mask in batches:
        with torch.inference_mode():
            expected = network(torch.from_numpy(ids), torch.from_numpy(mask)).numpy()
        largest = max(largest, float(np.abs(expected - forward(ids, mask))[mask > 0].max()))
    return largest


@contextmanager
def _quiet() -> Iterator[None]:
    """Without torch's warnings of its own internals and of torchvision's absence."""
    noisy = logging.getLogger("torch.onnx")
    level = noisy.level
    noisy.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), quiet_transformers():
            warnings.simplefilter("ignore")
            yield
    finally:
        noisy.setLevel(level)
