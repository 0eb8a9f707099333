"""The client against a real Label Studio."""

from __future__ import annotations

import http.cookiejar
import json
import math
import urllib.parse
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from backend.errors import LabelStudioError
from backend.labelstudio.client import LabelStudioClient, Refusal
from backend.labelstudio.config import LabelConfig
from backend.labelstudio.wire import annotation_spans, prediction_json
from backend.ner.spans import Span

if TYPE_CHECKING:
    from tests.labelstudio.conftest import Backend, LabelStudio

pytestmark = pytest.mark.e2e

TEXT = "窦性心律，心率 72 次/分 𠮷\r\n完"
REGION = {
    "id": "r1",
    "from_name": "label",
    "to_name": "text",
    "type": "labels",
    "value": {"start": 5, "end": 7, "text": "心率", "labels": ["HR"]},
}
XML = '<View><Labels name="label" toName="text"><Label value="HR"/></Labels><Text name="text" value="$text"/></View>'
MakeProject = Callable[..., str]


def prediction(task: int, score: float, version: str = "rules-1") -> dict[str, Any]:
    return {"task": task, "result": [REGION], "score": score, "model_version": version}


def annotated(*results: list[Any], **more: Any) -> dict[str, Any]:
    return {"data": {"text": TEXT}, "annotations": [{"result": result, **more} for result in results]}


def annotate(client: LabelStudioClient, task: int, result: list[Any], **more: Any) -> int:
    return int(client.session.raw("POST", f"api/tasks/{task}/annotations/", {"result": result, **more})["id"])


def test_release_user_and_project(
    client: LabelStudioClient, label_studio: LabelStudio, make_project: MakeProject
) -> None:
    project = make_project()
    assert client.version().startswith("1.")
    assert client.whoami() == label_studio.email
    assert client.project(project).id == project
    assert 'value="HR"' in client.project(project).label_config


@pytest.mark.filterwarnings("ignore:The `parse_obj` method is deprecated")  # the SDK, when it refreshes the token
def test_a_personal_token_works_too(label_studio: LabelStudio) -> None:
    with LabelStudioClient(label_studio.url, personal_token(label_studio)) as client:
        assert client.session.is_personal
        assert client.whoami() == label_studio.email
        assert client.session.raw("GET", "api/projects/")["count"] >= 0


def test_labelled_tasks_have_whole_annotations_then_come_skipped_ones(
    client: LabelStudioClient, make_project: MakeProject
) -> None:
    project = make_project(TEXT, annotated([REGION], []), annotated([REGION], was_cancelled=True), TEXT)
    labelled, skipped = client.labelled_tasks(project)
    assert labelled["data"] == {"text": TEXT}
    assert [a["result"] for a in labelled["annotations"]] == [[REGION], []]
    first = labelled["annotations"][0]
    assert (first["was_cancelled"], first["ground_truth"]) == (False, True)
    assert {"id", "completed_by", "updated_at", "created_at"} <= first.keys()
    assert skipped["annotations"][0]["was_cancelled"] is True


def test_the_pool_is_what_is_neither_annotated_nor_skipped(
    client: LabelStudioClient, make_project: MakeProject
) -> None:
    project = make_project(TEXT, annotated([]), annotated([], was_cancelled=True), "b", "c")
    ids = client.task_ids(project)
    pool = [ids[0], ids[3], ids[4]]
    client.import_predictions(project, [prediction(ids[3], 0.5), prediction(ids[3], 0.4, "rules-2")])
    tasks = list(client.unlabelled_tasks(project))
    assert [task["id"] for task in tasks] == pool == client.unlabelled_ids(project)
    assert [sorted(task["versions"]) for task in tasks] == [[], ["rules-1", "rules-2"], []]
    assert [task["id"] for task in client.unlabelled_tasks(project, after=ids[0])] == pool[1:]
    counts = client.counts(project)
    assert (counts.tasks, counts.annotated, counts.skipped, counts.unlabelled) == (5, 1, 1, 3)
    assert counts.predictions == {"rules-1": 1, "rules-2": 1}


def test_an_empty_project_has_nothing(client: LabelStudioClient, make_project: MakeProject) -> None:
    project = make_project()
    assert list(client.labelled_tasks(project)) == list(client.unlabelled_tasks(project)) == []
    assert client.counts(project).predictions == client.model_versions(project) == {}
    assert client.lowest_scores(project, 5) == []
    assert client.next_task(project) is None
    assert client.backend(project, "http://127.0.0.1:9") is None


def test_what_wire_writes_comes_back_unchanged(
    client: LabelStudioClient, make_project: MakeProject, config: LabelConfig
) -> None:
    spans = (Span(5, 7, "HR", 0.91234), Span(8, 10, "VALUE"), Span(len(TEXT) - 1, len(TEXT), "HR"))
    project = make_project(TEXT)
    task = client.task_ids(project)[0]

    class Said:
        spans = (Span(5, 7, "HR", 0.91234), Span(8, 10, "VALUE"), Span(len(TEXT) - 1, len(TEXT), "HR"))
        uncertainty = 0.3
        version = "ecg-r0001-00000000"

    sent = prediction_json(Said(), TEXT, config)
    client.import_predictions(project, [{"task": task, **sent}])
    stored = client.session.raw("GET", f"api/tasks/{task}/")["predictions"][0]
    assert {name: stored[name] for name in sent} == sent
    annotate(client, task, stored["result"])
    (labelled,) = client.labelled_tasks(project)
    assert annotation_spans(labelled["annotations"][0], labelled["data"]["text"], config) == (list(spans), [])


def test_an_import_that_is_not_stored_whole_is_an_error(client: LabelStudioClient, make_project: MakeProject) -> None:
    project = make_project(TEXT)
    task = client.task_ids(project)[0]
    nope = {**REGION, "value": {**REGION["value"], "labels": ["NOPE"]}}  # type: ignore[dict-item]
    with pytest.raises(LabelStudioError, match="stored 0 of 1"):
        client.import_predictions(project, [{**prediction(task, 0.5), "result": [nope]}])
    with pytest.raises(Refusal):
        client.import_predictions(project, [prediction(999_999, 0.5)])


def test_the_switch_turns_the_order_and_the_deletion_keeps_it(
    client: LabelStudioClient, make_project: MakeProject, backend: Backend
) -> None:
    project = make_project("a", "b", "c")
    ids = client.task_ids(project)
    client.import_predictions(project, [prediction(task, 0.1 * i) for i, task in enumerate(ids, 1)])
    client.create_backend(project, {"url": backend.url, "title": "rules-1"})
    client.update_project(project, {"sampling": "Uncertainty sampling"})
    assert [task for task, _ in client.lowest_scores(project, 3)] == ids
    client.import_predictions(project, [prediction(t, 0.9 - 0.1 * i, "rules-2") for i, t in enumerate(ids, 1)])
    backend.version = "rules-2"
    client.switch_title(project, "rules-2")
    assert client.lowest_scores(project, 2) == [(ids[2], 0.6), (ids[1], 0.7)]
    assert client.delete_predictions(project, "rules-1") == 3
    assert client.project(project).model_version == "rules-2"
    assert client.lowest_scores(project, 9)[0][0] == ids[2]
    assert (client.next_task(project) or {})["id"] == ids[2]


def test_without_a_backend_the_switch_sets_the_model_version(
    client: LabelStudioClient, make_project: MakeProject
) -> None:
    project = make_project("a")
    client.import_predictions(project, [prediction(client.task_ids(project)[0], 0.5, "rules-2")])
    client.switch_title(project, "rules-2")
    assert client.project(project).model_version == "rules-2"


def test_a_stored_password_survives_the_switch(
    client: LabelStudioClient, make_project: MakeProject, backend: Backend
) -> None:
    backend.credentials = "Basic dTpwYXNz"
    project = make_project()
    fields = {"auth_method": "BASIC_AUTH", "basic_auth_user": "u", "basic_auth_pass": "pass"}
    client.create_backend(project, {"url": backend.url, "title": "rules-1", **fields})
    client.switch_title(project, "rules-2")
    row = client.backend(project, f"{backend.url}/")
    assert row is not None
    assert (row["title"], row["state"]) == ("rules-2", "CO")


# Fingerprint -----------------------------------------------------------------------------------------


@pytest.fixture
def changes(client: LabelStudioClient, make_project: MakeProject) -> Callable[[Callable[[str, list[int]], Any]], bool]:
    """Whether doing something to a project of two annotated, a skipped and two plain tasks changes its fingerprint."""

    def changed(act: Callable[[str, list[int]], Any]) -> bool:
        skipped = annotated([], was_cancelled=True)
        project = make_project(annotated([REGION]), annotated([]), skipped, TEXT, TEXT, xml=XML)
        before = client.fingerprint(project)
        assert client.fingerprint(project) == before
        act(project, client.task_ids(project))
        return client.fingerprint(project) != before

    return changed


def test_quiet_is_counted_from_the_last_annotation(client: LabelStudioClient, make_project: MakeProject) -> None:
    project = make_project("a", "b")
    assert client.quiet_seconds(project, datetime.now(UTC)) == math.inf
    annotate(client, client.task_ids(project)[1], [])
    updated = datetime.fromisoformat(next(client.labelled_tasks(project))["updated_at"])
    assert client.quiet_seconds(project, updated + timedelta(minutes=5)) == 300.0


def annotation_of(client: LabelStudioClient, task: int) -> int:
    return int(client.session.raw("GET", f"api/tasks/{task}/")["annotations"][0]["id"])


TRAINABLE: dict[str, Callable[[LabelStudioClient, str, list[int]], object]] = {
    "submit": lambda c, p, t: annotate(c, t[3], []),
    "skip": lambda c, p, t: annotate(c, t[3], [], was_cancelled=True),
    "update": lambda c, p, t: update(c, t[0], {"result": []}),
    "skip later": lambda c, p, t: update(c, t[0], {"was_cancelled": True}),
    "unskip": lambda c, p, t: update(c, t[2], {"was_cancelled": False}),
    "ground truth": lambda c, p, t: update(c, t[0], {"ground_truth": False}),
    "delete": lambda c, p, t: c.session.raw("DELETE", f"api/annotations/{annotation_of(c, t[0])}/"),
    "convert to draft": lambda c, p, t: to_draft(c, t[0]),
    "delete and submit again": lambda c, p, t: replace(c, t[0]),
    "import annotated": lambda c, p, t: c.session.raw("POST", f"api/projects/{p}/import", [annotated([])]),
    "delete task": lambda c, p, t: c.session.raw("DELETE", f"api/tasks/{t[0]}/"),
    "change text": lambda c, p, t: c.session.raw("PATCH", f"api/tasks/{t[0]}/", {"data": {"text": "x"}}),
    "labels": lambda c, p, t: c.update_project(p, {"label_config": XML.replace("HR", "RATE")}),
}
POOL: dict[str, Callable[[LabelStudioClient, str, list[int]], object]] = {
    "import": lambda c, p, t: c.session.raw("POST", f"api/projects/{p}/import", [{"data": {"text": "x"}}]),
    "predict": lambda c, p, t: c.import_predictions(p, [prediction(i, 0.5) for i in t]),
    "settings": lambda c, p, t: c.update_project(p, {"sampling": "Uncertainty sampling"}),
    "open": lambda c, p, t: c.next_task(p),
    "delete plain task": lambda c, p, t: c.session.raw("DELETE", f"api/tasks/{t[4]}/"),
}


@pytest.mark.parametrize("act", TRAINABLE.values(), ids=TRAINABLE)
def test_the_fingerprint_changes_with_trainable_data(client: LabelStudioClient, changes: Any, act: Any) -> None:
    assert changes(lambda project, tasks: act(client, project, tasks))


@pytest.mark.parametrize("act", POOL.values(), ids=POOL)
def test_the_fingerprint_stays_when_only_the_pool_changes(client: LabelStudioClient, changes: Any, act: Any) -> None:
    assert not changes(lambda project, tasks: act(client, project, tasks))


def update(client: LabelStudioClient, task: int, fields: dict[str, Any]) -> None:
    client.session.raw("PATCH", f"api/annotations/{annotation_of(client, task)}/", fields)


def to_draft(client: LabelStudioClient, task: int) -> None:
    client.session.raw("POST", f"api/annotations/{annotation_of(client, task)}/convert-to-draft", {})


def replace(client: LabelStudioClient, task: int) -> None:
    client.session.raw("DELETE", f"api/annotations/{annotation_of(client, task)}/")
    annotate(client, task, [REGION], ground_truth=True)


def personal_token(label_studio: LabelStudio) -> str:
    """Log in as a browser does and create a personal access token."""
    cookies = http.cookiejar.CookieJar()
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(cookies))

    def post(path: str, content: bytes, kind: str) -> bytes:
        csrf = next(str(cookie.value) for cookie in cookies if cookie.name == "csrftoken")
        headers = {"Content-Type": kind, "X-CSRFToken": csrf, "Referer": label_studio.url}
        with browser.open(urllib.request.Request(label_studio.url + path, content, headers)) as answer:
            return bytes(answer.read())

    browser.open(f"{label_studio.url}/user/login/").close()
    form = {"email": label_studio.email, "password": label_studio.password}
    post("/user/login/", urllib.parse.urlencode(form).encode(), "application/x-www-form-urlencoded")
    return str(json.loads(post("/api/token/", b"{}", "application/json"))["token"])
