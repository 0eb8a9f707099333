from __future__ import annotations

from types import SimpleNamespace

import pytest

from trainer.progress import Progress, Watch, remaining


def test_time_left_counts_steps_and_the_evaluations_to_come() -> None:
    assert remaining(10, 40, 20.0, [], 0) == pytest.approx(60)
    # 20 of 50 seconds went into two evaluations: 30 s for 10 steps, and two more evaluations of 10 s.
    assert remaining(10, 20, 50.0, [5.0, 15.0], 4) == pytest.approx(30 + 20)
    assert remaining(20, 20, 50.0, [5.0, 15.0], 2) == 0


def told_after(seconds: float, minutes: float, stop: bool = False) -> list[Progress]:
    """A watch that was started some seconds ago and has made 10 of 40 steps."""
    told: list[Progress] = []
    watch = Watch(told.append, minutes, 0)
    watch.start -= seconds
    state = SimpleNamespace(global_step=10, max_steps=40, epoch=1.0)
    control = SimpleNamespace(should_training_stop=stop, should_log=False)
    watch.on_step_end(None, state, control)
    assert control.should_log
    watch.on_log(None, state, control, logs={"loss": 0.5})
    watch.on_train_end()
    return told


def test_a_time_limit_bounds_the_time_left() -> None:
    assert told_after(20, minutes=10)[0].eta_seconds == pytest.approx(60, abs=1)
    assert told_after(20, minutes=1)[0].eta_seconds == pytest.approx(40, abs=1)
    assert told_after(90, minutes=1) == [Progress(10, 40, 1.0, 0.5, 0.0)]


def test_a_training_that_ends_early_says_that_nothing_is_left() -> None:
    assert [progress.eta_seconds for progress in told_after(20, minutes=10)][-1] == 0
    assert told_after(20, minutes=10, stop=True) == [Progress(10, 40, 1.0, 0.5, 0.0)]
