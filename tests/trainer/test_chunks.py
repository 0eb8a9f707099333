from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from backend.engine.tokenizer import TextTokenizer
from backend.ner.scheme import LabelScheme
from backend.ner.spans import Span
from trainer import chunks
from trainer.chunks import Collator, Row


@pytest.fixture
def tokenizer(tiny_base: Path) -> TextTokenizer:
    return TextTokenizer.from_folder(tiny_base)


def row(length: int) -> Row:
    return Row(np.arange(length) + 4, np.zeros(length, dtype=np.int64))


def test_a_long_report_counts_as_three_rows_at_most() -> None:
    table = chunks.repeated([row(5), row(126), row(127), row(2600)], size=126, at_most=3)
    assert Counter(len(r.ids) for r in table) == {5: 1, 126: 1, 127: 2, 2600: 3}
    assert chunks.columns(table, 126)["length"] == [5, 126, 126, 126, 126, 126, 126]


def test_a_batch_has_special_tokens_that_are_not_learned(tokenizer: TextTokenizer) -> None:
    (_, ids), (_, mask), (_, labels), _ = chunks.padded([row(1), row(3)], tokenizer)
    cls, sep, pad = tokenizer.cls_id, tokenizer.sep_id, tokenizer.pad_id
    assert ids.tolist() == [[cls, 4, sep, pad, pad], [cls, 4, 5, 6, sep]]
    assert mask.tolist() == [[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]]
    assert labels.tolist() == [[-100, 0, -100, -100, -100], [-100, 0, 0, 0, -100]]


def test_windows_of_a_long_row_reach_every_token_and_follow_the_seed(tokenizer: TextTokenizer) -> None:
    long = {"ids": list(range(300)), "tags": list(range(300)), "weight": 1.0}
    first, again, other = (
        [Collator(tokenizer, 126, seed)([long] * 60)["labels"][:, 1:-1].numpy()] for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    assert all((np.diff(window) == 1).all() and len(window) == 126 for window in first[0])
    assert len({int(window[0]) for window in first[0]}) > 30
    assert set(first[0].ravel().tolist()) >= set(range(20, 280))


def test_validation_sees_every_token_of_a_long_report() -> None:
    parts = chunks.cut([row(300), row(2)], size=126)
    assert [len(part.ids) for part in parts] == [126, 126, 126, 2]
    assert {int(i) for part in parts for i in part.ids} == set(range(4, 304))


def test_a_row_has_the_weight_of_its_report(tokenizer: TextTokenizer) -> None:
    scheme = LabelScheme(("HR",))
    reports = [("心率75", [Span(2, 4, "HR")]), ("", []), ("心" * 300, [])]
    rows = chunks.rows(reports, tokenizer, scheme, [1.0, 2.0, 0.25])
    assert [r.weight for r in rows] == [1.0, 0.25]
    assert [r.weight for r in chunks.cut(rows, 126)] == [1.0, 0.25, 0.25, 0.25]
    assert chunks.columns(chunks.repeated(rows, 126, 2), 126)["weight"] == [1.0, 0.25, 0.25]
    batch = Collator(tokenizer, 126, 0)([{"ids": r.ids, "tags": r.tags, "weight": r.weight} for r in rows])
    assert batch["weights"].tolist() == [1.0, 0.25]
    assert [r.weight for r in chunks.rows(reports, tokenizer, scheme)] == [1.0, 1.0]


@pytest.mark.parametrize("weights", [[1.0], [1.0, 0.0], [1.0, -1.0], [1.0, float("nan")], [1.0, float("inf")]])
def test_weights_that_do_not_fit_are_refused(tokenizer: TextTokenizer, weights: list[float]) -> None:
    with pytest.raises(ValueError, match="2 reports need as many weights"):
        chunks.rows([("心", []), ("率", [])], tokenizer, LabelScheme(("HR",)), weights)
