import pytest

from backend.model_card import Evaluation, LabelScore, Mode, Score
from trainer.promotion import best_mode, decide


def score(f1: float) -> Score:
    return Score(micro=LabelScore(precision=f1, recall=f1, f1=f1, support=100))


def evaluation(ours: float | None, theirs: float | None) -> Evaluation:
    return Evaluation(
        method="holdout",
        compared_tasks=[1, 2, 3],
        candidate_compared=None if ours is None else score(ours),
        serving_compared=None if theirs is None else score(theirs),
    )


def test_the_mode_with_the_best_f1_serves() -> None:
    modes: dict[Mode, Score] = {"rules": score(0.77), "model": score(0.6), "merged": score(0.7)}
    assert best_mode(modes) == "rules"
    assert best_mode({**modes, "merged": score(0.8)}) == "merged"


def test_of_equal_modes_the_plainest_serves() -> None:
    assert best_mode({"rules": score(0.7), "model": score(0.7), "merged": score(0.7)}) == "model"


def test_nothing_measured_means_rules() -> None:
    assert best_mode({}) == "rules"


@pytest.mark.parametrize(("ours", "theirs"), [(0.8, 0.7), (0.7, 0.7), (0.01, 0.0)])
def test_a_candidate_that_is_not_worse_is_promoted(ours: float, theirs: float) -> None:
    decision = decide(evaluation(ours, theirs), "model", "ecg-r0001-00000000")
    assert decision.promote
    assert f"{ours:.3f}" in decision.reason
    assert f"{theirs:.3f}" in decision.reason
    assert "3 reports" in decision.reason


def test_a_worse_candidate_is_kept_back_and_the_reason_says_so() -> None:
    decision = decide(evaluation(0.699, 0.7), "model", "ecg-r0001-00000000")
    assert not decision.promote
    assert decision.serving == "ecg-r0001-00000000"
    assert decision.reason.startswith("Kept ecg-r0001-00000000")


def test_without_a_report_both_have_not_seen_the_reason_says_so() -> None:
    decision = decide(evaluation(None, None), "rules", "rules-1")
    assert decision.promote
    assert "no report to compare" in decision.reason
