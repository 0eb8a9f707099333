from __future__ import annotations

import json
import random
import stat
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.error_analysis import ERRORS, ErrorAnalysis, read_analysis
from backend.errors import ModelError, NotFound
from backend.labelstudio.config import parse_label_config
from backend.ner.spans import Span, resolve_overlaps
from backend.predictor import RulesPredictor
from trainer.dataset import Report, freeze
from trainer.error_analysis import analyse, without_texts, write_analysis
from trainer.error_analysis.pairing import pair
from trainer.evaluation import Found, predict_spans, score
from trainer.report_groups import length_of

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "ecg_reports"
LABELS = ("HR", "DIAG", "none")
"""A label may have the name of the matrix's last row."""
LENGTH = 30
RANGES = st.tuples(st.integers(0, LENGTH - 1), st.integers(1, 8), st.sampled_from((*LABELS, "OTHER")))
SPANS = st.lists(RANGES, max_size=8).map(
    lambda ranges: resolve_overlaps(Span(start, min(start + n, LENGTH), label) for start, n, label in ranges)[0]
)
TEXT = st.text("窦性心律48次/分，房颤 \n<b>", min_size=LENGTH, max_size=LENGTH)
CASES = st.lists(st.tuples(TEXT, SPANS, SPANS), max_size=5)


def make(cases: list[tuple[str, list[Span], list[Span]]]) -> tuple[list[Report], Found]:
    reports = [Report(i, i, text, tuple(gold)) for i, (text, gold, _) in enumerate(cases, start=1)]
    return reports, {i: predicted for i, (_, _, predicted) in enumerate(cases, start=1)}


def one(text: str, gold: list[Span], predicted: list[Span]) -> ErrorAnalysis:
    return analyse([Report(1, 1, text, tuple(gold))], {1: predicted}, ("HR", "DIAG"))


@given(SPANS, SPANS)
def test_every_span_is_right_or_in_exactly_one_error(gold: list[Span], predicted: list[Span]) -> None:
    pairing = pair(gold, predicted)
    assert Counter([*pairing.correct, *(e.gold for e in pairing.errors if e.gold)]) == Counter(gold)
    assert Counter([*pairing.correct, *(e.predicted for e in pairing.errors if e.predicted)]) == Counter(predicted)


@given(SPANS, SPANS)
def test_the_kind_of_an_error_says_what_is_wrong(gold: list[Span], predicted: list[Span]) -> None:
    for error in pair(gold, predicted).errors:
        if error.gold is None or error.predicted is None:
            assert error.kind == ("spurious" if error.predicted else "missed")
            continue
        one, other = error.gold, error.predicted
        assert one.overlaps(other)
        same_range, same_label = (one.start, one.end) == (other.start, other.end), one.label == other.label
        expected = {(True, False): "wrong-label", (False, True): "boundary", (False, False): "wrong-label-and-boundary"}
        assert error.kind == expected[same_range, same_label]
        longer = {"too long": one.start >= other.start and one.end <= other.end}
        shorter = {"too short": one.start <= other.start and one.end >= other.end}
        assert (error.shape == "") == same_range
        assert {**longer, **shorter}.get(error.shape, True)
        assert (other.start + error.left, other.end - error.right) == (one.start, one.end)


@given(SPANS, SPANS)
def test_no_two_spans_that_could_be_one_error_are_told_as_two(gold: list[Span], predicted: list[Span]) -> None:
    errors = pair(gold, predicted).errors
    missed = [e.gold for e in errors if e.gold and e.predicted is None]
    spurious = [e.predicted for e in errors if e.predicted and e.gold is None]
    assert not [1 for one in missed for other in spurious if one.overlaps(other)]


@given(CASES)
def test_all_counts_agree_with_the_scores_and_with_each_other(cases: list[tuple[str, list[Span], list[Span]]]) -> None:
    reports, found = make(cases)
    analysis, scores = analyse(reports, found, LABELS), score(reports, found, LABELS)
    summary = analysis.summary
    assert (summary.precision, summary.recall, summary.f1) == (
        scores.micro.precision,
        scores.micro.recall,
        scores.micro.f1,
    )
    assert sum(summary.kinds.values()) == len(analysis.errors) == sum(row.errors for row in analysis.reports)
    assert sum(row.errors for row in analysis.by_report_kind) == len(analysis.errors)
    assert sum(row.predicted for row in analysis.by_source) == summary.predicted
    for i, row in enumerate(analysis.by_label):
        told = scores.by_label[row.label]
        assert (row.f1, row.gold) == (told.f1, told.support)
        boundaries = row.too_long + row.too_short + row.shifted
        assert row.gold == row.correct + row.missed + boundaries + row.wrong_label + row.wrong_label_and_boundary
        assert row.predicted == row.correct + row.spurious + boundaries + row.taken_for
        assert sum(analysis.confusion.counts[i]) == row.gold
        assert sum(line[i] for line in analysis.confusion.counts) == row.predicted
    assert analysis.confusion.counts[-1][-1] == 0


@given(CASES)
def test_errors_quote_the_report_at_their_offsets(cases: list[tuple[str, list[Span], list[Span]]]) -> None:
    reports, found = make(cases)
    texts = {report.task_id: report.text for report in reports}
    analysis = analyse(reports, found, LABELS)
    for error in analysis.errors:
        text = texts[error.task_id]
        for mention in error.mentions:
            assert mention.text == text[mention.start : mention.end]
        assert text[: error.start].endswith(error.before)
        assert text[error.start :].startswith(error.text + error.after)
        assert (len(error.left_text), len(error.right_text)) == (abs(error.left), abs(error.right))
    assert [(e.task_id, e.start) for e in analysis.errors] == sorted((e.task_id, e.start) for e in analysis.errors)
    assert sum(pattern.count for pattern in analysis.patterns) == len(analysis.errors)


@given(CASES)
def test_an_analysis_survives_its_file(tmp_path_factory: pytest.TempPathFactory, cases: list) -> None:  # type: ignore[type-arg]
    folder = tmp_path_factory.mktemp("model")
    analysis = analyse(*make(cases), LABELS, version="ecg-r0001-00000000")
    write_analysis(folder, analysis)
    assert read_analysis(folder) == analysis


def test_a_unit_left_off_is_counted_by_its_string_and_by_a_pattern_that_ignores_numbers() -> None:
    texts = ["心率48次/分", "心率１１２次／分", "心率7次/分"]
    reports = [Report(i, i, text, (Span(2, len(text), "HR"),)) for i, text in enumerate(texts, start=1)]
    found = {i: [Span(2, len(text) - 3, "HR")] for i, text in enumerate(texts, start=1)}
    analysis = analyse(reports, found, ["HR"])
    (first, second) = [(s.text, s.change, s.side, s.count, s.tasks) for s in analysis.strings]
    assert first == ("次/分", "left off", "right", 2, [1, 3])
    assert second == ("次／分", "left off", "right", 1, [2])
    (pattern,) = analysis.patterns
    assert (pattern.kind, pattern.shape, pattern.text) == ("boundary", "too short", "…-次/分")
    assert (pattern.count, pattern.tasks) == (3, [1, 2, 3])


def test_a_shifted_span_tells_both_ends() -> None:
    analysis = one("约48次/分钟", [Span(1, 5, "HR")], [Span(0, 3, "HR")])
    (error,) = analysis.errors
    assert (error.kind, error.shape) == ("boundary", "shifted")
    assert (error.left, error.left_text, error.right, error.right_text) == (1, "约", -2, "次/")
    assert {(s.text, s.change, s.side) for s in analysis.strings} == {
        ("约", "taken in", "left"),
        ("次/", "left off", "right"),
    }
    assert [pattern.text for pattern in analysis.patterns] == ["+约…-次/"]


def test_of_two_overlapping_spans_the_one_with_the_same_label_is_meant() -> None:
    errors = one("48次/分，房颤律", [Span(0, 4, "HR"), Span(4, 8, "DIAG")], [Span(0, 8, "DIAG")]).errors
    assert [(error.kind, error.start) for error in errors] == [("missed", 0), ("boundary", 0)]


def test_two_mentions_predicted_as_one_are_a_boundary_and_a_miss() -> None:
    errors = one("心房颤动伴慢心室率", [Span(0, 4, "DIAG"), Span(5, 9, "DIAG")], [Span(0, 9, "DIAG")]).errors
    assert [(error.kind, error.shape) for error in errors] == [("boundary", "too long"), ("missed", "")]


def test_a_report_without_prediction_is_all_missed() -> None:
    report = Report(7, 7, "窦性心律", (Span(0, 4, "DIAG"),))
    assert analyse([report], {}, ["DIAG"]).summary.kinds["missed"] == 1


def test_reports_are_counted_by_kind_and_length() -> None:
    texts = ["24小时动态心电图：窦性心律", "窦性心律", "窦性心律，房颤", "窦性心律" * 30]
    reports = [Report(i, i, text, (Span(0, 1, "DIAG"),)) for i, text in enumerate(texts, start=1)]
    analysis = analyse(reports, {2: [Span(0, 1, "DIAG")]}, ["DIAG"])
    rows = {row.kind: (row.reports, row.faulty) for row in analysis.by_report_kind}
    short, longer = length_of(texts[0]), length_of(texts[3])
    assert rows == {
        f"Holter, {short} characters": (1, 1),
        f"resting, {short} characters": (2, 1),
        f"resting, {longer} characters": (1, 1),
    }


def test_a_string_that_is_outvoted_is_suspect_and_a_negated_one_is_not() -> None:
    texts = ["窦性心律，房颤"] * 4 + ["窦性心律，未见房颤", "窦性心律，房颤"]
    gold = [(Span(5, 7, "DIAG"),)] * 4 + [(), ()]
    reports = [Report(i, i, *pair) for i, pair in enumerate(zip(texts, gold, strict=True), start=1)]
    analysis = analyse(reports, {r.task_id: list(r.spans) for r in reports}, ["DIAG"])
    (row,) = analysis.inconsistencies
    assert (row.text, [(use.label, use.count) for use in row.uses]) == ("房颤", [("DIAG", 4), ("", 1)])
    (suspect,) = analysis.suspects
    assert (suspect.task_id, suspect.start, suspect.end) == (6, 5, 7)
    assert (suspect.label, suspect.expected) == ("", "DIAG")
    assert "4 of 5" in suspect.reason
    (suggestion,) = analysis.suggestions
    assert (suggestion.kind, suggestion.target, suggestion.tasks) == ("string", "房颤", [6])


def test_a_string_that_is_used_half_and_half_is_inconsistent_and_nobody_is_outvoted() -> None:
    reports = [Report(i, i, "房颤", (Span(0, 2, "DIAG"),) if i % 2 else ()) for i in range(1, 9)]
    analysis = analyse(reports, {r.task_id: list(r.spans) for r in reports}, ["DIAG"])
    assert [[use.count for use in row.uses] for row in analysis.inconsistencies] == [[4, 4]]
    assert not analysis.suspects


def test_numbers_are_compared_without_their_digits_and_only_where_labelled() -> None:
    reports = [Report(i, i, f"心率{70 + i}次/分", (Span(2, 7, "HR"),)) for i in range(1, 5)]
    reports += [Report(5, 5, "参考值70次/分", ()), Report(6, 6, "心率80次/分", (Span(2, 7, "DIAG"),))]
    (suspect,) = analyse(reports, {r.task_id: list(r.spans) for r in reports}, ["HR", "DIAG"]).suspects
    assert (suspect.task_id, suspect.label, suspect.expected) == (6, "DIAG", "HR")


def test_annotations_of_training_reports_count_where_they_are_given() -> None:
    held = [Report(9, 9, "窦性心律，房颤", ())]
    train = [Report(i, i, "房颤", (Span(0, 2, "DIAG"),)) for i in range(1, 5)]
    assert not analyse(held, {}, ["DIAG"]).suspects
    analysis = analyse(held, {}, ["DIAG"], annotated=[*train, *held])
    assert [suspect.task_id for suspect in analysis.suspects] == [9]
    assert analysis.annotated == 5


def test_a_sure_prediction_makes_the_annotation_suspect_as_far_as_its_source_is_right() -> None:
    text = "窦性心律，房颤"
    sure = Span(5, 7, "DIAG", score=0.99, source="model")
    right = [Span(0, 4, "DIAG", score=0.99, source="model")]
    (suspect,) = one(text, [Span(0, 4, "DIAG")], [*right, sure]).suspects
    assert (suspect.start, suspect.end, suspect.label, suspect.expected) == (5, 7, "", "DIAG")
    assert suspect.strength == pytest.approx(0.99 / 2)
    assert not one(text, [Span(0, 4, "DIAG")], [*right, replace(sure, score=0.9)]).suspects


def test_spans_without_a_score_make_nothing_suspect() -> None:
    assert not one("窦性心律，房颤", [Span(0, 4, "DIAG")], [Span(5, 7, "DIAG")]).suspects


def test_labels_are_suggested_with_the_figures_that_say_why() -> None:
    reports = [Report(i, i, "窦性心律，心率48次/分", (Span(0, 4, "DIAG"), Span(7, 12, "HR"))) for i in range(1, 6)]
    found = {i: [Span(0, 4, "DIAG")] for i in range(1, 6)}
    label, unseen = analyse(reports, found, ["DIAG", "HR", "TIME"]).suggestions
    assert (label.kind, label.target, label.examples) == ("label", "HR", ["48次/分"])
    assert label.figures == {"recall": 0.0, "lost": 5, "gold": 5, "annotated": 5}
    assert label.tasks == [1, 2, 3, 4, 5]
    assert "annotate more" in label.reason
    assert (unseen.target, unseen.figures) == ("TIME", {"annotated": 0})


def test_the_kind_of_report_with_most_errors_is_suggested() -> None:
    reports = [Report(i, i, "窦性心律", (Span(0, 4, "DIAG"),)) for i in range(1, 10)]
    reports += [Report(20, 20, "动态心电图：窦性心律", (Span(6, 10, "DIAG"),))]
    found = {report.task_id: list(report.spans) for report in reports[:-1]}
    (suggestion,) = analyse(reports, found, ["DIAG"]).suggestions
    assert (suggestion.kind, suggestion.target, suggestion.tasks) == (
        "report-kind",
        f"Holter, {length_of('')} characters",
        [20],
    )
    assert suggestion.figures["errors_per_report"] == 1


@given(CASES)
def test_without_texts_nothing_of_a_report_is_left(cases: list[tuple[str, list[Span], list[Span]]]) -> None:
    analysis = analyse(*make([("秘密" * (LENGTH // 2), gold, predicted) for _, gold, predicted in cases]), LABELS)
    bare = without_texts(analysis)
    assert "秘" not in bare.model_dump_json()
    assert sum(pattern.count for pattern in bare.patterns) == len(bare.errors) == len(analysis.errors)
    assert bare.summary == analysis.summary


def test_an_analysis_is_for_its_owner_only(tmp_path: Path) -> None:
    write_analysis(tmp_path, analyse([], {}, LABELS))
    assert stat.S_IMODE((tmp_path / ERRORS).stat().st_mode) == 0o600


def test_a_missing_and_a_broken_analysis_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="No error analysis"):
        read_analysis(tmp_path)
    (tmp_path / ERRORS).write_text('{"labels": []}')
    with pytest.raises(ModelError, match="Unreadable"):
        read_analysis(tmp_path)


def planted(reports: list[Report], seed: int) -> tuple[list[Report], set[int]]:
    """Three in a hundred annotations dropped, relabelled or cut short; and the tasks that have one."""
    chance, broken, tasks = random.Random(seed), [], set()
    for report in reports:
        spans = []
        for span in report.spans:
            mistake = chance.choice(("drop", "label", "short")) if chance.random() < 0.03 else ""
            tasks |= {report.task_id} if mistake else set()
            label = chance.choice([x for x in ("HR", "VALUE", "TIME", "EVENT", "DIAG") if x != span.label])
            if mistake == "label":
                spans.append(replace(span, label=label))
            elif mistake == "short" and span.end - span.start > 1:
                spans.append(replace(span, end=span.end - 1))
            elif not mistake:
                spans.append(span)
        broken.append(replace(report, spans=tuple(spans)))
    return broken, tasks


def test_suspects_find_planted_mistakes_in_the_example_reports() -> None:
    config = parse_label_config((EXAMPLES / "label_config.xml").read_text("utf-8"))
    tasks = [task for name in ("seed10", "gold") for task in json.loads((EXAMPLES / f"{name}.json").read_text("utf-8"))]
    reports, mistaken = planted(list(freeze(tasks, config).reports), seed=1)
    alone = analyse(reports, {report.task_id: list(report.spans) for report in reports}, config.labels)
    assert len(alone.suspects) >= 25
    assert sum(suspect.task_id in mistaken for suspect in alone.suspects) >= 0.85 * len(alone.suspects)
    found = predict_spans(RulesPredictor("rules-1", config.labels), reports)
    assert {suspect.task_id for suspect in analyse(reports, found, config.labels).suspects[:20]} <= mistaken
