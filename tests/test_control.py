from hypothesis import given
from hypothesis import strategies as st

from backend.ranking.control import JITTER, is_holdout, priority, quantiles

unit = st.floats(0, 1)


@given(st.integers(0, 10**9))
def test_membership_never_changes_and_grows_with_the_share(task_id: int) -> None:
    assert is_holdout(task_id, 0.2) == is_holdout(task_id, 0.2)
    assert not is_holdout(task_id, 0.2) or is_holdout(task_id, 0.5)


def test_the_share_is_kept() -> None:
    held = sum(is_holdout(task_id, 0.2) for task_id in range(20_000))
    assert 3_800 < held < 4_200


@given(st.integers(0, 10**9), unit, st.lists(unit))
def test_a_priority_is_a_number_between_0_and_1(task_id: int, uncertainty: float, pool: list[float]) -> None:
    assert 0.0 <= priority(task_id, uncertainty, 0.2, quantiles(pool)) <= 1.0


@given(st.integers(0, 10**9), unit)
def test_a_task_outside_the_holdout_keeps_its_uncertainty(task_id: int, uncertainty: float) -> None:
    if not is_holdout(task_id, 0.2):
        assert abs(priority(task_id, uncertainty, 0.2, ()) - uncertainty) <= 1e-6 + JITTER


def test_holdout_tasks_come_at_the_rate_of_the_others_wherever_the_queue_is_cut() -> None:
    tasks = range(10_000)
    uncertainty = {task: (task * 7919 % 1000) / 4000 for task in tasks}
    pool = quantiles([uncertainty[t] for t in tasks if not is_holdout(t, 0.2)])
    order = sorted(tasks, key=lambda t: -priority(t, uncertainty[t], 0.2, pool))
    for cut in (1_000, 3_000, 6_000):
        assert 0.17 < sum(is_holdout(t, 0.2) for t in order[:cut]) / cut < 0.23


def test_a_holdout_tasks_own_uncertainty_does_not_move_it() -> None:
    held = next(task for task in range(100) if is_holdout(task, 0.2))
    pool = quantiles([0.1, 0.2, 0.3])
    assert priority(held, 0.0, 0.2, pool) == priority(held, 1.0, 0.2, pool)


def test_equal_uncertainties_give_different_priorities() -> None:
    others = [task for task in range(2_000) if not is_holdout(task, 0.2)]
    assert len({priority(task, 0.5, 0.2, ()) for task in others}) == len(others)
