from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from backend.engine.cache import ENTRY_BYTES, CachedEngine

TAGS = 2


class Counting:
    """Rows that say what the tokens were; remembers what it was asked."""

    precision, max_tokens, window = "f32", 62, 62

    def __init__(self) -> None:
        self.asked: list[list[int]] = []

    def probabilities(self, sequences: Sequence[NDArray[np.int64]]) -> list[NDArray[np.float32]]:
        self.asked += [sequence.tolist() for sequence in sequences]
        return [np.stack([sequence, -sequence], axis=1).astype(np.float32) for sequence in sequences]


def of(*ids: int) -> NDArray[np.int64]:
    return np.array(ids, dtype=np.int64)


def first_tokens(found: Sequence[NDArray[np.float32]]) -> list[list[float]]:
    return [rows[:, 0].tolist() for rows in found]


@pytest.fixture
def inner() -> Counting:
    return Counting()


def test_identical_sequences_of_one_call_are_computed_once_and_answered_in_order(inner: Counting) -> None:
    found = CachedEngine(inner).probabilities([of(1, 2), of(3), of(1, 2), of(3), of(2, 1)])
    assert inner.asked == [[1, 2], [3], [2, 1]]
    assert first_tokens(found) == [[1, 2], [3], [1, 2], [3], [2, 1]]


def test_what_was_computed_is_not_computed_again(inner: Counting) -> None:
    engine = CachedEngine(inner)
    engine.probabilities([of(1, 2), of(3)])
    assert first_tokens(engine.probabilities([of(4), of(3), of(1, 2)])) == [[4], [3], [1, 2]]
    assert inner.asked == [[1, 2], [3], [4]]


def test_what_was_used_longest_ago_is_dropped_first(inner: Counting) -> None:
    engine = CachedEngine(inner, kept_bytes=2 * (TAGS * 4 + ENTRY_BYTES))
    for ids in (of(1), of(2), of(1), of(3)):
        engine.probabilities([ids])
    engine.probabilities([of(1)])
    assert inner.asked == [[1], [2], [3]], "1 was used after 2"
    engine.probabilities([of(2)])
    assert inner.asked[3:] == [[2]]


def test_a_call_larger_than_the_cache_is_answered_whole(inner: Counting) -> None:
    engine = CachedEngine(inner, kept_bytes=TAGS * 4 + ENTRY_BYTES)
    engine.probabilities([of(5)])
    assert first_tokens(engine.probabilities([of(1), of(5), of(6, 7, 8), of(1)])) == [[1], [5], [6, 7, 8], [1]]


def test_nobody_can_change_what_is_kept(inner: Counting) -> None:
    engine = CachedEngine(inner)
    with pytest.raises(ValueError, match="read-only"):
        engine.probabilities([of(1)])[0][0, 0] = 9


def test_a_text_cut_from_a_longer_array_and_an_empty_one_are_sequences_like_any(inner: Counting) -> None:
    engine, whole = CachedEngine(inner), of(1, 2, 3, 4)
    assert first_tokens(engine.probabilities([whole[::2], whole[1:1], of(1, 3)])) == [[1, 3], [], [1, 3]]
    assert inner.asked == [[1, 3], []]
