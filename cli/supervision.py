"""What `ecgal up` runs, as data: the programs, their order, and the configuration of supervisord.

Nothing here starts or reads anything, so that docker-compose.yml can be held against it in a test.
The configuration names no secret: the programs inherit the environment of `ecgal up`. Its paths are
relative to ECG_HOME, where supervisord runs, so that spaces, quotes and percent signs in that name need
no quoting.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from backend.settings import Settings

VALKEY = "valkey"
CONSOLE = "console"

STOP_SECONDS = 25
"""How long a program may take to stop before it is killed; RQ workers wait for their running job."""

JOB_GRACE_SECONDS = 10.0
"""Of that, how long a running job may go on; then it is ended and RQ puts it back into its queue."""

START_RETRIES = 1000
"""Failed starts in a row before supervisord gives up; the pause grows by 1 s each time."""

WORKER_OPTIONS = (
    *("--worker-class", "cli.worker.Worker"),  # spawns: a fork after torch work hangs
    # With RQ's defaults (420 s, 600 s, 30 s) a job of a killed worker would lie still for minutes.
    *("--worker-ttl", "30", "--maintenance-interval", "10", "--job-monitoring-interval", "1"),
)


@dataclass(frozen=True)
class Program:
    """One supervised process; `argv` starts with the executable, `directory` may be relative to ECG_HOME."""

    name: str
    argv: tuple[str, ...]
    directory: Path


def application(root: Path, python: str = sys.executable) -> tuple[Program, ...]:
    """Web, the two workers and the reconciler; `root` is the folder of gunicorn.conf.py."""
    # GUNICORN_CMD_ARGS would win over gunicorn.conf.py, and change address, workers or their class.
    gunicorn = (
        "env",
        "-u",
        "GUNICORN_CMD_ARGS",
        python,
        "-m",
        "gunicorn",
        "--config",
        str(root / "gunicorn.conf.py"),
        "_wsgi:app",
    )
    worker = (python, "-m", "rq.cli", "worker", *WORKER_OPTIONS)
    return (
        Program("web", gunicorn, root),
        # Niceness: a request of an annotator goes before ranking, ranking before training.
        Program("rank", ("nice", "-n", "10", *worker, "rank"), root),
        # One scheduler is enough; it serves retries that wait.
        Program("train", ("nice", "-n", "15", *worker, "--with-scheduler", "train"), root),
        Program("reconcile", ("nice", "-n", "5", python, "-m", "cli.main", "reconcile"), root),
    )


def console(root: Path, python: str = sys.executable) -> Program:
    """The web console; nothing waits for it, and everything runs without it."""
    return Program(CONSOLE, ("nice", "-n", "5", python, "-m", "console"), root)


def valkey(settings: Settings, binary: Path) -> Program:
    """The embedded Valkey: no port, a socket only its owner may open, a log that survives kill -9."""
    options = {
        "port": "0",
        "unixsocket": settings.socket_path.name if _is_beside_data(settings) else str(settings.socket_path),
        "unixsocketperm": "700",
        "dir": ".",
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "daemonize": "no",
        # Valkey writes its title over its environment, by which leftovers of a killed run are found.
        "set-proc-title": "no",
    }
    argv = (str(binary), *(word for name, value in options.items() for word in (f"--{name}", value)))
    return Program(VALKEY, argv, directory=Path(VALKEY))


def control_socket(settings: Settings) -> Path:
    """Where supervisord listens; as short as Valkey's socket, plus the process id it adds for a moment."""
    return settings.socket_path.with_name("ctl")


def configuration(settings: Settings, programs: Iterable[Program]) -> str:
    """The text of supervisord.conf. Valkey starts first and stops last; the others start and stop together."""
    programs = tuple(programs)
    group = ",".join(program.name for program in programs if program.name != VALKEY)
    sections = [_supervisord(settings), f"[group:app]\nprograms={group}\npriority=20"]
    return "\n\n".join([*sections, *(_program(program) for program in programs)]) + "\n"


def _is_beside_data(settings: Settings) -> bool:
    """False when ECG_HOME is too deep for the path of a socket."""
    return settings.socket_path.parent == settings.home / "valkey"


def _supervisord(settings: Settings) -> str:
    control = control_socket(settings)
    address = f"valkey/{control.name}" if _is_beside_data(settings) else str(control).replace("%", "%%")
    level = {"WARNING": "warn"}.get(settings.log_level, settings.log_level.lower())
    return (
        f"[supervisord]\nnodaemon=true\nsilent=true\nloglevel={level}\n"
        "logfile=logs/supervisord.log\nlogfile_maxbytes=10MB\nlogfile_backups=3\n"
        "pidfile=supervisord.pid\n\n"
        f"[unix_http_server]\nfile={address}\nchmod=0700\n\n"
        "[rpcinterface:supervisor]\nsupervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface\n\n"
        f"[supervisorctl]\nserverurl=unix://{address}"
    )


def _program(program: Program) -> str:
    lines = [
        f"[program:{program.name}]",
        f"command={shlex.join(program.argv).replace('%', '%%')}",
        f"directory={str(program.directory).replace('%', '%%')}",
        f"priority={10 if program.name == VALKEY else 20}",
        # The console only fails once it is imported, which takes seconds on a busy machine; nothing waits for it.
        f"autorestart=true\nstartsecs={20 if program.name == CONSOLE else 1}\nstartretries={START_RETRIES}",
        f"stopsignal=TERM\nstopwaitsecs={STOP_SECONDS}\nkillasgroup=true\numask=077",
        f"redirect_stderr=true\nstdout_logfile=logs/{program.name}.log",
        "stdout_logfile_maxbytes=10MB\nstdout_logfile_backups=3",
    ]
    return "\n".join(lines)
