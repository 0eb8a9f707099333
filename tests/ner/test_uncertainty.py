import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray

from backend.ner.uncertainty import mean_token_entropy, token_entropy

SHAPES = array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12)


@given(arrays(np.float64, SHAPES, elements=st.floats(allow_nan=True, allow_infinity=True)))
def test_uncertainty_is_between_0_and_1_for_any_numbers(probabilities: NDArray[np.float64]) -> None:
    entropy = token_entropy(probabilities)
    assert entropy.shape == (len(probabilities),)
    assert ((entropy >= 0) & (entropy <= 1)).all()
    assert 0.0 <= mean_token_entropy(probabilities) <= 1.0


@given(st.integers(2, 40), st.integers(0, 39))
def test_one_hot_is_0_and_uniform_is_1(tags: int, hot: int) -> None:
    one_hot = np.eye(tags, dtype=np.float32)[[hot % tags]]
    assert token_entropy(one_hot).tolist() == [0.0]
    assert token_entropy(np.full((1, tags), 1 / tags, dtype=np.float32)) == pytest.approx(1.0)


# Far smaller ones lose digits, or all of them, when the test multiplies them.
SCALABLE = st.just(0.0) | st.floats(1e-300, 1)


@given(arrays(np.float64, SHAPES, elements=SCALABLE), st.floats(0.01, 100))
def test_scaling_a_row_changes_nothing(probabilities: NDArray[np.float64], factor: float) -> None:
    assert token_entropy(probabilities * factor) == pytest.approx(token_entropy(probabilities), abs=1e-6)


def test_the_smallest_of_numbers_is_mass_enough() -> None:
    assert token_entropy(np.array([[0.0, 5e-324]])).tolist() == [0.0]


def test_a_tag_without_probability_changes_only_the_normalisation() -> None:
    half = token_entropy(np.array([[0.5, 0.5, 0.0, 0.0]]))
    assert half == pytest.approx(0.5)


def test_outside_counts_like_any_other_tag() -> None:
    assert token_entropy(np.array([[0.5, 0.5, 0.0]])) == pytest.approx(token_entropy(np.array([[0.0, 0.5, 0.5]])))


def test_a_row_without_mass_is_as_unsure_as_can_be() -> None:
    assert token_entropy(np.array([[0.0, 0.0], [np.nan, np.nan]])).tolist() == [1.0, 1.0]


def test_a_single_tag_leaves_nothing_to_be_unsure_about() -> None:
    assert token_entropy(np.ones((3, 1))).tolist() == [0.0, 0.0, 0.0]


def test_a_report_without_tokens_is_not_uncertain() -> None:
    assert mean_token_entropy(np.zeros((0, 11))) == 0.0
    assert token_entropy(np.zeros((0, 0))).tolist() == []


def test_the_mean_counts_every_token_once() -> None:
    assert mean_token_entropy(np.array([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [0.5, 0.5]])) == pytest.approx(0.25)
