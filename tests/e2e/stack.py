"""`ecgal up` as users start it, and one project of a real Label Studio as its users see it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx

from backend.labelstudio.client import LabelStudioClient
from examples.reports_import import import_reports
from tests.label_studio import ROOT, LabelStudio, free_port

REPORTS = ROOT / "examples" / "ecg_reports"
USER, PASSWORD, SECRET, KEY = "label-studio", "basic-pass", "hook-secret", "operator-key"
POLL = 0.5
PATIENCE = 400.0
"""Seconds after which a wait is given up: what is waited for will not come."""


def reports(name: str) -> list[dict[str, Any]]:
    """Tasks of the shipped corpus."""
    return list(json.loads((REPORTS / name).read_text("utf-8")))


def wait_for(look: Callable[[], Any], what: str) -> Any:
    """Look until the answer is true; fails with `what` and the last answer."""
    deadline = time.monotonic() + PATIENCE
    while not (found := look()):
        assert time.monotonic() < deadline, f"waited in vain for {what}: {found!r}"
        time.sleep(POLL)
    return found


class Stack:
    """One ECG_HOME with `ecgal up` running in it, protected by all three credentials."""

    def __init__(self, home: Path, label_studio: LabelStudio, base_model: Path, **settings: str) -> None:
        self.home = home
        self.label_studio = label_studio
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.environment = {
            **os.environ,
            "ECG_HOME": str(home),
            "ECG_PORT": str(self.port),
            "ECG_BASE_MODEL": str(base_model),
            "ECG_BASIC_AUTH": f"{USER}:{PASSWORD}",
            "ECG_WEBHOOK_SECRET": SECRET,
            "ECG_API_KEY": KEY,
            "ECG_CONSOLE_PORT": "0",
            "ECG_RETRAIN_QUIET": "2",
            "ECG_RECONCILE_SECONDS": "3",
            **settings,
        }
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """`ecgal up`, until /health answers."""
        log = (self.home.parent / f"{self.home.name}-up.log").open("ab")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "cli.main", "up"], env=self.environment, stdout=log, stderr=log, cwd=ROOT
        )
        log.close()
        wait_for(self.healthy, "/health")

    def stop(self) -> None:
        """As Ctrl-C does."""
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(90)
        for name in ("http", "client"):
            if (opened := self.__dict__.pop(name, None)) is not None:
                opened.close()

    @cached_property
    def http(self) -> httpx.Client:
        """Label Studio's REST API; closed by `stop`, opened again when asked for."""
        server = self.label_studio
        return httpx.Client(base_url=server.url, headers={"Authorization": f"Token {server.token}"}, timeout=60)

    @cached_property
    def client(self) -> LabelStudioClient:
        """Our client; closed by `stop`, opened again when asked for."""
        return LabelStudioClient(self.label_studio.url, self.label_studio.token, backend_url=self.url)

    def healthy(self) -> bool:
        """Whether the web process answers."""
        assert self.process is not None
        assert self.process.poll() is None, "`ecgal up` ended"
        try:
            return httpx.get(f"{self.url}/health", auth=(USER, PASSWORD), timeout=2).status_code == 200
        except httpx.HTTPError:
            return False

    def ecgal(self, *arguments: str) -> str:
        """Run a command; its output, the test fails when it fails."""
        command = [sys.executable, "-m", "cli.main", *arguments]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, cwd=ROOT)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def json(self, *arguments: str) -> Any:
        """Run a command with --json."""
        return json.loads(self.ecgal(*arguments, "--json"))

    def pids(self, name: str) -> list[int]:
        """Processes of this home whose command line holds `name`."""
        found = subprocess.run(["pgrep", "-f", name], capture_output=True, text=True).stdout.split()
        marked = f"ECG_HOME={self.home}\0".encode()
        return [int(pid) for pid in found if marked in _environment(int(pid))]


def _environment(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return b""


@dataclass(frozen=True)
class LabelProject:
    """A connected project, seen through Label Studio's API and `ecgal`."""

    stack: Stack
    id: str

    @classmethod
    def create(cls, stack: Stack, title: str, config: str, tasks: Iterable[dict[str, Any]]) -> LabelProject:
        """Create, import, connect."""
        server = stack.label_studio
        body = {"title": title, "label_config": config}
        number = str(stack.http.post("/api/projects/", json=body).raise_for_status().json()["id"])
        rows = [
            {"data": t["data"], "annotations": [{"result": a["result"]} for a in t.get("annotations", [])]}
            for t in tasks
        ]
        import_reports(stack.http, number, rows)
        stack.ecgal("connect", "--url", server.url, "--token", server.token, "--project", number)
        return cls(stack, number)

    @property
    def http(self) -> httpx.Client:
        """Label Studio's REST API."""
        return self.stack.http

    @property
    def client(self) -> LabelStudioClient:
        """Our client on the same Label Studio."""
        return self.stack.client

    def status(self) -> dict[str, Any]:
        """`GET /api/projects/{id}/status`."""
        headers = {"Authorization": f"Bearer {KEY}"}
        answer = httpx.get(f"{self.stack.url}/api/projects/{self.id}/status", headers=headers, timeout=30)
        return dict(answer.raise_for_status().json())

    def settled(self) -> dict[str, Any] | None:
        """The status, once nothing waits or runs and the target serves and is ranked."""
        status = self.status()
        ranked = (status["ranking"] or {}).get("version")
        busy = status["jobs"] or status["changes"]
        return None if busy or not status["serving"] == status["target"] == ranked else status

    def wait_settled(self) -> dict[str, Any]:
        """Wait until the loop rests."""
        return dict(wait_for(self.settled, "the end of the round"))

    def wait_round(self, after: int) -> dict[str, Any]:
        """Wait until a round newer than `after` is decided and the loop rests."""

        def newer() -> dict[str, Any] | None:
            status = self.settled()
            return status if status and status["rounds"] and status["rounds"][0]["round"] > after else None

        return dict(wait_for(newer, f"a round after {after}"))

    def next_task(self) -> dict[str, Any]:
        """The next task of the labelling stream."""
        return dict(self.http.get(f"/api/projects/{self.id}/next").raise_for_status().json())

    def annotate(self, task: int, result: list[dict[str, Any]], **fields: Any) -> dict[str, Any]:
        """Submit an annotation."""
        body = {"result": result, "lead_time": 1.0, **fields}
        return dict(self.http.post(f"/api/tasks/{task}/annotations/", json=body).raise_for_status().json())

    def card(self, version: str) -> dict[str, Any]:
        """The model card of a version."""
        return dict(json.loads(self.file(version, "card.json")))

    def file(self, version: str, name: str) -> str:
        """The text of a file of a version."""
        return (self.stack.home / "projects" / self.id / "models" / version / name).read_text("utf-8")

    def newest(self) -> dict[str, Any]:
        """The model card of the newest version."""
        return self.card(self.status()["rounds"][0]["version"])

    def wait_trained(self, annotations: set[int]) -> dict[str, Any]:
        """Wait until the newest version was made from these annotations, whatever else; its card."""

        def trained() -> dict[str, Any] | None:
            status = self.settled()
            card = self.newest() if status and status["rounds"] else None
            return card if card and annotations <= set(card["dataset"]["annotations"]) else None

        return dict(wait_for(trained, f"a version made from the annotations {sorted(annotations)}"))

    def serve(self, version: str) -> None:
        """`ecgal promote`, until the version serves and the pool is ranked with it."""
        self.stack.ecgal("promote", "--project", self.id, version)
        wait_for(lambda: (s := self.settled()) and s["serving"] == version, f"{version} to serve")

    def queue(self, top: int) -> list[int]:
        """Task ids of `ecgal queue`."""
        rows = json.loads(self.stack.ecgal("queue", "--project", self.id, "--top", str(top), "--json"))
        return [row["task_id"] for row in rows]

    def in_label_studio(self) -> tuple[str, str]:
        """Title of the ML backend and model version of the project."""
        backend = self.client.backend(self.id, self.stack.url)
        assert backend is not None
        return backend["title"], self.client.project(self.id).model_version

    def predictions(self) -> list[dict[str, Any]]:
        """All stored predictions."""
        answer = self.http.get("/api/predictions/", params={"project": self.id})
        return list(answer.raise_for_status().json())

    def data(self) -> dict[int, dict[str, Any]]:
        """Task id -> data of all tasks."""
        fields: dict[str, str | int] = {"project": self.id, "include": "id,data", "page_size": 1000}
        tasks = self.http.get("/api/tasks", params=fields).raise_for_status().json()["tasks"]
        return {task["id"]: task["data"] for task in tasks}

    def import_tasks(self, tasks: list[dict[str, Any]]) -> list[int]:
        """Import tasks, with annotations where they have some; the new ids."""
        return sorted(import_reports(self.http, self.id, tasks))
