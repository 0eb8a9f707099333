"""Importing reports into Label Studio with their annotations: every one arrives, or an error says so.

Label Studio 1.23.2 on SQLite may answer 201 and have dropped all annotations of the import: what it does when the
database was locked meanwhile is shown by findings/label_studio_import_loses_annotations.sh.
"""

from __future__ import annotations

from typing import Any

import httpx

from examples.demo_state import DemoError

ATTEMPTS = 3


def import_reports(client: httpx.Client, project: str, tasks: list[dict[str, Any]]) -> list[int]:
    """Import the tasks and return their ids; each task holds the annotations that it was sent with.

    Tasks that arrived without them are deleted and sent again. Raises DemoError after the last attempt, which leaves no
    task behind either.
    """
    sent = sum(len(task.get("annotations", [])) for task in tasks)
    for _ in range(ATTEMPTS):
        answer = client.post(f"/api/projects/{project}/import", params={"return_task_ids": True}, json=tasks)
        imported = answer.raise_for_status().json()
        ids: list[int] = imported["task_ids"]
        if imported["annotation_count"] >= sent:
            return ids
        selected = {"selectedItems": {"all": False, "included": ids}}
        query = {"id": "delete_tasks", "project": project}
        client.post("/api/dm/actions", params=query, json=selected).raise_for_status()
    raise DemoError(
        f"Label Studio kept {imported['annotation_count']} of {sent} annotations imported into project {project}, "
        f"{ATTEMPTS} times in a row: its SQLite database is locked by other work; end that, then start again"
    )
