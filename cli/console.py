"""What `ecgal up` shows: a line for each start and restart, READY when /health answers, and the stop."""

from __future__ import annotations

import http.client
import shlex
import subprocess
import time
from typing import Any
from xmlrpc.client import Error as RpcError
from xmlrpc.client import ServerProxy

import click
from supervisor.xmlrpc import SupervisorTransport

from backend.errors import CONNECT
from backend.registry import Registry
from backend.settings import Settings
from cli import processes, supervision
from cli.called import as_called
from cli.health import web_is_healthy

POLL_SECONDS = 0.5
SLOW_START_SECONDS = 60.0


class Stop:
    """Counts requests to stop; a second one means: do not wait for running jobs."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, *_signal: object) -> None:
        """As a signal handler."""
        self.asked += 1


class Console:
    """Follows one supervisord from its start to its end."""

    def __init__(self, settings: Settings, supervisor: subprocess.Popen[bytes], stop: Stop) -> None:
        self.settings = settings
        self.supervisor = supervisor
        self._stop = stop
        self.stopping = False
        self._started = time.monotonic()
        self._jobs_end_at = float("inf")
        self._ready = False
        self._warned = False
        self._states: dict[str, tuple[int, str]] = {}

    def follow(self) -> None:
        """Return when supervisord has ended."""
        click.echo(f"starting, logs in {self.settings.home / 'logs'}")
        while self.supervisor.poll() is None:
            self._step()
            time.sleep(POLL_SECONDS)
        # A supervisord that was told to end by a signal of its own ends with 0.
        self.stopping = self.stopping or self.supervisor.returncode == 0

    def _step(self) -> None:
        if not self.stopping and (self._stop.asked or self._is_shutting_down()):
            self._begin_stop()
        if self.stopping:
            if time.monotonic() >= self._jobs_end_at or self._stop.asked > 1:
                self._end_jobs()
            return
        for process in self._processes():
            self._tell(process)
        if not self._ready:
            self._check_ready()

    def _begin_stop(self) -> None:
        self.stopping = True
        self.supervisor.terminate()
        self._jobs_end_at = time.monotonic() + supervision.JOB_GRACE_SECONDS
        click.echo(
            f"stopping; running jobs get {supervision.JOB_GRACE_SECONDS:.0f} s, then they wait for the next start"
        )

    def _end_jobs(self) -> None:
        ended = processes.end_jobs(self.settings.home)
        if ended:
            click.echo("a running job was ended, it starts again after the next `ecgal up`")

    def _tell(self, process: dict[str, Any]) -> None:
        name, now = process["name"], (int(process["pid"]), str(process["statename"]))
        before = self._states.get(name)
        if now == before:
            return
        self._states[name] = now
        pid, state = now
        if state == "BACKOFF" and (before is None or before[1] != "BACKOFF"):
            click.echo(f"  {name:<10} does not stay up, trying again: {self.settings.home / process['logfile']}")
        if pid and before is not None and before[0] not in (0, pid):
            processes.end_orphans(self.settings.home, self.supervisor.pid)
            click.echo(f"  {name:<10} had ended, restarted as process {pid}")
        elif pid and (before is None or before[0] == 0):
            click.echo(f"  {name:<10} process {pid}")

    def _check_ready(self) -> None:
        seconds = time.monotonic() - self._started
        needed = [state for name, (_, state) in self._states.items() if name != supervision.CONSOLE]
        if needed and all(state == "RUNNING" for state in needed) and web_is_healthy(self.settings):
            self._ready = True
            click.echo(f"READY after {seconds:.1f} s: {self.settings.url}")
            if self.settings.console_port:
                click.echo(f"Web console: {self.settings.console_url}")
            click.echo(f"Next, in another terminal: {self._next()}    (Ctrl-C here stops everything)")
        elif seconds > SLOW_START_SECONDS and not self._warned:
            self._warned = True
            click.echo(f"/health has not answered for {seconds:.0f} s: see {self.settings.home / 'logs' / 'web.log'}")

    def _next(self) -> str:
        """The command for another terminal, which has to know the home too."""
        default = Settings.model_fields["home"].default.resolve()
        home = "" if self.settings.home == default else f"ECG_HOME={shlex.quote(str(self.settings.home))} "
        connected = Registry(self.settings.home).connected()
        return home + as_called("ecgal doctor" if connected else f"{CONNECT} <id>")

    def _is_shutting_down(self) -> bool:
        return bool(self._ask("getState", {"statecode": 1})["statecode"] < 1)

    def _processes(self) -> list[dict[str, Any]]:
        return list(self._ask("getAllProcessInfo", []))

    def _ask(self, method: str, default: Any) -> Any:
        """Ask supervisord; the default while it does not listen yet or any more."""
        # A transport that has failed once keeps failing, so each question gets its own.
        transport = SupervisorTransport(serverurl=f"unix://{supervision.control_socket(self.settings)}")
        proxy = ServerProxy("http://127.0.0.1", transport=transport, use_builtin_types=True)
        try:
            return getattr(proxy.supervisor, method)()
        except (OSError, RpcError, http.client.HTTPException):
            return default
        finally:
            transport.close()
