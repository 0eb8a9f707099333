"""The mended copy of a text: what a person sees, and the way back to the raw text."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.rules import propose
from backend.rules.mending import mend

LABELS = ("HR", "VALUE", "TIME", "EVENT", "DIAG")
UNSEEN = ["\u200b", "\u00ad", "\u2060", "\ufeff", "\x00", "\ufe0f", "\u200e"]
PIECES = [
    *(
        "心率",
        "72",
        "次",
        "/",
        "分",
        "ms",
        "-",
        "PR间期",
        "室早",
        "，",
        " ",
        "\t",
        "\n",
        "\r\n",
        "\r",
        "一百二十",
        "𠀀",
    ),
    *(
        "&nbsp;",
        "&#160;",
        "&#x37;",
        "&lt;",
        "&amp;lt;",
        "&NotEqualTilde;",
        "&no;",
        "&",
        "<br>",
        "<br/>",
        "<td>",
        "</b>",
    ),
    *("\\.br\\", "\\n", "_x000D_", "<", ">", "\u2028", "\xa0"),
    *UNSEEN,
]
texts = st.one_of(st.text(max_size=60), st.lists(st.sampled_from(PIECES), max_size=30).map("".join))


@pytest.mark.parametrize(
    ("raw", "seen"),
    [
        ("7\u200b2", "72"),
        ("室\u00ad早\ufeff5\u2060次", "室早5次"),
        ("&nbsp;72&#160;&ensp;次", "\xa072\xa0\u2002次"),
        ("&nbsp72", "\xa072"),
        ("&#x37;2&#55;", "727"),
        ("&lt;0.1mV &amp;lt; &amp;", "<0.1mV < &"),
        ("&no; &NotEqualTilde; AT&T;", "&no; &NotEqualTilde; AT&T;"),
        ("a<br>b<br/>c<BR />d</p>", "a\nb\nc\nd\n"),
        ("<td>72</td>", "\t72\t"),
        ("<b>7</b>2<span style='color:red'>次</span>", "72次"),
        ("<0.1mV，>100ms", "<0.1mV，>100ms"),
        ("a\\.br\\b\\r\\nc\\nd\\X0A\\e_x000D_f", "a\nb\nc\\nd\ne\nf"),
        ("a\rb\u2028c\x0bd\r\ne", "a\nb\nc\nd\r\ne"),
    ],
)
def test_the_copy_holds_what_a_person_sees(raw, seen):
    assert mend(raw).text == seen


@pytest.mark.parametrize(
    ("raw", "mended"),
    [
        ("72\n次/分", "72次/分"),
        ("72 \r\n  次／分", "72次／分"),
        ("72次\n/分", "72次/分"),
        ("72次/\n分", "72次/分"),
        ("72\nbpm", "72bpm"),
        ("160\nms", "160ms"),
        ("0.1\nｍＶ", "0.1ｍＶ"),
        ("5\n次，", "5次，"),
        ("60-\n100", "60-100"),
        ("380\n/410", "380/410"),
        ("72<br>次/分", "72次/分"),
    ],
)
def test_a_line_that_ends_inside_a_reading_goes_on(raw, mended):
    assert mend(raw).text == mended


@pytest.mark.parametrize(
    "text",
    ["7\n2次", "室早5\n次日复查", "总数 12\n对比前图", "RV5\nmV", "HR 72\n分析", "1\n-5", "3\n阵发性房颤", "72\nmsx"],
)
def test_a_line_that_may_end_there_stays(text):
    assert mend(text).text == text


@settings(deadline=None, max_examples=400)
@given(texts)
def test_every_character_stands_for_one_range_of_the_raw_text_in_order(text):
    mended = mend(text)
    ranges = [mended.raw(i, i + 1) for i in range(len(mended.text))]
    assert all(0 <= start < end <= len(text) for start, end in ranges)
    assert all(left[1] <= right[0] for left, right in pairwise(ranges))
    assert all(
        mended.text[i] == text[start]
        for i, (start, end) in enumerate(ranges)
        if end - start == 1 and text[start] not in "\r\x0b\x0c\x85\u2028\u2029"
    )


@settings(deadline=None, max_examples=400)
@given(texts, st.integers(0, 60), st.integers(1, 20))
def test_a_range_finds_its_way_back(text, start, length):
    mended = mend(text)
    end = min(start + length, len(mended.text))
    if start < end:
        assert mended.within(*mended.raw(start, end)) == (start, end)


@settings(deadline=None, max_examples=400)
@given(texts, st.integers(0, 60), st.integers(1, 20))
def test_of_a_raw_range_everything_seen_is_within(text, start, length):
    mended, end = mend(text), min(start + length, len(text))
    seen = [i for i in range(len(mended.text)) if mended.raw(i, i + 1)[0] < end and mended.raw(i, i + 1)[1] > start]
    expected = (seen[0], seen[-1] + 1) if seen and start < end else None
    if start < end:
        assert mended.within(start, end) == expected


@settings(deadline=None, max_examples=200)
@given(st.lists(st.sampled_from(PIECES[:17]), max_size=15), st.lists(st.sampled_from(UNSEEN), min_size=16, max_size=16))
def test_characters_that_nobody_sees_change_no_proposal(pieces, unseen):
    plain = "".join(pieces)
    torn = "".join(piece + mark for piece, mark in zip(pieces, unseen, strict=False))
    marks = str.maketrans(dict.fromkeys("".join(UNSEEN)))
    found = [(torn[s.start : s.end].translate(marks), s.label) for s in propose(torn, LABELS)]
    assert found == [(plain[s.start : s.end], s.label) for s in propose(plain, LABELS)]
