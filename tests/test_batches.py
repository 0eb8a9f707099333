"""A report that cannot be parsed costs only itself, whatever fails."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import pytest

from backend.batches import Item, parse_items
from backend.errors import BackendError
from backend.ner.prediction import Prediction
from backend.ner.spans import Span
from backend.parsing import StructuredReport

LABELS = ("EVENT",)


class Fragile:
    """A predictor that breaks on 坏, and gives spans that are outside the text for 歪."""

    version = "v"

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        if any("坏" in text for text in texts):
            raise RuntimeError(f"cannot read {texts}")
        return [Prediction((Span(0, 99 if "歪" in text else 2, "EVENT"),), 0.0, 0.0, "v") for text in texts]


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
