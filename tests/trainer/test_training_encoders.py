"""Kinds of encoders beside BERT: each names its parts in its own way."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from backend.engine.torch import quiet_transformers
from backend.ner.scheme import LabelScheme
from trainer.chunks import IGNORED
from trainer.fine_tuning.guessing import guesser
from trainer.fine_tuning.network import Adapter, open_network
from trainer.fine_tuning.optimizer import parameter_groups
from trainer.recipe import Recipe

SCHEME = LabelScheme(("HR", "DIAG"))
RECIPE = Recipe(steps=1, seed=0, threads=1, minutes=1, chunk=32, layers=3, layer_decay=0.5, encoder_rate=1.0)
SIZES = {
    "vocab_size": 50,
    "hidden_size": 32,
    "num_hidden_layers": 4,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": 70,
}
SPECIAL = dict.fromkeys(("pad_token_id", "bos_token_id", "eos_token_id", "cls_token_id", "sep_token_id"), 0)
KINDS: dict[str, dict[str, Any]] = {
    "Bert": {},
    "XLMRoberta": {},
    "Electra": {"embedding_size": 16},
    "DebertaV2": {},
    "Ernie": {},
    "MPNet": {},
    "ModernBert": SPECIAL,
    "DistilBert": {"dim": 32, "n_layers": 4, "n_heads": 2, "hidden_dim": 64},
}
IDS = torch.arange(3, 23).reshape(2, 10)
MASK = torch.ones_like(IDS)


def config(kind: str) -> Any:
    return getattr(transformers, f"{kind}Config")(**SIZES | KINDS[kind])


@pytest.fixture(params=KINDS)
def base(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    torch.manual_seed(0)
    with quiet_transformers():
        transformers.AutoModel.from_config(config(request.param)).save_pretrained(tmp_path / request.param)
    return tmp_path / request.param


def test_depth_and_rates_follow_the_layers(base: Path) -> None:
    network = open_network(base, SCHEME, RECIPE)
    assert network(input_ids=IDS, attention_mask=MASK).logits.shape == (2, 10, 5)
    groups = parameter_groups(network, RECIPE)
    assert sum(len(group["params"]) for group in groups) == len(list(network.parameters()))
    assert {group["lr"] for group in groups} == {0.125, 0.25, 0.5, 1.0, RECIPE.head_rate}


def test_adapters_go_and_a_warm_start_finds_the_head(base: Path, tmp_path: Path) -> None:
    network = open_network(base, SCHEME, RECIPE)
    keys = network.state_dict().keys()
    merged = Adapter(network, 2).merged()
    assert merged.state_dict().keys() == keys
    with quiet_transformers():
        merged.save_pretrained(tmp_path / "model")
    fewer = LabelScheme(("DIAG",))
    again = open_network(tmp_path / "model", fewer, replace(RECIPE, start=tmp_path / "model"))
    assert torch.equal(again.classifier.weight, merged.classifier.weight[[0, 3, 4]])


def test_masked_tokens_can_be_guessed(base: Path) -> None:
    labels = torch.where(torch.arange(10) % 3 == 0, IDS, IGNORED)
    with quiet_transformers():
        network = guesser(base)
    loss = network(IDS, MASK, labels)["loss"]
    loss.backward()
    assert 3 < float(loss.detach()) < 5  # ln 50 = 3.9
    assert all(
        weight.grad is not None for name, weight in network.encoder.named_parameters() if "layer" in name.lower()
    )
