"""docker-compose.yml without a Docker engine: its text, and its commands as processes of this machine."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml
from redis import Redis
from redis.exceptions import RedisError
from rq import Queue
from rq.job import JobStatus

from backend.settings import Settings
from cli import preflight, supervision

ROOT = Path(__file__).resolve().parents[1]
COMPOSE = ROOT / "docker-compose.yml"
OURS = {"web": "web", "rank-worker": "rank", "train-worker": "train", "reconciler": "reconcile"}
"""Service -> program of `ecgal up`."""

SECRETS = {
    "ECG_API_KEY": "operator-key",
    "ECG_BASIC_AUTH": "label-studio:secret",
    "ECG_WEBHOOK_SECRET": "webhook-secret",
    "VALKEY_PASSWORD": "valkey-secret",
    "LABEL_STUDIO_USERNAME": "admin@example.com",
    "LABEL_STUDIO_PASSWORD": "password-of-admin",
    "LABEL_STUDIO_USER_TOKEN": "0123456789abcdef0123456789abcdef01234567",
}
REQUIRED = re.compile(r"(?<!\$)\$\{([A-Z_]+):\?[^}]+\}")


def services() -> dict[str, dict[str, Any]]:
    return dict(yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))["services"])


def interpolated(text: str) -> str:
    """What compose makes of a value; the file uses no other form than ${NAME:?message} and $$."""
    return REQUIRED.sub(lambda match: SECRETS[match[1]], text).replace("$$", "$")


def strings(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for item in value.values():
            yield from strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from strings(item)
    else:
        yield str(value)


@pytest.mark.parametrize(("service", "program"), OURS.items())
def test_containers_run_what_ecgal_up_runs(service: str, program: str) -> None:
    commands = {p.name: list(p.argv) for p in supervision.application(Path("/app"), python="python")}
    assert services()[service]["command"] == commands[program]


def test_every_program_of_ecgal_up_has_a_container() -> None:
    assert {p.name for p in supervision.application(ROOT)} == set(OURS.values())
    assert set(services()) == {*OURS, "valkey", "label-studio"}


def test_the_image_runs_the_web_process_by_itself() -> None:
    last = [line for line in (ROOT / "Dockerfile").read_text().splitlines() if line.startswith("CMD ")][-1]
    assert yaml.safe_load(last.removeprefix("CMD ")) == services()["web"]["command"]


def test_no_secret_has_a_default() -> None:
    text = COMPOSE.read_text(encoding="utf-8")
    assert set(REQUIRED.findall(text)) == set(SECRETS)
    assert not re.search(r"\$\{[A-Z_]+(:?-[^}]*)?\}", text)
    assert not any("$" in interpolated(value).replace('"$VALKEY_PASSWORD"', "") for value in strings(services()))


def test_ports_are_published_on_loopback_only() -> None:
    published = [port for service in services().values() for port in service.get("ports", [])]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_label_studio_may_call_private_addresses_and_has_a_legacy_token() -> None:
    environment = services()["label-studio"]["environment"]
    assert environment["LABEL_STUDIO_ML_BLOCK_LOCAL_IP"] == "false"
    assert environment["LABEL_STUDIO_SSRF_PROTECTION_ENABLED"] == "false"
    assert environment["LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN"] == "true"


def test_every_named_volume_is_declared() -> None:
    document = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))
    named = {volume.split(":")[0] for service in services().values() for volume in service.get("volumes", [])}
    assert named == set(document["volumes"])


def test_the_image_gets_every_file_it_copies() -> None:
    kept = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    assert not [name for name in kept if not (ROOT / name).exists()]
    assert {"backend", "trainer", "cli", "_wsgi.py", "model.py", "gunicorn.conf.py", "requirements.lock"} <= set(kept)


def has_docker_compose() -> bool:
    docker = shutil.which("docker")
    return bool(docker) and subprocess.run([str(docker), "compose", "version"], capture_output=True).returncode == 0


@pytest.mark.skipif(not has_docker_compose(), reason="the docker command here has no compose plugin")
def test_docker_accepts_the_file() -> None:
    command = ["docker", "compose", "--file", str(COMPOSE), "config", "--quiet"]
    done = subprocess.run(command, env={**os.environ, **SECRETS}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


class Containers:
    """The services as processes: service names become loopback, ports become free ones, paths local ones."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder = folder
        self.stack = stack
        self.redis_port, self.web_port = free_port(), free_port()
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def local(self, value: str) -> str:
        replaced = {
            "@valkey:6379": f"@127.0.0.1:{self.redis_port}",
            "http://web:9090": f"http://127.0.0.1:{self.web_port}",
            # No Label Studio here: a closed port, as when its container is still starting.
            "http://label-studio:8080": "http://127.0.0.1:1",
            "/app/": f"{ROOT}/",
            "/data": str(self.folder / "data"),
        }
        text = interpolated(value)
        for container, here in replaced.items():
            text = text.replace(container, here)
        return str(self.web_port) if text == "9090" else sys.executable if text == "python" else text

    def environment(self, service: str) -> dict[str, str]:
        own = {name: self.local(value) for name, value in services()[service]["environment"].items()}
        return {"PATH": os.environ["PATH"], "PYTHONUNBUFFERED": "1", **own}

    def start_valkey(self) -> Redis:
        shell = interpolated(services()["valkey"]["command"][2]).replace("valkey-server", '"$SERVER"')
        environment = {**self.environment("valkey"), "SERVER": str(preflight.valkey_binary())}
        arguments = f" --port {self.redis_port} --bind 127.0.0.1"
        self._start("valkey", ["sh", "-c", shell + arguments], environment)
        redis = Redis(port=self.redis_port, password=SECRETS["VALKEY_PASSWORD"])
        wait_for(lambda: answers(redis))
        return redis

    def start(self, service: str) -> None:
        command = [self.local(word) for word in services()[service]["command"]]
        self._start(service, command, self.environment(service))

    def is_healthy(self, service: str) -> bool:
        kind, *command = services()[service]["healthcheck"]["test"]
        assert kind == "CMD"
        here = [self.local(word) for word in command]
        return subprocess.run(here, env=self.environment(service), cwd=ROOT, capture_output=True).returncode == 0

    def _start(self, service: str, command: list[str], environment: dict[str, str]) -> None:
        directory = self.folder if service == "valkey" else ROOT
        log = self.stack.enter_context((self.folder / f"{service}.log").open("wb"))
        process = subprocess.Popen(command, env=environment, cwd=directory, stdout=log, stderr=log)
        self.stack.callback(process.wait)
        self.stack.callback(process.terminate)
        self.processes[service] = process


def wait_for(condition: Callable[[], bool]) -> None:
    """Poll; the time limit is pytest's."""
    while not condition():
        time.sleep(0.2)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(redis: Redis) -> bool:
    try:
        return bool(redis.ping())
    except RedisError:
        return False


@pytest.fixture
def containers(tmp_path: Path) -> Iterator[Containers]:
    with ExitStack() as stack:
        yield Containers(tmp_path, stack)


@pytest.mark.slow
def test_the_commands_run_and_become_healthy(containers: Containers) -> None:
    redis = containers.start_valkey()
    checked = [service for service in OURS if "healthcheck" in services()[service]]
    assert set(checked) == {"web", "rank-worker", "train-worker"}
    assert not any(containers.is_healthy(service) for service in checked)
    for service in OURS:
        containers.start(service)
    wait_for(lambda: all(containers.is_healthy(service) for service in checked))

    jobs = [Queue(queue, connection=redis).enqueue("time.sleep", 0) for queue in ("train", "rank")]
    wait_for(lambda: all(job.get_status() == JobStatus.FINISHED for job in jobs))
    assert not {name: p.returncode for name, p in containers.processes.items() if p.poll() is not None}


@pytest.mark.slow
def test_the_web_process_asks_for_the_credentials_of_the_file(containers: Containers) -> None:
    containers.start_valkey()
    containers.start("web")
    wait_for(lambda: containers.is_healthy("web"))
    environment = {**containers.environment("web"), "ECG_BASIC_AUTH": "somebody:else"}
    command = [containers.local(word) for word in services()["web"]["healthcheck"]["test"][1:]]
    assert subprocess.run(command, env=environment, cwd=ROOT, capture_output=True).returncode == 1


def test_environment_of_the_containers_is_accepted(containers: Containers, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in containers.environment("web").items():
        monkeypatch.setenv(name, value)
    settings = Settings.from_env()
    settings.require_credentials()
    assert settings.url == f"http://127.0.0.1:{containers.web_port}"
