"""Every reason for leaving something out has its words in both languages, with what it names."""

from __future__ import annotations

import pytest

from backend.left_out import kind
from console.reasons import REASONS, reason
from console.words import Words


@pytest.mark.parametrize(
    ("said", "chinese"),
    [
        ("its label 'EDU' is not in the labelling configuration", "标签 'EDU' 不在标注配置中"),
        ("""its label "O'Brien" is not in the labelling configuration""", """标签 "O'Brien" 不在标注配置中"""),
        ("it belongs to another control than label on text", "属于另一个标注控件"),
        ("no usable text under data.report.text", "data.report.text 下没有可用文本"),
        ("no usable text under data.text: over 20000 characters", "data.text 下的文本超过 20000 字"),
        ("overlaps another region", "与另一个区域重叠（保留较长的）"),
        (kind("same text as task 12, annotated differently"), "与另一任务文本相同，但标注不同（采用了另一份）"),
        ("something new", "something new"),
    ],
)
def test_a_reason_is_said_in_chinese(said: str, chinese: str) -> None:
    assert reason(said, Words("zh")) == chinese


@pytest.mark.parametrize("known", REASONS)
def test_english_stays_english(known: str) -> None:
    english = reason(known.replace("its label …", "its label 'X'"), Words("en"))
    assert english.isascii() or "…" in english
