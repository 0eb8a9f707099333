"""The demo's import: annotations that Label Studio loses are sent again."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from examples.demo import project
from examples.demo_state import Demo, DemoError
from tests.servers import Request, Response, answering


class Forgetful:
    """A Label Studio that meets a locked database in its first `losses` imports of annotations."""

    def __init__(self, losses: int) -> None:
        self.losses = losses
        self.made = 0
        self.tasks: dict[int, dict[str, Any]] = {}

    def reply(self, request: Request) -> Response:
        routes = {
            "/api/projects/": lambda body: {"id": 1},
            "/api/projects/1/import?return_task_ids=true": self.imported,
            "/api/dm/actions?id=delete_tasks&project=1": self.delete,
        }
        return Response(201, json.dumps(routes[request.path](json.loads(request.body))).encode())

    def imported(self, tasks: list[dict[str, Any]]) -> dict[str, Any]:
        count = sum(len(task["annotations"]) for task in tasks)
        if count and self.losses:
            self.losses, count = self.losses - 1, 0
            tasks = [{**task, "annotations": []} for task in tasks]
        ids = range(self.made + 1, self.made + len(tasks) + 1)
        self.made += len(tasks)
        self.tasks.update(zip(ids, tasks, strict=True))
        return {"task_count": len(tasks), "annotation_count": count, "task_ids": list(ids)}

    def delete(self, chosen: dict[str, Any]) -> dict[str, Any]:
        assert not chosen["selectedItems"]["all"]
        for task in chosen["selectedItems"]["included"]:
            del self.tasks[task]
        return {}


def make_project(home: Path, server: Forgetful) -> str:
    with answering(server.reply) as url:
        return project(Demo(home, int(url.rpartition(":")[2]), 1, 0))


@pytest.mark.parametrize("losses", [0, 1, 2])
def test_annotations_that_label_studio_loses_are_imported_again(losses: int, tmp_path: Path) -> None:
    server = Forgetful(losses)
    assert make_project(tmp_path, server) == "1"
    assert sorted(len(task["annotations"]) for task in server.tasks.values()) == [0] * 200 + [1] * 10


def test_annotations_that_stay_lost_are_told_and_leave_no_task_and_no_project_of_the_demo(tmp_path: Path) -> None:
    server = Forgetful(3)
    said = "kept 0 of 10 annotations imported into project 1, 3 times in a row: its SQLite database is locked"
    with pytest.raises(DemoError, match=re.escape(said)):
        make_project(tmp_path, server)
    assert not server.tasks
    assert not (tmp_path / "project").exists()
