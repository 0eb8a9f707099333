"""What the benchmarks compute, without their runs."""

from __future__ import annotations

from backend.ner.spans import Span
from benchmarks.learning_corpora import CORPORA, draw, load
from benchmarks.learning_scores import figures, table
from trainer.dataset import Report

REPORTS = [Report(i, i, "心率72次/分" * (200 if i == 3 else 1), (Span(2, 7, "HR"),)) for i in range(1, 5)]


def test_draws_of_a_seed_contain_each_other_and_seeds_differ() -> None:
    pool = [Report(i, i, "x", ()) for i in range(100)]
    few, many, other = draw(pool, 10, 1), draw(pool, 50, 1), draw(pool, 10, 2)
    assert set(few) <= set(many)
    assert set(few) != set(other)
    assert len(few) == len({report.task_id for report in few}) == 10


def test_figures_are_means_over_seeds_with_their_parts() -> None:
    right = {report.task_id: [Span(2, 7, "HR")] for report in REPORTS}
    half = {1: right[1], 2: right[2], 3: [], 4: []}
    made = figures(REPORTS, [{"model": right}, {"model": half}], ["HR"])
    assert made["seeds"]["model"] == [1.0, 0.6667]
    assert made["f1"]["model"] == 0.8333
    assert made["per_report"]["model"] == 0.75
    assert made["short"]["model"] == 0.9
    low, high = made["ci"]["model"]
    assert low < made["f1"]["model"] <= high
    assert "model 83.3" in table({"ecg": {"4": {**made, "seconds": 1.0}}})


def test_the_corpus_of_the_repository_is_found() -> None:
    corpus = load("ecg_reports", None)
    assert corpus is not None
    assert len(corpus.pool) == 250
    assert len(corpus.tests["ecg_reports"]) == 100
    assert {report.text for report in corpus.pool}.isdisjoint(r.text for r in corpus.tests["ecg_reports"])
    assert set(corpus.sizes) >= {10, 50, 250}
    assert set(CORPORA) >= {"resume_ner", "cmedqaner"}
