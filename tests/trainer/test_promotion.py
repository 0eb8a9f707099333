import pytest

from backend.model_card import Evaluation, LabelScore, Mode, Score
from trainer.promotion import best_mode, decide


def score(f1: float) -> Score:
    return Score(micro=LabelScore(precision=f1, recall=f1, f1=f1, support=100))


def evaluation(
    ours: float | None, theirs: float | None, compared: int = 10, estimate: float | None = None, own: float = 0.7
) -> Evaluation:
    return Evaluation(
        method="cross-validation",
        modes={"model": score(own)},
        compared_tasks=list(range(compared)),
        candidate_compared=None if ours is None else score(ours),
        serving_compared=None if theirs is None else score(theirs),
        serving_estimate=estimate,
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
    assert "10 reports" in decision.reason


def test_a_worse_candidate_is_kept_back_and_the_reason_says_so() -> None:
    decision = decide(evaluation(0.699, 0.7), "model", "ecg-r0001-00000000")
    assert not decision.promote
    assert decision.serving == "ecg-r0001-00000000"
    assert decision.reason.startswith("Kept ecg-r0001-00000000")


def test_without_a_report_both_have_not_seen_the_reason_says_so() -> None:
    decision = decide(evaluation(None, None, compared=0), "rules", "ecg-r0001-00000000")
    assert decision.promote
    assert "only 0 reports to compare" in decision.reason


def test_too_few_reports_decide_nothing_by_themselves() -> None:
    assert decide(evaluation(0.2, 0.9, compared=4), "model", "ecg-r0001-00000000").promote
    assert not decide(evaluation(0.2, 0.9, compared=5), "model", "ecg-r0001-00000000").promote


@pytest.mark.parametrize(("own", "estimate", "promoted"), [(0.7, 0.7, True), (0.66, 0.7, True), (0.6, 0.7, False)])
def test_then_a_clearly_lower_estimate_is_kept_back(own: float, estimate: float, promoted: bool) -> None:
    few = evaluation(1.0, 1.0, compared=2, estimate=estimate, own=own)
    decision = decide(few, "model", "ecg-r0001-00000000")
    assert decision.promote == promoted
    assert "only 2 reports" in decision.reason
