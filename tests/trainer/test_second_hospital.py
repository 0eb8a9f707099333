"""The reports of the second hospital are sound, keep to their guidelines, and test nothing the pool has shown."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from backend.labelstudio.config import parse_label_config
from backend.ner.spans import Span, trimmed
from backend.ranking.copies import report_key
from backend.ranking.templates import skeleton
from trainer.corpus import read
from trainer.dataset import Report

REPORTS = Path(__file__).resolve().parents[2] / "examples" / "second_hospital"
CONFIG = parse_label_config((REPORTS / "label_config.xml").read_text("utf-8"))
NAMES = ("seed10", "gold", "test")
GUIDELINES = (REPORTS / "GUIDELINES.md").read_text("utf-8")
MARKED = re.compile(r"\[([^\[\]|]+)\|([A-Z]+)\]")
EXAMPLES = [code for code in re.findall(r"`([^`\n]+)`", GUIDELINES) if MARKED.search(code)]

NUMBER = r"[0-9０-９]+(?:[.．,，][0-9０-９]+)*"
VALUE = rf"[-+]?{NUMBER}(?::{NUMBER})?|\d+'\d\d\"|[一二三四五六七八九十]+"
DAY = r"(?:d\d |日\d |第\d天)?"
TIME = rf"{DAY}(?:\d{{4}}-)?(?:\d\d-\d\d )?[0-9０-９]{{2}}(?:[:：][0-9０-９]{{2}}(?::\d\d|'\d\d\")?)?"
DATE = r"\d{4}-\d\d(?:-\d\d)?|\d\d-\d\d|\d{1,2}月\d{1,2}日"
SHAPES = {"HR": r"[0-9０-９]+", "VALUE": VALUE, "TIME": f"{TIME}|{DATE}"}
OUTSIDE = re.compile(r"偶发|频发|散在|短阵.|阵发|一过性|间歇|持续性|单源|多源|多形|急性|陈旧|轻度|显著|广泛|巨大")


def tasks(name: str) -> list[dict[str, Any]]:
    return list(json.loads((REPORTS / f"{name}.json").read_text("utf-8")))


def reports(*names: str) -> list[Report]:
    return [report for name in names for report in read(REPORTS / f"{name}.json", CONFIG).dataset.reports]


@pytest.mark.parametrize(("name", "first", "count"), [("seed10", 2001, 10), ("gold", 2011, 200), ("test", 2501, 40)])
def test_every_span_is_the_text_it_names(name: str, first: int, count: int) -> None:
    assert [task["id"] for task in tasks(name)] == list(range(first, first + count))
    for task in tasks(name):
        text = task["data"]["text"]
        values = [region["value"] for region in task["annotations"][0]["result"]]
        spans = [Span(v["start"], v["end"], v["labels"][0]) for v in values]
        assert [text[s.start : s.end] for s in spans] == [v["text"] for v in values]
        assert [trimmed(text, s.start, s.end) for s in spans] == [(s.start, s.end) for s in spans]
        assert all(before.end <= after.start for before, after in pairwise(spans))
        assert not any("\n" in v["text"] for v in values)
        assert {s.label for s in spans} <= set(CONFIG.labels)


def test_the_corpus_is_read_whole() -> None:
    assert CONFIG.labels == ("HR", "VALUE", "TIME", "EVENT", "DIAG", "LEAD", "PLACE")
    for name in NAMES:
        corpus = read(REPORTS / f"{name}.json", CONFIG)
        assert not corpus.dataset.rejects
        assert corpus.ledger.spans.found == sum(len(task["annotations"][0]["result"]) for task in tasks(name))


def test_the_pool_of_the_demo_is_the_gold_without_its_annotations() -> None:
    assert tasks("unlabelled") == [{"data": task["data"]} for task in tasks("gold")]


def test_no_report_is_there_twice_and_no_tested_one_is_a_pooled_one_with_other_numbers() -> None:
    texts = [report.text for report in reports(*NAMES)]
    assert len({report_key(text) for text in texts}) == len(texts)
    pooled = {skeleton(report.text) for report in reports("seed10", "gold")}
    assert not pooled & {skeleton(report.text) for report in reports("test")}


@pytest.mark.parametrize("label", SHAPES)
def test_units_and_second_numbers_stay_outside(label: str) -> None:
    said = {r.text[s.start : s.end] for r in reports(*NAMES) for s in r.spans if s.label == label}
    assert [text for text in sorted(said) if not re.fullmatch(SHAPES[label], text)] == []


def test_adjectives_stay_outside() -> None:
    said = {r.text[s.start : s.end] for r in reports(*NAMES) for s in r.spans if s.label in ("EVENT", "DIAG")}
    assert [text for text in sorted(said) if OUTSIDE.match(text)] == []


def test_a_string_has_one_label_save_numbers() -> None:
    labels: dict[str, set[str]] = {}
    for report in reports(*NAMES):
        for span in report.spans:
            labels.setdefault(report.text[span.start : span.end], set()).add(span.label)
    assert [text for text, found in labels.items() if len(found) > 1 and not re.search(r"\d", text)] == []


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_guidelines_quote_the_reports(example: str) -> None:
    said = MARKED.sub(r"\1", example)
    assert any(
        marked(report, found.start(), found.end()) == example
        for report in reports("seed10", "gold")
        for found in re.finditer(re.escape(said), report.text)
    )


def marked(report: Report, start: int, end: int) -> str:
    """A part of the report as the guidelines write it; spans that cross its edges are left out."""
    said = report.text[start:end]
    for span in sorted(report.spans, key=lambda span: -span.start):
        if start <= span.start and span.end <= end:
            first, last = span.start - start, span.end - start
            said = f"{said[:first]}[{said[first:last]}|{span.label}]{said[last:]}"
    return said
