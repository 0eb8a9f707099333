from hypothesis import given
from hypothesis import strategies as st

from backend.policy import Pending, is_due, pause_after

SETTINGS = {"minimum": 1, "quiet": 10.0, "max_wait": 60.0, "waiting": False}


def test_a_round_waits_for_quiet() -> None:
    pending = Pending(3, oldest=100, newest=105)
    assert not is_due(pending, now=114.9, **SETTINGS)
    assert is_due(pending, now=115, **SETTINGS)


def test_a_round_does_not_wait_for_ever_while_annotations_keep_coming() -> None:
    assert is_due(Pending(50, oldest=100, newest=159.9), now=160, **SETTINGS)


def test_fewer_than_the_minimum_start_nothing() -> None:
    assert not is_due(Pending(4, 0, 0), now=1e6, **{**SETTINGS, "minimum": 5})
    assert is_due(Pending(5, 0, 0), now=1e6, **{**SETTINGS, "minimum": 5})


def test_a_waiting_round_takes_them_all() -> None:
    assert not is_due(Pending(5, 0, 0), now=1e6, **{**SETTINGS, "waiting": True})


def test_a_failed_round_pauses_the_next() -> None:
    assert not is_due(Pending(5, 0, 0), now=99, **SETTINGS, not_before=100)
    assert is_due(Pending(5, 0, 0), now=100, **SETTINGS, not_before=100)


@given(st.integers(1, 1000))
def test_the_pause_grows_and_is_bounded(failures: int) -> None:
    assert 10 <= pause_after(failures) <= pause_after(failures + 1) <= 600
