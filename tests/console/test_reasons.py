"""Every reason for leaving something out has its words in both languages, with what it names."""

from __future__ import annotations

from typing import Any

import pytest

from backend.labelstudio.config import LabelConfig
from backend.left_out import NO_LOSS, kind
from console.reasons import REASONS, reason
from console.words import Words
from trainer.copies import once
from trainer.dataset import freeze


@pytest.mark.parametrize(
    ("said", "chinese"),
    [
        ("its label 'EDU' is not in the labelling configuration", "标签 'EDU' 不在标注配置中"),
        ("""its label "O'Brien" is not in the labelling configuration""", """标签 "O'Brien" 不在标注配置中"""),
        ("its type is paragraphlabels, not labels", "区域类型为 paragraphlabels，不是 labels"),
        ("it belongs to another control than label on text", "属于另一个标注控件"),
        ("no usable text under data.report.text", "data.report.text 下没有可用文本"),
        ("no usable text under data.text: over 20000 characters", "data.text 下的文本超过 20000 字"),
        ("overlaps another region", "与另一个区域重叠（保留较长的）"),
        (kind("same text as task 12, annotated differently"), "与另一任务文本相同但标注不同（采用了另一份）"),
        ("something new", "something new"),
    ],
)
def test_a_reason_is_said_in_chinese(said: str, chinese: str) -> None:
    assert reason(said, Words("zh")) == chinese


def test_whatever_a_round_leaves_out_has_chinese_words() -> None:
    text, shape = "心率72次/分", {"from_name": "label", "to_name": "text", "type": "labels"}

    def marked(number: int, *values: Any, **fields: Any) -> dict[str, Any]:
        result = [value if value is None else {**shape, **fields, "value": value} for value in values]
        return {"id": number, "result": result}

    whole = {"start": 2, "end": 7, "labels": ["HR"]}
    wrong = [None, {}, {**whole, "labels": ["X"]}, {**whole, "start": 2.5}, {**whole, "end": 99}, {**whole, "end": 4}]
    wrong += [{**whole, "text": "心率"}, {**whole, "end": 6, "text": "72次/分"}, {**whole, "labels": ["HR", "X"]}]
    tasks = [
        (text, [marked(1, whole, *wrong)]),
        (text, [marked(2)]),
        (text + " 。", [marked(3, {**whole, "start": 7, "end": 8}), marked(4, whole)]),
        (text + " ，", [marked(5, {**whole, "start": 7, "end": 8})]),
        (text + "，，", [marked(6, whole, from_name="other")]),
        (text + "。。", [marked(7, whole, type="paragraphlabels")]),
        (text + "！", [marked(8, {**whole, "end": 99})]),
        (text + "？", [9]),
        (text + "；", [{"id": 10}]),
        ("心" * 20_001, [marked(11)]),
        ("\ud800", [marked(12)]),
        (None, [marked(13)]),
    ]
    config = LabelConfig("label", "text", "text", ("HR",))
    frozen = freeze(({"id": n, "data": {"text": t}, "annotations": a} for n, (t, a) in enumerate(tasks, 1)), config)
    kinds = {kind(reject.reason) for reject in once(frozen).rejects} - NO_LOSS
    assert len(kinds) == len(REASONS)
    assert [one for one in kinds if reason(one, Words("zh")) == one] == []


@pytest.mark.parametrize("known", REASONS)
def test_english_stays_english(known: str) -> None:
    assert reason(known, Words("en")) == known
