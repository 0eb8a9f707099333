"""Operators choose a version while rounds run."""

from __future__ import annotations

import getpass
from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.registry import RULES_VERSION
from tests.e2e.site import QUICK
from tests.e2e.stack import REPORTS, LabelProject, Stack, reports, wait_for
from tests.label_studio import LabelStudio

pytestmark = pytest.mark.e2e

GOLD = {task["data"]["report_id"]: task["annotations"][0]["result"] for task in reports("gold.json")}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, label_studio: LabelStudio, base_model: Path) -> Iterator[Stack]:
    """`ecgal up` whose rounds take long enough for an operator to come in between."""
    running = Stack(tmp_path_factory.mktemp("operators") / "home", label_studio, base_model, **QUICK)
    running.start()
    yield running
    running.stop()


def training(project: LabelProject) -> bool:
    """Whether a round has begun to learn."""
    stages = [job["progress"].get("stage", "") for job in project.status()["jobs"] if job["kind"] == "retrain"]
    return any(stage.startswith(("cross-validation", "training")) for stage in stages)


def test_a_rollback_during_a_round_holds_until_it_is_released(stack: Stack) -> None:
    config = (REPORTS / "label_config.xml").read_text("utf-8")
    project = LabelProject.create(
        stack, "回退保持", config, [*reports("seed10.json"), *reports("unlabelled.json")[:30]]
    )
    first = project.wait_round(0)["serving"]
    assert first != RULES_VERSION

    task = project.next_task()
    made = project.annotate(task["id"], GOLD[task["data"]["report_id"]])
    wait_for(lambda: training(project), "a round that learns")
    stack.ecgal("rollback", "--project", project.id, "--reason", "药名标错")
    card = project.wait_trained({made["id"]})
    assert (card["decision"]["serving"], card["decision"]["promote"]) == (RULES_VERSION, False)

    for _ in range(3):
        stack.ecgal("reconcile", "--once")
    status = project.wait_settled()
    assert status["serving"] == status["target"] == RULES_VERSION
    assert project.in_label_studio() == (RULES_VERSION, RULES_VERSION)
    assert {prediction["model_version"] for prediction in project.predictions()} == {RULES_VERSION}
    hold = status["hold"]
    assert (hold["by"], hold["reason"], hold["candidate"]) == (getpass.getuser(), "药名标错", card["version"])
    said = f"held since {hold['since']} by {hold['by']}: 药名标错"
    assert said in status["rounds"][0]["reason"]
    assert said.replace("held ", "held      ") in stack.ecgal("status", "--project", project.id)

    stack.ecgal("resume", "--project", project.id)
    wait_for(lambda: (s := project.settled()) and s["serving"] == card["version"], f"{card['version']} to serve")
    status = project.status()
    assert (status["hold"], status["rounds"][0]["promoted"]) == (None, True)
    assert project.in_label_studio() == (card["version"], card["version"])
