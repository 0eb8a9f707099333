"""Trained networks with fewer layers, or with narrower feed-forward blocks. Neither learns anything anew.

Attention heads are not pruned: transformers 5 has no support for layers of different numbers of heads any more.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.engine.model_folder import ModelFolder
from backend.engine.tokenizer import TextTokenizer
from backend.engine.torch import quiet_transformers
from backend.errors import ModelError
from backend.ner.scheme import LabelScheme
from trainer import chunks
from trainer.chunks import AnnotatedText, Row
from trainer.export.sample import spread
from trainer.fine_tuning.network import layers_of

logger = logging.getLogger(__name__)

MEASURED_REPORTS = 64
"""Reports whose gradients decide which neurons go, spread evenly over what is given."""
BATCH = 8
MULTIPLE = 8
"""Widths are kept to multiples of this, which the kernels of all engines compute without a remainder."""


def first_layers(folder: Path, layers: int) -> Any:
    """The model of a folder with its lowest layers only; raises ModelError, also when it has fewer."""
    import torch
    from transformers import AutoConfig, AutoModelForTokenClassification

    try:
        with quiet_transformers():
            config = AutoConfig.from_pretrained(folder, local_files_only=True)
            depth, config.num_hidden_layers = config.num_hidden_layers, min(layers, config.num_hidden_layers)
            network = AutoModelForTokenClassification.from_pretrained(
                folder, config=config, local_files_only=True, dtype=torch.float32
            )
    except Exception as error:  # safetensors and transformers raise what they like
        raise ModelError("torch cannot load the model", folder, f"{type(error).__name__}: train it again") from error
    if layers > depth:
        raise ModelError(f"The model has {depth} layers, fewer than were to be kept", layers, "give a smaller number")
    return network.eval()


def prune(network: Any, folder: Path, share: float, reports: Sequence[AnnotatedText], scheme: LabelScheme) -> None:
    """Take the least important `share` (0..1) of the neurons out of every feed-forward block, in place.

    A neuron matters as |activation x gradient| of the loss says, summed over the tokens of up to 64 reports.
    `folder` has the tokenizer. Raises ModelError without any report, or for a network that is built otherwise.
    """
    blocks = [_block(layer, network) for layer in layers_of(network)]
    width = network.config.intermediate_size
    kept = max(MULTIPLE, round(width * (1 - share) / MULTIPLE) * MULTIPLE)
    for (up, down), matters in zip(blocks, _importance(network, blocks, folder, reports, scheme), strict=True):
        _narrow(up, down, np.sort(np.argsort(-matters, kind="stable")[:kept]))
    network.config.intermediate_size = kept
    logger.info("Pruned the feed-forward blocks of %s from %s to %s neurons", folder, width, kept)


def _block(layer: Any, network: Any) -> tuple[Any, Any]:
    """The two linear layers of a feed-forward block: into the neurons and out of them."""
    from torch.nn import Linear

    width = getattr(network.config, "intermediate_size", 0)
    linear = [module for module in layer.modules() if isinstance(module, Linear)]
    up, down = [m for m in linear if m.out_features == width], [m for m in linear if m.in_features == width]
    if len(up) != 1 or len(down) != 1:
        kind = type(network).__name__
        raise ModelError("Only layers with one plain feed-forward block can be pruned", kind, "leave --prune out")
    return up[0], down[0]


def _importance(
    network: Any, blocks: Sequence[tuple[Any, Any]], folder: Path, reports: Sequence[AnnotatedText], scheme: LabelScheme
) -> list[NDArray[np.float64]]:
    """For each block a figure for each neuron."""
    model, tokenizer = ModelFolder.read(folder), TextTokenizer.from_folder(folder)
    rows = chunks.cut(chunks.rows(spread(reports, MEASURED_REPORTS), tokenizer, scheme), model.window)
    if not blocks or not rows:
        raise ModelError("Pruning needs annotated reports and an encoder of layers", folder, "give reports with --data")
    totals = [np.zeros(up.out_features) for up, _ in blocks]
    with _activations([down for _, down in blocks]) as activations:
        for start in range(0, len(rows), BATCH):
            _loss(network, rows[start : start + BATCH], tokenizer).backward()
            for total, value in zip(totals, activations, strict=True):
                total += (value.detach() * value.grad).abs().sum((0, 1)).double().cpu().numpy()
            network.zero_grad()
    return totals


def _loss(network: Any, rows: Sequence[Row], tokenizer: TextTokenizer) -> Any:
    import torch

    batch = {name: torch.from_numpy(array) for name, array in chunks.padded(rows, tokenizer)}
    logits = network(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
    labels = batch["labels"].flatten()
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels, ignore_index=chunks.IGNORED, reduction="sum")


@contextmanager
def _activations(downs: Sequence[Any]) -> Iterator[list[Any]]:
    """A list that holds, after each pass, what went into these layers, with its gradient after `backward`."""
    kept: list[Any] = [None] * len(downs)

    def watch(place: int) -> Any:
        def keep(_module: Any, inputs: tuple[Any, ...]) -> None:
            inputs[0].retain_grad()
            kept[place] = inputs[0]

        return keep

    hooks = [down.register_forward_pre_hook(watch(place)) for place, down in enumerate(downs)]
    try:
        yield kept
    finally:
        for hook in hooks:
            hook.remove()


def _narrow(up: Any, down: Any, kept: NDArray[np.int64]) -> None:
    """Keep these neurons between the two layers."""
    import torch
    from torch.nn import Parameter

    index = torch.from_numpy(kept)
    up.weight, down.weight = (
        Parameter(up.weight.detach()[index]),
        Parameter(down.weight.detach()[:, index].contiguous()),
    )
    up.bias = None if up.bias is None else Parameter(up.bias.detach()[index])
    up.out_features = down.in_features = len(kept)
