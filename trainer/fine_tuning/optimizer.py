"""Which weights learn, and how fast."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from trainer.fine_tuning.network import layers_of
from trainer.recipe import Recipe


def optimizer_and_schedule(network: Any, recipe: Recipe, steps: int) -> tuple[Any, Any]:
    """AdamW and its schedule."""
    import torch

    optimizer = torch.optim.AdamW(parameter_groups(network, recipe), betas=recipe.betas, fused=True)
    return optimizer, rising_and_falling(optimizer, recipe.warmup_share, steps)


def rising_and_falling(optimizer: Any, warmup_share: float, steps: int) -> Any:
    """Rates that rise linearly in a share of the steps and then fall to 0."""
    import transformers

    linear: Any = transformers.get_linear_schedule_with_warmup
    return linear(optimizer, math.ceil(warmup_share * steps), steps)


def parameter_groups(network: Any, recipe: Recipe) -> list[dict[str, Any]]:
    """The weights that learn, with `lr` and `weight_decay`, from the embeddings up to the head.

    With k layers the i-th from below, from 1 on, has the encoder's rate times `layer_decay` ** (k - i), the
    embeddings, as layer 0, still less. Biases and layer norms, which have one dimension, do not decay.
    """
    groups = []
    for rate, members in _by_rate(network, recipe):
        for matrices in (True, False):
            chosen = [weight for weight in members if (weight.ndim > 1) is matrices]
            decay = recipe.weight_decay if matrices else 0.0
            groups += [{"params": chosen, "lr": rate, "weight_decay": decay}] if chosen else []
    return groups


def _by_rate(network: Any, recipe: Recipe) -> Iterator[tuple[float, list[Any]]]:
    layers = layers_of(network)
    level = {weight: i for i, layer in enumerate(layers, start=1) for weight in layer.parameters()}
    encoder = {
        weight: level.get(weight, 0 if "embeddings" in name else len(layers))
        for name, weight in network.base_model.named_parameters()
    }
    learning = [weight for weight in network.parameters() if weight.requires_grad]
    peak = recipe.encoder_rate_for(network.config.hidden_size)
    for i in range(len(layers) + 1):
        rate = peak * recipe.layer_decay ** (len(layers) - i)
        yield rate, [weight for weight in learning if encoder.get(weight) == i]
    yield recipe.head_rate, [weight for weight in learning if weight not in encoder]
