"""What holds for every text: valid, disjoint, sorted spans; same-length folding; bounded work."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.ner.spans import Span
from backend.rules import SpanMemory, propose, uncertainty
from backend.rules.fold import fold

LABELS = ("HR", "VALUE", "TIME", "EVENT", "DIAG")
MEMORY = SpanMemory.from_reports([("怪异搏动a-b", [Span(0, 4, "EVENT"), Span(4, 7, "DIAG")])])

_PIECES = [
    "窦性心律",
    "室早",
    "成对",
    "未见",
    "无",
    "，",
    "。",
    "\r\n",
    " ",
    "72",
    "次/分",
    "１２：３０",
    "-",
    "/",
    "~",
    ":",
    "1.",
    "(",
    ")",
]
_PIECES += [
    "24小时",
    "平均",
    "V5",
    "ST-T改变",
    "0.1mV",
    "%",
    "怪异搏动",
    "a-b",
    "\x00",
    "①",
    "ß",
    "𠀀",
    "|",
    "共",
    "大于",
    "持续",
    "秒",
    "最长",
    "\t",
    "&nbsp;",
    "\u200b",
    "<br>",
    "每分钟",
    "一百二十",
    "次",
]
texts = st.one_of(st.text(max_size=80), st.lists(st.sampled_from(_PIECES), max_size=40).map("".join))


@settings(deadline=None, max_examples=300)
@given(texts)
def test_spans_are_valid_disjoint_and_sorted(text):
    for spans in (propose(text, LABELS, MEMORY), propose(text, LABELS)):
        assert spans == sorted(spans)
        assert all(0 <= span.start < span.end <= len(text) for span in spans)
        assert all(a.end <= b.start for a, b in pairwise(spans))
        assert all(0 < span.score <= 1 and span.source for span in spans)
        assert all(text[span.start : span.end].strip() == text[span.start : span.end] for span in spans)
        # Only a reading goes on behind a line end.
        assert all("\n" not in text[span.start : span.end] or span.label in ("HR", "VALUE") for span in spans)


@settings(deadline=None, max_examples=200)
@given(texts, st.sets(st.sampled_from([*LABELS, "ORG"])))
def test_only_labels_asked_for_are_proposed(text, labels):
    assert {span.label for span in propose(text, labels, MEMORY)} <= labels


@settings(deadline=None, max_examples=300)
@given(texts)
def test_folding_keeps_the_length_and_is_done_once(text):
    assert len(fold(text)) == len(text)
    assert fold(fold(text)) == fold(text)


@settings(deadline=None, max_examples=200)
@given(texts)
def test_uncertainty_is_a_share_and_deterministic(text):
    spans = propose(text, LABELS, MEMORY)
    assert 0.0 <= uncertainty(text, spans) <= 1.0
    assert uncertainty(text, spans) == uncertainty(text, spans)
    assert uncertainty(text, spans) <= uncertainty(text, [])


@settings(deadline=None, max_examples=100)
@given(texts, st.integers(0, 10), st.integers(0, 10))
def test_memory_survives_json(text, start, length):
    spans = [Span(start, start + length, "EVENT")] if length > 0 and start + length <= len(text) else []
    memory = SpanMemory.from_reports([(text, spans)])
    assert SpanMemory.from_json(memory.to_json()) == memory


@pytest.mark.parametrize(
    "piece",
    [
        "1",
        "1 ",
        " ",
        "\n",
        "1-",
        "1,",
        "1.",
        "12:30-",
        "无",
        "偶发",
        "成对",
        "a",
        "st-",
        "(1",
        "约1",
        "1次",
        "+-",
        ">1s",
        "2024-01-01 ",
        "一",
    ],
)
def test_long_monotonous_texts_end(piece):
    text = (piece * 100_000)[:100_000]
    uncertainty(text, propose(text, LABELS, MEMORY))


def test_line_ends_of_windows_do_not_shift_offsets():
    text = "心率：72次/分\r\n诊断：\r\n窦性心律\r\n"
    assert [text[s.start : s.end] for s in propose(text, LABELS)] == ["72次/分", "窦性心律"]


def test_half_width_full_width_and_case_give_the_same_spans():
    for text in (
        "HR:72BPM,ST-T改变;PVC 3次",
        "ＨＲ：７２ＢＰＭ，ＳＴ－Ｔ改变；ＰＶＣ　３次",
        "hr:72bpm,st-t改变;pvc 3次",
    ):
        assert [(s.start, s.end, s.label) for s in propose(text, LABELS)] == [
            (3, 8, "HR"),
            (9, 15, "DIAG"),
            (16, 19, "EVENT"),
            (20, 22, "VALUE"),
        ]
