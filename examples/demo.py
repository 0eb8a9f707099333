"""`make demo`: a real Label Studio with ten annotated and 250 unlabelled reports, connected and trained.

Runs in the foreground, prints `READY <label-studio-url> <backend-url>` when the first model serves and the
pool is ranked, and stops everything at Ctrl-C. DEMO_HOME, LS_PORT and ECG_PORT choose folder and ports;
a second run on the same folder goes on where the first stopped.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

HERE = Path(__file__).resolve().parent
REPORTS = HERE / "ecg_reports"
TITLE = "心电图报告 · ECG"
EMAIL = "admin@example.com"
PASSWORD = "ecg-demo-2026"
POLL = 2.0
"""Seconds between looks at the state."""


class DemoError(Exception):
    """The demo cannot go on; the message says why."""


@dataclass(frozen=True)
class Demo:
    """Where the demo lives and listens."""

    home: Path
    label_studio_port: int
    backend_port: int

    @classmethod
    def from_env(cls) -> Demo:
        """DEMO_HOME, LS_PORT and ECG_PORT, or their defaults."""
        home = Path(os.environ.get("DEMO_HOME", ".demo")).resolve()
        return cls(home, int(os.environ.get("LS_PORT", "8080")), int(os.environ.get("ECG_PORT", "9090")))

    @property
    def label_studio_url(self) -> str:
        """Base URL of the demo's Label Studio."""
        return f"http://127.0.0.1:{self.label_studio_port}"

    @property
    def backend_url(self) -> str:
        """Base URL of the demo's web process."""
        return f"http://127.0.0.1:{self.backend_port}"

    @property
    def state_file(self) -> Path:
        """Access token and project id, for `make demo-annotate`."""
        return self.home / "demo.json"

    def state(self) -> dict[str, Any]:
        """What an earlier run stored; a new token at first."""
        if self.state_file.exists():
            return dict(json.loads(self.state_file.read_text("utf-8")))
        return {"token": secrets.token_hex(20), "project": ""}

    def save(self, state: dict[str, Any]) -> None:
        """Store token and project, readable by the owner only."""
        self.home.mkdir(parents=True, exist_ok=True)
        self.state_file.touch(mode=0o600)
        self.state_file.write_text(json.dumps(state), "utf-8")

    def environment(self, **more: str) -> dict[str, str]:
        """The environment of `ecgal` commands of this demo."""
        own = {"ECG_HOME": str(self.home / "ecg"), "ECG_PORT": str(self.backend_port)}
        return {**os.environ, **own, **more}


def say(line: str) -> None:
    """Progress for the person who waits."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def label_studio_environment(demo: Demo, token: str) -> dict[str, str]:
    """What examples/label_studio.sh reads."""
    return {
        **os.environ,
        "LS_HOME": str(demo.home / "label-studio"),
        "LS_PORT": str(demo.label_studio_port),
        "LS_EMAIL": EMAIL,
        "LS_PASSWORD": PASSWORD,
        "LS_TOKEN": token,
    }


def api(demo: Demo, token: str) -> httpx.Client:
    """Label Studio's REST API with the demo's token."""
    headers = {"Authorization": f"Token {token}"}
    return httpx.Client(base_url=demo.label_studio_url, headers=headers, timeout=60, trust_env=False)


def project(demo: Demo, state: dict[str, Any]) -> str:
    """The demo project's id; creates it with ten annotated and 250 unlabelled reports."""
    if state["project"]:
        return str(state["project"])
    with api(demo, state["token"]) as client:
        config = (REPORTS / "label_config.xml").read_text("utf-8")
        created = client.post("/api/projects/", json={"title": TITLE, "label_config": config}).raise_for_status()
        number = str(created.json()["id"])
        for name in ("seed10.json", "unlabelled.json"):
            tasks = json.loads((REPORTS / name).read_text("utf-8"))
            for task in tasks:
                task.pop("id", None)
                for annotation in task.get("annotations", []):
                    annotation.pop("id", None)
            client.post(f"/api/projects/{number}/import", json=tasks).raise_for_status()
            say(f"  imported {len(tasks)} reports ({name})")
    demo.save({**state, "project": number})
    return number


def ecgal(demo: Demo, *arguments: str, **environment: str) -> str:
    """Run an `ecgal` command; raises DemoError with what it said."""
    command = [sys.executable, "-m", "cli.main", *arguments]
    done = subprocess.run(command, env=demo.environment(**environment), capture_output=True, text=True, check=False)
    if done.returncode:
        raise DemoError(f"`ecgal {arguments[0]}` failed: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def status(demo: Demo, number: str) -> dict[str, Any]:
    """`ecgal status` of the project, through the web process."""
    answer = httpx.get(f"{demo.backend_url}/api/projects/{number}/status", timeout=30, trust_env=False)
    return dict(answer.raise_for_status().json())


def settled(state: dict[str, Any]) -> bool:
    """Whether a round was decided, its version serves, the pool is ranked, and nothing waits."""
    ranking = state["ranking"] or {}
    return bool(
        state["rounds"]
        and not state["jobs"]
        and not state["pending"]
        and state["serving"] == state["target"] == ranking.get("version")
    )


def wait_until_settled(demo: Demo, number: str, alive: Callable[[], None]) -> dict[str, Any]:
    """Follow the round and the ranking to their end, a line whenever something changes."""
    last = ""
    while True:
        alive()
        state = status(demo, number)
        if settled(state):
            return state
        for failure in state["failures"].values():
            if failure["failures"] >= 3:
                raise DemoError(failure["reason"])
        line = describe(state)
        if line and line != last:
            say(f"  {line}")
            last = line
        time.sleep(POLL)


def describe(state: dict[str, Any]) -> str:
    """The running job in a few words."""
    running = [job["progress"] for job in state["jobs"] if job["progress"]]
    if not running:
        return ""
    progress = running[-1]
    steps = f" {progress['step']}/{progress['steps']}" if "steps" in progress else ""
    return f"{progress.get('stage', '')}{steps}"


class Processes:
    """Label Studio and `ecgal up`, ended together."""

    def __init__(self, demo: Demo) -> None:
        self.demo = demo
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, command: list[str], environment: dict[str, str]) -> None:
        """Start a process in a session of its own; its output goes to a log."""
        log = self.demo.home / f"{name}.log"
        with log.open("ab") as out:
            self.running[name] = subprocess.Popen(
                command, env=environment, stdout=out, stderr=subprocess.STDOUT, start_new_session=True
            )

    def alive(self) -> None:
        """Raise DemoError when one of them has ended."""
        for name, process in self.running.items():
            if process.poll() is not None:
                log = self.demo.home / f"{name}.log"
                raise DemoError(f"{name} ended with status {process.returncode}, see {log}")

    def wait_for(self, name: str, url: str, seconds: float) -> None:
        """Wait until the URL answers 200; raises DemoError when the process ends or the time is over."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.alive()
            try:
                if httpx.get(url, timeout=2, trust_env=False).status_code == 200:
                    return
            except httpx.HTTPError:
                pass
            time.sleep(0.5)
        raise DemoError(f"{name} does not answer at {url} after {seconds:.0f} s, see {self.demo.home / name}.log")

    def stop(self) -> None:
        """End all, the last started first."""
        for process in reversed(list(self.running.values())):
            if process.poll() is None:
                process.terminate()
        for process in self.running.values():
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()


def run(demo: Demo, processes: Processes) -> None:
    """Set up, train, print READY, stay."""
    demo.home.mkdir(parents=True, exist_ok=True)
    state = demo.state()
    demo.save(state)
    say(f"Label Studio on {demo.label_studio_url} ...")
    command = ["bash", str(HERE / "label_studio.sh")]
    processes.start("label-studio", command, label_studio_environment(demo, state["token"]))
    processes.wait_for("label-studio", f"{demo.label_studio_url}/health", 600)
    say(f"ecgal up on {demo.backend_url} ...")
    processes.start("ecgal", [sys.executable, "-m", "cli.main", "up"], demo.environment())
    processes.wait_for("ecgal", f"{demo.backend_url}/health", 120)
    number = project(demo, state)
    say(f"Project {number} ...")
    arguments = ["connect", "--url", demo.label_studio_url, "--project", number]
    say("  " + ecgal(demo, *arguments, LABEL_STUDIO_API_KEY=state["token"]).strip().replace("\n", "\n  "))
    say("First model: fine-tuning on the ten annotated reports, then ranking the others ...")
    final = wait_until_settled(demo, number, processes.alive)
    tell(demo, number, final)
    while True:
        processes.alive()
        time.sleep(POLL)


def tell(demo: Demo, number: str, state: dict[str, Any]) -> None:
    """Where to look and what to try; the READY line comes last."""
    newest = state["rounds"][0]
    say(f"""
{newest["reason"]}
Label Studio   {demo.label_studio_url}/projects/{number}/data   login {EMAIL}, password {PASSWORD}
Backend        {demo.backend_url}   (ECG_HOME={demo.home / "ecg"})
Try next
  open the project and press "Label All Tasks": the most uncertain report comes first, already labelled
  make demo-annotate N=25          an annotator from the gold file; rounds follow by themselves
  ECG_HOME={demo.home / "ecg"} .venv/bin/ecgal status --project {number}      (queue, models, doctor likewise)
Ctrl-C stops everything.
READY {demo.label_studio_url} {demo.backend_url}""")


def main() -> int:
    """Run the demo; exit status 0 after Ctrl-C, 1 with a reason when it cannot go on."""
    demo = Demo.from_env()
    processes = Processes(demo)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        run(demo, processes)
    except KeyboardInterrupt:
        say("stopping ...")
        return 0
    except (DemoError, httpx.HTTPError, OSError) as error:
        sys.stderr.write(f"demo: {error}\n")
        return 1
    finally:
        processes.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
