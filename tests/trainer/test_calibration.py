from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from backend.engine.batching import softmax
from trainer.calibration import (
    HIGHEST,
    MIN_TOKENS,
    TokenProbabilities,
    calibrate,
    calibration_error,
    fit,
    half_of,
)

TOKENS = 40


def network(sharper: float, reports: int = 60, tags: int = 5, first: int = 0) -> list[TokenProbabilities]:
    """Reports of TOKENS tokens: gold tags drawn from honest probabilities, whose logits were then multiplied."""
    random = np.random.default_rng(first)

    def report(task: int) -> TokenProbabilities:
        logits = random.normal(scale=2.0, size=(TOKENS, tags)).astype(np.float32)
        gold = [random.choice(tags, p=p / p.sum()) for p in softmax(logits).astype(np.float64)]
        return TokenProbabilities(task, softmax(logits * np.float32(sharper)), np.array(gold))

    return [report(first + i) for i in range(reports)]


def tokens(top: float, right: int, of: int) -> TokenProbabilities:
    """`of` tokens whose best tag has probability `top`; it is the gold tag of `right` of them."""
    probabilities = np.tile(np.array([top, 1 - top], dtype=np.float32), (of, 1))
    gold: NDArray[np.int64] = (np.arange(of) >= right).astype(np.int64)
    return TokenProbabilities(1, probabilities, gold)


@pytest.mark.parametrize("sharper", [0.5, 1.0, 2.0, 4.0])
def test_the_temperature_undoes_what_was_multiplied(sharper: float) -> None:
    assert fit(network(sharper)) == pytest.approx(sharper, rel=0.08)


def test_an_overconfident_network_becomes_honest_on_reports_it_was_not_fitted_on() -> None:
    result = calibrate(network(3.0))
    assert result.method == "out of sample"
    assert result.tokens == 60 * TOKENS
    assert result.ece_before is not None
    assert result.ece_after is not None
    assert result.ece_before > 0.15
    assert result.ece_after < result.ece_before / 4


def test_the_error_after_is_measured_on_the_other_half() -> None:
    # One half is overconfident and the other underconfident: the temperature of each makes the other one worse.
    mixed = [
        replace(r, probabilities=softmax(np.log(r.probabilities) * np.float32((3.0, 0.4)[half_of(r.task_id)])))
        for r in network(1.0, reports=80)
    ]
    result = calibrate(mixed)
    assert result.method == "out of sample"
    assert result.ece_after is not None
    assert result.ece_before is not None
    assert result.ece_after > result.ece_before


def test_too_few_tokens_leave_the_network_as_it_is_and_say_why() -> None:
    result = calibrate(network(3.0, reports=MIN_TOKENS // TOKENS))
    assert (result.temperature, result.ece_before, result.method) == (1.0, None, "none")
    assert f"only {MIN_TOKENS // TOKENS * TOKENS} tokens" in result.note
    assert calibrate([]).temperature == 1.0


def test_one_long_report_can_only_be_measured_in_sample_and_that_is_said() -> None:
    parts = network(3.0, reports=20)
    one = TokenProbabilities(
        1, np.concatenate([r.probabilities for r in parts]), np.concatenate([r.tags for r in parts])
    )
    result = calibrate([one])
    assert result.temperature > 2
    assert result.method == "in sample"
    assert "too few tokens" in result.note


def test_networks_of_a_cross_validation_may_know_different_labels() -> None:
    mixed = [*network(2.0, reports=30), *network(2.0, reports=30, tags=3, first=100)]
    assert fit(mixed) == pytest.approx(2.0, rel=0.1)


def test_a_network_that_is_always_wrong_stays_within_bounds() -> None:
    wrong = TokenProbabilities(1, np.tile(np.array([1.0, 0.0], dtype=np.float32), (600, 1)), np.ones(600, dtype=int))
    assert fit([wrong]) == pytest.approx(HIGHEST, rel=1e-3)


@pytest.mark.parametrize(("top", "right", "error"), [(0.9, 5, 0.4), (0.9, 9, 0.0), (0.6, 10, 0.4), (1.0, 0, 1.0)])
def test_the_error_is_the_gap_between_probability_and_truth(top: float, right: int, error: float) -> None:
    assert calibration_error([([tokens(top, right, of=10)], 1.0)]) == pytest.approx(error, abs=1e-6)


def test_bins_are_weighted_by_their_tokens() -> None:
    parts = [tokens(0.9, 5, of=10), tokens(0.6, 18, of=30)]
    assert calibration_error([(parts, 1.0)]) == pytest.approx(0.4 * 10 / 40, abs=1e-6)


def test_opposite_gaps_in_different_bins_do_not_cancel_and_in_one_bin_they_do() -> None:
    apart = [tokens(0.9, 8, of=10), tokens(0.6, 7, of=10)]
    assert calibration_error([(apart, 1.0)]) == pytest.approx(0.1, abs=1e-6)
    together = [tokens(0.90, 8, of=10), tokens(0.90, 10, of=10)]
    assert calibration_error([(together, 1.0)]) == pytest.approx(0.0, abs=1e-6)


def test_no_token_has_no_error() -> None:
    empty = TokenProbabilities(1, np.zeros((0, 5), dtype=np.float32), np.zeros(0, dtype=np.int64))
    assert calibration_error([([empty], 2.0)]) == 0.0
