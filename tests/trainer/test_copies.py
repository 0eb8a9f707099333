"""A corpus once and with every report twice: holdout, folds and F1 are the same."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from backend.labelstudio.config import parse_label_config
from backend.model_card import TrainingSummary
from backend.ner.spans import Span
from backend.predictor import RulesPredictor
from backend.ranking.copies import bare_spans, report_key, spans_in
from trainer.copies import merged, once, unseen
from trainer.corpus.splits import k_folds, stratified
from trainer.dataset import FrozenDataset, Report, freeze, frozen, split
from trainer.evaluation import judge, score
from trainer.learning import remember

REPORTS = Path(__file__).resolve().parents[2] / "examples" / "ecg_reports"
CONFIG = parse_label_config((REPORTS / "label_config.xml").read_text("utf-8"))
WIDE = str.maketrans("0123456789", "０１２３４５６７８９")


def corpus() -> FrozenDataset:
    return once(freeze(json.loads((REPORTS / "gold.json").read_text("utf-8")), CONFIG))


def copy(report: Report) -> Report:
    """The same report in another task: wide digits, and a blank before each span."""
    text = report.text.translate(WIDE)
    for span in reversed(report.spans):
        text = f"{text[: span.start]} {text[span.start :]}"
    spans = spans_in(text, bare_spans(report.text, report.spans))
    number = report.task_id + 100_000
    return replace(report, task_id=number, annotation_id=number, text=text, spans=spans)


def doubled() -> FrozenDataset:
    reports = corpus().reports
    return frozen([*reports, *map(copy, reports)], (), CONFIG.labels)


def held_out_f1(train: list[Report], holdout: list[Report]) -> float:
    predictor = RulesPredictor("v", CONFIG.labels, remember(train))
    judged = judge(predictor, holdout)
    return score(holdout, judged.by_mode["rules"], CONFIG.labels).micro.f1


def test_doubling_a_corpus_changes_neither_data_nor_f1() -> None:
    single, double = corpus(), once(doubled())
    assert double.hash == single.hash
    assert double.rejects == ()
    sides, again = split(single.reports, 0.2), split(double.reports, 0.2)
    assert again == sides
    assert held_out_f1(*again) == held_out_f1(*sides)


def test_a_split_by_task_leaks_what_only_the_copy_tells_and_one_by_text_does_not() -> None:
    label = CONFIG.labels[0]
    signs = "甲乙丙丁戊己庚辛壬癸"
    terms = [f"{a}{b}征象" for a in signs for b in signs[:6]]
    single = [Report(i, i, f"见{term}，余略", (Span(1, 5, label),)) for i, term in enumerate(terms, 1)]
    both = [*single, *map(copy, single)]
    by_task = [[r for r in both if (r.task_id % 5 == 0 and r.task_id < 100_000) == held] for held in (False, True)]
    assert held_out_f1(*by_task) > 0.8
    train, holdout = split(both, 0.2)
    assert held_out_f1(train, holdout) == held_out_f1(*split(single, 0.2)) < 0.2


@pytest.mark.parametrize("seed", range(3))
def test_no_text_is_on_both_sides(seed: int) -> None:
    reports = doubled().reports
    for sides in (split(reports, 0.2), stratified(reports, 0.2, seed), *k_folds(reports, 3, seed)):
        train, held = ({report_key(report.text) for report in side} for side in sides)
        assert train
        assert held
        assert not train & held


def test_of_copies_that_disagree_the_latest_counts_and_the_other_is_told() -> None:
    first = next(report for report in corpus().reports if report.spans)
    other = replace(copy(first), spans=(), precedence=(False, "2099-01-01T00:00:00Z", 9))
    (kept,), (reject,) = merged([first, other])
    assert (kept.task_id, kept.spans) == (other.task_id, ())
    assert reject.task_id == first.task_id
    assert reject.reason == f"same text as task {other.task_id}, annotated differently"
    assert reject.spans == len(first.spans)


def test_a_report_whose_copy_was_learned_is_not_unseen() -> None:
    first, second = corpus().reports[:2]
    (one, two), _ = merged([first, copy(first), second])
    assert unseen([one, two], TrainingSummary(tasks=[first.task_id + 100_000])) == [two]
    assert unseen([one, two], None) == [one, two]


def test_a_report_that_was_deleted_and_imported_again_is_not_unseen() -> None:
    first, second = corpus().reports[:2]
    training = TrainingSummary(tasks=[first.task_id], texts=[report_key(first.text)])
    again, other = copy(first), replace(second, task_id=first.task_id)
    assert unseen([again, other], training) == [other], "the text counts, not the task"
