"""A report that cannot be parsed costs only itself, whatever fails."""

from __future__ import annotations

import csv
import io
import logging
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.batches import SLICE, SLICE_TEXT, Item, parse_items, slices, to_csv
from backend.errors import BackendError
from backend.ner.prediction import Prediction
from backend.ner.spans import Span
from backend.parsing import StructuredReport

LABELS = ("EVENT",)


class Fragile:
    """A predictor that breaks on 坏, and gives spans that are outside the text for 歪."""

    version = "v"

    def find(self, texts: Sequence[str]) -> list[list[Span]]:
        if any("坏" in text for text in texts):
            raise RuntimeError(f"cannot read {texts}")
        return [[Span(0, 99 if "歪" in text else 2, "EVENT")] for text in texts]

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        raise AssertionError("nobody needs the uncertainty")


def test_reports_beside_one_that_breaks_the_predictor_or_the_parser_are_parsed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    texts = ["室早", "坏室早", "歪室早", "", "房早"]
    found = parse_items(Fragile(), LABELS, [Item(place, text) for place, text in enumerate(texts)])
    assert [parsed.id for parsed in found] == [0, 1, 2, 3, 4]
    assert [isinstance(parsed.outcome, StructuredReport) for parsed in found] == [True, False, False, False, True]
    errors = [str(parsed.outcome) for parsed in found if isinstance(parsed.outcome, BackendError)]
    assert "RuntimeError" in errors[0]
    for said in (*errors, *(record.getMessage() for record in caplog.records)):
        assert "早" not in said
    assert len([record for record in caplog.records if record.levelno == logging.ERROR]) == 2


def test_no_items_give_no_results() -> None:
    assert parse_items(Fragile(), LABELS, []) == []


@given(st.lists(st.one_of(st.integers(0, 200), st.integers(0, 50_000)), max_size=120))
def test_a_slice_ends_at_its_number_of_reports_or_of_characters_and_no_earlier(lengths: list[int]) -> None:
    pieces = list(slices(lengths, lambda length: length))
    assert [length for piece in pieces for length in piece] == lengths
    assert all(pieces)
    assert all(len(piece) <= SLICE and (len(piece) == 1 or sum(piece) <= SLICE_TEXT) for piece in pieces)
    for piece, after in pairwise(pieces):
        assert len(piece) == SLICE or sum(piece) + after[0] > SLICE_TEXT


@pytest.mark.parametrize("name", ['=HYPERLINK("http://x")', "＋1", "\t@x"])
def test_the_row_of_an_error_holds_no_formula(name: str) -> None:
    raw = b"".join(to_csv(parse_items(Fragile(), LABELS, [Item(name, ""), Item(name, "室早")])))
    rows = list(csv.DictReader(io.StringIO(raw.decode("utf-8-sig"), newline="")))
    assert [(row["report"], row["item"]) for row in rows] == [(f"'{name}", "error"), (f"'{name}", "event")]
