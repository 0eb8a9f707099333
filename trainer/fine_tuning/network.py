"""The encoder with a head for the tags: its depth, its dropout, what it starts from, and low-rank adapters."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from backend.engine.model_folder import TRAINED_TOKENS, most_tokens
from backend.errors import BackendError, BaseModelError, SettingsError
from backend.ner.scheme import LabelScheme
from trainer.recipe import Recipe

HIDDEN_DROPOUTS = ("hidden_dropout_prob", "hidden_dropout", "dropout")
ATTENTION_DROPOUTS = ("attention_probs_dropout_prob", "attention_dropout")
"""By the names that the configurations of different models have."""

WEIGHTS = "model.safetensors"


def open_network(folder: Path, scheme: LabelScheme, recipe: Recipe) -> Any:
    """The encoder in `folder` with a head of random weights, both decided by the seed.

    Sets torch's seed and threads. Of a folder that is the recipe's `start` the rows of the head are taken over whose
    tags it knows. Raises BaseModelError when the weights cannot be loaded, SettingsError when it has too few
    layers or positions.
    """
    import torch
    from transformers import AutoConfig, AutoModelForTokenClassification, set_seed

    torch.set_num_threads(recipe.threads)
    set_seed(recipe.seed)
    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True)
        _configure(config, scheme, recipe)
        network = AutoModelForTokenClassification.from_pretrained(
            folder, config=config, local_files_only=True, dtype=torch.float32, ignore_mismatched_sizes=True
        )
        if recipe.start:
            _take_over_head(network, folder, scheme)
    except BackendError:
        raise
    except Exception as error:  # safetensors and transformers raise what they like
        raise BaseModelError("The base model cannot be loaded", folder, type(error).__name__) from error
    return network


def _configure(config: Any, scheme: LabelScheme, recipe: Recipe) -> None:
    config.id2label = dict(enumerate(scheme.tags))
    config.label2id = {tag: i for i, tag in enumerate(scheme.tags)}
    present = config.to_dict().keys()
    # Attention dropout rules out the fast attention kernel on CPUs: 442 against 658 tokens a second.
    for names, value in ((HIDDEN_DROPOUTS, recipe.hidden_dropout), (ATTENTION_DROPOUTS, 0.0)):
        for name in present & set(names):
            setattr(config, name, value)
    config.classifier_dropout = recipe.head_dropout
    longest = most_tokens(config.to_dict()) + 2
    if recipe.chunk > longest:
        raise SettingsError("The training option chunk is longer than the encoder's", recipe.chunk, f"{longest} fit")
    setattr(config, TRAINED_TOKENS, recipe.chunk)
    if recipe.layers > config.num_hidden_layers:
        hint = f"it has {config.num_hidden_layers}"
        raise SettingsError("The training option layers is more than the encoder has", recipe.layers, hint)
    if recipe.layers:
        config.num_hidden_layers = recipe.layers
        if "layer_types" in present:  # ModernBERT names a kind for each layer
            config.layer_types = config.layer_types[: recipe.layers]


def layers_of(network: Any) -> Any:
    """The list of the encoder's layers, from below; empty where layers share their weights."""
    from torch.nn import ModuleList

    depth = network.config.num_hidden_layers
    lists = (m for m in network.base_model.modules() if isinstance(m, ModuleList) and len(m) == depth)
    return next(lists, ModuleList())


def head_of(network: Any) -> tuple[str, Any]:
    """Name and module of the linear layer that gives the tags."""
    from torch.nn import Linear

    tags = network.config.num_labels
    linear = [(n, m) for n, m in network.named_modules() if isinstance(m, Linear) and m.out_features == tags]
    return linear[-1]


def _take_over_head(network: Any, folder: Path, scheme: LabelScheme) -> None:
    """Rows of tags that `folder` knows from there, the others random, whatever transformers loaded."""
    import torch
    from safetensors import safe_open

    known = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("id2label", {})
    rows = {tag: int(row) for row, tag in known.items()}
    name, head = head_of(network)
    with safe_open(folder / WEIGHTS, "pt") as file:
        if f"{name}.weight" not in file.keys():  # noqa: SIM118 - a safetensors file is no dictionary
            raise BaseModelError("No trained model to start from in", folder, "give a folder that `ecgal train` wrote")
        old = {part: file.get_tensor(f"{name}.{part}") for part in ("weight", "bias")}
    with torch.no_grad():
        head.weight.normal_(0.0, getattr(network.config, "initializer_range", 0.02))
        head.bias.zero_()
        for new, tag in enumerate(scheme.tags):
            if tag in rows:
                head.weight[new], head.bias[new] = old["weight"][rows[tag]], old["bias"][rows[tag]]


class Adapter:
    """Low-rank adapters in every linear layer of the encoder; only they and the head learn."""

    def __init__(self, network: Any, rank: int) -> None:
        """Inject them into the network, which is changed in place."""
        from peft import LoraConfig
        from peft.tuners.lora import LoraModel
        from torch.nn import Linear

        head_name, head = head_of(network)
        targets = [n for n, m in network.named_modules() if isinstance(m, Linear) and n != head_name]
        # Twice the rank is the usual scale; no dropout, because the encoder has some.
        config = LoraConfig(r=rank, lora_alpha=2 * rank, lora_dropout=0.0, target_modules=targets)
        self._tuner = LoraModel(network, config, "default")
        head.requires_grad_(True)

    def merged(self) -> Any:
        """The network as it was made, with the adapters added to its weights."""
        return self._tuner.merge_and_unload()
