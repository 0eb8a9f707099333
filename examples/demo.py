"""`make demo`: a real Label Studio with ten annotated and 200 unlabelled reports, connected and trained.

Runs in the foreground, prints `READY <label-studio-url> <backend-url>` when the first model serves and the
pool is ranked, and stops everything at Ctrl-C. DEMO_HOME, LS_PORT, ECG_PORT and ECG_CONSOLE_PORT choose folder and
ports; a second run on the same folder goes on where the first stopped.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx

from examples.demo_state import POLL, REPORTS, Demo, DemoError, api, checked, say, wait_until_settled
from examples.reports_import import import_reports

TITLE = "心电图报告 · ECG"


def project(demo: Demo) -> str:
    """The demo project's id; creates it with ten annotated and 200 unlabelled reports."""
    if demo.project_file.exists():
        return demo.project_file.read_text("utf-8")
    with api(demo) as client:
        config = (REPORTS / "label_config.xml").read_text("utf-8")
        created = client.post("/api/projects/", json={"title": TITLE, "label_config": config}).raise_for_status()
        number = str(created.json()["id"])
        for name in ("seed10.json", "unlabelled.json"):
            tasks = json.loads((REPORTS / name).read_text("utf-8"))
            import_reports(client, number, [importable(task) for task in tasks])
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
        try:
            self.process.wait(90)
        except subprocess.TimeoutExpired:
            self.process.kill()


def point_to(demo: Demo, stack: ExitStack) -> None:
    """While the demo runs, ./.ecg, the default of ECG_HOME, is a link to it, so that `ecgal` needs no variable."""
    link, target = Path(".ecg"), demo.ecg_home
    if link.is_symlink() and link.resolve() == target:
        link.unlink()  # of a demo that was killed
    if "ECG_HOME" not in os.environ and not link.exists() and not link.is_symlink():
        link.symlink_to(target, target_is_directory=True)
        stack.callback(link.unlink, missing_ok=True)


@contextmanager
def alone(demo: Demo) -> Iterator[None]:
    """Only one demo at a time runs in a folder; raises DemoError."""
    with (demo.home / "demo.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise DemoError(f"a demo is already running in {demo.home}") from None
        yield


def check_free(port: int) -> None:
    """Raise DemoError when somebody listens on the port of this machine."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise DemoError(
                f"port {port} is in use; choose others with LS_PORT, ECG_PORT and ECG_CONSOLE_PORT"
            ) from None


def run(demo: Demo, stack: ExitStack) -> None:
    """Set up, train, print READY, stay."""
    demo.ecg_home.mkdir(parents=True, exist_ok=True)
    stack.enter_context(alone(demo))
    for port in (demo.label_studio_port, demo.backend_port, demo.console_port):
        check_free(port)
    point_to(demo, stack)
    say(f"Label Studio on {demo.label_studio_url} (the first start takes half a minute) ...")
    stack.callback(demo.label_studio, "stop")
    demo.label_studio("start")
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
    say("First version: learning from the ten annotated reports, then ranking the others ...")
    tell(demo, number, wait_until_settled(demo, number, backend.alive))
    while True:
        backend.alive()
        time.sleep(POLL)


def tell(demo: Demo, number: str, state: dict[str, Any]) -> None:
    """Where to look and what to try; the READY line comes last."""
    login = demo.login()
    say(f"""
{state["rounds"][0]["reason"]}
Label Studio   {demo.label_studio_url}/projects/{number}/data
               e-mail {login["email"]}, password {login["password"]}
Console        {f"http://127.0.0.1:{demo.console_port}" if demo.console_port else "none"}
Backend        {demo.backend_url}
Try next
  "Label All Tasks" in the project: the most uncertain report comes first, already labelled
  make demo-annotate N=40    plays the annotator; new rounds follow by themselves
  .venv/bin/ecgal status --project {number}    (queue, models, doctor likewise; elsewhere with ECG_HOME={demo.ecg_home})
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
