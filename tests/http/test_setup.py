from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from backend.registry import RULES_VERSION, Registry
from backend.settings import Settings

Recorded = Callable[[str, str], list[dict[str, Any]]]


@pytest.fixture
def registry(settings: Settings) -> Registry:
    return Registry(settings.home)


def test_recorded_setups_are_answered_with_the_version(
    client: TestClient, registry: Registry, recorded: Recorded
) -> None:
    bodies = recorded("ml_connect_requests", "/setup") + recorded("ml_connect_basic_auth", "/setup")
    assert len(bodies) > 2
    for body in bodies:
        answer = client.post("/setup", content=json.dumps(body))
        assert (answer.status_code, answer.json()) == (200, {"model_version": RULES_VERSION})
        assert registry.label_config(body["project"].split(".")[0]) == body["schema"]


def test_token_and_host_of_a_setup_are_kept_nowhere(client: TestClient, settings: Settings, label_config: str) -> None:
    body = {"project": "1.1", "schema": label_config, "hostname": "http://evil.example", "access_token": "t0k3n"}
    client.post("/setup", content=json.dumps(body))
    files = [path for path in settings.home.rglob("*") if path.is_file()]
    assert [path.name for path in files] == ["label_config.xml"]
    assert not any("t0k3n" in path.read_text() or "evil" in path.read_text() for path in files)


def test_the_same_configuration_is_written_once(client: TestClient, settings: Settings, label_config: str) -> None:
    body = {"project": "1.1", "schema": label_config}
    client.post("/setup", content=json.dumps(body))
    written = (settings.home / "projects/1/label_config.xml").stat()
    client.post("/setup", content=json.dumps(body))
    again = (settings.home / "projects/1/label_config.xml").stat()
    assert (again.st_ino, again.st_mtime_ns) == (written.st_ino, written.st_mtime_ns)


@pytest.mark.parametrize("schema", ["<View>", "", None, 7, "<View/>", "<View>\ud800</View>"])
def test_a_broken_configuration_is_answered_and_the_good_one_stays(
    client: TestClient, registry: Registry, label_config: str, schema: Any
) -> None:
    client.post("/setup", content=json.dumps({"project": "1.1", "schema": label_config}))
    answer = client.post("/setup", content=json.dumps({"project": "1.1", "schema": schema}))
    assert (answer.status_code, answer.json()) == (200, {"model_version": RULES_VERSION})
    assert registry.label_config("1") == label_config


def test_a_configuration_that_cannot_be_used_is_told_until_it_is_mended(
    client: TestClient, registry: Registry, label_config: str, caplog: pytest.LogCaptureFixture
) -> None:
    in_base64 = label_config.replace("<Text ", '<Text encoding="base64" ')
    for schema in (label_config, in_base64, in_base64):
        client.post("/setup", content=json.dumps({"project": "1.1", "schema": schema}))
    told = client.get("/api/projects/1/status").json()["label_config_fault"]
    assert 'encoding="base64"' in told
    assert [line for line in caplog.messages if "not usable" in line] == [
        f"Project 1: labelling configuration not usable, nothing is predicted: {told}"
    ]
    client.post("/setup", content=json.dumps({"project": "1.1", "schema": label_config}))
    assert client.get("/api/projects/1/status").json()["label_config_fault"] == ""


@pytest.mark.parametrize("project", [None, "", "../../x", [], {"id": 1}, "1/../2"])
def test_a_setup_without_a_usable_project_is_answered(client: TestClient, settings: Settings, project: Any) -> None:
    answer = client.post("/setup", content=json.dumps({"project": project, "schema": "<View/>"}))
    assert (answer.status_code, answer.json()) == (200, {"model_version": RULES_VERSION})
    assert not settings.home.exists()


@pytest.mark.parametrize("raw", [b"", b"[]", b"null", b'"x"', b"{"])
def test_a_setup_that_is_no_object_is_a_400(client: TestClient, raw: bytes) -> None:
    answer = client.post("/setup", content=raw)
    assert answer.status_code == 400
    assert set(answer.json()) == {"error", "value", "hint"}


def test_setup_health_and_predict_need_no_redis(client_without_redis: TestClient, label_config: str, text: str) -> None:
    assert client_without_redis.get("/health").json() == {"status": "UP", "model_class": "ECGNERModel"}
    setup = {"project": "1.1", "schema": label_config}
    assert client_without_redis.post("/setup", content=json.dumps(setup)).status_code == 200
    body = {"tasks": [{"id": 1, "data": {"text": text}}], "project": "1.1", "label_config": label_config}
    assert client_without_redis.post("/predict", content=json.dumps(body)).json()["results"][0]["result"]
