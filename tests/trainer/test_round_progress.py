"""How far a whole round is."""

from __future__ import annotations

import pytest

from examples.demo_state import Follower
from trainer.progress import Milestones, Timeline, staged

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


def test_nobody_guesses_how_long_the_first_of_its_kind_takes() -> None:
    timeline = Timeline(STAGES, {})
    timeline.enter("cross-validation, fold 1")
    assert timeline.fields() == {"stage_number": 2, "stages": 5}
    assert timeline.fields(10.0)["eta_seconds"] == pytest.approx(10 + 10 + 10, abs=0.2)
    timeline.took["cross-validation"] = 10.0
    timeline.enter("training")
    timeline.took["cross-validation"] = 10.0
    assert timeline.fields()["eta_seconds"] == pytest.approx(10, abs=0.2), "as many steps as a fold"


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


def test_the_demo_says_each_stage_and_each_tenth_of_the_whole() -> None:
    said: list[str] = []
    follower = Follower(said.append)

    def see(**progress: object) -> None:
        follower.see({"jobs": [{"progress": progress}, {"progress": {}}]})

    follower.see({"jobs": []})
    see(stage="reading annotations", stage_number=1, stages=3)
    for step in range(1, 61):
        whole = {"share": step / 100, "eta_seconds": 100.0 - step}
        see(stage="training", stage_number=2, stages=3, step=step, steps=60, **whole)
    assert said[:2] == ["stage 1 of 3: reading annotations", "stage 2 of 3: training"]
    tenths = [line.partition(", about")[0] for line in said[2:]]
    assert tenths == [f"{step}%, training {step}/60" for step in range(10, 61, 10)]
    assert said[-1].endswith("about 40 s left")


def test_what_learns_without_a_project_tells_its_stages_and_the_time_left_of_all() -> None:
    told: list[dict[str, object]] = []
    timeline = Timeline(["preparing"], {})
    tell = staged(lambda **fields: told.append(fields), timeline)
    timeline.plan(["training", "exporting"])
    tell(stage="training")
    tell(step=1, steps=2, loss=0.5, eta_seconds=10.0)
    tell(stage="exporting")
    assert [(fields["stage_number"], fields["stages"]) for fields in told] == [(2, 3), (2, 3), (3, 3)]
    assert told[1]["step"] == 1
    assert told[1]["eta_seconds"] == pytest.approx(10.0, abs=0.1)
