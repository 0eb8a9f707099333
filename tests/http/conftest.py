from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis import Redis
from starlette.testclient import TestClient

from backend.http.app import create_app
from backend.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
CAPTURES = ROOT / "tests" / "captures"
CONFIG = (
    '<View><Labels name="label" toName="text"><Label value="HR"/><Label value="VALUE"/><Label value="TIME"/>'
    '<Label value="EVENT"/><Label value="DIAG"/></Labels><Text name="text" value="$text"/></View>'
)
TEXT = "窦性心动过缓，心率 48 次/分，一度房室传导阻滞，PR间期 226 ms。"


@pytest.fixture
def make_settings(tmp_path: Path, valkey_socket: Path, redis: Redis) -> Callable[..., Settings]:
    """Settings with an empty home and an empty Redis; pass field names to change them."""

    def make(**fields: Any) -> Settings:
        given = {"redis_url_setting": f"unix://{valkey_socket}", "retrain_quiet": 100.0, **fields}
        return Settings(home=tmp_path / "home", **given)

    return make


@pytest.fixture
def settings(make_settings: Callable[..., Settings]) -> Settings:
    return make_settings()


@pytest.fixture
def client(settings: Settings) -> Iterator[TestClient]:
    """The real app with its lifespan."""
    with TestClient(create_app(settings)) as running:
        yield running


@pytest.fixture
def client_without_redis(make_settings: Callable[..., Settings], tmp_path: Path) -> Iterator[TestClient]:
    """The app while Redis is down."""
    with TestClient(create_app(make_settings(redis_url_setting=f"unix://{tmp_path}/none.sock"))) as running:
        yield running


@pytest.fixture
def label_config() -> str:
    return CONFIG


@pytest.fixture
def text() -> str:
    return TEXT


@pytest.fixture
def recorded() -> Callable[[str, str], list[dict[str, Any]]]:
    """Bodies that a real Label Studio 1.23.2 sent to a path, by the capture's name."""

    def read(name: str, path: str) -> list[dict[str, Any]]:
        capture = json.loads((CAPTURES / f"{name}.json").read_text("utf-8"))
        requests = capture["requests_seen_by_backend"] if isinstance(capture, dict) else capture
        return [request["body"] for request in requests if request.get("path") == path]

    return read


class Server:
    """The command of the README as a process: `gunicorn _wsgi:app` in the repository's root."""

    def __init__(self, environment: dict[str, str], *options: str) -> None:
        command = [str(Path(sys.executable).with_name("gunicorn")), *options, "_wsgi:app"]
        self.process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)
        self.lines: list[str] = []
        self.listening = threading.Event()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.lines.append(line)
            if "Listening at" in line:
                self.listening.set()
        self.listening.set()

    @property
    def url(self) -> str:
        """Where it listens; the kernel keeps connections until the worker is up."""
        self.listening.wait()
        found = [line.split("Listening at: ")[1].split()[0] for line in self.lines if "Listening at" in line]
        assert found, "".join(self.lines)
        return found[0]

    def stop(self) -> int:
        """SIGTERM; returns the exit status."""
        self.process.terminate()
        status = self.process.wait()
        self.reader.join()
        assert self.process.stderr is not None
        self.process.stderr.close()
        return status


@pytest.fixture
def server_environment(settings: Settings) -> dict[str, str]:
    """Environment of a process: nothing of ours but home, Redis and a free port."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ECG_", "LABEL_STUDIO_"))}
    return {**kept, "ECG_HOME": str(settings.home), "REDIS_URL": settings.redis_url, "ECG_PORT": "0"}


@pytest.fixture
def start_server(server_environment: dict[str, str]) -> Iterator[Callable[..., Server]]:
    """Starts servers and stops those that still run."""
    started: list[Server] = []

    def start(*options: str, **changes: str) -> Server:
        started.append(Server({**server_environment, **changes}, *options))
        return started[-1]

    yield start
    for server in started:
        server.stop()


@pytest.fixture
def server(start_server: Callable[..., Server]) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=start_server().url, timeout=120, trust_env=False) as client:
        yield client
