"""Lists of tasks, as the Data Manager filters and orders them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from backend.labelstudio.session import READ_ONLY, Session, plain
from backend.labelstudio.wire import JsonObject

Filters = tuple[tuple[str, str, int | Sequence[int | str]], ...]
"""Field, operator, number or list."""

LABELLED: Filters = (("total_annotations", "greater", 0),)
ONLY_SKIPPED: Filters = (("total_annotations", "equal", 0), ("cancelled_annotations", "greater", 0))
UNLABELLED: Filters = (("total_annotations", "equal", 0), ("cancelled_annotations", "equal", 0))
TOUCHED: Filters = (("total_annotations", "greater", 0), ("cancelled_annotations", "greater", 0))
"""With `any_of`."""
REPEATED: Filters = (("total_predictions", "greater", 1),)

ANNOTATED_FIELDS = "id,data,annotations,result,was_cancelled,ground_truth,completed_by,created_at,updated_at,lead_time"
"""`include` reaches into the annotations; whole ones have 2.5 times the bytes and take twice as long."""

PAGE = 1000
"""Tasks of one page: 0.4 s, 2 s with annotations; larger pages are no faster (Label Studio 1.23.2, SQLite)."""


def conditions(filters: Filters) -> list[JsonObject]:
    """The filters as items of a Data Manager query."""
    return [
        {
            "filter": f"filter:tasks:{field}",
            "operator": operator,
            "type": "Number" if isinstance(value, int) else "List",
            "value": value,
        }
        for field, operator, value in filters
    ]


def read(
    session: Session,
    project: str,
    filters: Filters,
    include: str,
    after: int = 0,
    upto: int | None = None,
    *,
    with_computed: bool = True,
) -> Iterator[JsonObject]:
    """All tasks with an id above `after`, and at most `upto`, that pass the filters, ascending by id.

    Each page starts after the last id seen, so that tasks which are labelled meanwhile shift none. It also ends where
    a page will probably be full: Label Studio adds up counters of all tasks that pass the filters, 1.2 s for a million.
    """
    ends: Filters = () if upto is None else (("id", "less_or_equal", upto),)
    width = 0
    while True:
        window: Filters = (("id", "less_or_equal", after + width),) if width else ends
        found = (*filters, ("id", "greater", after), *window)
        total, tasks = first(session, project, found, include, PAGE, with_computed=with_computed)
        yield from tasks
        if not width and total <= len(tasks):
            return
        after = tasks[-1]["id"] if total > len(tasks) else after + width
        width = tasks[-1]["id"] - tasks[0]["id"] + 1 if 2 * len(tasks) > PAGE else 0
        if upto is not None and after + width >= upto:
            width = 0


def first(
    session: Session,
    project: str,
    filters: Filters,
    include: str,
    size: int,
    *,
    any_of: bool = False,
    ordering: str = "tasks:id",
    with_computed: bool = True,
) -> tuple[int, list[JsonObject]]:
    """How many tasks pass the filters, and the first `size` of them with the fields of `include`.

    Annotations and the model versions of predictions are there only `with_computed`, which is slower.
    """
    chosen = {"conjunction": "or" if any_of else "and", "items": conditions(filters)}
    query = {"filters": chosen, "ordering": [ordering]}
    with session.asking(f"tasks of project {project}"):
        page: Any = session.sdk.tasks.list(
            project=int(project),
            query=json.dumps(query),
            fields="all" if with_computed else "task_only",
            include=include,
            page=1,
            page_size=size,
            request_options=READ_ONLY,
        )
    return page.response.total, [plain(task) for task in page.items or ()]
