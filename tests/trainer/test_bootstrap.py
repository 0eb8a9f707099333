from random import Random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from trainer.bootstrap import difference_intervals, f1, f1_interval, interval, resample, swapped_difference

COUNTS = st.lists(st.tuples(*[st.integers(0, 20)] * 3), min_size=1, max_size=30).map(
    lambda rows: np.array(rows, dtype=np.int64)
)


def reports(share: float, n: int, seed: int = 0) -> NDArray[np.int64]:
    """Counts of n reports with 1 to 20 spans, each found with this probability."""
    random = np.random.default_rng(seed)
    gold = random.integers(1, 21, n)
    found = random.binomial(gold, share)
    return np.stack([found, np.zeros(n, dtype=np.int64), gold - found], axis=1)


@given(COUNTS)
def test_an_interval_is_ordered_and_holds_ratios(counts: NDArray[np.int64]) -> None:
    spread = f1_interval(counts)
    if spread is None:
        assert np.ptp(f1(resample(counts))) < 1e-8
        return
    assert spread[0] < spread[1]
    assert 0 <= spread[0] <= spread[1] <= 1


@given(COUNTS)
def test_the_same_counts_give_the_same_resamples(counts: NDArray[np.int64]) -> None:
    assert np.array_equal(resample(counts), resample(counts))


@given(COUNTS)
def test_every_resample_has_as_many_reports(counts: NDArray[np.int64]) -> None:
    ones = np.ones_like(counts)
    assert (resample(ones) == len(counts)).all()


def test_without_a_report_there_is_no_interval() -> None:
    assert f1_interval(np.zeros((0, 3), dtype=np.int64)) is None


def test_reports_that_are_alike_have_no_interval_instead_of_one_of_zero_width() -> None:
    assert f1_interval(np.tile([3, 1, 1], (10, 1))) is None
    assert f1_interval(np.tile([3, 0, 0], (10, 1))) is None


def test_more_reports_make_a_narrower_interval() -> None:
    few, many = f1_interval(reports(0.8, 20)), f1_interval(reports(0.8, 320))
    assert few is not None
    assert many is not None
    assert 2 < (few[1] - few[0]) / (many[1] - many[0]) < 8


def test_one_report_with_most_spans_widens_the_interval() -> None:
    even = np.tile([8, 1, 1], (40, 1))
    even[-1] = [8, 1, 2]
    uneven = even.copy()
    uneven[0] = [100, 200, 200]
    alike, apart = f1_interval(even), f1_interval(uneven)
    assert alike is not None
    assert apart is not None
    assert alike[1] - alike[0] < 0.01 < 0.3 < apart[1] - apart[0]


def test_intervals_hold_the_true_value_about_as_often_as_they_say() -> None:
    true = 2 * 0.8 / (2 * 0.8 + 0.2)
    spreads = [f1_interval(reports(0.8, 60, seed)) for seed in range(200)]
    held = sum(spread is not None and spread[0] <= true <= spread[1] for spread in spreads)
    assert 180 <= held <= 199


def test_tables_side_by_side_are_drawn_together() -> None:
    one = reports(0.5, 30)
    drawn = resample(np.stack([one, one], axis=1))
    assert np.array_equal(drawn[:, 0], drawn[:, 1])
    assert interval(f1(drawn[:, 0]) - f1(drawn[:, 1]), 30) is None


def compared(ours: NDArray[np.int64], theirs: NDArray[np.int64]) -> tuple[float, float] | None:
    (spread,) = difference_intervals(ours[:, None], theirs[:, None])
    return spread


def test_versions_that_are_alike_in_all_reports_have_no_interval() -> None:
    one = reports(0.5, 30)
    assert compared(one, one) is None
    assert swapped_difference(one, one) == 0


def test_an_interval_tells_a_clear_difference_and_its_direction() -> None:
    better, worse = reports(0.95, 40), reports(0.6, 40)
    gain, loss = compared(better, worse), compared(worse, better)
    assert gain is not None
    assert loss is not None
    assert 0 < gain[0] < gain[1] <= 1
    assert loss[1] < 0


def test_each_table_has_its_own_interval() -> None:
    one, two = reports(0.95, 40), reports(0.6, 40)
    both = difference_intervals(np.stack([one, one], axis=1), np.stack([two, one], axis=1))
    assert both == [compared(one, two), None]


@given(COUNTS, st.randoms(use_true_random=False))
def test_an_interval_without_0_is_beyond_what_swapping_makes(counts: NDArray[np.int64], random: Random) -> None:
    other = counts[random.sample(range(len(counts)), len(counts))]
    spread = compared(counts, other)
    seen = float(f1(counts.sum(axis=0)) - f1(other.sum(axis=0)))
    if spread is not None:
        assert spread[0] <= seen <= spread[1]
        assert spread[0] <= 0 <= spread[1] or abs(seen) > float(swapped_difference(counts, other))


def test_five_reports_are_never_evidence() -> None:
    all_right, all_wrong = np.tile([10, 0, 0], (5, 1)), np.tile([0, 10, 10], (5, 1))
    five = compared(all_right, all_wrong)
    assert five is not None
    assert five[0] <= 0
    ten = compared(np.tile(all_right, (2, 1)), np.tile(all_wrong, (2, 1)))
    assert ten is not None
    assert ten[0] > 0
