"""What holds for every policy and every mix, on texts of any kind."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from backend.labelstudio.config import parse_label_config
from backend.ner.scheme import LabelScheme
from backend.ner.spans import Span, resolve_overlaps
from trainer.augmentation import DEFAULT, POLICIES, augment, variants
from trainer.augmentation.clauses import clauses_of
from trainer.augmentation.material import Material
from trainer.augmentation.segments import Segment, cut, join
from trainer.dataset import Report, freeze
from trainer.recipe import recipe_for
from trainer.training import fine_tune

ECG = Path(__file__).resolve().parents[2] / "examples" / "ecg_reports"
LABELS = ("HR", "VALUE", "TIME", "EVENT", "DIAG")
FRAGMENTS = st.sampled_from(
    [
        "窦性心律",
        "频发室早",
        "房颤",
        "72次/分",
        "49~108bpm",
        "0.12s",
        "２１３ms",
        "PR间期",
        "平均心率",
        "最快",
        "08:25",
        "下午5:08",
        "2024-02-29 23:59:59",
        "23小时44分",
        "99.9%",
        "-30°",
        "94,649次",
        "未见",
        "，",
        "。",
        "；",
        "\r\n",
        "（",
        "）",
        "1.",
        " ",
    ]
)
AWKWARD = st.sampled_from(
    [*"律0９:/.-%分\t\n\r", "😀", "\u200d", "\ufeff", "\u0301", "e", "𠀀", "İ", "ß", "½", "①", "Ⅱ", "℃"]
)
TEXTS = st.lists(FRAGMENTS | AWKWARD, min_size=1, max_size=12).map("".join) | st.text(min_size=1, max_size=30)
NAMES = sorted(POLICIES)
MIXES = [(name,) for name in NAMES] + [tuple(POLICIES)]


@st.composite
def corpora(draw: st.DrawFn) -> list[Report]:
    """A few reports with disjoint spans that hold a visible character."""
    reports = []
    for number, text in enumerate(draw(st.lists(TEXTS, min_size=1, max_size=4)), start=1):
        ends = st.tuples(st.integers(0, len(text) - 1), st.integers(1, len(text)), st.sampled_from(LABELS))
        found = [Span(a, b, label) for a, b, label in draw(st.lists(ends, max_size=5)) if text[a:b].strip()]
        reports.append(Report(number, number, text, tuple(resolve_overlaps(found)[0])))
    return reports


@pytest.fixture(scope="module")
def gold() -> tuple[Report, ...]:
    config = parse_label_config((ECG / "label_config.xml").read_text("utf-8"))
    return freeze(json.loads((ECG / "gold.json").read_text("utf-8")), config).reports


def assert_sound(report: Report) -> None:
    """Text that can be stored, and spans that training can use."""
    assert report.text
    report.text.encode()
    end = 0
    for span in report.spans:
        assert end <= span.start < span.end <= len(report.text)
        assert report.text[span.start : span.end].strip()
        end = span.end


def labels_of(report: Report) -> set[str]:
    return {span.label for span in report.spans}


def mentions_of(report: Report) -> list[tuple[str, str]]:
    return [(report.text[span.start : span.end], span.label) for span in report.spans]


@given(corpora())
def test_cut_and_join_are_inverses(reports: list[Report]) -> None:
    for report in reports:
        segments = cut(report.text, report.spans)
        assert join(segments) == (report.text, report.spans)
        assert all(segment.text for segment in segments)


def test_a_mention_without_a_visible_character_is_refused() -> None:
    with pytest.raises(ValueError, match="HR"):
        join([Segment("心率"), Segment(" ", "HR")])


@pytest.mark.parametrize("mix", MIXES, ids="+".join)
@given(reports=corpora(), seed=st.integers(0, 3))
@settings(max_examples=60)
def test_every_variant_is_sound_and_keeps_the_labels(mix: tuple[str, ...], reports: list[Report], seed: int) -> None:
    sources = {report.task_id: report for report in reports}
    for variant in variants(reports, mix, 2, seed):
        source = sources[variant.source_task_id]
        assert_sound(variant.report)
        assert labels_of(variant.report) == labels_of(source)
        assert variant.report.text != source.text
        assert set(variant.policies) <= set(mix)
        assert variant.report.task_id == source.task_id


@pytest.mark.parametrize("name", [name for name in NAMES if name != "clauses"])
@given(reports=corpora())
@settings(max_examples=40)
def test_only_clauses_change_the_sequence_of_labels(name: str, reports: list[Report]) -> None:
    sources = {report.task_id: [span.label for span in report.spans] for report in reports}
    for report in augment(reports, [name], 1, 0):
        assert [span.label for span in report.spans] == sources[report.task_id]


@pytest.mark.parametrize("name", ["numbers", "times", "mentions"])
@given(reports=corpora())
@settings(max_examples=40)
def test_plain_text_is_left_alone_by_policies_of_mentions(name: str, reports: list[Report]) -> None:
    sources = {report.task_id: cut(report.text, report.spans) for report in reports}
    for report in augment(reports, [name], 1, 0):
        pairs = zip(sources[report.task_id], cut(report.text, report.spans), strict=True)
        assert all(old == new for old, new in pairs if not old.label)


@given(corpora())
@example([Report(1, 1, "1.窦性心律，\r\n（频发室早，3次）。", (Span(2, 6, "DIAG"),))])
def test_the_clauses_of_a_report_are_the_report(reports: list[Report]) -> None:
    for report in reports:
        segments = cut(report.text, report.spans)
        parts = [(Segment(clause.lead), *clause.body, Segment(clause.tail)) for clause in clauses_of(segments)]
        text, spans = join([segment for part in parts for segment in part])
        assert (text, spans) == (report.text, report.spans)


@pytest.mark.parametrize("mix", MIXES, ids="+".join)
def test_the_shipped_reports_have_sound_variants(mix: tuple[str, ...], gold: Sequence[Report]) -> None:
    made = variants(gold, mix, 1, 5)
    assert len(made) > len(gold) / 3
    sources = {report.task_id: report for report in gold}
    for variant in made:
        assert_sound(variant.report)
        assert labels_of(variant.report) == labels_of(sources[variant.source_task_id])


def test_the_same_seed_gives_the_same_variants_and_another_seed_others(gold: Sequence[Report]) -> None:
    few = gold[:30]
    assert variants(few, NAMES, 2, 1) == variants(few, NAMES, 2, 1)
    assert variants(few, NAMES, 2, 1) != variants(few, NAMES, 2, 2)


def test_the_order_of_policies_and_reports_does_not_matter(gold: Sequence[Report]) -> None:
    names = ["numbers", "times", "surface", "mentions", "typos"]
    ways = [augment(gold[:20], names, 1, 0), augment(gold[19::-1], names[::-1], 1, 0)]
    assert len({tuple(sorted(way, key=lambda report: report.task_id)) for way in ways}) == 1


def test_variants_of_a_report_differ(gold: Sequence[Report]) -> None:
    made = [report.text for report in augment(gold[:20], tuple(POLICIES), 4, 0)]
    assert len(set(made)) == len(made) == 80


def test_more_copies_begin_with_the_fewer(gold: Sequence[Report]) -> None:
    few, more = (variants(gold[:5], tuple(POLICIES), copies, 0) for copies in (1, 3))
    assert few == more[::3]


def test_a_report_that_no_policy_applies_to_has_no_variants() -> None:
    report = Report(7, 1, "高勇 ok", (Span(0, 2, "NAME"),))
    assert augment([report], ["numbers", "times", "clauses", "mentions"], 3, 0) == []


def test_all_policies_leave_a_report_they_do_not_apply_to() -> None:
    segments = cut("ok", [])
    material = Material.of([Report(1, 1, "ok", ())])
    assert all(policy(segments, material, Random(0)) == segments for policy in POLICIES.values())


def test_wrong_arguments_are_named() -> None:
    with pytest.raises(ValueError, match="numbrs"):
        augment([], ["numbrs"], 1, 0)
    with pytest.raises(ValueError, match="-1"):
        augment([], ["numbers"], -1, 0)


def test_no_policies_and_no_copies_give_nothing(gold: Sequence[Report]) -> None:
    assert augment(gold[:3], (), 2, 0) == augment(gold[:3], ["numbers"], 0, 0) == []


def test_the_default_names_policies() -> None:
    assert set(DEFAULT) <= set(POLICIES)


@pytest.mark.slow
def test_a_network_learns_from_reports_and_variants(gold: Sequence[Report], tiny_base: Path, tmp_path: Path) -> None:
    few = gold[:10]
    annotated = [(report.text, report.spans) for report in (*few, *augment(few, tuple(POLICIES), 3, 0))]
    recipe = recipe_for(len(annotated), steps=2, seed=0, threads=1, minutes=5)
    assert len(annotated) == 40
    assert fine_tune(annotated, LabelScheme(LABELS), tiny_base, tmp_path / "model", recipe).steps == 2
