"""The uncertainty of a report when there is no model."""

import pytest

from backend.ner.spans import Span
from backend.rules import propose, uncertainty

LABELS = ("HR", "VALUE", "TIME", "EVENT", "DIAG")


@pytest.mark.parametrize("text", ["", " \r\n", "，。！（）", "——"])
def test_nothing_to_explain_is_certain(text):
    assert uncertainty(text, []) == 0.0


def test_neutral_words_need_no_explanation():
    assert uncertainty("心电图报告：平均心率", []) == 0.0


def test_unknown_words_are_uncertain():
    assert uncertainty("魑魅魍魉", []) == 1.0


def test_a_span_counts_by_its_score():
    assert uncertainty("魑魅", [Span(0, 2, "EVENT", score=0.75)]) == pytest.approx(0.25)


def test_a_plain_report_is_more_certain_than_a_strange_one():
    plain, strange = "心率72次/分，窦性心律，偶发房性早搏3次。", "请于佩戴期间勿洗澡，远离电热毯并写好日记三份。"
    assert uncertainty(plain, propose(plain, LABELS)) < 0.2 < uncertainty(strange, propose(strange, LABELS))
