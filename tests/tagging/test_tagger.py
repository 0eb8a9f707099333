"""What a tagger says about any text, and its file."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from backend.ner.scheme import LabelScheme
from backend.ner.spans import Span
from backend.rules import EMPTY_MEMORY, LABELS, propose
from backend.tagging.tagger import BATCH, SOURCE, Tagged, Tagger
from tests.tagging.texts import MEMORY, ODD, REPORT, TEXTS
from trainer.tagging.fitting import fit

TAGGER = fit([(REPORT, propose(REPORT, LABELS)), ("张三任总经理", [Span(0, 2, "NAME")])], (*LABELS, "NAME"))
FILE = TAGGER.to_bytes()


def unsure() -> Tagger:
    """A tagger with random weights: it proposes something nearly everywhere."""
    draw = np.random.default_rng(0)
    weights = draw.normal(scale=2.0, size=TAGGER.weights.shape).astype(np.float32)
    return replace(TAGGER, weights=weights, transitions=draw.normal(size=TAGGER.transitions.shape))


UNSURE = unsure()


def tagged(texts: Sequence[str], tagger: Tagger = TAGGER) -> list[Tagged]:
    return list(tagger.tag(texts, MEMORY))


def alike(one: Tagged, other: Tagged) -> bool:
    near = np.allclose(one.probabilities, other.probabilities, atol=1e-6)
    return one.text == other.text and near and one.tags.tolist() == other.tags.tolist()


@settings(deadline=None, max_examples=60)
@given(TEXTS, st.sampled_from([TAGGER, UNSURE]))
@example([], TAGGER)
@example(["", REPORT, ""], TAGGER)
@example([REPORT, *ODD], UNSURE)
def test_spans_are_disjoint_sorted_and_inside_the_text(texts: list[str], tagger: Tagger) -> None:
    found = tagged(texts, tagger)
    assert [one.text for one in found] == texts
    for one in found:
        spans = tagger.spans(one)
        assert spans == sorted(spans)
        assert all(0 <= span.start < span.end <= len(one.text) for span in spans)
        assert all(before.end <= after.start for before, after in pairwise(spans))
        assert all(0.0 < span.score <= 1.0 + 1e-6 and span.source == SOURCE for span in spans)
        assert {span.label for span in spans} <= set(tagger.scheme.labels)


@settings(deadline=None, max_examples=60)
@given(TEXTS, st.sampled_from([TAGGER, UNSURE]))
@example(["", REPORT, *ODD], UNSURE)
def test_each_character_has_probabilities_and_an_entropy(texts: list[str], tagger: Tagger) -> None:
    for one in tagged(texts, tagger):
        assert one.probabilities.shape == (len(one.text), len(tagger.scheme.tags))
        np.testing.assert_allclose(one.probabilities.sum(axis=1), 1.0, atol=1e-5)
        assert one.entropies.shape == one.tags.shape == (len(one.text),)
        assert ((one.entropies >= 0.0) & (one.entropies <= 1.0)).all()


def test_a_text_over_the_batch_is_tagged_whole_and_changes_no_other() -> None:
    long = (REPORT + "。\n") * (BATCH // len(REPORT) + 1)
    texts = ["", REPORT, long, REPORT, "", "房颤"]
    assert len(long) > BATCH
    found = tagged(texts)
    assert all(alike(one, tagged([text])[0]) for one, text in zip(found, texts, strict=True))
    assert len(TAGGER.spans(found[2])) > 1000


def test_texts_that_fill_several_batches_are_what_they_are_alone() -> None:
    texts = [REPORT + str(number) for number in range(BATCH // len(REPORT) + 50)]
    found = tagged(texts)
    assert [one.text for one in found] == texts
    assert all(alike(found[place], tagged([texts[place]])[0]) for place in (0, len(texts) // 2, -1))


def test_no_label_is_no_span_and_no_doubt() -> None:
    nothing = fit([(REPORT, [])], ())
    assert nothing.scheme == LabelScheme(())
    (one,) = tagged([REPORT], nothing)
    assert (nothing.spans(one), one.entropies.any()) == ([], False)


def test_a_file_keeps_every_prediction_and_gives_the_same_file_again() -> None:
    for tagger in (TAGGER, UNSURE, fit([("", [])], ())):
        again = Tagger.from_bytes(tagger.to_bytes())
        assert again.scheme == tagger.scheme
        for one, other in zip(tagged([REPORT, *ODD], tagger), tagged([REPORT, *ODD], again), strict=True):
            assert alike(one, other)
            assert [span.score for span in tagger.spans(one)] == [span.score for span in again.spans(other)]
        assert again.to_bytes() == tagger.to_bytes()


def array_file(**changed: object) -> bytes:
    """A file of a tagger with other arrays; None leaves one out."""
    with np.load(io.BytesIO(FILE)) as arrays:
        content = {name: arrays[name] for name in arrays} | changed
    stream = io.BytesIO()
    np.savez(stream, **{name: np.asarray(array) for name, array in content.items() if array is not None})
    return stream.getvalue()


def one_array() -> bytes:
    stream = io.BytesIO()
    np.save(stream, TAGGER.weights)
    return stream.getvalue()


def one_entry() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("notes.txt", "no array")
    return stream.getvalue()


FOREIGN = {
    "nothing": b"",
    "words": "心率72次/分".encode(),
    "json": b"{}",
    "a zip of something else": one_entry(),
    "one array": one_array(),
    "no weights": array_file(weights=None),
    "no labels": array_file(labels=None),
    "labels that are none": array_file(labels=np.frombuffer(b"7", dtype=np.uint8)),
    "labels that are not text": array_file(labels=np.frombuffer(b"[[1]]", dtype=np.uint8)),
    "labels of another number": array_file(labels=np.frombuffer(b'["HR"]', dtype=np.uint8)),
    "fewer weights": array_file(weights=TAGGER.weights[:-1]),
    "transitions of another scheme": array_file(transitions=np.zeros((3, 3))),
    "one number": array_file(numbers=np.int32(7)),
    "numbers that are words": array_file(numbers=TAGGER.numbers.astype(str)),
    "numbers out of order": array_file(numbers=TAGGER.numbers[::-1]),
    "numbers beyond the last": array_file(numbers=TAGGER.numbers + (1 << 22)),
} | {f"cut after {share} %": FILE[: len(FILE) * share // 100] for share in (1, 10, 50, 90, 99)}


@pytest.mark.parametrize("content", FOREIGN.values(), ids=FOREIGN)
def test_a_file_that_is_cut_or_foreign_is_no_tagger(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"^not a tagger: "):
        Tagger.from_bytes(content)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, len(FILE) - 1), st.integers(1, 255))
def test_a_spoiled_byte_is_found_or_changes_nothing(place: int, change: int) -> None:
    spoiled = bytearray(FILE)
    spoiled[place] ^= change
    try:
        again = Tagger.from_bytes(bytes(spoiled))
    except ValueError:
        return
    assert again.scheme == TAGGER.scheme
    assert (again.weights == TAGGER.weights).all()
    assert (again.numbers == TAGGER.numbers).all()


def test_a_batch_is_filled_without_counting_it_again_for_each_text() -> None:
    asked = 0

    class Counted(str):
        def __len__(self) -> int:
            nonlocal asked
            asked += 1
            return super().__len__()

    assert len(tagged([Counted("房颤")] * 1000)) == 1000
    assert asked < 20 * 1000


def test_without_reports_and_memory_it_proposes_what_rules_do() -> None:
    (one,) = fit([], LABELS).tag([REPORT], EMPTY_MEMORY)
    assert fit([], LABELS).spans(one) == propose(REPORT, LABELS)
