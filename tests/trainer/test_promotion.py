"""The gate on predictions for real reports with planted errors, and on counts made for one rule each."""

import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import binom

from backend.labelstudio.config import parse_label_config
from backend.model_card import Decision, LabelScore, Mode, Score
from backend.ner.spans import Span
from backend.predictor import RulesPredictor
from benchmarks.gate import Rates, measure
from trainer.bootstrap import f1, interval, resample
from trainer.dataset import Report, freeze
from trainer.evaluation import Found, count, predict_spans
from trainer.promotion import LABEL_SUPPORT, MARGIN, MIN_COMPARED, TOLERANCE, Contest, best_mode, decide

REPORTS = Path(__file__).resolve().parents[2] / "examples" / "ecg_reports"
CONFIG = parse_label_config((REPORTS / "label_config.xml").read_text("utf-8"))
LABELS = CONFIG.labels
SERVING = "ecg-r0001-00000000"
COMPARISONS = 200
SIMULATED = 200


@cache
def holdout() -> tuple[Report, ...]:
    """Fifty real reports."""
    return freeze(json.loads((REPORTS / "gold.json").read_text("utf-8")), CONFIG).reports[::5]


def noisy(seed: int, errors: float = 0.15) -> Found:
    """Gold with independent errors: a span is missed, or its end is wrong, each in half of `errors` of the cases."""
    random = np.random.default_rng(seed)

    def span(gold: Span) -> list[Span]:
        draw = random.random()
        if draw > errors:
            return [gold]
        return [replace(gold, end=gold.end + 1)] if draw > errors / 2 else []

    return {report.task_id: [s for gold in report.spans for s in span(gold)] for report in holdout()}


def contest(ours: Found, theirs: Found, reports: tuple[Report, ...] | None = None, debt: float = 0.0) -> Contest:
    chosen = holdout() if reports is None else reports
    counts = [count(chosen, found, LABELS) for found in (ours, theirs)]
    return Contest(SERVING, "model", "holdout", LABELS, *counts, debt=debt)


def plain(right: int, of: int = 1000, reports: int = 20, wrong: int = 0) -> NDArray[np.int64]:
    """Counts of one label, alike in every report: `right` of `of` spans found in all, `wrong` too many in each."""
    table = np.zeros((reports, 1, 3), dtype=np.int64)
    share = np.arange(right) % reports
    table[:, 0, 0] = np.bincount(share, minlength=reports)
    table[:, 0, 1] = wrong
    table[:, 0, 2] = of // reports - table[:, 0, 0]
    return table


def versus(ours: NDArray[np.int64], theirs: NDArray[np.int64], debt: float = 0.0) -> Decision:
    return decide(Contest(SERVING, "model", "holdout", ("X",), ours, theirs, debt=debt))


# Modes ------------------------------------------------------------------------------------------


def score(micro: float) -> Score:
    return Score(micro=LabelScore(precision=micro, recall=micro, f1=micro, support=100))


def test_the_mode_with_the_best_f1_serves() -> None:
    modes: dict[Mode, Score] = {"rules": score(0.77), "model": score(0.6), "merged": score(0.7)}
    assert best_mode(modes) == "rules"
    assert best_mode(modes, current="merged") == "rules"
    assert best_mode({**modes, "merged": score(0.8)}) == "merged"


def test_of_equal_modes_the_serving_one_stays_else_the_plainest_serves() -> None:
    equal: dict[Mode, Score] = {"rules": score(0.7), "merged": score(0.7), "model": score(0.7)}
    assert best_mode(equal) == "model"
    assert best_mode(equal, current="rules") == "rules"
    assert best_mode(equal, current="merged") == "merged"


def test_nothing_measured_means_rules() -> None:
    assert best_mode({}, current="model") == "rules"


# Planted failures, and a better model -----------------------------------------------------------


def shuffled_labels(found: Found) -> Found:
    random = np.random.default_rng(1)
    return {t: [replace(s, label=str(random.choice(LABELS))) for s in spans] for t, spans in found.items()}


def without_a_label(found: Found) -> Found:
    return {t: [s for s in spans if s.label != "TIME"] for t, spans in found.items()}


def half_of_the_spans(found: Found) -> Found:
    return {t: spans[::2] for t, spans in found.items()}


def labels_of_another_project(found: Found) -> Found:
    names = dict(zip(LABELS, ("NAME", "ORG", "TITLE", "EDU", "LOC"), strict=True))
    return {t: [replace(s, label=names[s.label]) for s in spans] for t, spans in found.items()}


def texts_of_another_project(found: Found) -> Found:
    tasks = list(found)
    return dict(zip(tasks, [found[task] for task in tasks[1:] + tasks[:1]], strict=True))


@pytest.mark.parametrize(
    "failure",
    [shuffled_labels, without_a_label, half_of_the_spans, labels_of_another_project, texts_of_another_project],
)
def test_a_planted_failure_is_refused(failure: Callable[[Found], Found]) -> None:
    serving = noisy(0)
    decision = decide(contest(failure(noisy(1)), serving))
    assert not decision.promote
    assert decision.state in ("worse", "label lost")
    assert decision.reason.startswith(f"Kept {SERVING}: the candidate")


def test_a_project_with_other_labels_is_refused_against_the_rules_alone() -> None:
    rules = predict_spans(RulesPredictor("rules-1", LABELS), holdout())
    stranger = predict_spans(RulesPredictor("rules-1", ("NAME", "ORG")), holdout())
    assert decide(contest(stranger, rules)).state == "worse"


def test_a_better_model_is_accepted_as_better() -> None:
    decision = decide(contest(noisy(1, errors=0.08), noisy(0)))
    assert (decision.promote, decision.state) == (True, "better")
    assert decision.interval is not None
    assert decision.difference is not None
    assert 0 < decision.interval[0] < decision.difference < decision.interval[1]
    assert "it is better, F1 0." in decision.reason
    assert f"of {SERVING} on 50 reports, held out" in decision.reason


def test_a_dropped_label_is_named() -> None:
    decision = decide(contest(without_a_label(noisy(1)), noisy(0)))
    assert decision.labels_lost == ["TIME"]
    assert "lost TIME (F1 0.00 against 0." in decision.reason


def test_a_label_that_collapses_is_refused_although_the_rest_gained() -> None:
    decision = decide(contest(without_a_label(noisy(1, errors=0.0)), noisy(0, errors=0.4)))
    assert decision.difference is not None
    assert decision.difference > 0
    assert (decision.promote, decision.state, decision.labels_lost) == (False, "label lost", ["TIME"])


def test_a_label_with_few_spans_is_not_guarded() -> None:
    rare = np.zeros((20, 2, 3), dtype=np.int64)
    rare[:, 0, 0] = 50
    rare[: LABEL_SUPPORT - 1, 1, 0] = 1
    lost = rare.copy()
    lost[:, 1] = lost[:, 1, [2, 1, 0]]
    few = decide(Contest(SERVING, "model", "holdout", ("A", "RARE"), lost, rare))
    assert (few.state, few.labels_lost) == ("not worse" if few.promote else "worse", [])
    rare[LABEL_SUPPORT - 1, 1, 0] = lost[LABEL_SUPPORT - 1, 1, 2] = 1
    assert decide(Contest(SERVING, "model", "holdout", ("A", "RARE"), lost, rare)).labels_lost == ["RARE"]


# Equal models -----------------------------------------------------------------------------------


@cache
def equal_pairs() -> tuple[Contest, ...]:
    return tuple(contest(noisy(2 * i), noisy(2 * i + 1)) for i in range(COMPARISONS))


def test_equal_models_are_called_better_no_more_often_than_the_level_says() -> None:
    nominal = 0.025  # above a 95 % interval
    at_most = int(binom.ppf(0.99, COMPARISONS, nominal))
    assert sum(decide(pair).state == "better" for pair in equal_pairs()) <= at_most

    def narrow(pair: Contest) -> bool:
        drawn = f1(resample(np.stack([pair.ours.sum(axis=1), pair.theirs.sum(axis=1)], axis=1)))
        spread = interval(drawn[:, 0] - drawn[:, 1], len(pair.ours), level=0.5)
        return spread is not None and spread[0] > 0

    assert sum(narrow(pair) for pair in equal_pairs()) > 2 * at_most, "the check would notice a 50 % interval"


@cache
def rates(case: str, reports: int) -> Rates:
    return measure(case, reports, pairs=SIMULATED)


@pytest.mark.parametrize("case", ["equal", "equal, misses against wrong ends"])
@pytest.mark.parametrize("reports", [10, 20, 50])
def test_equal_versions_are_told_apart_at_the_nominal_level_with_any_number_of_reports(case: str, reports: int) -> None:
    at_most = binom.ppf(0.99, SIMULATED, 0.025) / SIMULATED
    assert max(rates(case, reports).better, rates(case, reports).worse) <= at_most


def test_a_percentile_interval_alone_would_call_too_many_equal_versions_different() -> None:
    usual = rates("equal", 10)
    assert usual.plain_better + usual.plain_worse > binom.ppf(0.999, SIMULATED, 0.05) / SIMULATED
    assert usual.better + usual.worse <= binom.ppf(0.99, SIMULATED, 0.05) / SIMULATED


def test_a_loss_without_evidence_keeps_many_equal_versions_back() -> None:
    for reports in (10, 20, 50):
        assert 0.3 < rates("equal", reports).kept < 0.55


def test_a_real_difference_is_seen_the_more_reports_there_are() -> None:
    seen = [rates("better by 0.06", reports).better for reports in (10, 20, 50)]
    assert seen[0] < seen[1] < seen[2]
    assert seen[2] > 0.4


def test_a_label_of_which_half_is_missed_is_lost_the_more_often_the_more_reports_there_are() -> None:
    lost = [rates("misses half of a label", reports).label_lost for reports in (10, 20, 50)]
    assert lost[0] < lost[1] < lost[2]
    assert lost[2] > 0.9


def test_equal_models_keep_the_loop_moving() -> None:
    promoted = [decide(pair).promote for pair in equal_pairs()]
    assert 0.5 * COMPARISONS < sum(promoted) < COMPARISONS


def test_two_hundred_slightly_worse_candidates_cost_no_more_than_the_tolerance() -> None:
    found, debt, promotions = 900, 0.0, 0
    for _ in range(COMPARISONS):
        decision = versus(plain(found - 2), plain(found), debt)
        if decision.promote:
            found, debt, promotions = found - 2, decision.debt, promotions + 1
    assert promotions > 0
    assert f1(plain(900).sum(axis=(0, 1))) - f1(plain(found).sum(axis=(0, 1))) <= TOLERANCE
    last = versus(plain(found - 2), plain(found), debt)
    assert (last.state, "losses add up" in last.reason) == ("losses add up", True)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(st.integers(700, 1000), st.integers(0, 3)), min_size=2, max_size=12))
def test_what_serves_is_never_far_below_the_best_that_served(candidates: list[tuple[int, int]]) -> None:
    tables = [plain(right, wrong=wrong) for right, wrong in candidates]
    values = [float(f1(table.sum(axis=(0, 1)))) for table in tables]
    serving, debt, best = 0, 0.0, values[0]
    for i in range(1, len(tables)):
        decision = versus(tables[i], tables[serving], debt)
        assert decision.promote or values[i] < values[serving]
        if decision.promote:
            serving, debt, best = i, decision.debt, max(best, values[i])
        assert values[serving] >= best - TOLERANCE - 1e-5


def test_gains_pay_back_what_was_given_up() -> None:
    assert versus(plain(898), plain(900)).debt == pytest.approx(0.00105, abs=1e-4)
    assert versus(plain(902), plain(900), debt=0.0005).debt == 0
    assert versus(plain(901), plain(900), debt=0.009).debt == pytest.approx(0.0085, abs=1e-4)


def test_a_loss_with_evidence_is_worse_however_small() -> None:
    ours, theirs = plain(9000, 10_000, reports=50), plain(9050, 10_000, reports=50)
    decision = versus(ours, theirs)
    assert decision.difference is not None
    assert -TOLERANCE < decision.difference < 0
    assert (decision.promote, decision.state) == (False, "worse")


def test_a_loss_over_the_tolerance_without_evidence_is_kept_and_said_to_be_chance_perhaps() -> None:
    ours = plain(880, 1000, reports=10)
    ours[:5, 0] += [[-12, 0, 12]]
    theirs = plain(880, 1000, reports=10)
    theirs[5:8, 0] += [[-9, 0, 9]]
    decision = versus(ours, theirs)
    assert decision.interval is not None
    assert decision.interval[0] < decision.difference < -TOLERANCE < 0 < decision.interval[1]  # type: ignore[operator]
    assert (decision.promote, decision.state) == (False, "worse")
    assert "the candidate is lower by more than 0.01, which on 10 reports may be chance" in decision.reason
    assert "chance" not in versus(plain(500), plain(900)).reason


def test_the_same_predictions_are_not_worse_and_not_better() -> None:
    decision = decide(contest(noisy(0), noisy(0)))
    assert (decision.promote, decision.state, decision.interval) == (True, "not worse", None)
    assert "alike in all reports, no interval" in decision.reason


# Too few reports --------------------------------------------------------------------------------


def few(own: float | None, estimate: float | None, reports: int = 2, debt: float = 0.0) -> Decision:
    ours = np.tile([0, 0, 2], (reports, 1, 1))
    tables = ours, ours[..., ::-1]
    made = Contest(SERVING, "model", "cross-validation", ("X",), *tables, own, estimate, debt)
    return decide(made)


def test_too_few_reports_decide_nothing_by_themselves() -> None:
    assert few(0.7, 0.7, reports=MIN_COMPARED - 1).promote
    enough = few(0.7, 0.7, reports=MIN_COMPARED)
    assert (enough.promote, enough.state) == (False, "worse")
    assert "by cross-validation" in enough.reason


@pytest.mark.parametrize(("own", "estimate", "promoted"), [(0.7, 0.7, True), (0.66, 0.7, True), (0.6, 0.7, False)])
def test_then_a_clearly_lower_estimate_is_kept_back(own: float, estimate: float, promoted: bool) -> None:
    decision = few(own, estimate)
    assert (decision.promote, decision.state) == (promoted, "too few reports")
    assert decision.difference == pytest.approx(own - estimate)
    assert decision.interval is None
    assert "needs 10 annotated reports, there are 2" in decision.reason


def test_estimates_cannot_walk_down_either() -> None:
    estimate, debt, lowest = 0.8, 0.0, 0.8
    for _ in range(COMPARISONS):
        decision = few(estimate - 0.004, estimate, debt=debt)
        if decision.promote:
            estimate, debt = estimate - 0.004, decision.debt
            lowest = min(lowest, estimate)
    assert 0.8 - MARGIN - 1e-6 <= lowest < 0.8
    assert few(estimate + 0.001, estimate, debt=debt).promote


def test_without_anything_to_compare_the_reason_says_so() -> None:
    decision = few(own=None, estimate=None, reports=0)
    assert (decision.promote, decision.state, decision.difference) == (True, "too few reports", None)
    assert "needs 10 annotated reports, there is none yet" in decision.reason
