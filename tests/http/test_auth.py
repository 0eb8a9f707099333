from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from backend.http.app import create_app
from backend.settings import Settings

LABEL_STUDIO_ROUTES = [
    ("GET", "/health"),
    ("GET", "/versions"),
    ("POST", "/setup"),
    ("POST", "/predict"),
    ("POST", "/train"),
    ("POST", "/job_status"),
]
OPERATOR_ROUTES = [
    ("GET", "/metrics"),
    ("GET", "/api/projects/1/queue"),
    ("GET", "/api/projects/1/status"),
    ("GET", "/api/projects/1/models"),
    ("POST", "/api/projects/1/retrain"),
    ("POST", "/api/projects/1/rerank"),
    ("POST", "/api/projects/1/rollback"),
    ("POST", "/api/projects/1/models/rules-1/promote"),
]
HOOK = {"action": "ANNOTATION_CREATED", "annotation": {"id": 1, "task": 2}, "project": {"id": 1}}


def basic(credentials: bytes) -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(credentials).decode()}"}


@pytest.fixture
def guarded(make_settings: Callable[..., Settings]) -> Iterator[TestClient]:
    settings = make_settings(basic_auth="ecg:päss", webhook_secret="s3cret", api_key="k3y", host="0.0.0.0")
    with TestClient(create_app(settings)) as client:
        yield client


def test_the_root_is_open_for_container_checks(guarded: TestClient) -> None:
    assert guarded.get("/").status_code == 200


@pytest.mark.parametrize(("method", "path"), LABEL_STUDIO_ROUTES)
@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Basic",
        "Basic !!!",
        "Basic ZWNnOg==",
        "Basic ZWNnOnBhc3M=",
        "Bearer k3y",
        "Basic " + "A" * 4000,
    ],
)
def test_label_studio_routes_ask_for_basic_auth(
    guarded: TestClient, method: str, path: str, header: str | None
) -> None:
    answer = guarded.request(method, path, headers={"Authorization": header} if header is not None else {})
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Basic ")
    assert set(answer.json()) == {"error", "value", "hint"}
    assert "päss" not in answer.text


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_basic_auth_is_accepted_in_both_encodings_clients_use(guarded: TestClient, encoding: str) -> None:
    assert guarded.get("/health", headers=basic("ecg:päss".encode(encoding))).status_code == 200


@pytest.mark.parametrize(
    "headers", [{}, {"X-Webhook-Secret": ""}, {"X-Webhook-Secret": "wrong"}, {"Authorization": "Bearer s3cret"}]
)
def test_a_webhook_without_its_secret_is_refused(guarded: TestClient, headers: dict[str, str]) -> None:
    assert guarded.post("/webhook", json=HOOK, headers=headers).status_code == 401


def test_a_webhook_is_accepted_with_its_secret(guarded: TestClient) -> None:
    assert guarded.post("/webhook", json=HOOK, headers={"X-Webhook-Secret": "s3cret"}).json() == {"status": "stored"}


def test_start_training_is_accepted_with_basic_auth(guarded: TestClient) -> None:
    body = {"action": "START_TRAINING", "project": {"id": 1}}
    assert guarded.post("/webhook", json=body, headers=basic("ecg:päss".encode())).json()["status"] == "stored"


def test_a_secret_beyond_latin_1_has_no_lookalike(make_settings: Callable[..., Settings]) -> None:
    with TestClient(create_app(make_settings(basic_auth="用户:密码", webhook_secret="秘"))) as client:
        assert client.get("/health", headers=basic(b"??:??")).status_code == 401
        assert client.get("/health", headers=basic("用户:密码".encode())).status_code == 200


@pytest.mark.parametrize(("method", "path"), OPERATOR_ROUTES)
@pytest.mark.parametrize("header", ["", "Bearer", "Bearer wrong", "Basic ZWNnOnDDpHNz", "k3y"])
def test_operator_routes_ask_for_the_key(guarded: TestClient, method: str, path: str, header: str) -> None:
    answer = guarded.request(method, path, headers={"Authorization": header})
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(("method", "path"), OPERATOR_ROUTES)
def test_operator_routes_open_with_the_key(guarded: TestClient, method: str, path: str) -> None:
    assert guarded.request(method, path, headers={"Authorization": "bearer k3y"}).status_code != 401


def test_credentials_are_checked_before_the_body_is_read(guarded: TestClient) -> None:
    assert guarded.post("/predict", content=b"{", headers={"Content-Length": str(10**12)}).status_code == 401


@pytest.mark.parametrize("missing", ["basic_auth", "webhook_secret", "api_key"])
def test_an_open_address_without_credentials_does_not_start(
    make_settings: Callable[..., Settings], missing: str
) -> None:
    fields: dict[str, Any] = {"basic_auth": "a:b", "webhook_secret": "s", "api_key": "k", "host": "0.0.0.0"}
    fields[missing] = ""
    with pytest.raises(Exception, match=f"ECG_{missing.upper()}"), TestClient(create_app(make_settings(**fields))):
        pass
