from __future__ import annotations

import csv
import io

from backend.ner.spans import Span
from backend.parsing import parse
from backend.predictor import RulesPredictor
from console import tables
from console.screens.parse import EXAMPLE
from console.words import Words
from tests.console.site import LABELS

ZH = Words("zh")


def parsed(text: str) -> dict[str, object]:
    (prediction,) = RulesPredictor("rules-1", LABELS).predict([text])
    return parse(text, prediction.spans, "rules-1").model_dump(mode="json")


def test_the_rates_come_first_in_the_order_mean_fastest_slowest() -> None:
    figures = tables.key_figures(parsed(EXAMPLE), ZH)
    assert [(figure.name, figure.value, figure.note) for figure in figures[:3]] == [
        ("平均心率", "72 次/分", ""),
        ("最快心率", "132 次/分", "14:05"),
        ("最慢心率", "45 次/分", "03:12"),
    ]
    assert len(figures) == tables.FIGURES
    assert tables.Figure("室性早搏", "1,254 次 · 1.2 %") in figures


def test_a_report_without_numbers_has_no_figures() -> None:
    assert tables.key_figures(parsed("窦性心律，未见异常。"), ZH) == []


def test_every_item_of_a_report_is_a_row_and_certainty_is_told_in_the_language() -> None:
    report = parsed(EXAMPLE)
    rows = [tables.diagnoses, tables.events, tables.heart_rates, tables.measurements]
    names = ["diagnoses", "events", "heart_rates", "measurements"]
    for make, name in zip(rows, names, strict=True):
        assert len(make(report, ZH)) == len(report[name])  # type: ignore[arg-type]
    said = {row["名称"]: row["确定性"] for row in tables.diagnoses(report, ZH)}
    assert (said["窦性心律"], said["心肌缺血"]) == ("肯定", "可疑")
    assert tables.diagnoses(report, Words("en"))[0]["Certainty"] == "stated"


def test_a_range_is_shown_with_both_ends() -> None:
    text = "心率60~80次/分"
    report = parse(text, [Span(2, 9, "HR")], "v").model_dump(mode="json")
    assert tables.heart_rates(report, ZH)[0]["数值"] == "60–80"


def test_the_exported_queue_opens_in_a_spreadsheet_and_runs_nothing() -> None:
    row = {"rank": 1, "task_id": 7, "priority": 0.5, "uncertainty": 0.25, "reason": "token entropy", "url": ""}
    rows = [{**row, "preview": preview} for preview in ('=HYPERLINK("x")', "＋90°，电轴", "室早，\n“频发”", "\ud800")]
    raw = tables.queue_csv(rows)
    assert raw.startswith(b"\xef\xbb\xbf")
    found = list(csv.DictReader(io.StringIO(raw.decode("utf-8-sig"), newline="")))
    assert [cell["preview"] for cell in found] == ['\'=HYPERLINK("x")', "'＋90°，电轴", "室早，\n“频发”", "?"]
    assert found[0]["task_id"] == "7"
