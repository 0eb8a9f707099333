"""A real Label Studio of the tests' own, through examples/label_studio.sh."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = ROOT / "examples" / "label_studio.sh"


@dataclass(frozen=True)
class LabelStudio:
    """Address, legacy token, and what it takes to log in."""

    url: str
    token: str
    email: str
    password: str


def free_port() -> int:
    """A port nobody listens on."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(home: Path, **environment: str) -> Iterator[LabelStudio]:
    """An empty Label Studio as installed; LS_VENV names an environment that has it, else it is the one of `make`."""
    own = {
        "LS_HOME": str(home),
        "LS_PORT": str(free_port()),
        "fflag_fix_back_4620_memory_efficient_predictions_import_08012025_short": "false",
        "LS_VENV": os.environ.get("LS_VENV", str(ROOT / ".label-studio" / "venv")),
    }

    def run(command: str) -> str:
        done = subprocess.run(
            [SCRIPT, command], env={**os.environ, **own, **environment}, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    run("start")
    try:
        login = dict(line.split(" ", 1) for line in run("login").splitlines())
        yield LabelStudio(**login)
    finally:
        run("stop")
