"""The recursions agree with every legal sequence written out, for any mixture of lengths."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from backend.ner.scheme import LabelScheme
from backend.tagging.crf import Floats, Packing, best_sequences, marginals

LENGTHS = st.lists(st.integers(0, 4), max_size=5).map(tuple)


@dataclass(frozen=True)
class Texts:
    """Random scores [tokens, tags] of the tokens of texts, one text after the other."""

    scheme: LabelScheme
    lengths: tuple[int, ...]
    scores: Floats
    transitions: Floats

    @classmethod
    def random(cls, labels: int, lengths: tuple[int, ...], seed: int, scale: float) -> Texts:
        scheme, draw = LabelScheme(tuple("ABC"[:labels])), np.random.default_rng(seed)
        tags = len(scheme.tags)
        scores = draw.normal(scale=scale, size=(sum(lengths), tags))
        return cls(scheme, lengths, scores, draw.normal(scale=scale, size=(tags, tags)))

    @property
    def ranges(self) -> list[tuple[int, int]]:
        return list(pairwise(np.cumsum([0, *self.lengths]).tolist()))

    def alone(self, start: int, end: int) -> Texts:
        return Texts(self.scheme, (end - start,), self.scores[start:end], self.transitions)

    def score(self, start: int, tags: tuple[int, ...]) -> float:
        """The score of one sequence; of a forbidden one minus infinity."""
        legal = all(self.scheme.allowed[pair] for pair in pairwise(tags))
        if not legal or not all(self.scheme.allowed_first[tag] for tag in tags[:1]):
            return -np.inf
        here = sum(float(self.scores[start + place, tag]) for place, tag in enumerate(tags))
        return here + sum(float(self.transitions[pair]) for pair in pairwise(tags))

    def sequences(self, start: int, end: int) -> list[tuple[tuple[int, ...], float]]:
        """The legal sequences of a text with their scores."""
        written = product(range(len(self.scheme.tags)), repeat=end - start)
        scored = [(tags, self.score(start, tags)) for tags in written]
        return [(tags, score) for tags, score in scored if score > -np.inf]

    def probabilities(self) -> tuple[Floats, Floats]:
        """Of the tags and the logarithm of the normaliser, text after text, by the recursions."""
        packing = Packing(self.lengths)
        found = marginals(self.scores[packing.rows], self.transitions, self.scheme, packing)
        norms = packing.unpack(found.log_norm)
        return packing.unpack(found.tags), np.array([norms[start:end].sum() for start, end in self.ranges])

    def best(self) -> list[int]:
        packing = Packing(self.lengths)
        tags = best_sequences(self.scores[packing.rows], self.transitions, self.scheme, packing)
        return list(packing.unpack(tags).tolist())


TEXTS = st.builds(
    Texts.random, st.integers(0, 2), LENGTHS, st.integers(0, 2**32 - 1), st.sampled_from([0.5, 3.0, 20.0])
)
NONE, EMPTY = Texts.random(1, (), 0, 1.0), Texts.random(2, (0, 0), 0, 1.0)
ONE_TAG, RAGGED = Texts.random(0, (2, 0, 3), 0, 1.0), Texts.random(2, (1, 4, 0, 2, 4), 0, 1.0)


@settings(deadline=None, max_examples=60)
@given(TEXTS)
@example(NONE)
@example(EMPTY)
@example(ONE_TAG)
@example(RAGGED)
def test_marginals_and_normaliser_are_those_of_all_legal_sequences(texts: Texts) -> None:
    found, norms = texts.probabilities()
    for (start, end), norm in zip(texts.ranges, norms, strict=True):
        sequences = texts.sequences(start, end)
        total = float(np.logaddexp.reduce([score for _, score in sequences]))
        assert norm == pytest.approx(total, abs=1e-9)
        expected = np.zeros((end - start, len(texts.scheme.tags)))
        for tags, score in sequences:
            expected[np.arange(end - start), list(tags)] += np.exp(score - total)
        np.testing.assert_allclose(found[start:end], expected, atol=1e-9)


@settings(deadline=None, max_examples=60)
@given(TEXTS)
@example(RAGGED)
def test_the_two_sides_of_pairs_give_how_often_each_pair_is_expected(texts: Texts) -> None:
    packing, tags = Packing(texts.lengths), len(texts.scheme.tags)
    found = marginals(texts.scores[packing.rows], texts.transitions, texts.scheme, packing)
    expected = np.zeros((tags, tags))
    for start, end in texts.ranges:
        sequences = texts.sequences(start, end)
        total = float(np.logaddexp.reduce([score for _, score in sequences]))
        for sequence, score in sequences:
            for pair in pairwise(sequence):
                expected[pair] += np.exp(score - total)
    moves = np.where(texts.scheme.allowed, np.exp(texts.transitions), 0.0)
    np.testing.assert_allclose((found.ahead.T @ found.behind) * moves, expected, atol=1e-9)


@settings(deadline=None, max_examples=60)
@given(TEXTS)
@example(NONE)
@example(EMPTY)
@example(ONE_TAG)
@example(RAGGED)
def test_no_legal_sequence_scores_higher_than_the_best(texts: Texts) -> None:
    best = texts.best()
    for start, end in texts.ranges:
        highest = max(score for _, score in texts.sequences(start, end))
        assert texts.score(start, tuple(best[start:end])) == pytest.approx(highest)


@settings(deadline=None, max_examples=60)
@given(TEXTS)
@example(RAGGED)
def test_rows_sum_to_one_and_no_text_begins_inside_a_span(texts: Texts) -> None:
    found, _ = texts.probabilities()
    np.testing.assert_allclose(found.sum(axis=1), 1.0)
    assert (found >= 0).all()
    for start, end in texts.ranges:
        assert not found[start:end][:1, ~texts.scheme.allowed_first].any()


def test_an_inside_tag_has_no_probability_behind_what_cannot_open_it() -> None:
    scheme = LabelScheme(("A", "B"))
    scores = np.array([[900.0, 0.0, 900.0, 0.0, 900.0], [0.0, 0.0, 700.0, 0.0, 700.0]])
    found, _ = Texts(scheme, (2,), scores, np.zeros((5, 5))).probabilities()
    assert found[0, 0] == pytest.approx(found[1, [0, 1, 3]].sum())  # O, and behind it no I
    assert found[0, [2, 4]].tolist() == [0.0, 0.0]
    np.testing.assert_allclose(found.sum(axis=1), 1.0)


@settings(deadline=None, max_examples=60)
@given(TEXTS)
@example(RAGGED)
def test_a_text_in_a_batch_is_what_it_is_alone(texts: Texts) -> None:
    found, norms = texts.probabilities()
    best = texts.best()
    for (start, end), norm in zip(texts.ranges, norms, strict=True):
        alone, norm_alone = texts.alone(start, end).probabilities()
        np.testing.assert_allclose(found[start:end], alone, atol=1e-12)
        assert norm == pytest.approx(norm_alone[0])
        assert best[start:end] == texts.alone(start, end).best()


@given(st.lists(st.integers(0, 9), max_size=8).map(tuple))
@example(())
@example((0,))
@example((3,))
@example((0, 2, 0, 5, 2))
def test_packing_loses_no_token(lengths: tuple[int, ...]) -> None:
    packing, tokens = Packing(lengths), np.arange(sum(lengths) * 2).reshape(-1, 2)
    assert packing.unpack(tokens[packing.rows]).tolist() == tokens.tolist()
    assert packing.running.tolist() == [
        sum(length > place for length in lengths) for place in range(max(lengths, default=0))
    ]
    assert [token for step in packing.steps for token in range(step.start, step.stop)] == list(range(sum(lengths)))


@given(st.lists(st.integers(0, 9), max_size=8).map(tuple))
def test_a_step_holds_the_same_place_of_the_longest_texts_in_one_order(lengths: tuple[int, ...]) -> None:
    packing = Packing(lengths)
    text = np.repeat(np.arange(len(lengths)), lengths)[packing.rows]
    place = np.concatenate([np.arange(0), *map(np.arange, lengths)])[packing.rows]
    for at, step in enumerate(packing.steps):
        assert (place[step] == at).all()
        assert text[step].tolist() == text[packing.steps[0]][: step.stop - step.start].tolist()
