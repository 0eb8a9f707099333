"""Judging a network in all its modes, and the report of `ecgal evaluate`, with the real tokenizer of a tiny model."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pytest
from numpy.typing import NDArray
from tokenizers import Tokenizer, models

from backend.engine.tokenizer import TextTokenizer
from backend.errors import BadRequest
from backend.merging import Trust
from backend.model_card import TrainingSummary
from backend.ner.scheme import LabelScheme
from backend.ner.spans import Span
from backend.predictor import ModelPredictor, RulesPredictor
from backend.ranking.copies import report_key
from backend.rules import SpanMemory
from trainer.dataset import Report
from trainer.evaluation import (
    Judge,
    Judged,
    compare,
    count,
    cross_validate,
    judge,
    predict_spans,
    score,
    score_modes,
    weigh,
)
from trainer.evaluation_report import evaluate
from trainer.promotion import decide
from trainer.report_groups import kind_of, length_of
from trainer.rival import Rival, unseen_spans

PIECES = ["[UNK]", "[CLS]", "[SEP]", "[PAD]", *"心率次分甲乙丙丁0123456789/，"]
LABELS = ("HR", "EVENT")


@dataclass
class NumbersAreHeartRates:
    """An engine that tags every run of digits HR and 甲 EVENT, with the given certainty."""

    sure: float = 0.9
    max_tokens: int = 510
    window: int = 510
    precision: str = "f32"

    def probabilities(self, sequences: Sequence[NDArray[np.int64]]) -> list[NDArray[np.float32]]:
        return [self._one(ids) for ids in sequences]

    def _one(self, ids: NDArray[np.int64]) -> NDArray[np.float32]:
        rows = np.full((len(ids), 5), (1 - self.sure) / 4, dtype=np.float32)
        for i, token in enumerate(ids):
            piece, before = PIECES[token], i > 0 and PIECES[ids[i - 1]].isdigit()
            rows[i, (2 if before else 1) if piece.isdigit() else 3 if piece == "甲" else 0] = self.sure
        return rows


@pytest.fixture
def network() -> ModelPredictor:
    tokenizer = Tokenizer(models.WordLevel({piece: i for i, piece in enumerate(PIECES)}, unk_token="[UNK]"))
    tokenizer.add_special_tokens(PIECES[:4])
    scheme, trust = LabelScheme(LABELS), Trust({"network alone": (50, 50)})
    return ModelPredictor("v1", "model", scheme, LABELS, TextTokenizer(tokenizer), NumbersAreHeartRates(), trust=trust)


def report(task: int, text: str, *spans: Span) -> Report:
    return Report(task, task, text, spans)


REPORTS = (
    report(1, "心率72次/分，甲", Span(2, 7, "HR"), Span(8, 9, "EVENT")),
    report(2, "心率80次/分，乙", Span(2, 7, "HR")),
    report(3, "甲，乙", Span(0, 1, "EVENT")),
    report(4, "甲；乙", Span(0, 1, "EVENT")),
    report(5, "丙"),
)


def test_all_modes_are_what_each_mode_would_predict(network: ModelPredictor) -> None:
    memory = SpanMemory.from_reports([("丙丁，乙", [Span(0, 2, "新")])] * 3)
    wider = replace(network, labels=(*LABELS, "新"), memory=memory)
    reports = (*REPORTS, report(6, "72丙丁"))
    judged = judge(wider, reports)
    assert set(judged.by_mode) == {"rules", "model", "merged"}
    for mode, found in judged.by_mode.items():
        assert found == predict_spans(replace(wider, mode=mode), reports)
    assert judged.by_mode["merged"][1] == [Span(2, 7, "HR"), Span(8, 9, "EVENT")]
    assert judged.by_mode["model"][6] == [Span(0, 2, "HR"), Span(2, 4, "新")]


def test_reports_are_merged_by_what_was_right_in_other_reports(network: ModelPredictor) -> None:
    right = [report(i, "甲，乙", Span(0, 1, "EVENT")) for i in range(20)]
    wrong = [report(i, "甲，乙") for i in range(20)]
    for reports, expected in ((right, [Span(0, 1, "EVENT")]), (wrong, [])):
        weighed, trust = weigh(judge(replace(network, trust=Trust()), reports))
        assert all(found == expected for found in weighed.by_mode["merged"].values())
        assert trust.groups["network alone"] == (20 if expected else 0, 20)


def test_no_report_is_merged_by_its_own_gold(network: ModelPredictor) -> None:
    # With its own gold the odd one out could be got right; what the others say drops it.
    reports = [*(report(i, "丙") for i in range(4)), report(4, "甲，乙", Span(0, 1, "EVENT"))]
    weighed, trust = weigh(judge(replace(network, trust=Trust()), reports))
    assert trust.groups["network alone"] == (1, 1)
    assert weighed.by_mode["merged"][4] == []


def test_without_a_network_there_is_nothing_to_merge() -> None:
    judged = judge(RulesPredictor("rules-1", LABELS), REPORTS)
    assert weigh(judged) == (judged, Trust())


def test_the_same_text_in_two_reports_is_judged_in_both(network: ModelPredictor) -> None:
    found = judge(network, REPORTS).by_mode["model"]
    assert found[3] == found[4] == [Span(0, 1, "EVENT")]


def test_a_network_brings_the_probabilities_of_every_report_beside_gold(network: ModelPredictor) -> None:
    strange = report(6, "甲72", Span(0, 1, "DRUG"), Span(1, 3, "HR"))
    tokens = judge(network, (*REPORTS, strange)).tokens
    assert [t.task_id for t in tokens] == [1, 2, 3, 4, 5, 6]
    assert tokens[0].tags.tolist() == [0, 0, 1, 2, 2, 2, 2, 0, 3]
    assert tokens[5].tags.tolist() == [0, 1, 2], "a label the network does not know is no tag of it"
    assert judge(RulesPredictor("rules-1", LABELS), REPORTS).tokens == ()


def test_folds_of_a_cross_validation_add_up(network: ModelPredictor) -> None:
    trained_on: list[set[int]] = []

    def fit(rest: Sequence[Report], fold: int) -> Judge:
        trained_on.append({r.task_id for r in rest})
        return partial(judge, network)

    told: list[Judged] = []
    judged = cross_validate(REPORTS, fit, told.append, seed=0, count=3)
    assert sorted(r.task_id for r in judged.reports) == [1, 2, 3, 4, 5]
    assert len(judged.tokens) == 5
    assert [len(j.reports) for j in told] == [2, 4, 5]
    assert all(len(seen) == 5 - n for seen, n in zip(trained_on, (2, 2, 1), strict=True))


def test_scores_and_counts_agree(network: ModelPredictor) -> None:
    judged = judge(network, REPORTS)
    counts = count(REPORTS, judged.by_mode["model"], LABELS)
    assert counts[0].tolist() == [[0, 1, 1], [1, 0, 0]]
    assert counts.sum(axis=(0, 1)).tolist() == [3, 2, 2]
    assert score_modes(judged, LABELS)["model"].micro.f1 == pytest.approx(0.6)
    assert score(REPORTS, {}, LABELS).micro.support == 5


def test_the_report_of_a_network(network: ModelPredictor) -> None:
    made = evaluate(replace(network, temperature=2.0), REPORTS, LABELS)
    assert (made.served, list(made.modes), made.reports, made.spans) == ("model", ["model"], 5, 5)
    scores = made.modes["model"]
    assert scores.strict.micro.f1 == pytest.approx(0.6)
    assert scores.relaxed.micro.f1 == pytest.approx(1.0)
    assert scores.strict.by_label["EVENT"].f1 == 1.0
    assert scores.strict.macro_f1 == 0.5
    assert scores.mean_report_f1 == pytest.approx((0.5 + 0 + 1 + 1 + 1) / 5)
    low, high = scores.strict.micro.interval or (1.0, 0.0)
    assert low < 0.6 < high
    assert made.calibration is not None
    assert made.calibration.tokens == 9 + 9 + 3 + 3 + 1
    assert made.calibration.ece_before != made.calibration.ece_after
    assert made.speed.reports == 5
    assert made.speed.reports_per_second > 0


def test_all_modes_are_scored_on_wish_the_serving_one_first(network: ModelPredictor) -> None:
    made = evaluate(replace(network, mode="merged"), REPORTS, LABELS, "all")
    assert next(iter(made.modes)) == "merged"
    assert set(made.modes) == {"merged", "model", "rules"}
    assert made.modes["merged"].strict.micro.f1 == 1.0
    assert list(evaluate(network, REPORTS, LABELS, "rules").modes) == ["rules"]


def test_rules_have_no_other_mode_and_no_calibration() -> None:
    rules = RulesPredictor("rules-1", LABELS)
    made = evaluate(rules, REPORTS, LABELS, "all")
    assert (list(made.modes), made.calibration) == (["rules"], None)
    with pytest.raises(BadRequest, match="no network and so no mode: merged"):
        evaluate(rules, REPORTS, LABELS, "merged")


def test_groups_cover_all_reports(network: ModelPredictor) -> None:
    long = report(7, "丙" * 700, Span(0, 1, "EVENT"))
    scores = evaluate(network, (*REPORTS, long), LABELS).modes["model"]
    assert {name: group.reports for name, group in scores.by_length.items()} == {"up to 100": 5, "over 600": 1}
    assert {name: group.reports for name, group in scores.by_kind.items()} == {"resting": 2, "other": 4}
    assert scores.by_length["over 600"].strict.f1 == 0.0
    assert scores.by_length["over 600"].characters == 700
    assert sum(g.strict.gold for g in scores.by_kind.values()) == scores.strict.micro.gold == 6


def test_data_without_a_span_are_scored_and_the_note_says_what_that_means(network: ModelPredictor) -> None:
    made = evaluate(network, [report(1, "心率72"), report(2, "丙")], LABELS)
    micro = made.modes["model"].strict.micro
    assert (micro.f1, micro.gold, micro.predicted) == (0.0, 0, 1)
    assert any("hold no span" in note for note in made.notes)
    nothing = evaluate(network, [report(2, "丙")], LABELS).modes["model"]
    assert (nothing.strict.micro.interval, nothing.strict.macro_interval) == (None, None)
    assert nothing.mean_report_f1 == 1.0


def test_labels_on_one_side_only_are_told(network: ModelPredictor) -> None:
    labels = ("HR", "DRUG")
    data = [report(1, "心率72", Span(2, 4, "HR"), Span(0, 1, "DRUG"))]
    notes = " ".join(evaluate(replace(network, labels=labels), data, labels).notes)
    assert "Nothing was predicted for DRUG (1 spans)" in notes
    assert "not trained on DRUG" in notes
    assert "also knows EVENT" in notes
    assert evaluate(network, REPORTS, LABELS).notes == []


def test_reports_that_were_trained_on_are_told(network: ModelPredictor) -> None:
    (note,) = evaluate(network, REPORTS, LABELS, trained_on=TrainingSummary(tasks=[4, 5, 99])).notes
    assert note.startswith("2 of 5 reports have ids that the model was trained on")
    texts = [report_key(f" {REPORTS[0].text}"), 7]
    (note,) = evaluate(network, REPORTS, LABELS, trained_on=TrainingSummary(tasks=[4, 5, 99], texts=texts)).notes
    assert note == "The model was trained on 1 of the 5 reports (same text): F1 flatters."


def test_copies_count_once_and_are_told(network: ModelPredictor) -> None:
    first = next(report for report in REPORTS if report.spans)
    copy = replace(first, task_id=100, annotation_id=0, text=f"{first.text} ", spans=())
    once, twice = evaluate(network, REPORTS, LABELS), evaluate(network, [*REPORTS, copy], LABELS)
    assert (twice.reports, twice.modes) == (once.reports, once.modes)
    (note,) = twice.notes
    assert note == (
        "1 of 6 reports is a copy of another (same text), and each text counts once; 1 annotated differently: the "
        "ground truth counts, else the latest."
    )


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("窦性心律，建议行动态心电图检查", "resting"),
        ("全程窦性心律，总心搏数109174次", "Holter"),
        ("本次监测23.6h，夜间可见二度I型房室传导阻滞", "Holter"),
        ("Holter: HR 52-111", "Holter"),
        ("平板运动试验报告（Bruce方案），静息心率85次/分", "exercise"),
        ("踏车试验：基础HR 66bpm", "exercise"),
        ("窦性心律，心率72次/分", "resting"),
        ("请勿剧烈运动", "other"),
        ("高勇，男，中国国籍，本科学历", "other"),
    ],
)
def test_kinds_of_reports(text: str, kind: str) -> None:
    assert kind_of(text) == kind


def test_length_classes_end_at_their_numbers() -> None:
    assert [length_of("x" * n) for n in (0, 100, 101, 600, 601)] == [
        "up to 100",
        "up to 100",
        "101 to 600",
        "101 to 600",
        "over 600",
    ]


def test_modes_that_a_fold_lacks_are_not_judged(network: ModelPredictor) -> None:
    def fit(rest: Sequence[Report], fold: int) -> Judge:
        return partial(judge, network if fold else RulesPredictor("fold", LABELS))

    judged = cross_validate(REPORTS, fit, lambda _: None, seed=0, count=3)
    assert set(judged.by_mode) == {"rules"}
    assert set(judged.by_mode["rules"]) == {report.task_id for report in REPORTS}
    assert weigh(judged) == (judged, Trust())


def test_the_interval_of_the_mode_that_shall_serve_is_kept(network: ModelPredictor) -> None:
    judged = judge(network, REPORTS)
    modes = score_modes(judged, LABELS)
    made = compare(modes, "model", "holdout", judged, LABELS)
    assert made.interval is not None
    low, high = made.interval
    assert low <= modes["model"].micro.f1 <= high
    assert low < high


def test_a_merge_that_was_judged_on_the_reports_is_compared_as_if_it_had_not_been(network: ModelPredictor) -> None:
    # By counts of its own it gets the odd one out right, by those of the others it does not.
    reports = [*(report(i, "丙") for i in range(4)), report(4, "甲，乙", Span(0, 1, "EVENT"))]
    known = replace(network, mode="merged", trust=Trust({"network alone": (50, 50)}))
    assert predict_spans(known, reports)[4] == [Span(0, 1, "EVENT")]
    candidate = weigh(judge(replace(network, trust=Trust()), reports))[0].by_mode["merged"]
    assert unseen_spans(known, reports) == candidate
    assert unseen_spans(network, reports) == predict_spans(network, reports)


def test_equal_merges_are_equal_to_the_gate(network: ModelPredictor) -> None:
    dice = random.Random(5)
    reports = [report(i, "甲，乙", *((Span(0, 1, "EVENT"),) if dice.random() < 0.6 else ())) for i in range(40)]
    ours, trust = weigh(judge(network, reports))
    rival = Rival("v0", None, reports, unseen_spans(replace(network, mode="merged", trust=trust), reports))
    evaluation = compare(score_modes(ours, LABELS), "merged", "holdout", ours, LABELS, reports, rival.found)
    decision = decide(rival.contest(ours, "merged", evaluation, LABELS))
    assert decision.difference == 0
    assert decision.promote
