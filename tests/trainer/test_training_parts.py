"""Loss, learning rates and the choice of weights, against formulas worked out here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from backend.ner.scheme import LabelScheme
from trainer.chunks import IGNORED, Row
from trainer.fine_tuning.loss import TokenLoss, inverse_sqrt_weights
from trainer.fine_tuning.network import Adapter, open_network
from trainer.fine_tuning.optimizer import optimizer_and_schedule, parameter_groups
from trainer.fine_tuning.selection import Selection, copied
from trainer.recipe import Recipe

SCHEME = LabelScheme(("HR", "DIAG"))
RECIPE = Recipe(steps=20, seed=1, threads=1, minutes=1)
NONE = np.zeros(0, dtype=np.float32)

LOGITS = torch.tensor(
    [[[2.0, 0.0, -1.0], [0.0, 1.0, 0.0], [9.0, 9.0, 9.0]], [[0.0, 0.0, 3.0], [1.0, 1.0, 1.0], [0, 0, 0]]]
)
TAGS = torch.tensor([[0, 2, IGNORED], [2, 1, IGNORED]])
ONES = torch.ones(2)
REAL = [(0, 0, 0), (0, 1, 2), (1, 0, 2), (1, 1, 1)]
"""Row, position and tag of the tokens that count."""


def probabilities(row: int, position: int) -> np.ndarray[Any, Any]:
    exponentials = np.exp(LOGITS[row, position].numpy().astype(np.float64))
    return exponentials / exponentials.sum()


def mean(costs: Iterable[float]) -> float:
    return float(np.mean(list(costs)))


# ---- loss


def test_the_plain_loss_is_the_mean_cross_entropy_of_the_tokens_that_count() -> None:
    expected = mean(-np.log(probabilities(row, i)[tag]) for row, i, tag in REAL)
    assert float(TokenLoss(0.0, 0.0, NONE)(LOGITS, TAGS, ONES)) == pytest.approx(expected)


def test_label_smoothing_spreads_a_share_of_the_probability_over_all_tags() -> None:
    def cost(row: int, i: int, tag: int) -> float:
        logs = np.log(probabilities(row, i))
        target = np.full(3, 0.3 / 3)
        target[tag] += 0.7
        return -float(target @ logs)

    loss = TokenLoss(0.3, 0.0, NONE)
    assert float(loss(LOGITS, TAGS, ONES)) == pytest.approx(mean(cost(*token) for token in REAL))


def test_focal_loss_plays_down_tokens_that_are_right_already() -> None:
    def cost(row: int, i: int, tag: int) -> float:
        p = probabilities(row, i)[tag]
        return -float((1 - p) ** 2 * np.log(p))

    loss = TokenLoss(0.0, 2.0, NONE)
    assert float(loss(LOGITS, TAGS, ONES)) == pytest.approx(mean(cost(*token) for token in REAL))


def test_tag_weights_scale_the_gradient_of_their_tags() -> None:
    logits = LOGITS.clone().requires_grad_()
    weights = np.array([0.5, 1.0, 4.0], dtype=np.float32)
    TokenLoss(0.0, 0.0, weights)(logits, TAGS, ONES).backward()
    assert logits.grad is not None
    for row, i, tag in REAL:
        expected = weights[tag] * (probabilities(row, i) - np.eye(3)[tag]) / len(REAL)
        np.testing.assert_allclose(logits.grad[row, i], expected, atol=1e-6)
    assert not logits.grad[:, 2].any()


def test_the_weight_of_a_report_multiplies_the_cost_of_its_tokens() -> None:
    loss = TokenLoss(0.0, 0.0, NONE)
    first, second = (float(loss(LOGITS[i : i + 1], TAGS[i : i + 1], torch.ones(1))) for i in (0, 1))
    assert float(loss(LOGITS, TAGS, torch.tensor([3.0, 0.5]))) == pytest.approx((2 * 3 * first + 2 * 0.5 * second) / 4)


def test_the_batches_of_a_step_add_up_to_one_large_batch() -> None:
    loss = TokenLoss(0.1, 1.0, NONE)
    whole = loss(LOGITS, TAGS, ONES)
    parts = [loss(LOGITS[i : i + 1], TAGS[i : i + 1], torch.ones(1), torch.tensor(4)) for i in (0, 1)]
    assert float(sum(parts)) == pytest.approx(float(whole))


def test_rare_tags_weigh_more_and_the_average_token_weighs_one() -> None:
    tags = np.array([0] * 90 + [1] * 10)
    rows = [Row(tags, tags), Row(tags[:0], tags[:0])]
    weights = inverse_sqrt_weights(rows, 4)
    assert weights[1] / weights[0] == pytest.approx(3)
    assert weights[tags].mean() == pytest.approx(1)
    assert weights[2:].tolist() == [1, 1]
    assert TokenLoss.of(replace(RECIPE, class_weights="inverse-sqrt"), rows, 4).tag_weights.tolist() == weights.tolist()
    assert not len(TokenLoss.of(RECIPE, rows, 4).tag_weights)


# ---- learning rates


def rates(network: Any, recipe: Recipe) -> dict[str, tuple[float, float]]:
    """Rate and decay of every weight by name, each in one group only."""
    names = {weight: name for name, weight in network.named_parameters()}
    found = [(names[w], (g["lr"], g["weight_decay"])) for g in parameter_groups(network, recipe) for w in g["params"]]
    assert len(found) == len(dict(found))
    return dict(found)


def test_each_layer_further_down_learns_more_slowly(tiny_base: Path) -> None:
    recipe = replace(RECIPE, layer_decay=0.5, encoder_rate=1.0, head_rate=3.0)
    network = open_network(tiny_base, SCHEME, recipe)
    found = rates(network, recipe)
    assert found.keys() == dict(network.named_parameters()).keys()
    expected = {"embeddings": 0.25, "layer.0": 0.5, "layer.1": 1.0, "classifier": 3.0}
    for name, (rate, _) in found.items():
        assert rate == next(r for part, r in expected.items() if part in name), name


def test_only_the_head_differs_without_layer_decay_and_only_matrices_decay(tiny_base: Path) -> None:
    network = open_network(tiny_base, SCHEME, RECIPE)
    for name, (rate, decay) in rates(network, RECIPE).items():
        assert rate == (1e-3 if "classifier" in name else 5e-4), name
        assert decay == (0.0 if "bias" in name or "LayerNorm" in name else 0.01), name


def test_the_rate_rises_in_the_first_steps_and_falls_to_nothing(tiny_base: Path) -> None:
    network = open_network(tiny_base, SCHEME, RECIPE)
    optimizer, schedule = optimizer_and_schedule(network, RECIPE, 20)
    seen = []
    for _ in range(20):
        seen.append(optimizer.param_groups[-1]["lr"])
        optimizer.step()
        schedule.step()
    assert seen[:3] == pytest.approx([0, 5e-4, 1e-3])
    assert seen[2:] == pytest.approx(np.linspace(1e-3, 0, 19)[:-1])
    assert optimizer.param_groups[-1]["lr"] == 0


def test_with_adapters_nothing_else_but_the_head_learns(tiny_base: Path) -> None:
    recipe = replace(RECIPE, lora_rank=2, layer_decay=0.5, encoder_rate=1.0)
    network = open_network(tiny_base, SCHEME, recipe)
    Adapter(network, recipe.lora_rank)
    found = rates(network, recipe)
    assert all("lora_" in name or name.startswith("classifier.") for name in found)
    assert {rate for name, (rate, _) in found.items() if "layer.0" in name} == {0.5}
    assert sum("lora_A" in name for name in found) == 2 * 6  # six matrices in each of two layers


# ---- which weights are kept


class Scored:
    """Stands in for Trainer: a network, and scores it gives to it."""

    def __init__(self, network: Any, f1: float) -> None:
        self.model = network
        self.f1 = f1

    def evaluate(self) -> dict[str, float]:
        return {"eval_f1": self.f1}


def network(value: float) -> Any:
    layer = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.constant_(layer.weight, value)
    return layer


def seen(selection: Selection, *scores: float) -> list[bool]:
    """Evaluations of networks whose weight is the number of the evaluation."""
    return [selection.score(step, f1, network(step)) for step, f1 in enumerate(scores, 1)]


def test_the_best_is_kept_and_of_equals_the_later() -> None:
    selection = Selection(True, 1, 0, 0)
    assert seen(selection, 0.5, 0.8, 0.8, 0.6) == [False] * 4
    trainer = Scored(network(4), 0.6)
    assert selection.settle(trainer) == 0.8
    assert trainer.model.weight.item() == 3


def test_patience_ends_after_so_many_evaluations_without_a_better_one() -> None:
    assert seen(Selection(True, 1, 2, 0), 0.5, 0.8, 0.8, 0.6) == [False, False, False, True]
    assert seen(Selection(True, 1, 2, 0), 0.5, 0.4, 0.6, 0.5, 0.7) == [False] * 5
    assert seen(Selection(True, 1, 1, 0), 0.5, 0.5) == [False, True]


@pytest.mark.parametrize(("f1", "weight"), [(0.7, 4.0), (0.6, 4.0), (0.5, 3.0)])
def test_the_average_of_the_last_is_kept_unless_the_best_is_better(f1: float, weight: float) -> None:
    selection = Selection(True, 1, 0, 2)
    for step in (1, 3, 5):
        selection.snapshot(network(step))
    selection.score(3, 0.6, network(3))
    trainer = Scored(network(9), f1)
    assert selection.settle(trainer) == max(f1, 0.6)
    assert trainer.model.weight.item() == weight


def test_without_validation_reports_the_average_is_kept() -> None:
    selection = Selection(False, 1, 0, 5)
    for step in (1, 2):
        selection.snapshot(network(step))
    trainer = Scored(network(9), 0.0)
    assert selection.settle(trainer) is None
    assert trainer.model.weight.item() == 1.5


def test_a_copy_of_the_weights_does_not_change_with_them() -> None:
    layer = network(1)
    kept = copied(layer)
    torch.nn.init.constant_(layer.weight, 2)
    assert kept["weight"].item() == 1
    layer.requires_grad_(False)
    assert not copied(layer)
