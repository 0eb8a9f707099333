"""Predictions that Label Studio holds already: it shows those, and asks for none, when a task is opened."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from backend.labelstudio.session import READ_ONLY, Session, plain
from backend.labelstudio.wire import JsonObject


def tasks(session: Session, project: str, ids: Sequence[int]) -> list[JsonObject]:
    """`{"id", "data", "predictions"}` of those of the tasks that are still there, in no order; one request."""
    item = {"filter": "filter:tasks:id", "operator": "in_list", "type": "List", "value": list(ids)}
    return _read(session, project, [item], len(ids)) if ids else []


def holding(session: Session, project: str, key: str, terms: Sequence[str], limit: int) -> list[JsonObject]:
    """The same of tasks that hold one of the terms under the key of their data, the lowest scores first."""
    name = f"filter:tasks:data.{key}"
    items = [{"filter": name, "operator": "contains", "type": "String", "value": term} for term in terms]
    return _read(session, project, items, limit) if items else []


def _read(session: Session, project: str, any_of: Sequence[JsonObject], limit: int) -> list[JsonObject]:
    query = {"filters": {"conjunction": "or", "items": list(any_of)}, "ordering": ["tasks:predictions_score"]}
    # Quiet: the terms are from reports.
    with session.asking(f"tasks of project {project}", quiet=True):
        page: Any = session.sdk.tasks.list(
            project=int(project),
            query=json.dumps(query),
            fields="all",
            include="id,data,predictions",
            page=1,
            page_size=limit,
            request_options=READ_ONLY,
        )
    return [plain(task) for task in page.items or ()]


def change(session: Session, prediction: int, result: Sequence[JsonObject]) -> None:
    """Replace the regions of a prediction; version, score and so the order of the tasks stay."""
    with session.asking(f"prediction {prediction}", quiet=True):
        session.raw("PATCH", f"api/predictions/{prediction}/", {"result": list(result)})
