from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from pydantic import SecretStr
from redis import Redis
from starlette.testclient import TestClient

from backend.job_queue import JobQueue
from backend.model_card import DatasetSummary, Decision, Evaluation, LabelScore, ModelCard, Score, TrainingSummary
from backend.ranking_index import RankedTask, RankingIndex
from backend.records import Connection
from backend.registry import RULES_VERSION, Registry
from backend.settings import Settings


def make_card(number: int, promote: bool = True) -> ModelCard:
    micro = LabelScore(precision=0.9, recall=0.8, f1=0.85, support=40)
    return ModelCard(
        version=f"ecg-r{number:04d}-0000000{number}",
        project="1",
        round=number,
        created=f"2026-11-24T10:0{number}:00Z",
        mode="merged",
        labels=["HR"],
        base_model="built-in",
        seed=13,
        dataset=DatasetSummary(hash="h", reports=10 * number, spans=1, tasks=[], annotations=[], holdout_tasks=[]),
        training=TrainingSummary(),
        evaluation=Evaluation(method="holdout", modes={"merged": Score(micro=micro)}),
        decision=Decision(promote=promote, reason=f"reason {number}", serving=RULES_VERSION),
    )


def publish(registry: Registry, number: int, promote: bool = True) -> str:
    card = make_card(number, promote)
    folder = registry.new_folder("1")
    (folder / "memory.json").write_text("{}")
    registry.publish(card, folder)
    return card.version


@pytest.fixture
def registry(settings: Settings, label_config: str) -> Registry:
    """Knows project 1."""
    registry = Registry(settings.home)
    registry.remember_label_config("1", label_config)
    return registry


@pytest.fixture
def queue(redis: Redis, registry: Registry, settings: Settings) -> JobQueue:
    return JobQueue(redis, registry, settings)


def test_the_queue_is_in_order_of_priority(client: TestClient, registry: Registry, redis: Redis) -> None:
    registry.save_connection("1", Connection(url="http://ls.example:8080/", token=SecretStr("t")))
    rows = [RankedTask(n, n / 10, n / 20, f"because {n}", f"窦性心律 {n}") for n in range(1, 6)]
    RankingIndex(redis).add("1", RULES_VERSION, rows)
    answer = client.get("/api/projects/1/queue", params={"top": 2})
    assert answer.json() == [
        {
            "rank": rank,
            "task_id": n,
            "priority": n / 10,
            "uncertainty": n / 20,
            "reason": f"because {n}",
            "url": f"http://ls.example:8080/projects/1/data?task={n}",
            "preview": f"窦性心律 {n}",
        }
        for rank, n in ((1, 5), (2, 4))
    ]
    assert len(client.get("/api/projects/1/queue").json()) == 5


def test_an_unranked_pool_is_an_empty_queue(client: TestClient, registry: Registry) -> None:
    assert client.get("/api/projects/1/queue").json() == []


def test_the_place_of_a_task(client: TestClient, registry: Registry, redis: Redis) -> None:
    RankingIndex(redis).add("1", RULES_VERSION, [RankedTask(n, n / 10, n / 20, "", "") for n in range(1, 6)])
    assert client.get("/api/projects/1/queue/4").json() == {"task_id": 4, "rank": 2, "of": 5}
    assert client.get("/api/projects/1/queue/9").json() == {"task_id": 9, "rank": None, "of": 5}
    assert client.get("/api/projects/1/queue/x").status_code == 400
    assert client.get("/api/projects/2/queue/4").status_code == 404


@pytest.mark.parametrize("top", ["0", "-1", "x", "1e3", "10001", ""])
def test_an_impossible_top_is_a_400(client: TestClient, registry: Registry, top: str) -> None:
    answer = client.get("/api/projects/1/queue", params={"top": top})
    assert answer.status_code == 400
    assert "top" in answer.json()["error"]


@pytest.mark.parametrize("project", ["2", "0", "x", "..", "%2e%2e", "1%2F..%2F1", "١"])
@pytest.mark.parametrize(
    ("method", "rest"),
    [
        ("GET", "queue"),
        ("GET", "status"),
        ("GET", "models"),
        ("POST", "retrain"),
        ("POST", "rerank"),
        ("POST", "rollback"),
        ("POST", "resume"),
        ("POST", "models/rules-1/promote"),
    ],
)
def test_an_unknown_project_is_a_404(
    client: TestClient, registry: Registry, method: str, rest: str, project: str
) -> None:
    answer = client.request(method, f"/api/projects/{project}/{rest}")
    assert answer.status_code == 404
    assert set(answer.json()) == {"error", "value", "hint"}


def test_the_status_of_a_fresh_project(client: TestClient, registry: Registry) -> None:
    assert client.get("/api/projects/1/status").json() == {
        "project": "1",
        "serving": RULES_VERSION,
        "target": RULES_VERSION,
        "hold": None,
        "damage": "",
        "ended": "",
        "label_config_fault": "",
        "labelled": 0,
        "pending": 0,
        "changes": 0,
        "pool": 0,
        "jobs": [],
        "failures": {},
        "outcomes": {},
        "ranking": None,
        "left_out": {"round": 0, "regions": 0, "annotations": 0, "not_submitted": 0, "reasons": []},
        "rounds": [],
    }


def test_the_status_shows_what_waits_and_how_rounds_went(
    client: TestClient, registry: Registry, queue: JobQueue
) -> None:
    publish(registry, 1)
    version = publish(registry, 2, promote=False)
    queue.hint("1", ["annotation:1", "annotation:2"], now=0.0)
    job = queue.request_round("1")
    status = client.get("/api/projects/1/status").json()
    assert (status["labelled"], status["pending"]) == (20, 2)
    assert status["jobs"] == [
        {"id": job, "kind": "retrain", "state": "queued", "signal": "", "progress": {}, "behind": None}
    ]
    assert status["rounds"][0] == {
        "round": 2,
        "version": version,
        "created": "2026-11-24T10:02:00Z",
        "reports": 20,
        "mode": "merged",
        "f1": 0.85,
        "f1_by_mode": {"merged": 0.85},
        "promoted": False,
        "reason": "reason 2",
    }
    assert [entry["round"] for entry in status["rounds"]] == [2, 1]


def test_retrain_and_rerank_queue_one_job_each(client: TestClient, queue: JobQueue) -> None:
    for path, kind in (("retrain", "retrain"), ("rerank", "rank")):
        answers = [client.post(f"/api/projects/1/{path}") for _ in range(2)]
        assert [answer.status_code for answer in answers] == [202, 202]
        assert {answer.json()["job"] for answer in answers} == {job.id for job in queue.jobs("1", kind)}


def test_models_are_listed_newest_first_with_scores(client: TestClient, registry: Registry) -> None:
    first, second = publish(registry, 1), publish(registry, 2)
    registry.promote("1", first)
    models = client.get("/api/projects/1/models").json()
    assert [model["version"] for model in models] == [second, first, RULES_VERSION]
    assert [model["serving"] for model in models] == [False, True, False]
    assert models[0]["scores"]["micro"]["f1"] == 0.85
    assert models[0]["method"] == "holdout"


def test_versions_for_label_studio_are_newest_first(client: TestClient, registry: Registry) -> None:
    assert client.get("/versions").json() == {"versions": [RULES_VERSION]}
    first, second = publish(registry, 1), publish(registry, 2)
    for parameters in ({}, {"project": "1.1795465700"}):
        assert client.get("/versions", params=parameters).json() == {"versions": [second, first, RULES_VERSION]}
    assert client.get("/versions", params={"project": "2"}).json() == {"versions": [RULES_VERSION]}


def test_promote_aims_and_ranks_before_it_serves(client: TestClient, registry: Registry, queue: JobQueue) -> None:
    version = publish(registry, 1)
    answer = client.post(f"/api/projects/1/models/{version}/promote")
    assert (answer.status_code, answer.json()["version"]) == (202, version)
    assert (registry.target("1"), registry.serving("1")) == (version, RULES_VERSION)
    assert [job.id for job in queue.jobs("1", "rank")] == [answer.json()["job"]]


@pytest.mark.parametrize("version", ["ecg-r0009-00000000", "..", "%2e%2e", "x" * 100, "a%20b", "Ünï"])
def test_promoting_an_unknown_version_is_a_404(client: TestClient, registry: Registry, version: str) -> None:
    answer = client.post(f"/api/projects/1/models/{version}/promote")
    assert answer.status_code == 404
    assert registry.target("1") == RULES_VERSION


def test_rollback_goes_to_the_promoted_version_before(client: TestClient, registry: Registry) -> None:
    first = publish(registry, 1)
    publish(registry, 2, promote=False)
    registry.promote("1", publish(registry, 3))
    assert client.post("/api/projects/1/rollback").json()["version"] == first
    assert registry.target("1") == first


def test_a_rollback_holds_until_it_is_released(client: TestClient, registry: Registry) -> None:
    publish(registry, 1)
    registry.promote("1", publish(registry, 2))
    body = {"by": "ana", "reason": "药名标错"}
    assert client.post("/api/projects/1/rollback", json=body).json()["held"]
    hold = client.get("/api/projects/1/status").json()["hold"]
    assert (hold["by"], hold["reason"], hold["candidate"]) == ("ana", "药名标错", "")
    answer = client.post("/api/projects/1/resume")
    assert (answer.status_code, answer.json()["job"]) == (202, "")
    assert client.get("/api/projects/1/status").json()["hold"] is None
    assert client.post("/api/projects/1/resume").status_code == 409


def test_a_promotion_holds_when_it_is_told_to(client: TestClient, registry: Registry) -> None:
    path = f"/api/projects/1/models/{publish(registry, 1)}/promote"
    assert not client.post(path).json()["held"]
    assert client.post(path, json={"hold": True}).json()["held"]
    hold = registry.hold("1")
    assert hold is not None
    assert (hold.by, "chosen by hand" in hold.reason) == ("API", True)


@pytest.mark.parametrize("body", [{"reason": 1}, {"by": []}, {"reason": "a\nb"}, {"reason": "x" * 501}, [], "x"])
def test_a_reason_that_is_none_is_a_400(client: TestClient, registry: Registry, body: object) -> None:
    registry.promote("1", publish(registry, 1))
    assert client.post("/api/projects/1/rollback", json=body).status_code == 400
    assert registry.hold("1") is None


def test_rollback_from_the_rules_is_a_409(client: TestClient, registry: Registry) -> None:
    assert client.post("/api/projects/1/rollback").status_code == 409


def test_train_and_job_status_for_older_clients(client: TestClient, queue: JobQueue, redis: Redis) -> None:
    for project in ("1.1795465700", 1, {"id": 1}):
        answer = client.post("/train", json={"annotations": [], "project": project})
        assert (answer.status_code, answer.json()) == (201, {"job": queue.jobs("1", "retrain")[0].id})
    status = client.post("/job_status", json={"job": answer.json()["job"]}).json()
    assert (status["job_status"], status["error"], status["ended_at"]) == ("queued", None, None)
    assert status["created_at"]


@pytest.mark.parametrize("body", [{}, {"project": None}, {"project": {}}, {"project": "x"}])
def test_train_without_a_project_is_a_400(client: TestClient, body: dict[str, Any]) -> None:
    assert client.post("/train", json=body).status_code == 400


@pytest.mark.parametrize("job", [None, "", "x", "\ud800", "../..", 7, [], {}])
def test_the_status_of_an_unknown_job_is_a_404(client: TestClient, job: Any) -> None:
    answer = client.post("/job_status", content=json.dumps({"job": job}))
    assert answer.status_code == 404
    assert set(answer.json()) == {"error", "value", "hint"}


@pytest.mark.parametrize("path", ["queue", "status", "retrain", "rerank", "rollback", "models/rules-1/promote"])
def test_without_redis_operators_get_a_503(
    client_without_redis: TestClient, make_settings: Callable[..., Settings], label_config: str, path: str
) -> None:
    registry = Registry(make_settings().home)
    registry.remember_label_config("1", label_config)
    registry.promote("1", publish(registry, 1))
    method = "GET" if path in ("queue", "status") else "POST"
    answer = client_without_redis.request(method, f"/api/projects/1/{path}")
    assert answer.status_code == 503
    assert answer.json()["hint"]


def samples(client: TestClient) -> dict[tuple[str, ...], float]:
    answer = client.get("/metrics")
    assert answer.status_code == 200
    families = text_string_to_metric_families(answer.text)
    return {(s.name, *s.labels.values()): s.value for family in families for s in family.samples}


def test_metrics_count_requests_tasks_and_jobs(
    client: TestClient, queue: JobQueue, label_config: str, text: str
) -> None:
    tasks = [{"id": 1, "data": {"text": text}}, {"id": 2}]
    client.post("/predict", json={"tasks": tasks, "project": "1.1", "label_config": label_config})
    client.get("/api/projects/7/status")
    client.get("/nowhere")
    queue.hint("1", ["annotation:1"], now=0.0)
    queue.request_round("1")
    found = samples(client)
    assert found["ecg_http_requests_total", "POST", "/predict", "200"] == 1
    assert found["ecg_http_requests_total", "GET", "/api/projects/{project}/status", "404"] == 1
    assert found["ecg_http_requests_total", "GET", "other", "404"] == 1
    assert found["ecg_predicted_tasks_total", "answered"] == 1
    assert found["ecg_predicted_tasks_total", "failed"] == 1
    assert found["ecg_jobs", "train", "queued"] == 1
    assert found["ecg_pending_annotations", "1"] == 1
    assert found["ecg_redis_up",] == 1


def test_metrics_are_answered_without_redis(client_without_redis: TestClient) -> None:
    found = samples(client_without_redis)
    assert found["ecg_redis_up",] == 0
    assert not any(name.startswith("ecg_jobs") for name, *_ in found)
