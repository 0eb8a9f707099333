"""Cold start, order of the labelling stream, rounds and promotions, as annotators and leads meet them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from backend.registry import RULES_VERSION
from tests.e2e.stack import KEY, PASSWORD, REPORTS, SECRET, USER, LabelProject, Stack, reports, wait_for

pytestmark = pytest.mark.e2e

CONFIG = (REPORTS / "label_config.xml").read_text("utf-8")
LABELS = {"HR", "VALUE", "TIME", "EVENT", "DIAG"}
GOLD = {task["data"]["report_id"]: task["annotations"][0]["result"] for task in reports("gold.json")}
HEAD = 20


def check_predictions(project: LabelProject, version: str, labels: set[str]) -> dict[int, dict[str, Any]]:
    """Exactly one prediction of the version for each task of the pool, every one of them usable; by task."""
    stored = project.predictions()
    by_task = {prediction["task"]: prediction for prediction in stored}
    data = project.data()
    assert len(stored) == len(by_task)
    assert {prediction["model_version"] for prediction in stored} == {version}
    assert set(project.client.unlabelled_ids(project.id)) <= set(by_task)
    for task, prediction in by_task.items():
        assert 0.0 <= prediction["score"] <= 1.0
        for region in prediction["result"]:
            value = region["value"]
            assert data[task]["text"][value["start"] : value["end"]] == value["text"] != ""
            assert set(value["labels"]) <= labels
    return by_task


def check_serving(project: LabelProject, version: str) -> None:
    """The pointer, the backend's title, the project's model version and the predictions are one version."""
    status = project.wait_settled()
    assert status["serving"] == version
    assert project.in_label_studio() == (version, version)
    # Predictions of tasks that were annotated before the last ranking are gone or of the same version.
    check_predictions(project, version, LABELS)
    assert status["ranking"]["order_equal"] == status["ranking"]["order_checked"]


def walk(project: LabelProject, answer: Callable[[dict[str, Any]], Any], count: int) -> list[int]:
    """Take tasks from the labelling stream and answer each, one after the other; their ids."""
    taken = []
    for _ in range(count):
        task = project.next_task()
        answer(task)
        taken.append(task["id"])
    return taken


def skip(project: LabelProject, task: dict[str, Any]) -> dict[str, Any]:
    """Skip as the editor does: the prefilled regions are sent along."""
    return project.annotate(task["id"], task["predictions"][0]["result"], was_cancelled=True)


def check_stream(project: LabelProject) -> None:
    """The next tasks of the stream are the lowest scores and the head of the queue, in that order."""
    lowest = [task for task, _ in project.client.lowest_scores(project.id, HEAD)]
    queued = project.queue(HEAD)
    assert walk(project, lambda task: skip(project, task), HEAD) == lowest == queued
    assert not set(queued) & set(project.queue(10_000))


def test_a_project_without_annotations_is_filled_by_the_rules(stack: Stack) -> None:
    tasks = [{"data": task["data"]} for task in reports("unlabelled.json")[:30]]
    project = LabelProject.create(stack, "冷启动", CONFIG, tasks)
    project.wait_settled()
    by_task = check_predictions(project, RULES_VERSION, LABELS)
    assert len(by_task) == 30
    assert sum(len(prediction["result"]) for prediction in by_task.values()) > 30
    assert project.in_label_studio() == (RULES_VERSION, RULES_VERSION)
    assert project.queue(30) == [task for task, _ in project.client.lowest_scores(project.id, 30)]


def test_after_a_round_title_pointer_and_predictions_are_one_version(ecg: LabelProject) -> None:
    status = ecg.wait_settled()
    check_serving(ecg, status["serving"])
    assert status["pool"] == len(ecg.client.unlabelled_ids(ecg.id)) > HEAD


def test_the_stream_follows_the_queue_before_and_after_a_promotion(ecg: LabelProject) -> None:
    before = ecg.wait_settled()
    check_stream(ecg)

    head = ecg.queue(4)
    made: list[dict[str, Any]] = []
    taken = walk(ecg, lambda task: made.append(ecg.annotate(task["id"], GOLD[task["data"]["report_id"]])), 4)
    assert taken == head
    told = ecg.status()
    assert told["pending"] or told["jobs"], "the webhooks left hints"
    assert not set(taken) & set(ecg.queue(10_000)), "annotated tasks leave the queue before any round"
    card = ecg.wait_trained({annotation["id"] for annotation in made})
    assert card["round"] > before["rounds"][0]["round"]
    assert set(taken) <= set(card["dataset"]["tasks"])
    assert card["training"]["iterations"] > 0

    if ecg.status()["serving"] != card["version"]:
        ecg.serve(card["version"])
    check_serving(ecg, card["version"])
    check_stream(ecg)


def test_a_version_is_rolled_back_and_promoted_again(ecg: LabelProject) -> None:
    newest = ecg.wait_settled()["rounds"][0]["version"]
    if ecg.status()["serving"] != newest:
        ecg.serve(newest)
    older = [m["version"] for m in ecg.stack.json("models", "--project", ecg.id) if m.get("promoted", True)]
    expected = next(version for version in older if version != newest)
    ecg.stack.ecgal("rollback", "--project", ecg.id)
    wait_for(lambda: (s := ecg.settled()) and s["serving"] == expected, f"{expected} to serve")
    check_serving(ecg, expected)
    ecg.stack.ecgal("resume", "--project", ecg.id)
    ecg.serve(newest)
    check_serving(ecg, newest)


def test_new_tasks_are_predicted_those_without_entities_too(ecg: LabelProject) -> None:
    serving = ecg.wait_settled()["serving"]
    texts = ["无。", *(task["data"]["text"] for task in reports("test.json")[:9])]
    new = set(ecg.import_tasks([{"data": {"text": text}} for text in texts]))
    assert len(new) == 10

    def of_new() -> list[dict[str, Any]]:
        return [prediction for prediction in ecg.predictions() if prediction["task"] in new]

    wait_for(lambda: len(of_new()) >= 10 and ecg.settled(), "predictions of ten new tasks")
    check_predictions(ecg, serving, LABELS)
    assert new <= set(ecg.queue(10_000))

    for action in ("delete_tasks_predictions", "retrieve_tasks_predictions"):
        body = {"selectedItems": {"all": False, "included": sorted(new)}, "project": ecg.id}
        query = {"id": action, "project": ecg.id}
        ecg.http.post("/api/dm/actions", params=query, json=body).raise_for_status()
        assert len(of_new()) == (0 if action == "delete_tasks_predictions" else 10)
    ecg.wait_settled()
    check_serving(ecg, serving)


def test_wrong_credentials_are_refused(stack: Stack, ecg: LabelProject) -> None:
    with httpx.Client(base_url=stack.url, timeout=30) as http:
        body = {"action": "TASKS_DELETED", "project": {"id": int(ecg.id)}, "tasks": []}
        assert http.get("/health").status_code == 401
        assert http.get("/health", auth=(USER, "wrong")).status_code == 401
        assert http.get("/health", auth=(USER, PASSWORD)).status_code == 200
        assert http.post("/webhook", json=body).status_code == 401
        assert http.post("/webhook", json=body, headers={"X-Webhook-Secret": "wrong"}).status_code == 401
        assert http.post("/webhook", json=body, headers={"X-Webhook-Secret": SECRET}).status_code == 200
        for path in ("status", "queue", "models"):
            assert http.get(f"/api/projects/{ecg.id}/{path}").status_code == 401
            assert http.get(f"/api/projects/{ecg.id}/{path}", auth=(USER, PASSWORD)).status_code == 401
            headers = {"Authorization": f"Bearer {KEY}"}
            assert http.get(f"/api/projects/{ecg.id}/{path}", headers=headers).status_code == 200


def test_connecting_again_changes_nothing(stack: Stack, ecg: LabelProject) -> None:
    ecg.wait_settled()
    assert stack.json("connect", "--project", ecg.id) == []
    assert stack.ecgal("connect", "--project", ecg.id) == "nothing to change\n"


def test_the_doctor_finds_a_running_stack_healthy(stack: Stack, ecg: LabelProject) -> None:
    ecg.wait_settled()
    checks = stack.json("doctor", "--project", ecg.id)
    assert [check for check in checks if not check["ok"] or check["fix"]] == []


def test_commands_answer_in_json(stack: Stack, ecg: LabelProject) -> None:
    ecg.wait_settled()
    status = stack.json("status", "--project", ecg.id)
    assert status == ecg.status()
    assert {"serving", "labelled", "pending", "pool", "jobs", "rounds"} <= set(status)
    assert {"round", "version", "promoted", "reason"} <= set(status["rounds"][0])
    rows = json_rows(stack, "queue", ecg, "--top", "5")
    assert [row["rank"] for row in rows] == [1, 2, 3, 4, 5]
    assert all(
        set(row) == {"rank", "task_id", "priority", "uncertainty", "reason", "url", "preview"}
        and row["url"] == f"{stack.label_studio.url}/projects/{ecg.id}/data?task={row['task_id']}"
        for row in rows
    )
    models = json_rows(stack, "models", ecg)
    assert models[-1]["version"] == RULES_VERSION
    assert [model["version"] for model in models if model["serving"]] == [status["serving"]]
    assert models[0]["scores"]["micro"]["f1"] == models[0]["f1"]


def json_rows(stack: Stack, command: str, project: LabelProject, *more: str) -> list[dict[str, Any]]:
    return list(stack.json(command, "--project", project.id, *more))
