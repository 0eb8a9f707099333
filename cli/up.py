"""`ecgal up`: web process, workers, reconciler and the embedded Valkey in the foreground.

The work is supervisord's; this module tells on the console what happens and sees to it that nothing
outlives the stop. What the programs log goes to ECG_HOME/logs.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import click

from backend.errors import BackendError
from backend.settings import Settings, inherited
from cli import preflight, processes, supervision
from cli.console import Console, Stop

ROOT = Path(__file__).resolve().parents[1]
"""Folder of gunicorn.conf.py, and where the programs run."""


@click.command()
def up() -> None:
    """Run web, workers and the embedded Valkey until Ctrl-C."""
    try:
        run(Settings.from_env())
    except BackendError as error:
        raise click.ClickException(str(error)) from None


def run(settings: Settings) -> None:
    """Run everything until a signal; raises BackendError when it cannot start or the supervisor dies."""
    settings.require_credentials()
    stop = Stop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    settings = settings.model_copy(update={"home": settings.home.resolve()})
    home = settings.home
    preflight.make_folders(settings)
    with processes.home_lock(home) as lock:
        ended = processes.end_leftovers(home)
        if ended:
            click.echo(f"ended {ended} processes that an earlier run left behind")
        preflight.check_port(settings)
        preflight.check_redis(settings)
        if obstacle := preflight.console_obstacle(settings):
            click.echo(f"no web console: {obstacle}; set ECG_CONSOLE_PORT to a free port")
            settings = settings.model_copy(update={"console_port": 0})
        write_configuration(settings)
        with processes.told_address(home, settings.listening):
            supervise(settings, lock, stop)


def supervise(settings: Settings, lock: int, stop: Stop) -> None:
    """Start supervisord and stay until it is gone; raises BackendError when nobody asked it to end."""
    console = Console(settings, start(settings, lock), stop)
    try:
        console.follow()
    finally:
        processes.end_leftovers(settings.home)
    if not console.stopping:
        status, log = console.supervisor.returncode, settings.home / "logs" / "supervisord.log"
        raise BackendError("The supervisor ended by itself, everything was stopped; status", status, f"see {log}")
    click.echo("stopped")


def write_configuration(settings: Settings) -> None:
    """Write supervisord.conf into the home, readable by its owner only."""
    programs = supervision.application(ROOT)
    if settings.console_port:
        programs = (*programs, supervision.console(ROOT))
    if not settings.redis_url_setting:
        programs = (supervision.valkey(settings, preflight.valkey_binary()), *programs)
    path = settings.home / "supervisord.conf"
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text(supervision.configuration(settings, programs), encoding="utf-8")


def start(settings: Settings, lock: int) -> subprocess.Popen[bytes]:
    """Start supervisord, which holds the lock too; its programs inherit the home as a mark."""
    # Not in supervisord.conf or on a command line: others may read those, and supervisord expands percent signs.
    environment = {
        "ECG_HOME": str(settings.home),
        processes.MARKER: str(settings.home),
        "PYTHONUNBUFFERED": "1",
        "PYTHONFAULTHANDLER": "1",  # a process that native code ends leaves its stack in the log
        "RQ_REDIS_URL": settings.redis_url,
    }
    if settings.base_model and Path(settings.base_model).exists():
        # The programs run in ROOT; a relative path means the folder `ecgal up` was called in.
        environment["ECG_BASE_MODEL"] = str(Path(settings.base_model).resolve())
    command = [sys.executable, "-m", "supervisor.supervisord", "-c", str(settings.home / "supervisord.conf")]
    # The lock is its standard input because supervisord closes every descriptor from 5 on. A session of
    # its own keeps Ctrl-C on the terminal away from it, so that one process decides how to stop.
    supervisor = subprocess.Popen(
        command,
        env=inherited(**environment),
        stdin=lock,
        stdout=subprocess.DEVNULL,
        cwd=settings.home,
        start_new_session=True,
    )
    processes.name_owner(lock, supervisor.pid)
    return supervisor
