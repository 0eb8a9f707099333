import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from backend.ner.spans import Span, resolve_overlaps
from backend.parsing import StructuredReport, parse, parse_texts
from backend.predictor import RulesPredictor
from backend.rules import propose

LABELS = ("HR", "VALUE", "TIME", "EVENT", "DIAG")
TEXT = "窦性心律，平均心率72次/分，最快118次/分（14:02）。室早1,234次（1.2%），未见房颤，考虑心肌缺血。QT/QTc 446/419ms"
WORDS = (
    *("平均", "最快", "最慢", "心率", "分别为", "72次/分", "1,234", "５－８", "12:30", "夜间", "室早", "成对", "房颤"),
    *(
        "未见",
        "考虑",
        "除外",
        "可能",
        "？",
        "，",
        "。",
        "、",
        "(",
        ")",
        "|",
        "\t",
        "  ",
        "\r\n",
        "合计",
        "共",
        "占",
        "0阵",
        "①",
    ),
)


@st.composite
def labelled_texts(draw):
    text = "".join(draw(st.lists(st.sampled_from(WORDS), max_size=25)))
    cuts = draw(st.lists(st.integers(0, max(0, len(text) - 1)), max_size=12))
    spans = [
        Span(cut, min(len(text), cut + draw(st.integers(1, 6))), draw(st.sampled_from((*LABELS, "DRUG"))))
        for cut in cuts
        if text
    ]
    return text, resolve_overlaps(spans)[0]


def test_the_same_report_gives_the_same_bytes():
    spans = propose(TEXT, LABELS)
    assert parse(TEXT, spans, "1").model_dump_json() == parse(TEXT, spans[::-1], "1").model_dump_json()


def test_json_is_read_back_unchanged(structured):
    report = structured(TEXT)
    assert StructuredReport.model_validate_json(report.model_dump_json()) == report


def test_items_come_in_the_order_of_the_text(structured):
    report = structured(TEXT)
    for items in (report.heart_rates, report.measurements, report.events, report.diagnoses):
        assert [item.start for item in items] == sorted(item.start for item in items)


def test_a_report_cannot_be_changed(structured):
    with pytest.raises(ValidationError):
        structured(TEXT).heart_rates[0].value = 1


def test_every_item_says_what_found_it_and_how_sure_that_is(structured):
    report = structured(TEXT)
    assert {item.source for _, item in report.items()} == {
        "rate",
        "unit",
        "lexicon:EVENT",
        "lexicon:DIAG",
        "lexicon:denied",
    }
    assert all(0 < item.confidence <= 1 for _, item in report.items())
    assert report.version == "rules-1"


def test_labels_without_structure_are_passed_through():
    text = "阿司匹林，未见房颤"
    report = parse(text, [Span(0, 4, "DRUG", 0.5, "model")], "1", labels=("DRUG",))
    assert [(span.label, span.text, span.confidence) for span in report.spans] == [("DRUG", "阿司匹林", 0.5)]
    assert not list(report.items())


def test_denied_findings_are_looked_up_for_the_labels_of_the_project_only():
    assert not parse("未见早搏，未见房颤", [], "1", labels=("EVENT",)).diagnoses
    assert [event.text for event in parse("未见早搏，未见房颤", [], "1", labels=("EVENT",)).events] == ["早搏"]


def test_a_span_outside_the_text_is_refused():
    with pytest.raises(ValueError, match="outside a text of 2 characters"):
        parse("心率", [Span(0, 3, "HR")], "1")


def test_an_empty_report_has_nothing():
    assert not list(parse("", [], "1").items())


@given(labelled_texts())
@settings(deadline=None)
def test_any_spans_give_an_item_each_where_they_stand(labelled):
    text, spans = labelled
    report = parse(text, spans, "1")
    for label, items in (("HR", report.heart_rates), ("VALUE", report.measurements)):
        starts = [span for span in spans if span.label == label]
        assert all(any(span.start <= item.start and item.end <= span.end for item in items) for span in starts)
    for label, items in (("EVENT", report.events), ("DIAG", report.diagnoses)):
        found = {(item.start, item.end) for item in items if item.source != "lexicon:denied"}
        assert found == {(span.start, span.end) for span in spans if span.label == label}
    assert all(text[item.start : item.end] == item.text for _, item in report.items())
    assert [(span.start, span.end, span.label) for span in report.spans] == [(s.start, s.end, s.label) for s in spans]
    assert json.loads(report.model_dump_json())["version"] == "1"


def test_texts_are_structured_in_order_with_one_call_of_the_predictor():
    class Counting:
        def __init__(self) -> None:
            self.inner = RulesPredictor("rules-1", LABELS)
            self.version = self.inner.version
            self.calls = 0

        def find(self, texts) -> list[list[Span]]:
            self.calls += 1
            return self.inner.find(texts)

    predictor = Counting()
    reports = parse_texts(predictor, ["心率72次/分", "", "心率80次/分"])
    assert [[rate.value for rate in report.heart_rates] for report in reports] == [[72], [], [80]]
    assert predictor.calls == 1
    assert {report.version for report in reports} == {"rules-1"}
