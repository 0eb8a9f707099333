"""Offsets are the datum of a region; its text refuses only what it contradicts, and blank edges are no part of it."""

from __future__ import annotations

from typing import Any

import pytest

from backend.labelstudio.config import LabelConfig
from backend.labelstudio.regions import INCLUSIVE, agrees
from backend.labelstudio.wire import annotation_spans
from backend.ner.spans import Span

CONFIG = LabelConfig("label", "text", "text", ("HR", "EVENT", "VALUE", "DIAG"))
TWO_BLANKS = "心率  72 次/分，室性\n早搏 5 次。PR间期160ms"


def read(text: str, *values: dict[str, Any]) -> tuple[list[Span], list[str]]:
    regions = [
        {"id": f"r{number}", "from_name": "label", "to_name": "text", "type": "labels", "value": value}
        for number, value in enumerate(values)
    ]
    return annotation_spans({"result": regions}, text, CONFIG)


def value(start: Any, end: Any, label: str = "HR", **more: Any) -> dict[str, Any]:
    return {"start": start, "end": end, "labels": [label], **more}


@pytest.mark.parametrize(
    ("text", "start", "end", "stored"),
    [
        (TWO_BLANKS, 0, 10, "心率 72 次/分"),
        (TWO_BLANKS, 11, 16, "室性\\n早搏"),
        (TWO_BLANKS, 11, 16, "室性早搏"),
        (TWO_BLANKS, 11, 16, "室性 早搏"),
        ("室早5次\n最长RR间期\n2.1秒", 5, 16, "最长RR间期\\n2.1秒"),
        ("室早\r\n5次", 0, 6, "室早\\n\\n5次"),
        ("心率\t\t72", 0, 6, "心率 72"),
        ("心率\t72", 0, 5, "心率\\t72"),
        ("心率\u3000\u300072", 0, 6, "心率　72"),
        ("心率\u00a0\u00a072", 0, 6, "心率 72"),
        ("心率\u200b72", 0, 5, "心率72"),
        ("心率７２", 0, 4, "心率72"),
        ("PR间期", 0, 4, "pr间期"),
        ("心率&amp;律", 0, 8, "心率&律"),
        ("窦性心律，心率72次/分", 0, 4, "..."),
        ("窦性心律，心率72.5次/分", 0, 4, "."),
        ("窦性心律，心率72次/分", 0, 4, "…"),
        ("窦性心律，心率72次/分", 0, 4, "entity"),
        ("窦性心律，心率72次/分", 0, 4, ""),
        ("窦性心律，心率72次/分", 0, 4, "窦性…"),
        ("窦性心律，心律齐", 0, 4, "心律"),
        ("窦性心律，心率72次/分", 0, 4, None),
        ("窦性心律，心率72次/分", 0, 4, ["窦性心律"]),
    ],
)
def test_a_region_is_kept_whatever_rendering_its_text_is(text: str, start: int, end: int, stored: object) -> None:
    assert read(text, value(start, end, text=stored)) == ([Span(start, end, "HR")], [])


@pytest.mark.parametrize(
    ("start", "end", "stored"),
    [
        (5, 9, "窦性心律"),
        (1, 5, "窦性心律"),
        (5, 12, "窦性 心律"),
        (0, 4, "心率７２次/分"),
        (0, 1, "率"),
    ],
)
def test_text_that_stands_elsewhere_shows_that_the_offsets_are_shifted(start: int, end: int, stored: str) -> None:
    spans, reasons = read("窦性心律，心率72次/分", value(start, end, text=stored))
    assert spans == []
    assert reasons == [
        f"region r0: its text is not what the report holds at {start}..{end}, but stands elsewhere in the report"
    ]


@pytest.mark.parametrize(("start", "end", "stored"), [(0, 3, "窦性心律"), (5, 11, "心率 ７２次/分"), (0, 0, "窦")])
def test_an_inclusive_end_is_told_by_the_text(start: int, end: int, stored: str) -> None:
    report = "窦性心律，心率72次/分。"
    assert read(report, value(start, end, text=stored)) == ([], [f"region r0: {INCLUSIVE}"])
    assert read(report, value(start, end + 1, text=stored))[0] == [Span(start, end + 1, "HR")]


@pytest.mark.parametrize("blank", [" ", "  ", "\n", "\r\n", "\t", "\u3000", "\u00a0", "\u200b", "\ufeff", "\u2060 \n"])
def test_blank_edges_are_no_part_of_a_span(blank: str) -> None:
    text = f"见{blank}室性早搏{blank}5次"
    whole = value(1, 5 + 2 * len(blank), "EVENT", text="室性早搏")
    bare = value(1 + len(blank), 5 + len(blank), "EVENT")
    assert read(text, whole, bare) == ([Span(1 + len(blank), 5 + len(blank), "EVENT")], [])


@pytest.mark.parametrize("blank", [" ", "\n\t", "\u3000", "\u200b\ufeff"])
def test_a_region_of_white_space_is_left_out(blank: str) -> None:
    text = f"心率{blank}72"
    assert read(text, value(2, 2 + len(blank)))[1] == [f"region r0: it covers only white space at 2..{2 + len(blank)}"]


def test_the_same_place_with_two_labels_is_no_one_region() -> None:
    spans, reasons = read("心率 72 ", value(3, 5, "HR"), value(2, 6, "VALUE"))
    assert spans == [Span(3, 5, "HR")]
    assert reasons == ["region at 3..5: overlaps another region"]


@pytest.mark.parametrize(
    "given",
    [
        {"start": 5.0, "end": 12.0},
        {"start": "5", "end": "12"},
        {"start": " 5 ", "end": "12.0"},
        {"start": 5, "end": "12"},
        {"start": "/text()[1]", "end": "/text()[1]", "globalOffsets": {"start": 5, "end": 12}},
        {"globalOffsets": {"start": 5.0, "end": "12"}},
        {"start": "/text()[1]", "end": "/text()[1]", "startOffset": 5, "endOffset": 12, "text": "心率72次/分"},
        {"start": 5, "end": 12, "startOffset": 0, "endOffset": 7},
    ],
)
def test_offsets_that_can_mean_one_place_only_are_read(given: dict[str, Any]) -> None:
    assert read("窦性心律，心率72次/分", {"labels": ["HR"], **given}) == ([Span(5, 12, "HR")], [])


@pytest.mark.parametrize(
    "given",
    [
        {"start": 5.5, "end": 12},
        {"start": "5.5", "end": "12"},
        {"start": float("nan"), "end": 12},
        {"start": float("inf"), "end": 12},
        {"start": True, "end": 12},
        {"start": "", "end": "12"},
        {"start": "٥", "end": "12"},
        {"end": 12},
        {"start": 5, "globalOffsets": [5, 12]},
        {
            "start": "/div[2]/text()[1]",
            "end": "/div[2]/text()[1]",
            "startOffset": 0,
            "endOffset": 7,
            "text": "心率72次/分",
        },
        {"start": "/text()[1]", "end": "/text()[1]", "startOffset": 5, "endOffset": 12},
    ],
)
def test_offsets_that_are_none_are_left_out(given: dict[str, Any]) -> None:
    spans, reasons = read("窦性心律，心率72次/分", {"labels": ["HR"], **given})
    assert (spans, reasons) == ([], ["region r0: its offsets are not whole numbers"])


def test_a_rendering_agrees_and_a_placeholder_does_not() -> None:
    assert agrees(value(0, 10, text="心率 72 次/分"), TWO_BLANKS)
    assert not agrees(value(0, 10, text="..."), TWO_BLANKS)
    assert not agrees(value(0, 99, text="心率 72 次/分"), TWO_BLANKS)
    assert not agrees(value(2, 4, text=" "), TWO_BLANKS)
