"""The features of a token: the same numbers in every batch and process, and -1 where a template is not given."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from backend.rules import LABELS
from backend.tagging.evidence import KINDS, NONE, gather, named, tag_id
from backend.tagging.features import BITS, RULE, TEMPLATES, Part, feature_number, feature_numbers
from backend.tagging.features import MEMORY as FROM_MEMORY
from tests.tagging.texts import MEMORY, ODD, REPORT, TEXTS

KNOWN = (*LABELS, "NAME")
DIGEST = """
import zlib
from backend.tagging.evidence import gather
from backend.tagging.features import feature_numbers
from tests.tagging.texts import MEMORY, ODD, REPORT
texts = [REPORT, *ODD]
numbers = feature_numbers(gather(texts, [MEMORY] * len(texts), {"HR", "VALUE", "TIME", "EVENT", "DIAG", "NAME"}))
print(zlib.crc32(numbers.astype("<i4").tobytes()))
"""


def features(texts: Sequence[str], labels: Sequence[str] = KNOWN) -> NDArray[np.int32]:
    return feature_numbers(gather(texts, [MEMORY] * len(texts), labels))


def place_of(*parts: Part) -> int:
    """The column of the template with these parts."""
    (place,) = [place for place, template in enumerate(TEMPLATES) if template.parts == parts]
    return place


@settings(deadline=None, max_examples=40)
@given(TEXTS, st.permutations(KNOWN))
@example([], KNOWN)
@example(["", REPORT, "", REPORT, *ODD], KNOWN)
def test_neither_neighbours_nor_the_order_of_labels_change_features(texts: list[str], labels: list[str]) -> None:
    batch = features(texts)
    assert batch.shape == (sum(map(len, texts)), len(TEMPLATES))
    for text, (start, end) in zip(texts, pairwise(np.cumsum([0, *map(len, texts)]).tolist()), strict=True):
        np.testing.assert_array_equal(batch[start:end], features([text], labels))


def test_features_are_the_same_in_every_process() -> None:
    root, found = Path(__file__).resolve().parents[2], set()
    for seed in ("1", "2"):
        environment = os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": str(root)}
        command = [sys.executable, "-c", DIGEST]
        found.add(subprocess.run(command, env=environment, cwd=root, check=True, capture_output=True, text=True).stdout)
    assert len(found) == 1


@settings(deadline=None, max_examples=40)
@given(TEXTS)
@example([REPORT])
def test_a_template_says_nothing_exactly_where_it_is_not_given(texts: list[str]) -> None:
    evidence = gather(texts, [MEMORY] * len(texts), KNOWN)
    for template, numbers in zip(TEMPLATES, feature_numbers(evidence).T, strict=True):
        absent = evidence.columns[template.given] == NONE if template.given else np.zeros(len(numbers), dtype=bool)
        np.testing.assert_array_equal(numbers == -1, absent)
        assert ((numbers[~absent] >= 0) & (numbers[~absent] < 1 << BITS)).all()


def test_no_two_templates_share_their_features() -> None:
    assert len({template.seed for template in TEMPLATES}) == len(TEMPLATES)


def test_one_feature_has_the_number_that_it_has_in_a_text() -> None:
    evidence = gather([REPORT], [MEMORY], KNOWN)
    numbers, columns = feature_numbers(evidence), evidence.columns
    rule, memory = TEMPLATES.index(RULE), TEMPLATES.index(FROM_MEMORY)
    assert numbers[0, rule] == feature_number(RULE, (tag_id("DIAG", True), columns["rule_names"][0]))
    at = REPORT.index("怪异搏动")
    assert numbers[at, memory] == feature_number(FROM_MEMORY, (tag_id("EVENT", True), columns["shares"][at]))


def test_beyond_the_ends_of_a_text_nothing_stands() -> None:
    numbers = features(["甲乙", "丙丁"])
    for shift, ids in ((-1, ["", "甲", "", "丙"]), (1, ["乙", "", "丁", ""])):
        place = place_of(("characters", shift))
        expected = [feature_number(TEMPLATES[place], [ord(char) if char else NONE]) for char in ids]
        assert numbers[:, place].tolist() == expected


@pytest.mark.parametrize(
    ("text", "number", "before", "after"),
    [
        ("qt 1.68s。", "1.68", "t ", "s。"),
        ("室率72次", "72", "室率", "次"),
        ("0.5", "0.5", "", ""),
        ("-12.0%", "12.0", "-", "%"),
    ],
)
def test_a_decimal_point_belongs_to_its_number(text: str, number: str, before: str, after: str) -> None:
    numbers, start = features([text]), text.index(number)
    near = [ord(char) for char in before[::-1]] + [NONE] * (2 - len(before))
    far = [ord(char) for char in after] + [NONE] * (2 - len(after))
    for name, ids in (("before", near), ("after", far)):
        place = place_of(("kinds", 0), (name, 0), (f"{name}_that", 0))
        for at, char in enumerate(number, start):
            kind = 1 + KINDS.index("stop" if char == "." else "digit")
            assert numbers[at, place] == feature_number(TEMPLATES[place], [kind, *ids])


def test_a_name_has_one_id_and_another_name_another() -> None:
    assert named("早搏") == named("早搏") != named("房颤")
    assert len({tag_id(label, first) for label in KNOWN for first in (True, False)}) == 2 * len(KNOWN)
