"""The pool of a real Label Studio that is several pages long."""

from __future__ import annotations

from typing import Any

import pytest

from backend.labelstudio import pages, pool
from backend.labelstudio.client import LabelStudioClient

pytestmark = pytest.mark.e2e

TASKS = 2 * pages.PAGE + 300


@pytest.fixture
def project(client: LabelStudioClient, make_project: Any) -> str:
    """TASKS tasks between whose ids another project has as many, in two gaps."""
    first, other = make_project(), make_project()
    for size in (TASKS - 700, 700):
        for number in (first, other):
            add(client, number, size)
    return first


def add(client: LabelStudioClient, project: str, size: int) -> None:
    tasks = [{"data": {"text": f"窦性心律 {i}"}} for i in range(size)]
    client.session.raw("POST", f"api/projects/{project}/import", tasks)


def predictions(ids: list[int], version: str) -> list[dict[str, Any]]:
    return [{"task": i, "result": [], "score": n / len(ids), "model_version": version} for n, i in enumerate(ids)]


def ids_of(tasks: Any) -> list[int]:
    return [task["id"] for task in tasks]


def test_every_task_is_read_once_whatever_the_gaps_between_ids(client: LabelStudioClient, project: str) -> None:
    ids, session = client.unlabelled_ids(project), client.session
    assert len(ids) == len(set(ids)) == TASKS
    assert ids == sorted(ids) == ids_of(pool.missing(session, project, "v1"))
    assert pool.id_range(session, project) == (ids[0], ids[-1])
    for after, upto in (
        (ids[10], ids[-5]),
        (ids[1500], ids[-700]),
        (ids[-1], ids[-1] + 9),
        (0, ids[0]),
        (0, ids[1200]),
        (0, ids[1500]),
    ):
        expected = [i for i in ids if after < i <= upto]
        assert ids_of(pool.missing(session, project, "v1", after, upto)) == expected


def test_what_a_version_has_predicted_is_told_from_what_it_has_not(client: LabelStudioClient, project: str) -> None:
    ids, session = client.unlabelled_ids(project), client.session
    scored, left = ids[: pages.PAGE + 100], ids[pages.PAGE + 100 :]
    client.import_predictions(project, predictions(scored, "v1"))
    client.import_predictions(project, predictions(ids, "v2"))
    session.raw("POST", f"api/tasks/{scored[-1]}/annotations/", {"result": []})
    assert pool.count_missing(session, project, "v1") == len(left)
    assert ids_of(pool.missing(session, project, "v1")) == left
    assert pool.count_missing(session, project, "v2") == 0
    assert pool.count_holding(session, project, "v1") == len(scored)
    assert ids_of(pool.missing_among(session, project, "v1", ids[1000:1700])) == [
        i for i in ids[1000:1700] if i in left
    ]
    assert pool.unlabelled_among(session, project, [*scored[-2:], 10**9]) == {scored[-2]}
    found = list(pool.scored(session, project, "v1"))
    assert ids_of(found) == scored[-2::-1]
    assert found[0]["score"] == pytest.approx((len(scored) - 2) / len(scored))
    assert found[0]["data"]["text"].startswith("窦性心律")


def test_a_few_predictions_are_stored_one_by_one_and_counted(client: LabelStudioClient, make_project: Any) -> None:
    project = make_project("a", "b")
    ids = client.task_ids(project)
    client.store_predictions(project, predictions(ids, "v1"))
    assert client.model_versions(project) == {"v1": 2}
    assert pool.count_missing(client.session, project, "v1") == 0
    assert pool.id_range(client.session, make_project()) == (0, 0)
