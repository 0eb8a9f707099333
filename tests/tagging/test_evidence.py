"""What is known about each character, for any text and whatever stands beside it in the batch."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from backend.ner.spans import Span
from backend.rules import LABELS, SpanMemory, propose
from backend.tagging.evidence import (
    KINDS,
    NONE,
    SHARES,
    Evidence,
    _part_of_speech,
    _places,
    gather,
    named,
    share_id,
    tag_id,
)
from tests.tagging.texts import MEMORY, ODD, REPORT, TEXTS

KNOWN = (*LABELS, "NAME")


def gathered(texts: Sequence[str], labels: Sequence[str] = KNOWN) -> Evidence:
    return gather(texts, [MEMORY] * len(texts), labels)


def ranges(texts: Sequence[str]) -> list[tuple[int, int]]:
    return list(pairwise(np.cumsum([0, *map(len, texts)]).tolist()))


@settings(deadline=None, max_examples=60)
@given(TEXTS)
@example([])
@example(["", ""])
@example(ODD)
def test_every_column_has_an_id_for_each_character_of_each_text(texts: list[str]) -> None:
    evidence = gathered(texts)
    assert evidence.lengths == tuple(map(len, texts))
    assert {
        name: column.shape for name, column in evidence.columns.items() if column.shape != (sum(map(len, texts)),)
    } == {}
    assert {column.dtype for column in evidence.columns.values()} == {np.dtype(np.uint32)}


@settings(deadline=None, max_examples=60)
@given(TEXTS, st.permutations(KNOWN))
@example(["", REPORT, "", REPORT, *ODD], KNOWN)
def test_neither_neighbours_nor_the_order_of_labels_change_what_is_known(texts: list[str], labels: list[str]) -> None:
    batch = gathered(texts)
    for text, (start, end) in zip(texts, ranges(texts), strict=True):
        alone = gathered([text], labels)
        assert alone.columns.keys() == batch.columns.keys()
        for name, column in alone.columns.items():
            assert column.tolist() == batch.columns[name][start:end].tolist(), name


def test_each_text_is_told_what_its_own_memory_proposes() -> None:
    mine, text = SpanMemory.from_reports([("甲乙丙", [Span(0, 2, "NAME")])]), "有甲乙"
    tags = gather([text, text], [mine, SpanMemory()], KNOWN).columns["memory"]
    assert tags.tolist() == [NONE, tag_id("NAME", True), tag_id("NAME", False), NONE, NONE, NONE]


def test_memory_proposes_no_label_that_the_project_lacks() -> None:
    assert gathered(["张三"], KNOWN).columns["memory"].all()
    assert not gathered(["张三"], LABELS).columns["memory"].any()


@pytest.mark.parametrize("labels", [LABELS, ("NAME",), ()])
def test_rules_are_evidence_under_any_label_set(labels: tuple[str, ...]) -> None:
    columns, spans = gathered([REPORT], labels).columns, propose(REPORT, LABELS)
    tags, rules = np.zeros(len(REPORT), np.uint32), np.zeros(len(REPORT), np.uint32)
    for span in spans:
        tags[span.start : span.end] = [tag_id(span.label, place == span.start) for place in range(span.start, span.end)]
        rules[span.start : span.end] = named(span.source)
    assert spans
    assert columns["rules"].tolist() == tags.tolist()
    assert columns["rule_names"].tolist() == rules.tolist()


def test_where_findings_are_denied_is_told() -> None:
    denied = gathered(["可见房颤", "未见房颤"]).columns["denied"]
    assert denied[:4].tolist() == [0, 0, 0, 0]
    assert denied[6:].tolist() == [1, 1]


def test_a_share_has_an_id_that_grows_with_it_and_is_never_none() -> None:
    ids = [share_id(step / 100) for step in range(101)]
    assert ids == sorted(ids)
    assert set(ids) == set(range(1, SHARES + 2))


@pytest.mark.parametrize(
    ("kind", "characters"),
    [
        ("digit", "07９"),
        ("blank", " \u3000\n\t\u200b\u00a0"),
        ("latin", "aZｑ"),
        ("han", "窦一"),
        ("stop", "。."),
        ("comma", "，,、：:；;"),
        ("bracket", "()（）【】“”"),
        ("sign", "-~/%°+"),
        ("other", "①𠀀🫀=αⅡ"),
    ],
)
def test_characters_have_kinds(kind: str, characters: str) -> None:
    kinds = gathered([*characters]).columns["kinds"]
    assert [KINDS[found - 1] for found in kinds.tolist()] == [kind] * len(characters)


def test_a_digit_is_any_digit_and_width_and_case_do_not_matter() -> None:
    columns = gathered(["QT72", "ｑｔ０９"]).columns
    assert columns["characters"].tolist() == [ord(char) for char in "qt00qt00"]


@settings(deadline=None, max_examples=60)
@given(TEXTS)
@example(["", REPORT, "", "一", *ODD])
def test_neighbours_are_the_words_beside_a_word_and_none_at_the_ends(texts: list[str]) -> None:
    columns = gathered(texts).columns
    begins = np.isin(columns["places"], [1, 2])  # a word of one character, or the first of several
    for start, end in ranges([text for text in texts if text]):
        first = [place for place in range(start, end) if begins[place]]
        assert first[0] == start
        for here, there in pairwise([*first, end]):
            assert len(set(columns["words"][here:there].tolist())) == 1
        for names, own in (("words", "words"), ("parts", "parts_of_speech")):
            said = columns[own][first].tolist()
            assert columns[f"{names}_before"][first].tolist() == [NONE, *said[:-1]]
            assert columns[f"{names}_after"][first].tolist() == [*said[1:], NONE]


def test_what_is_kept_of_words_is_bounded() -> None:
    gathered(["a" * length for length in range(1, 200)])
    for kept in (named, _places, _part_of_speech):
        limit = kept.cache_info().maxsize
        assert limit is not None
        assert kept.cache_info().currsize <= limit
