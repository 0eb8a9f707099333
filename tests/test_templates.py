"""Reports of one template are found under other numbers, widths and white space; others stay apart."""

from __future__ import annotations

import json
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from backend.ranking.templates import skeleton, templates

REPORTS = Path(__file__).resolve().parents[1] / "examples" / "ecg_reports"
TEXTS = st.lists(st.text("窦性心律平均72次/分，完全右束支 \n", max_size=30), max_size=12)


@given(texts=TEXTS)
def test_templates_are_numbered_in_the_order_of_the_texts(texts: list[str]) -> None:
    groups = templates(texts)
    assert len(groups) == len(texts)
    assert list(dict.fromkeys(groups)) == list(range(len(set(groups))))


@given(texts=TEXTS, seed=st.randoms(use_true_random=False))
@settings(deadline=None)
def test_the_order_of_the_texts_changes_no_template(texts: list[str], seed: object) -> None:
    order = list(range(len(texts)))
    seed.shuffle(order)  # type: ignore[attr-defined]
    plain, shuffled = templates(texts), templates([texts[place] for place in order])
    together = {(i, j) for i in range(len(texts)) for j in range(len(texts)) if plain[i] == plain[j]}
    assert together == {
        (order[i], order[j]) for i in range(len(texts)) for j in range(len(texts)) if shuffled[i] == shuffled[j]
    }


@given(text=st.text("窦性心律平均次分，完全右束支", min_size=1, max_size=40), a=st.integers(0), b=st.integers(0))
def test_numbers_widths_and_white_space_make_no_template(text: str, a: int, b: int) -> None:
    wide = str(b).translate({ord(digit): 0xFF10 + int(digit) for digit in "0123456789"})
    assert templates([f"{text}{a}次/分", f" {text} {wide} 次／分\r\n"]) == [0, 0]


def test_a_chain_of_likeness_is_one_template() -> None:
    first, middle, last = "甲乙丙丁戊己", "丙丁戊己庚辛壬", "己庚辛壬癸"
    assert templates([first, last], 0.2) == [0, 1]
    assert templates([first, middle, last], 0.2) == [0, 0, 0]


def test_the_threshold_parts_what_is_less_alike() -> None:
    texts = ["窦性心律，心率72次/分，电轴左偏", "窦性心律，心率72次/分，正常心电图"]
    assert templates(texts, 0.3) == [0, 0]
    assert templates(texts, 0.9) == [0, 1]


def test_short_and_empty_reports_are_compared_too() -> None:
    assert templates(["完右", "完 右", "", "\n", "7", "房颤"]) == [0, 0, 1, 1, 2, 3]
    assert templates([]) == []


def test_example_reports_fall_into_many_small_templates() -> None:
    texts = [task["data"]["text"] for task in json.loads((REPORTS / "gold.json").read_text("utf-8"))]
    groups = templates(texts)
    # 98 skeletons stand behind gold and seed10; their lists of findings share no sentence and stay apart.
    assert 95 <= len(set(groups)) <= 120
    assert max(map(groups.count, set(groups))) <= 8


def test_a_skeleton_keeps_words_and_signs() -> None:
    assert skeleton("ＰＲ间期：156.5 ms\n03:15") == "pr间期:0ms0"
