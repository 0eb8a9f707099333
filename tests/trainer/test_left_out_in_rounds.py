"""What a round leaves out of the annotations is kept, whatever becomes of the round, and told by every command."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from redis import Redis

from backend import left_out, overview
from backend.errors import LabelConfigError
from backend.records import Connection
from backend.settings import Settings
from cli import tables
from cli.doctor import table, used_annotations
from trainer.parts import WorkerParts
from trainer.rounds import Outcome, Round

CONFIG = '<View><Labels name="label" toName="text"><Label value="HR"/></Labels><Text name="text" value="$text"/></View>'
TEXT = "心率72次/分"


@dataclass
class Project:
    """The annotated tasks of a Label Studio."""

    label_config: str = CONFIG
    tasks: list[dict[str, Any]] = field(default_factory=list)

    def project(self, _project: str) -> Project:
        return self

    def labelled_tasks(self, _project: str) -> Iterator[dict[str, Any]]:
        yield from self.tasks

    def annotate(self, number: int, *places: tuple[int, int], **fields: Any) -> None:
        shape = {"from_name": "label", "to_name": "text", "type": "labels"}
        result = [{"id": f"r{a}", **shape, "value": {"start": a, "end": b, "labels": ["HR"]}} for a, b in places]
        self.tasks = [task for task in self.tasks if task["id"] != number]
        self.tasks.append(
            {"id": number, "data": {"text": TEXT}, "annotations": [{"id": number, "result": result, **fields}]}
        )


@pytest.fixture
def parts(redis: Redis, valkey_socket: Path, tiny_base: Path, tmp_path: Path) -> WorkerParts:
    values = {"home": tmp_path, "redis_url_setting": f"unix://{valkey_socket}", "base_model": str(tiny_base)}
    opened = WorkerParts.open(Settings.model_validate(values))
    opened.registry.remember_label_config("1", CONFIG)
    opened.registry.save_connection("1", Connection(url="http://ls.example:8080", token=SecretStr("t")))
    return opened


def run(parts: WorkerParts, number: int, project: Project) -> Outcome:
    return Round(parts, "1", number, project).run()  # type: ignore[arg-type]


def test_a_round_without_any_report_says_what_was_left_out_and_why(parts: WorkerParts) -> None:
    project = Project()
    project.annotate(5, (0, 99), (2, 98))
    project.annotate(6, (2, 7), was_cancelled=True)
    outcome = run(parts, 1, project)
    assert outcome.card is None
    assert outcome.message == (
        "no annotation to train on: 2 regions of task 5 were not used: their offsets do not fit the text;"
        " 1 annotation of task 5 was not used: none of its regions can be placed in the report;"
        " 1 task has only skipped annotations or drafts"
    )
    assert "not used  2 regions of task 5 were not used" in tables.status(overview.status(parts, "1"))


def test_nothing_annotated_at_all_is_said_as_before(parts: WorkerParts) -> None:
    assert run(parts, 1, Project()).message == "no annotation to train on"


def test_a_round_that_changes_nothing_tells_what_it_left_out(parts: WorkerParts) -> None:
    project = Project()
    project.annotate(5, (2, 7))
    first = run(parts, 1, project)
    assert first.card is not None
    assert (first.card.dataset.rejects, first.card.dataset.left_out) == ([], [])
    assert overview.status(parts, "1")["left_out"]["reasons"] == []
    project.annotate(5, (2, 7), (0, 99))
    assert run(parts, 2, project).message.startswith("nothing changed since")
    told = overview.status(parts, "1")["left_out"]
    assert (told["round"], told["regions"]) == (1, 1)  # that of the version: round 2 made none
    assert told["reasons"] == [
        {
            "reason": "its offsets do not fit the text",
            "regions": 1,
            "annotations": 0,
            "tasks": [5],
            "sentence": "1 region of task 5 was not used: its offsets do not fit the text",
            "urls": ["http://ls.example:8080/projects/1/data?task=5"],
        }
    ]
    project.annotate(5, (2, 7))
    run(parts, 3, project)
    assert overview.status(parts, "1")["left_out"]["reasons"] == []


def test_the_card_models_and_doctor_say_it_in_words(parts: WorkerParts) -> None:
    project = Project()
    project.annotate(5, (2, 7), (0, 99))
    card = run(parts, 1, project).card
    said = "1 region of task 5 was not used: its offsets do not fit the text"
    assert card is not None
    assert card.dataset.left_out == [said]
    rows = overview.models(parts, "1")
    assert [row.get("left_out", {}).get("regions") for row in rows] == [1, None]
    assert said in tables.models(rows)
    check = used_annotations(parts, "1")
    assert (check.ok, check.what) == (True, said)
    assert "http://ls.example:8080/projects/1/data?task=5" in check.fix
    assert table([check]).startswith("note  annotations")
    parts.registry.end("1", "disconnected")
    assert used_annotations(parts, "1").fix == "all: `ecgal status --project 1 --json`", "no address, no link"


def test_doctor_is_content_when_everything_was_used(parts: WorkerParts) -> None:
    check = used_annotations(parts, "1")
    assert (check.ok, check.fix) == (True, "")
    assert left_out.newest(parts.registry, "1").round == 0


def test_a_round_with_a_configuration_that_cannot_be_used_tells_why_and_keeps_the_one_before(
    parts: WorkerParts,
) -> None:
    in_base64 = CONFIG.replace("<Text ", '<Text encoding="base64" ')
    with pytest.raises(LabelConfigError, match="base64"):
        run(parts, 1, Project(in_base64))
    assert parts.registry.label_config("1") == CONFIG
    status = overview.status(parts, "1")
    assert "base64" in status["label_config_fault"]
    assert "\nlabels    " in tables.status(status)
    project = Project()
    project.annotate(1, (0, 6))
    run(parts, 2, project)
    assert overview.status(parts, "1")["label_config_fault"] == ""
