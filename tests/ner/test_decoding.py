from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from backend.ner.decoding import _search, viterbi
from backend.ner.scheme import LabelScheme

SCHEME = LabelScheme(("HR", "TIME"))
TAGS = len(SCHEME.tags)


def is_legal(tags: NDArray[np.int64], scheme: LabelScheme) -> bool:
    return bool(scheme.allowed_first[tags[:1]].all() and scheme.allowed[tags[:-1], tags[1:]].all())


def rows(width: int, elements: st.SearchStrategy[float], max_size: int) -> st.SearchStrategy[NDArray[np.float64]]:
    return st.integers(1, max_size).flatmap(lambda n: arrays(np.float64, (n, width), elements=elements))


@given(rows(TAGS, st.floats(-50, 0), 5))
def test_the_best_legal_sequence_is_found(log_probabilities: NDArray[np.float64]) -> None:
    n = len(log_probabilities)
    legal = [t for t in product(range(TAGS), repeat=n) if is_legal(np.array(t), SCHEME)]
    best = max(log_probabilities[np.arange(n), list(tags)].sum() for tags in legal)
    tags = viterbi(log_probabilities, SCHEME)
    assert is_legal(tags, SCHEME)
    assert log_probabilities[np.arange(n), tags].sum() == pytest.approx(best)


@given(rows(TAGS, st.integers(-3, 0).map(float), 20))
def test_it_is_what_a_search_of_the_whole_sequence_gives_also_where_sequences_are_equally_good(
    log_probabilities: NDArray[np.float64],
) -> None:
    assert viterbi(log_probabilities, SCHEME).tolist() == _search(log_probabilities, SCHEME).tolist()


@given(rows(TAGS, st.floats(allow_nan=True, allow_infinity=True), 20))
def test_any_numbers_decode_to_a_legal_sequence(log_probabilities: NDArray[np.float64]) -> None:
    tags = viterbi(log_probabilities, SCHEME)
    assert len(tags) == len(log_probabilities)
    assert is_legal(tags, SCHEME)


@given(st.lists(st.integers(0, 100), min_size=1, max_size=30))
def test_a_legal_sequence_without_doubt_is_kept(choices: list[int]) -> None:
    tags: list[int] = []
    for choice in choices:
        legal = np.flatnonzero(SCHEME.allowed[tags[-1]] if tags else SCHEME.allowed_first)
        tags.append(int(legal[choice % len(legal)]))
    with np.errstate(divide="ignore"):
        log_one_hot = np.log(np.eye(TAGS)[tags])
    assert viterbi(log_one_hot, SCHEME).tolist() == tags


def test_no_tokens_give_no_tags() -> None:
    assert viterbi(np.zeros((0, TAGS)), SCHEME).tolist() == []
    assert viterbi(np.zeros((0, 0)), SCHEME).dtype == np.int64


def test_equally_good_sequences_give_the_lowest_tags() -> None:
    assert viterbi(np.zeros((5, TAGS)), SCHEME).tolist() == [0, 0, 0, 0, 0]


def test_a_scheme_without_labels_gives_only_outside() -> None:
    assert viterbi(np.zeros((3, 1)), LabelScheme(())).tolist() == [0, 0, 0]


def test_two_thousand_sure_tokens_of_eleven_tags_decode() -> None:
    scheme = LabelScheme(("HR", "VALUE", "TIME", "EVENT", "DIAG"))
    log_probabilities = np.log(np.random.default_rng(0).dirichlet(np.ones(11), 2000)).astype(np.float32)
    assert is_legal(viterbi(log_probabilities, scheme), scheme)
