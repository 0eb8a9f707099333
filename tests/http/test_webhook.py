from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from redis import Redis
from starlette.testclient import TestClient

from backend.annotated_texts import AnnotatedTexts
from backend.job_queue import JobQueue
from backend.ranking_index import RankedTask, RankingIndex
from backend.registry import RULES_VERSION, Registry
from backend.settings import Settings

Recorded = Callable[[str, str], list[dict[str, Any]]]

ANNOTATION_CAPTURES = [
    "webhook_ANNOTATION_CREATED",
    "webhook_ANNOTATION_CREATED_empty",
    "webhook_ANNOTATION_CREATED_from_prediction",
    "webhook_ANNOTATION_UPDATED",
    "webhook_ANNOTATION_UPDATED_ground_truth",
    "webhook_ANNOTATION_UPDATED_unskip",
    "webhook_ANNOTATIONS_CREATED_bulk",
]
DELETED_CAPTURES = ["webhook_ANNOTATIONS_DELETED_single", "webhook_ANNOTATIONS_DELETED_bulk"]
OTHER_CAPTURES = [
    "webhook_ANNOTATION_CREATED_skip",
    "webhook_PROJECT_UPDATED",
    "webhook_PROJECT_UPDATED_label_config",
    "webhook_TASKS_CREATED_import",
    "webhook_TASKS_CREATED_single",
    "webhook_TASKS_DELETED_single",
    "webhook_TASKS_DELETED_bulk",
    "webhook_import_task_with_annotation_and_prediction",
    "ml_train_START_TRAINING",
]


@pytest.fixture
def queue(redis: Redis, settings: Settings) -> JobQueue:
    return JobQueue(redis, Registry(settings.home), settings)


@pytest.fixture
def ranking(redis: Redis) -> RankingIndex:
    return RankingIndex(redis)


def rank(ranking: RankingIndex, project: str, task_ids: list[int]) -> None:
    ranking.add(project, RULES_VERSION, [RankedTask(task, 0.5, 0.5, "", "") for task in task_ids])


def task_ids(body: dict[str, Any]) -> list[int]:
    tasks = body.get("tasks", body.get("task"))
    return [task["id"] for task in (tasks if isinstance(tasks, list) else [tasks])]


@pytest.mark.parametrize("capture", ANNOTATION_CAPTURES)
def test_an_annotation_leaves_a_hint_and_its_task_leaves_the_ranking(
    client: TestClient, queue: JobQueue, ranking: RankingIndex, recorded: Recorded, capture: str
) -> None:
    bodies = recorded(capture, "/webhook")
    assert bodies
    for body in bodies:
        project = str(body["project"]["id"])
        rank(ranking, project, [*task_ids(body), 999_999])
        answer = client.post("/webhook", content=json.dumps(body))
        assert (answer.status_code, answer.json()) == (200, {"status": "stored"})
        assert queue.pending(project).count > 0
        assert [row.task_id for row in ranking.top(project, RULES_VERSION, 10)] == [999_999]


@pytest.mark.parametrize("capture", DELETED_CAPTURES)
def test_a_deleted_annotation_leaves_a_hint(
    client: TestClient, queue: JobQueue, recorded: Recorded, capture: str
) -> None:
    for body in recorded(capture, "/webhook"):
        assert client.post("/webhook", content=json.dumps(body)).status_code == 200
        assert queue.pending(str(body["project"]["id"])).count == len(body["annotations"])


def test_a_skip_leaves_the_ranking_but_asks_for_no_round(
    client: TestClient, queue: JobQueue, ranking: RankingIndex, recorded: Recorded
) -> None:
    (body,) = recorded("webhook_ANNOTATION_CREATED_skip", "/webhook")
    rank(ranking, "1", [4, 5])
    assert client.post("/webhook", content=json.dumps(body)).status_code == 200
    assert queue.pending("1").count == 0
    assert [row.task_id for row in ranking.top("1", RULES_VERSION, 10)] == [5]


def test_an_annotation_that_is_skipped_later_leaves_a_hint(
    client: TestClient, queue: JobQueue, recorded: Recorded
) -> None:
    body = recorded("webhook_ANNOTATION_UPDATED", "/webhook")[0]
    body["annotation"]["was_cancelled"] = True
    client.post("/webhook", content=json.dumps(body))
    assert queue.pending(str(body["project"]["id"])).count == 1


@pytest.mark.parametrize("capture", OTHER_CAPTURES)
def test_other_recorded_webhooks_leave_no_hint(
    client: TestClient, queue: JobQueue, recorded: Recorded, capture: str
) -> None:
    bodies = recorded(capture, "/webhook")
    assert bodies
    for body in bodies:
        assert client.post("/webhook", content=json.dumps(body)).json()["status"] == "stored"
        assert queue.pending(str(body["project"]["id"])).count == 0


def test_new_tasks_are_ranked_once(client: TestClient, queue: JobQueue, recorded: Recorded) -> None:
    (body, *_) = recorded("webhook_TASKS_CREATED_import", "/webhook")
    jobs = {client.post("/webhook", content=json.dumps(body)).json()["job"] for _ in range(3)}
    assert jobs == {job.id for job in queue.jobs(str(body["project"]["id"]), "rank")}
    assert len(jobs) == 1


def test_deleted_tasks_leave_the_ranking(client: TestClient, ranking: RankingIndex, recorded: Recorded) -> None:
    (body, *_) = recorded("webhook_TASKS_DELETED_bulk", "/webhook")
    project = str(body["project"]["id"])
    rank(ranking, project, [*task_ids(body), 999_999])
    client.post("/webhook", content=json.dumps(body))
    assert ranking.count(project, RULES_VERSION) == 1


def test_the_copy_of_a_deleted_report_is_asked_for(
    client: TestClient, ranking: RankingIndex, redis: Redis, recorded: Recorded
) -> None:
    (body, *_) = recorded("webhook_TASKS_DELETED_bulk", "/webhook")
    project, deleted = str(body["project"]["id"]), task_ids(body)[0]
    ranking.claim(project, RULES_VERSION, {deleted: 77, 999_999: 77})
    client.post("/webhook", content=json.dumps(body))
    assert AnnotatedTexts(redis).take_changed(project, 9) == [77], "its prediction is made anew"
    assert ranking.claim(project, RULES_VERSION, {999_999: 77}) == {999_999: 999_999}


def test_start_training_queues_a_round(client: TestClient, queue: JobQueue, recorded: Recorded) -> None:
    (body,) = recorded("ml_train_START_TRAINING", "/webhook")
    job = client.post("/webhook", content=json.dumps(body)).json()["job"]
    assert [(view.id, view.state) for view in queue.jobs("1", "retrain")] == [(job, "queued")]


def test_a_changed_label_set_is_remembered(client: TestClient, settings: Settings, recorded: Recorded) -> None:
    (body, *_) = recorded("webhook_PROJECT_UPDATED_label_config", "/webhook")
    client.post("/webhook", content=json.dumps(body))
    project = str(body["project"]["id"])
    assert Registry(settings.home).label_config(project) == body["project"]["label_config"]


@pytest.mark.parametrize(
    "body",
    [
        {"action": "ANNOTATION_CREATED"},
        {"action": "LABEL_LINK_CREATED", "project": {"id": 1}},
        {"action": "PROJECT_DELETED", "project": {"id": 1}},
        {"action": "ANNOTATION_CREATED", "project": {"id": "../x"}, "annotation": {"id": 1}},
        {"action": "ANNOTATION_CREATED", "project": [], "annotation": {"id": 1}},
    ],
)
def test_what_cannot_be_placed_is_answered_and_ignored(client: TestClient, redis: Redis, body: dict[str, Any]) -> None:
    answer = client.post("/webhook", content=json.dumps(body))
    assert (answer.status_code, answer.json()) == (200, {"status": "ignored"})
    assert redis.keys() == []


@pytest.mark.parametrize("body", [[], None, {}, {"action": 7}, {"action": ""}, "x"])
def test_a_webhook_without_action_is_a_400(client: TestClient, body: Any) -> None:
    answer = client.post("/webhook", content=json.dumps(body))
    assert answer.status_code == 400
    assert set(answer.json()) == {"error", "value", "hint"}


@pytest.mark.parametrize(
    "fields",
    [
        {"annotation": None, "task": None},
        {"annotation": [], "task": []},
        {"annotation": "x", "task": 7},
        {"annotation": {"id": None, "task": "7"}, "task": {"id": {}}},
        {"annotation": {"id": 2**80}, "task": {"id": 2**80}},
        {"annotation": {"id": "\ud800"}, "task": {"data": {"text": "\ud800"}}},
    ],
)
def test_odd_fields_are_survived(client: TestClient, fields: dict[str, Any]) -> None:
    for action in ("ANNOTATION_CREATED", "ANNOTATIONS_CREATED", "ANNOTATION_UPDATED", "ANNOTATIONS_DELETED"):
        body = {"action": action, "project": {"id": 1, "label_config": "<View>\ud800"}, **fields}
        assert client.post("/webhook", content=json.dumps(body)).json() == {"status": "stored"}


def test_without_redis_nothing_is_claimed_to_be_stored(client_without_redis: TestClient, recorded: Recorded) -> None:
    for capture in ("webhook_ANNOTATION_CREATED", "webhook_TASKS_CREATED_single", "ml_train_START_TRAINING"):
        answer = client_without_redis.post("/webhook", json=recorded(capture, "/webhook")[0])
        assert answer.status_code == 503
        assert answer.json()["hint"]


def test_ten_thousand_new_tasks_are_one_body(client: TestClient, queue: JobQueue, label_config: str, text: str) -> None:
    tasks = [{"id": n, "data": {"text": text}, "meta": {}, "project": 1} for n in range(10_000)]
    body = {"action": "TASKS_CREATED", "tasks": tasks, "project": {"id": 1, "label_config": label_config}}
    assert client.post("/webhook", content=json.dumps(body)).status_code == 200
    assert len(queue.jobs("1", "rank")) == 1


def test_ten_thousand_deleted_tasks_leave_the_ranking(client: TestClient, ranking: RankingIndex) -> None:
    rank(ranking, "1", list(range(10_001)))
    body = {"action": "TASKS_DELETED", "tasks": [{"id": n} for n in range(10_000)], "project": {"id": 1}}
    assert client.post("/webhook", content=json.dumps(body)).status_code == 200
    assert [row.task_id for row in ranking.top("1", RULES_VERSION, 5)] == [10_000]


def test_many_webhooks_at_once_all_leave_their_hint(server: httpx.Client, queue: JobQueue, label_config: str) -> None:
    def post(number: int) -> int:
        body = {
            "action": "ANNOTATION_CREATED",
            "annotation": {"id": number, "result": [], "was_cancelled": False, "task": number},
            "task": {"id": number},
            "project": {"id": 1, "label_config": label_config},
        }
        return server.post("/webhook", content=json.dumps(body)).status_code

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(post, range(300)))
    assert answers == [200] * 300
    assert queue.pending("1").count == 300
