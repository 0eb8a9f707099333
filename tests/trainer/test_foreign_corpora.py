"""Annotated files of other tools are read with the right ends, or refused by the key; never taken for unmarked ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from backend.errors import CorpusError
from backend.ner.spans import Span
from trainer.corpus import Tally, read

TEXT = "窦性心律，心率72次/分"
DIAG = Span(0, 4, "DIAG")


def saved(folder: Path, *rows: Any) -> Path:
    path = folder / "rows.jsonl"
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "row",
    [
        {"text": TEXT, "entities": [{"id": 1, "label": "DIAG", "start_offset": 0, "end_offset": 4}], "relations": []},
        {"text": TEXT, "label": [[0, 4, "DIAG"]]},
        {"data": TEXT, "label": [[0, 4, "DIAG"]]},
        {"text": TEXT, "label": {"DIAG": {"窦性心律": [[0, 3]]}}},
        {"text": TEXT, "entities": [{"start_idx": 0, "end_idx": 3, "type": "DIAG", "entity": "窦性心律"}]},
        {"originalText": TEXT, "entities": [{"label_type": "DIAG", "start_pos": 0, "end_pos": 4}]},
        [TEXT, {"entities": [[0, 4, "DIAG"]]}],
        {"classes": ["DIAG"], "annotations": [[TEXT, {"entities": [[0, 4, "DIAG"]]}], None]},
    ],
)
def test_rows_of_other_tools_keep_their_spans(tmp_path: Path, row: Any) -> None:
    assert [report.spans for report in read(saved(tmp_path, row)).dataset.reports] == [(DIAG,)]


@pytest.mark.parametrize(
    ("key", "value"),
    [("label", ["x"]), ("label", "x"), ("labels", ["B-X"]), ("tags", "B-X O"), ("paragraphs", [{}]), ("foo", [{}])],
)
def test_a_form_that_is_not_known_is_refused_by_its_key(tmp_path: Path, key: str, value: Any) -> None:
    with pytest.raises(CorpusError, match=f'"{key}"'):
        read(saved(tmp_path, {"text": TEXT, key: value}))


def test_only_accepted_rows_of_prodigy_count(tmp_path: Path) -> None:
    spans = [{"start": 0, "end": 4, "label": "DIAG"}]
    rows = [{"text": TEXT + str(n), "spans": spans, "answer": a} for n, a in enumerate(("accept", "reject", "ignore"))]
    corpus = read(saved(tmp_path, *rows))
    assert corpus.ledger.annotations == Tally(3, 1, 2)
    assert corpus.ledger.spans == Tally(3, 1, 2)


@pytest.mark.parametrize("tags", ["B M M E", "B I I E", "B I I L", "B I I I", "I I I I"])
def test_each_scheme_of_tags_gives_the_span(tmp_path: Path, tags: str) -> None:
    path = tmp_path / "a.conll"
    lines = [f"{c} {t}-DIAG" for c, t in zip(TEXT, tags.split(), strict=False)]
    path.write_text("\n".join([*lines, "， O"]), encoding="utf-8")
    assert read(path).dataset.reports[0].spans == (DIAG,)


def test_json_min_rows_split_by_choices_are_one_task_and_unannotated_ones_none(tmp_path: Path) -> None:
    label = [{"start": 0, "end": 4, "text": "窦性心律", "labels": ["DIAG"]}]
    one = {"text": TEXT, "id": 1, "label": label, "quality": "good", "annotator": 1, "annotation_id": 9}
    area = [{"start": 8, "end": 10, "text": ["甲"]}, "丙"]
    two = {**one, "quality": "bad", "annotator": 2, "annotation_id": 10, "c": area}
    bare = {"text": "心率", "id": 2, "annotator": None, "annotation_id": None}
    corpus = read(saved(tmp_path, one, two, bare))
    assert corpus.ledger.tasks == Tally(2, 1, 1)
    assert corpus.ledger.annotations == Tally(2, 1, 1)
    assert [reject.reason for reject in corpus.dataset.rejects if reject.task_id == 2] == ["not annotated"]
