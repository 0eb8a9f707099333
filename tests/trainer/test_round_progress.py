"""How far a whole round is."""

from __future__ import annotations

import pytest

from trainer.progress import Milestones, Timeline

STAGES = ["reading annotations", "cross-validation, fold 1", "cross-validation, fold 2", "training", "ranking"]


def test_time_left_is_that_of_all_stages_not_of_the_present_one() -> None:
    timeline = Timeline(STAGES, {"ranking": 40.0})
    timeline.enter("cross-validation, fold 1")
    told = timeline.fields(10.0)
    assert (told["stage_number"], told["stages"]) == (2, 5)
    assert told["eta_seconds"] == pytest.approx(10 + 10 + 10 + 40, abs=0.2)  # as long as the first fold


def test_a_stage_without_steps_takes_as_long_as_the_last_time() -> None:
    timeline = Timeline(
        STAGES, {"reading annotations": 5.0, "cross-validation": 20.0, "training": 30.0, "ranking": 1.0}
    )
    assert timeline.fields()["eta_seconds"] == pytest.approx(5 + 20 + 20 + 30 + 1, abs=0.2)


def test_stages_that_are_left_out_or_not_foreseen_are_counted_right() -> None:
    timeline = Timeline(STAGES, {})
    timeline.enter("training")
    assert timeline.fields()["stage_number"] == 4
    timeline.enter("building the base model")
    assert (timeline.fields()["stage_number"], timeline.fields()["stages"]) == (5, 6)
    timeline.plan(["quantising", "ranking"])
    timeline.enter("quantising")
    assert (timeline.fields()["stage_number"], timeline.fields()["stages"]) == (6, 7)


def test_a_line_is_said_every_tenth_and_not_more_often() -> None:
    said: list[str] = []
    milestones = Milestones(said.append)
    for step in range(101):
        milestones.reach(step / 100, "x")
    assert said == [f"{tenth}0%, x" for tenth in range(1, 11)]
    milestones.reach(0.0, "x")  # another stage
    milestones.reach(0.1, "x")
    assert len(said) == 11
