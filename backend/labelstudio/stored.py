"""Predictions that Label Studio holds already: it shows those, and asks for none, when a task is opened.

Only those of unlabelled tasks are read and changed: of a task that was annotated or skipped they tell what was shown.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from backend.labelstudio.pages import UNLABELLED, conditions
from backend.labelstudio.session import READ_ONLY, Refusal, Session, plain
from backend.labelstudio.wire import JsonObject


def tasks(session: Session, project: str, ids: Sequence[int]) -> list[JsonObject]:
    """`{"id", "data", "predictions"}` of those of the tasks that are still unlabelled, by id; one request."""
    item = {"filter": "filter:tasks:id", "operator": "in_list", "type": "List", "value": list(ids)}
    return _read(session, project, item, "tasks:id", len(ids)) if ids else []


def holding(session: Session, project: str, key: str, term: str, limit: int) -> list[JsonObject]:
    """The same of unlabelled tasks that hold the term under the key of their data, the lowest scores first."""
    item = {"filter": f"filter:tasks:data.{key}", "operator": "contains", "type": "String", "value": term}
    return _read(session, project, item, "tasks:predictions_score", limit)


def _read(session: Session, project: str, item: JsonObject, ordering: str, limit: int) -> list[JsonObject]:
    chosen = {"conjunction": "and", "items": [item, *conditions(UNLABELLED)]}
    # Quiet: the term is from a report.
    with session.asking(f"tasks of project {project}", quiet=True):
        page: Any = session.sdk.tasks.list(
            project=int(project),
            query=json.dumps({"filters": chosen, "ordering": [ordering]}),
            fields="all",
            include="id,data,predictions",
            page=1,
            page_size=limit,
            request_options=READ_ONLY,
        )
    return [plain(task) for task in page.items or ()]


def change(session: Session, prediction: int, result: Sequence[JsonObject]) -> bool:
    """Replace the regions of a prediction, or tell that it is gone; version, score and so the order stay."""
    return _ask(session, "PATCH", prediction, {"result": list(result)})


def delete(session: Session, prediction: int) -> bool:
    """Delete a prediction, so that Label Studio and the next ranking ask for another; False when it is gone."""
    return _ask(session, "DELETE", prediction, None)


def _ask(session: Session, method: str, prediction: int, body: JsonObject | None) -> bool:
    try:
        with session.asking(f"prediction {prediction}", quiet=True):
            session.raw(method, f"api/predictions/{prediction}/", body)
    except Refusal as refusal:
        if refusal.code != 404:
            raise
        return False
    return True
