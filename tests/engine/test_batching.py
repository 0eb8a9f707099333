from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from backend.engine.batching import TOKEN_BUDGET, pad, plan, run, softmax
from backend.engine.model_folder import ModelFolder, usable_tokens
from backend.errors import ModelError
from backend.ner.alignment import windows

MODEL = ModelFolder(Path("model"), "bert", cls_id=1, sep_id=2, pad_id=0, n_tags=3, max_tokens=510, window=510)

lengths = st.lists(st.integers(1, 512), max_size=60)
sequences = st.lists(
    st.lists(st.integers(3, 99), max_size=40).map(lambda ids: np.array(ids, dtype=np.int64)), max_size=20
)


def by_id(ids: NDArray[np.int64], mask: NDArray[np.int64]) -> NDArray[np.float32]:
    """Logits that depend on a token and its place alone; padding would show, it is the largest of all."""
    place = np.broadcast_to(np.arange(ids.shape[1]), ids.shape)
    return np.stack([ids * 0.1, place * 0.01, np.where(mask, -1, 1e4)], axis=-1).astype(np.float32)


@given(lengths, st.integers(1, 4096))
def test_every_sequence_is_in_one_batch_within_the_budget(lengths: list[int], budget: int) -> None:
    batches = plan(lengths, budget)
    assert sorted(position for batch in batches for position in batch) == list(range(len(lengths)))
    assert all(len(batch) == 1 or sum(lengths[p] for p in batch) <= budget for batch in batches)


@given(lengths)
def test_batches_go_from_short_to_long(lengths: list[int]) -> None:
    ordered = [lengths[position] for batch in plan(lengths) for position in batch]
    assert ordered == sorted(lengths)


@given(lengths)
def test_nothing_is_padded(lengths: list[int]) -> None:
    assert all(len({lengths[position] for position in batch}) == 1 for batch in plan(lengths))


def test_batches_of_a_pool_are_large_all_the_same() -> None:
    reports = np.clip(np.random.default_rng(0).lognormal(np.log(105), 0.5, 4000), 40, 400).astype(int).tolist()
    lengths = [end - start + 2 for report in reports for start, end in windows(report, 126, 31)]
    assert sum(lengths) / len(plan(lengths)) > TOKEN_BUDGET * 0.8


@given(sequences)
def test_as_many_results_as_sequences_in_their_order_and_without_padding(sequences: list[NDArray[np.int64]]) -> None:
    together = run(sequences, MODEL, by_id)
    alone = [run([sequence], MODEL, by_id)[0] for sequence in sequences]
    assert [result.shape for result in together] == [(len(sequence), 3) for sequence in sequences]
    for left, right in zip(together, alone, strict=True):
        np.testing.assert_array_equal(left, right)
        assert left.dtype == np.float32


@given(st.lists(st.lists(st.floats(-1e4, 1e4, width=32), min_size=3, max_size=3), min_size=1))
def test_rows_of_probabilities_sum_to_one(logits: list[list[float]]) -> None:
    probabilities = softmax(np.array(logits, dtype=np.float32))
    np.testing.assert_allclose(probabilities.sum(axis=-1), 1, atol=1e-6)
    assert (probabilities >= 0).all()


def test_special_tokens_frame_each_sequence() -> None:
    ids, mask = pad([np.array([7]), np.array([8, 9])], MODEL)
    assert ids.tolist() == [[1, 7, 2, 0], [1, 8, 9, 2]]
    assert mask.tolist() == [[1, 1, 1, 0], [1, 1, 1, 1]]


def test_a_sequence_over_the_window_is_refused() -> None:
    with pytest.raises(ModelError, match="511 tokens, 510 fit"):
        run([np.full(511, 5)], MODEL, by_id)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_no_number_is_an_error(value: float) -> None:
    with pytest.raises(ModelError, match="not numbers: model"):
        run([np.array([5])], MODEL, lambda ids, mask: np.full((*ids.shape, 3), value, dtype=np.float32))


@pytest.mark.parametrize(
    ("config", "tokens"),
    [
        ({"model_type": "bert", "max_position_embeddings": 512}, (510, 510)),
        ({"model_type": "bert", "max_position_embeddings": 64}, (62, 62)),
        ({"model_type": "xlm-roberta", "max_position_embeddings": 514, "pad_token_id": 1}, (510, 510)),
        ({"model_type": "roberta", "max_position_embeddings": 130, "pad_token_id": 1}, (126, 126)),
        ({"model_type": "modernbert", "max_position_embeddings": 8192}, (510, 510)),
        ({"model_type": "roformer"}, (510, 510)),
        ({"model_type": "bert", "max_position_embeddings": 512, "trained_tokens": 128}, (189, 126)),
        ({"model_type": "bert", "max_position_embeddings": 160, "trained_tokens": 128}, (158, 126)),
        ({"model_type": "bert", "max_position_embeddings": 64, "trained_tokens": 128}, (62, 62)),
    ],
)
def test_lengths_follow_the_configuration(config: dict[str, object], tokens: tuple[int, int]) -> None:
    assert usable_tokens(config) == tokens
