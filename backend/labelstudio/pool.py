"""The pool as a ranking reads it: what a version has not predicted yet, and what it has."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from backend.labelstudio.pages import PAGE, UNLABELLED, Filters, first, read
from backend.labelstudio.session import Session
from backend.labelstudio.wire import JsonObject

AT_ONCE = 500
"""Tasks asked for by their ids in one request; they stand in its address."""


def missing(
    session: Session, project: str, version: str, after: int = 0, upto: int | None = None
) -> Iterator[JsonObject]:
    """`{"id", "data"}` of unlabelled tasks without a prediction of the version, ids in (after, upto], ascending."""
    return read(session, project, _lacking(version), "id,data", after, upto, with_computed=False)


def count_missing(session: Session, project: str, version: str) -> int:
    """How many tasks `missing` would give; one request."""
    return first(session, project, _lacking(version), "id", 1, with_computed=False)[0]


def count_scored(session: Session, project: str, version: str) -> int:
    """How many tasks `scored` looks at; one request."""
    return first(session, project, (*UNLABELLED, _held_by(version)), "id", 1, with_computed=False)[0]


def count_holding(session: Session, project: str, version: str) -> int:
    """How many tasks, labelled ones too, have predictions of the version; one request."""
    return first(session, project, (_held_by(version),), "id", 1, with_computed=False)[0]


def missing_among(session: Session, project: str, version: str, ids: Sequence[int]) -> list[JsonObject]:
    """Those of the tasks that `missing` would give."""
    return [task for part in _parts(ids) for task in _among(session, project, _lacking(version), "id,data", part)]


def unlabelled_among(session: Session, project: str, ids: Sequence[int]) -> set[int]:
    """Those of the tasks that are in the pool."""
    return {task["id"] for part in _parts(ids) for task in _among(session, project, UNLABELLED, "id", part)}


def id_range(session: Session, project: str) -> tuple[int, int]:
    """Lowest and highest id of the pool; (0, 0) when it is empty."""
    ends = [
        first(session, project, UNLABELLED, "id", 1, ordering=ordering, with_computed=False)[1]
        for ordering in ("tasks:id", "-tasks:id")
    ]
    return (ends[0][0]["id"], ends[1][0]["id"]) if all(ends) else (0, 0)


def scored(session: Session, project: str, version: str) -> Iterator[JsonObject]:
    """`{"id", "data", "score"}` of unlabelled tasks with a prediction of the version, the newest tasks first."""
    filters: Filters = (*UNLABELLED, _held_by(version))
    include = "id,data,predictions,model_version,score"
    before: Filters = ()
    while True:
        total, tasks = first(session, project, (*filters, *before), include, PAGE, ordering="-tasks:id")
        for task in tasks:
            scores = [p["score"] for p in task["predictions"] if p["model_version"] == version]
            if scores and scores[0] is not None:
                yield {"id": task["id"], "data": task["data"], "score": float(scores[0])}
        if total <= len(tasks):
            return
        before = (("id", "less", tasks[-1]["id"]),)


def _held_by(version: str) -> tuple[str, str, list[int | str]]:
    return ("predictions_model_versions", "contains", [version])


def _lacking(version: str) -> Filters:
    return (*UNLABELLED, ("predictions_model_versions", "not_contains", [version]))


def _among(session: Session, project: str, filters: Filters, include: str, ids: Sequence[int]) -> list[JsonObject]:
    chosen: Filters = (*filters, ("id", "in_list", list(ids)))
    return first(session, project, chosen, include, len(ids), with_computed=False)[1]


def _parts(ids: Sequence[int]) -> list[Sequence[int]]:
    return [ids[start : start + AT_ONCE] for start in range(0, len(ids), AT_ONCE)]
