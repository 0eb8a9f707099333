from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from backend.batches import SLICE, SLICE_TEXT
from backend.http import body as body_module
from backend.http.app import create_app
from backend.model_card import DatasetSummary, Decision, Evaluation, ModelCard, TrainingSummary
from backend.registry import RULES_VERSION, Registry
from backend.rules import SpanMemory
from backend.settings import Settings

Recorded = Callable[[str, str], list[dict[str, Any]]]


def is_acceptable(result: Any) -> bool:
    """What Label Studio takes without dropping it, blocking its stream or storing null."""
    return (
        isinstance(result, dict)
        and isinstance(result["result"], list)
        and type(result["score"]) is float
        and math.isfinite(result["score"])
        and 0.0 <= result["score"] <= 1.0
        and isinstance(result["model_version"], str)
        and bool(result["model_version"])
    )


def predict(client: TestClient, label_config: str, tasks: list[Any], project: object = "1.1795465700") -> Any:
    body = {"tasks": tasks, "project": project, "label_config": label_config}
    answer = client.post("/predict", content=json.dumps(body))
    assert answer.status_code == 200, answer.text
    results = answer.json()["results"]
    assert len(results) == len(tasks)
    assert all(is_acceptable(result) for result in results)
    return answer.json()


@pytest.mark.parametrize(
    "capture",
    [
        "ml_predict_test",
        "dm_retrieve_predictions",
        "ml_interactive_annotating",
        "task_open_without_prediction",
        "dm_list_with_evaluate_predictions_automatically",
    ],
)
def test_every_recorded_body_gets_one_result_per_task(client: TestClient, recorded: Recorded, capture: str) -> None:
    bodies = recorded(capture, "/predict")
    assert bodies
    for body in bodies:
        answer = client.post("/predict", content=json.dumps(body))
        assert answer.status_code == 200
        assert len(answer.json()["results"]) == len(body["tasks"])
        assert all(is_acceptable(result) for result in answer.json()["results"])


def test_regions_say_what_the_text_says(client: TestClient, label_config: str, text: str) -> None:
    result = predict(client, label_config, [{"id": 4, "data": {"text": text}}])["results"][0]
    values = [region["value"] for region in result["result"]]
    assert values
    assert all(text[value["start"] : value["end"]] == value["text"] for value in values)
    assert {label for value in values for label in value["labels"]} <= {"HR", "VALUE", "TIME", "EVENT", "DIAG"}


def test_no_tasks_no_results(client: TestClient, label_config: str) -> None:
    assert predict(client, label_config, []) == {"results": [], "model_version": RULES_VERSION}


def test_more_tasks_than_a_slice_keep_their_order(client: TestClient, label_config: str) -> None:
    tasks = [{"id": n, "data": {"text": f"心率 {n} 次/分"}} for n in range(50, 50 + 3 * SLICE + 1)]
    results = predict(client, label_config, tasks)["results"]
    for task, result in zip(tasks, results, strict=True):
        assert all(region["value"]["text"] in task["data"]["text"] for region in result["result"])
        assert any(str(task["id"]) in region["value"]["text"] for region in result["result"])


def test_long_reports_are_computed_in_smaller_slices(
    client: TestClient, label_config: str, caplog: pytest.LogCaptureFixture
) -> None:
    long, short = "心" * (SLICE_TEXT * 2 // 5), "心率 75 次/分"
    texts = [long, long, long, None, short, "心" * (SLICE_TEXT + 1), short, *[short] * SLICE]
    with caplog.at_level(logging.DEBUG, "backend.serving"):
        predict(client, label_config, [{"id": n, "data": {"text": text}} for n, text in enumerate(texts)])
    told = [record.getMessage() for record in caplog.records if record.name == "backend.serving"]
    sizes = [line.partition(" tasks=")[2].partition(" ")[0] for line in told if line.startswith("predicted ")]
    assert sizes == ["2", "32", "5"]


UNUSABLE_TASKS: list[Any] = [
    None,
    0,
    "task",
    [],
    {},
    {"id": 1},
    {"id": 1, "data": None},
    {"id": 1, "data": "text"},
    {"id": 1, "data": {}},
    {"id": 1, "data": {"text": None}},
    {"id": 1, "data": {"text": 7}},
    {"id": 1, "data": {"text": ["心率"]}},
    {"id": 1, "data": {"other": "心率"}},
    {"id": 1, "data": {"text": "\ud800"}},
    {"id": 1, "data": {"text": "心率 \udfff 75 次/分"}},
]


def test_a_task_that_cannot_be_predicted_costs_only_itself(client: TestClient, label_config: str, text: str) -> None:
    good = {"id": 9, "data": {"text": text}}
    results = predict(client, label_config, [good, *UNUSABLE_TASKS, good])["results"]
    assert results[0]["result"]
    assert results[0] == results[-1]
    assert results[1:-1] == [{"result": [], "score": 0.0, "model_version": RULES_VERSION}] * len(UNUSABLE_TASKS)


@pytest.mark.parametrize("text", ["", " ", "\n\n", "𠮷👍\u0000", "<b>&amp;", "心" * 20_000, "\ufeff心率"])
def test_odd_texts_are_answered(client: TestClient, label_config: str, text: str) -> None:
    predict(client, label_config, [{"id": 1, "data": {"text": text}}])


@pytest.mark.parametrize("task_id", [None, "7", 2**70, -1, 1.5, True, [], {}])
def test_odd_task_ids_are_answered(client: TestClient, label_config: str, text: str, task_id: Any) -> None:
    assert predict(client, label_config, [{"id": task_id, "data": {"text": text}}])["results"][0]["result"]


@pytest.mark.parametrize("project", [None, 1, "1", "1.1795465700", "", "../../etc", "9" * 400, [], {"id": 1}, 1.5])
def test_any_project_field_is_served_by_the_rules(
    client: TestClient, settings: Settings, label_config: str, text: str, project: object
) -> None:
    answer = predict(client, label_config, [{"id": 1, "data": {"text": text}}], project)
    assert answer["results"][0]["result"]
    assert answer["model_version"] == RULES_VERSION
    assert not settings.home.exists()


@pytest.mark.parametrize("params", [None, {}, [], "x", {"login": None, "context": {"result": [1]}}])
def test_params_and_context_are_accepted_and_ignored(
    client: TestClient, label_config: str, text: str, params: Any
) -> None:
    task = {"id": 1, "data": {"text": text}}
    plain = predict(client, label_config, [task])
    body = {"tasks": [task], "project": "1.1795465700", "label_config": label_config, "params": params}
    assert client.post("/predict", content=json.dumps(body)).json() == plain


@pytest.mark.parametrize("broken", [None, "", "  ", "<View>", 7, []])
def test_without_a_configuration_the_remembered_one_answers(
    client: TestClient, label_config: str, text: str, broken: Any
) -> None:
    body = {"tasks": [{"id": 1, "data": {"text": text}}], "project": "5.1", "label_config": broken}
    answer = client.post("/predict", content=json.dumps(body))
    assert answer.status_code == 422
    assert set(answer.json()) == {"error", "value", "hint"}
    client.post("/setup", content=json.dumps({"project": "5.1", "schema": label_config}))
    assert client.post("/predict", content=json.dumps(body)).json()["results"][0]["result"]


@pytest.mark.parametrize("refused", ["<View/>", '<View><Text name="t" value="$t"/></View>', "base64"])
def test_a_configuration_that_cannot_be_predicted_is_refused_whatever_came_before(
    client: TestClient, label_config: str, text: str, refused: str
) -> None:
    client.post("/setup", content=json.dumps({"project": "5.1", "schema": label_config}))
    now = label_config.replace("<Text ", '<Text encoding="base64" ') if refused == "base64" else refused
    body = {"tasks": [{"id": 1, "data": {"text": text}}], "project": "5.1", "label_config": now}
    answer = client.post("/predict", content=json.dumps(body))
    assert (answer.status_code, set(answer.json())) == (422, {"error", "value", "hint"})


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"\xff\xfe\xff",
        b"[" * 100_000,
        b'{"tasks": [' + b"1" * 5000 + b"]}",
        b"null",
        b"[]",
        b'"tasks"',
        b"7",
        b"{}",
        b'{"tasks": null}',
        b'{"tasks": {}}',
        b'{"tasks": "\\ud800"}',
    ],
)
def test_a_body_that_is_not_understood_is_a_400_with_three_parts(client: TestClient, raw: bytes) -> None:
    answer = client.post("/predict", content=raw, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert set(answer.json()) == {"error", "value", "hint"}
    assert "Traceback" not in answer.text


def test_a_body_over_the_limit_is_a_413(client: TestClient) -> None:
    answer = client.post("/predict", content=b"x", headers={"Content-Length": str(body_module.BODY_LIMIT + 1)})
    assert answer.status_code == 413
    assert "fewer tasks" in answer.json()["hint"]


def test_a_body_of_unknown_length_is_cut_off_at_the_limit(client: TestClient) -> None:
    parts = (b" " * 2**20 for _ in range(body_module.BODY_LIMIT // 2**20 + 1))
    assert client.post("/predict", content=parts).status_code == 413


def test_a_ten_megabyte_body_is_answered(client: TestClient, label_config: str) -> None:
    tasks = [{"id": n, "data": {"text": "心率 75 次/分", "other": "x" * 10_000}} for n in range(1000)]
    predict(client, label_config, tasks)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)
TASK = JSON | st.fixed_dictionaries(
    {}, optional={"id": JSON, "data": JSON | st.fixed_dictionaries({"text": JSON | st.text(st.characters())})}
)
BODY = st.fixed_dictionaries(
    {}, optional={"tasks": st.lists(TASK, max_size=5) | JSON, "project": JSON, "label_config": JSON, "params": JSON}
)


@hypothesis_settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=BODY)
def test_any_body_gets_a_clear_error_or_a_result_per_task(client: TestClient, label_config: str, body: Any) -> None:
    for variant in (body, {**body, "label_config": label_config}):
        answer = client.post("/predict", content=json.dumps(variant))
        assert answer.status_code in (200, 400, 422), answer.text
        if answer.status_code == 200:
            assert len(answer.json()["results"]) == len(variant["tasks"])
            assert all(is_acceptable(result) for result in answer.json()["results"])
        else:
            assert set(answer.json()) == {"error", "value", "hint"}


def test_one_line_per_request_without_text(
    client: TestClient, label_config: str, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        predict(client, label_config, [{"id": 1, "data": {"text": text}}, {"id": 2}])
    lines = [record.getMessage() for record in caplog.records if record.name == "backend.http.label_studio"]
    assert len(lines) == 1
    assert lines[0].startswith(f"predict project=1 version={RULES_VERSION} tasks=2 failed=1 ms=")
    assert "心率" not in caplog.text


def publish_rules(registry: Registry, number: int, memory: str | None) -> str:
    """A version that adds only span memory to the rules; without memory its folder is damaged."""
    version = f"ecg-r{number:04d}-0000000{number}"
    card = ModelCard(
        version=version,
        project="1",
        round=number,
        created="2026-11-24T10:00:00Z",
        mode="rules",
        labels=["HR"],
        base_model="",
        seed=13,
        dataset=DatasetSummary(hash="h", reports=1, spans=1, tasks=[], annotations=[], holdout_tasks=[]),
        training=TrainingSummary(),
        evaluation=Evaluation(method="holdout"),
        decision=Decision(promote=True, reason="", serving=RULES_VERSION),
    )
    folder = registry.new_folder("1")
    if memory is not None:
        (folder / "memory.json").write_text(memory, "utf-8")
    registry.publish(card, folder)
    return version


def test_a_promoted_version_answers_the_next_request(
    client: TestClient, settings: Settings, label_config: str, text: str
) -> None:
    registry = Registry(settings.home)
    task = {"id": 1, "data": {"text": text}}
    assert predict(client, label_config, [task])["model_version"] == RULES_VERSION
    memory = SpanMemory.from_reports([]).to_json()
    for number in (1, 2):
        version = publish_rules(registry, number, memory)
        registry.promote("1", version)
        answer = predict(client, label_config, [task])
        assert answer["model_version"] == answer["results"][0]["model_version"] == version
        assert answer["results"][0]["result"]
        setup = client.post("/setup", content=json.dumps({"project": "1.1", "schema": label_config}))
        assert setup.json() == {"model_version": version}


@pytest.mark.parametrize("memory", ["", "{", "[]", "null"])
def test_a_damaged_version_stops_neither_the_start_nor_the_answers(
    settings: Settings, label_config: str, text: str, memory: str
) -> None:
    registry = Registry(settings.home)
    registry.remember_label_config("1", label_config)
    version = publish_rules(registry, 1, memory)
    registry.promote("1", version)
    with TestClient(create_app(settings)) as client:
        results = predict(client, label_config, [{"id": 1, "data": {"text": text}}] * 2)["results"]
    assert results == [{"result": [], "score": 0.0, "model_version": version}] * 2
