"""Splits part the reports, balance labels and length, and repeat with the seed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.errors import CorpusError
from backend.ner.spans import Span
from backend.ranking.templates import templates
from trainer.corpus import read
from trainer.corpus.splits import Split, k_folds, stratified, template_disjoint
from trainer.dataset import Report

REPORTS = Path(__file__).resolve().parents[2] / "examples" / "ecg_reports"
GOLD = read(REPORTS / "gold.json").dataset.reports


def report(number: int, labels: str, text: str = "") -> Report:
    """A report with one span for each letter of `labels`."""
    text = text or f"{labels}{'甲乙丙丁戊己庚辛壬癸'[number % 10] * 9}{number}"
    return Report(number, number, text, tuple(Span(i, i + 1, label) for i, label in enumerate(labels)))


def holders(reports: Sequence[Report]) -> Counter[str]:
    return Counter(label for one in reports for label in {span.label for span in one.spans})


def spans(reports: Sequence[Report]) -> Counter[str]:
    return Counter(span.label for one in reports for span in one.spans)


def parts_everything(split: Split, reports: Sequence[Report]) -> bool:
    ids = [[one.task_id for one in side] for side in split]
    return all(side == sorted(side) for side in ids) and sorted(ids[0] + ids[1]) == [one.task_id for one in reports]


REPORT_SETS = st.lists(st.text("ABCD", max_size=5), min_size=2, max_size=25).map(
    lambda rows: [report(number, labels) for number, labels in enumerate(rows)]
)


@given(reports=REPORT_SETS, share=st.floats(0.05, 0.95), seed=st.integers(0, 99))
@settings(deadline=None)
def test_a_stratified_split_has_its_share_exactly(reports: list[Report], share: float, seed: int) -> None:
    split = stratified(reports, share, seed)
    assert parts_everything(split, reports)
    assert len(split[1]) == min(max(round(share * len(reports)), 1), len(reports) - 1)
    assert split == stratified(reports, share, seed)


@given(reports=REPORT_SETS, seed=st.integers(0, 99), k=st.integers(2, 6))
@settings(deadline=None)
def test_every_report_is_held_out_once(reports: list[Report], seed: int, k: int) -> None:
    k = min(k, len(reports))
    folds = k_folds(reports, k, seed)
    assert all(parts_everything(fold, reports) for fold in folds)
    assert Counter(one.task_id for _, held in folds for one in held) == Counter(one.task_id for one in reports)
    sizes = {len(held) for _, held in folds}
    assert max(sizes) - min(sizes) <= 1


@given(labels=st.lists(st.text("ABCD", max_size=4), min_size=1, max_size=25), seed=st.integers(0, 99))
@settings(deadline=None)
def test_no_template_is_on_both_sides(labels: list[str], seed: int) -> None:
    sentences = ["窦性心律正常心电图", "完全性右束支传导阻滞", "平均心率{}次/分最快", "Ｐ波 {} 电轴左偏"]
    reports = [report(n, row, f"{row}{sentences[n % 3 + (n > 9)].format(n)}") for n, row in enumerate(["", *labels])]
    groups = templates([one.text for one in reports])
    if len(set(groups)) == 1:
        with pytest.raises(CorpusError, match="one template"):
            template_disjoint(reports, seed=seed)
        return
    train, held = template_disjoint(reports, seed=seed)
    assert parts_everything((train, held), reports)
    of = dict(zip((one.task_id for one in reports), groups, strict=True))
    assert not {of[one.task_id] for one in train} & {of[one.task_id] for one in held}
    assert train
    assert held


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("size", [10, 25, 60])
def test_small_sets_have_each_label_on_both_sides_and_in_each_fold(size: int, seed: int) -> None:
    reports = GOLD[seed * 30 : seed * 30 + size]
    common = {label for label, n in holders(reports).items() if n > 1}
    assert common
    for side in stratified(reports, 0.2, seed):
        assert common <= holders(side).keys()
    for _, held in k_folds(reports, 3, seed):
        assert {label for label, n in holders(reports).items() if n > 2} <= holders(held).keys()


def test_a_label_that_only_one_report_holds_is_trained_on() -> None:
    reports = [report(n, "A" * (n % 2) + "X" * (n == 7)) for n in range(20)]
    for seed in range(10):
        assert holders(stratified(reports, 0.2, seed)[0])["X"] == 1


def test_two_rare_labels_that_want_the_same_report_are_exchanged() -> None:
    # Only 0 and 1 hold A, only 1 and 2 hold B: 1 on one side, 0 and 2 on the other.
    reports = [report(0, "A"), report(1, "AB"), report(2, "B"), *(report(n, "C") for n in range(3, 10))]
    for seed in range(20):
        train, held = stratified(reports, 0.2, seed)
        assert holders(train).keys() == holders(held).keys() == {"A", "B", "C"}


def test_shares_of_labels_and_length_are_kept_on_many_reports() -> None:
    _, held = stratified(GOLD, 0.2)
    for label, n in spans(GOLD).items():
        assert spans(held)[label] / n == pytest.approx(0.2, abs=0.06)
    length = sum(len(one.text) for one in held) / sum(len(one.text) for one in GOLD)
    assert length == pytest.approx(0.2, abs=0.06)


def test_a_template_disjoint_split_of_real_reports_has_about_its_share() -> None:
    train, held = template_disjoint(GOLD, 0.2)
    assert len(held) / len(GOLD) == pytest.approx(0.2, abs=0.04)
    assert holders(train).keys() == holders(held).keys()


def test_another_seed_gives_another_split() -> None:
    assert len({tuple(one.task_id for one in stratified(GOLD, 0.2, seed)[1]) for seed in range(5)}) == 5


def test_a_template_that_fills_most_of_the_set_is_trained_on() -> None:
    reports = [report(n, "A", f"A平均心率{n}次/分最快心率") for n in range(8)] + [report(8, "A"), report(9, "B")]
    assert [one.task_id for one in template_disjoint(reports, 0.2)[1]] == [8, 9]


def test_a_template_that_would_fill_the_smaller_side_is_trained_on() -> None:
    others = ["窦性心律", "完右", "房颤伴长间歇", "一度阻滞", "电轴左偏", "早复极", "低电压", "预激波"]
    reports = [report(n, "A", f"A平均心率{n}次/分最快心率") for n in range(2)]
    reports += [report(n, "A", f"A{text}") for n, text in enumerate(others, start=2)]
    for seed in range(10):
        train, held = template_disjoint(reports, 0.2, seed)
        assert {0, 1} <= {one.task_id for one in train}
        assert len(held) == 2


@pytest.mark.parametrize("k", [1, 4])
def test_too_few_reports_are_refused(k: int) -> None:
    three = [report(n, "A") for n in range(3)]
    with pytest.raises(CorpusError, match=f"k: {k}"):
        k_folds(three, k)
    with pytest.raises(CorpusError, match="Two different reports"):
        stratified(three[:1])
    with pytest.raises(CorpusError, match="one template"):
        template_disjoint(three[:1])
