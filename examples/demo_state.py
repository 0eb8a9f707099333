"""The demo's folder, ports and state, for the demo itself and for the annotator that plays in it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from trainer.progress import Milestones, left

HERE = Path(__file__).resolve().parent
REPORTS = HERE / "second_hospital"
"""The pool of the demo: the rules were not written for it, so there is something to learn."""
SCRIPT = HERE / "label_studio.sh"
FOREIGN = ("ECG_", "LABEL_STUDIO_", "REDIS_URL", "RQ_")
"""Variables of settings; of these the demo makes its own."""
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
    console_port: int

    @classmethod
    def from_env(cls) -> Demo:
        """DEMO_HOME, LS_PORT, ECG_PORT and ECG_CONSOLE_PORT, or their defaults."""
        home = Path(os.environ.get("DEMO_HOME") or ".demo").resolve()
        defaults = {"LS_PORT": "8080", "ECG_PORT": "9090", "ECG_CONSOLE_PORT": "8501"}
        ports = [os.environ.get(name) or default for name, default in defaults.items()]
        if not all(port.isdecimal() for port in ports):
            raise DemoError(f"{', '.join(defaults)} must be numbers, not {', '.join(ports)}")
        return cls(home, *map(int, ports))

    @property
    def label_studio_url(self) -> str:
        """Base URL of the demo's Label Studio."""
        return f"http://127.0.0.1:{self.label_studio_port}"

    @property
    def backend_url(self) -> str:
        """Base URL of the demo's web process."""
        return f"http://127.0.0.1:{self.backend_port}"

    @property
    def ecg_home(self) -> Path:
        """ECG_HOME of the demo's backend."""
        return self.home / "ecg"

    @property
    def project_file(self) -> Path:
        """Holds the id of the demo's project once it is made."""
        return self.home / "project"

    def label_studio(self, command: str) -> str:
        """Run examples/label_studio.sh on the demo's Label Studio; raises DemoError with what it said."""
        own = {"LS_HOME": str(self.home / "label-studio"), "LS_PORT": str(self.label_studio_port)}
        venv = {"LS_VENV": os.environ.get("LS_VENV", str(HERE.parent / ".label-studio" / "venv"))}
        return checked(["bash", str(SCRIPT), command], self.environment(**own, **venv))

    def login(self) -> dict[str, str]:
        """Address, e-mail, password and access token of the demo's Label Studio."""
        return dict(line.split(" ", 1) for line in self.label_studio("login").splitlines())

    def environment(self, **more: str) -> dict[str, str]:
        """The environment of `ecgal` commands of this demo."""
        # Settings of somebody's real backend must not reach the demo: it would work on their Label Studio.
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
        kept = {name: os.environ[name] for name in ("ECG_BASE_MODEL", "ECG_THREADS") if name in os.environ}
        own = {"ECG_HOME": str(self.ecg_home), "ECG_PORT": str(self.backend_port)}
        own["ECG_CONSOLE_PORT"] = str(self.console_port)
        return {**inherited, **kept, **own, **more}


def say(line: str) -> None:
    """Progress for the person who waits."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def checked(command: list[str], environment: dict[str, str]) -> str:
    """Run a command to its end and return what it prints; raises DemoError with what it complained of."""
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise DemoError(done.stderr.strip() or done.stdout.strip())
    return done.stdout


def api(demo: Demo) -> httpx.Client:
    """Label Studio's REST API with the demo's token."""
    headers = {"Authorization": f"Token {demo.login()['token']}"}
    return httpx.Client(base_url=demo.label_studio_url, headers=headers, timeout=60, trust_env=False)


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
        and not state["changes"]
        and state["serving"] == state["target"] == ranking.get("version")
    )


def wait_until_settled(demo: Demo, number: str, alive: Callable[[], None]) -> dict[str, Any]:
    """Follow the round and the ranking to their end, and say how far they are."""
    follower = Follower(lambda line: say(f"  {line}"))
    while True:
        alive()
        state = status(demo, number)
        if settled(state):
            return state
        give_up_after_failures(state)
        follower.see(state)
        time.sleep(POLL)


def give_up_after_failures(state: dict[str, Any]) -> None:
    """Raise DemoError where a job of the project has failed three times in a row."""
    for failure in state["failures"].values():
        if failure["failures"] >= 3:
            raise DemoError(failure["reason"])


class Follower:
    """Says each stage of what runs as it begins, then each tenth of the whole, and something every half minute."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self.say = say
        self.stage = ""
        self.milestones = Milestones(say)

    def see(self, state: dict[str, Any]) -> None:
        """Look at a status of the project."""
        progress = next((job["progress"] for job in reversed(state["jobs"]) if job["progress"]), None)
        if not progress:
            return
        stage = f"stage {progress['stage_number']} of {progress['stages']}: {progress['stage']}"
        if stage != self.stage:
            self.stage = stage
            self.say(stage)
        if "share" in progress:
            steps = f" {progress['step']}/{progress['steps']}" if "steps" in progress else ""
            self.milestones.reach(progress["share"], f"{progress['stage']}{steps}, {left(progress['eta_seconds'])}")
