"""`ecgal up` as a user meets it: real processes, real signals, a job that runs and one that is killed."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import psutil
import pytest
from redis import Redis
from rq import Queue
from rq.job import JobStatus, Retry

from backend.settings import Settings
from cli import preflight, processes, supervision
from cli.health import web_is_healthy

ROOT = Path(__file__).resolve().parents[1]
PROGRAMS = {"valkey", "web", "rank", "train", "reconcile"}

# Writes a line at its start; sleeps for an hour in its first runs and ends at once in the run `last`.
TOY = "echo run >> {log}; test $(wc -l < {log}) -ge {last} || exec sleep 3600"


def wait_for(condition: Callable[[], bool]) -> None:
    """Poll; the time limit is pytest's."""
    while not condition():
        time.sleep(0.1)


def answers(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Up:
    """One home with its settings, and the `ecgal up` processes started for it."""

    def __init__(self, home: Path, **environment: str) -> None:
        self.home = home
        self.port = free_port()
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("ECG_") and k != "REDIS_URL"}
        self.environment = {**inherited, "ECG_HOME": str(home), "ECG_PORT": str(self.port), "ECG_CONSOLE_PORT": "0"}
        self.environment |= environment
        self.settings = Settings(home=home, port=self.port)
        self.console = home.parent / f"{home.name}.console"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> Up:
        with self.console.open("wb") as console:
            self.process = subprocess.Popen(self.command, env=self.environment, stdout=console, stderr=console)
        wait_for(lambda: "READY" in self.said() or self.ended())
        assert not self.ended(), self.said()
        return self

    def refused(self) -> str:
        """What a call that must fail says; it has to say it in one line."""
        done = subprocess.run(self.command, env=self.environment, capture_output=True, text=True, check=False)
        assert done.returncode == 1, done
        assert len(done.stderr.splitlines()) == 1, done
        return done.stderr

    def stop(self, number: int = signal.SIGTERM) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait()

    @property
    def command(self) -> list[str]:
        return [sys.executable, "-m", "cli.main", "up"]

    @property
    def supervisor(self) -> int:
        return int((self.home / "up.lock").read_text())

    def said(self) -> str:
        return self.console.read_text()

    def ended(self) -> bool:
        return self.process is None or self.process.poll() is not None

    def family(self) -> dict[str, psutil.Process]:
        """Direct children of supervisord by the name of their program."""
        found = {}
        for child in psutil.Process(self.supervisor).children():
            with suppress(psutil.Error):  # it may end while we look
                found[child.environ().get("SUPERVISOR_PROCESS_NAME", "")] = child
        return found

    def left(self) -> list[str]:
        """Command lines of all live processes of this home."""
        return [" ".join(process.cmdline()) for process in processes.family(self.home) if process.is_running()]

    def redis(self) -> Redis:
        return Redis.from_url(self.settings.redis_url)

    def enqueue(self, log: Path, last: int) -> Queue:
        queue = Queue("train", connection=self.redis())
        toy = ["sh", "-c", TOY.format(log=log, last=last)]
        queue.enqueue("subprocess.check_call", toy, job_id="toy", job_timeout=7200, retry=Retry(max=5))
        return queue


@pytest.fixture
def up() -> Iterator[Up]:
    # Not tmp_path: its length would move the sockets into the temporary folder. With a space and Chinese letters.
    with tempfile.TemporaryDirectory(prefix="ecg ") as folder:
        instance = Up(Path(folder).resolve() / "心电")
        yield instance
        if not instance.ended():
            instance.stop()
        processes.end_leftovers(instance.home)


def runs(log: Path) -> int:
    return len(log.read_text().splitlines()) if log.exists() else 0


@pytest.mark.slow
def test_everything_runs_keeps_to_itself_and_stops(up: Up) -> None:
    up.start()
    family = up.family()
    assert set(family) == PROGRAMS
    assert web_is_healthy(up.settings)
    assert up.redis().ping()
    assert f"http://127.0.0.1:{up.port}" in up.said()
    assert "ecgal connect" in up.said()
    # Lower priority for what nobody waits for.
    assert (family["web"].nice(), family["rank"].nice(), family["train"].nice()) == (0, 10, 15)
    for path in (up.home / "supervisord.conf", up.settings.socket_path):
        assert not stat.S_IMODE(path.stat().st_mode) & 0o077, path
    assert not family["valkey"].net_connections("inet")

    assert up.stop(signal.SIGINT) == 0
    assert not up.left()
    assert up.said().splitlines()[-1] == "stopped"


@pytest.mark.slow
def test_each_killed_program_is_started_again(up: Up) -> None:
    up.start()
    for name in PROGRAMS:
        # Looked up again each time: a program may have ended by itself when Valkey was away.
        wait_for(lambda: set(up.family()) == PROGRAMS)
        killed = up.family()[name]
        killed.kill()
        wait_for(lambda name=name, killed=killed: up.family().get(name, killed) != killed)  # type: ignore[misc]
        wait_for(lambda name=name: f"{name:<10} had ended, restarted" in up.said())  # type: ignore[misc]
    wait_for(lambda: set(up.family()) == PROGRAMS and web_is_healthy(up.settings) and bool(up.redis().ping()))


@pytest.mark.slow
def test_a_second_up_names_the_first_one(up: Up) -> None:
    up.start()
    assert f"process: {up.supervisor}." in up.refused()
    assert not up.ended()


@pytest.mark.slow
def test_a_dead_supervisor_ends_up_and_all_programs(up: Up) -> None:
    up.start()
    os.kill(up.supervisor, signal.SIGKILL)
    assert up.process is not None
    assert up.process.wait() == 1
    assert not up.left()


@pytest.mark.slow
def test_leftovers_of_a_killed_run_do_not_block_the_next(up: Up) -> None:
    up.start()
    assert up.process is not None
    up.process.kill()
    up.process.wait()
    assert f"process: {up.supervisor}." in up.refused()
    os.kill(up.supervisor, signal.SIGKILL)
    wait_for(lambda: not psutil.pid_exists(up.supervisor))
    assert up.left()

    up.start()
    assert "that an earlier run left behind" in up.said()
    assert set(up.family()) == PROGRAMS


@pytest.mark.slow
def test_a_running_job_does_not_hold_up_the_stop_and_runs_again(up: Up, tmp_path: Path) -> None:
    log = tmp_path / "runs"
    up.start().enqueue(log, last=2)
    wait_for(lambda: runs(log) == 1)
    assert up.stop() == 0
    assert "a running job was ended" in up.said()
    assert not up.left()

    queue = Queue("train", connection=up.start().redis())
    wait_for(lambda: runs(log) == 2)
    wait_for(lambda: queue.fetch_job("toy").get_status() == JobStatus.FINISHED)  # type: ignore[union-attr]


@pytest.mark.slow
def test_the_job_of_a_killed_worker_runs_again(up: Up, tmp_path: Path) -> None:
    log = tmp_path / "runs"
    queue = up.start().enqueue(log, last=2)
    wait_for(lambda: runs(log) == 1)
    up.family()["train"].kill()
    wait_for(lambda: not any("sleep 3600" in line for line in up.left()))
    # RQ waits until the heartbeat of the dead worker has run out: about 75 s.
    wait_for(lambda: queue.fetch_job("toy").get_status() == JobStatus.FINISHED)  # type: ignore[union-attr]
    assert runs(log) == 2


@pytest.mark.slow
def test_the_web_console_is_one_more_process_and_is_told_with_its_address(up: Up) -> None:
    port = free_port()
    up.environment["ECG_CONSOLE_PORT"] = str(port)
    up.start()
    assert set(up.family()) == {*PROGRAMS, "console"}
    assert f"Web console: http://127.0.0.1:{port}" in up.said()
    wait_for(lambda: answers(f"http://127.0.0.1:{port}/_stcore/health"))
    assert up.stop() == 0
    assert not up.left()


@pytest.mark.slow
def test_a_taken_console_port_is_told_and_everything_else_runs(up: Up) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        up.environment["ECG_CONSOLE_PORT"] = str(port)
        up.start()
    (line,) = (line for line in up.said().splitlines() if "console" in line)
    assert f"127.0.0.1:{port}" in line
    assert "ECG_CONSOLE_PORT" in line
    assert set(up.family()) == PROGRAMS


@pytest.mark.slow
def test_a_console_that_does_not_stay_up_does_not_hold_up_the_rest(up: Up) -> None:
    up.environment["ECG_CONSOLE_PORT"] = str(free_port())
    # Only the console reads it, and it ends at once.
    up.environment["STREAMLIT_SERVER_SSL_CERT_FILE"] = str(up.home / "none.pem")
    up.start()
    assert {*PROGRAMS} <= set(up.family())
    wait_for(lambda: "console    does not stay up" in up.said())


def test_a_console_on_the_port_of_the_web_process_is_told(tmp_path: Path) -> None:
    assert "9090" in preflight.console_obstacle(Settings(home=tmp_path, port=9090, console_port=9090))
    assert preflight.console_obstacle(Settings(home=tmp_path, console_port=0)) == ""


def test_a_taken_port_is_told_before_anything_starts(up: Up) -> None:
    with socket.create_server(("127.0.0.1", up.port)):
        assert f"127.0.0.1:{up.port}" in up.refused()
    assert not (up.home / "supervisord.conf").exists()


def test_a_reachable_address_without_credentials_is_refused(up: Up) -> None:
    up.environment["ECG_HOST"] = "0.0.0.0"
    assert "ECG_API_KEY, ECG_BASIC_AUTH, ECG_WEBHOOK_SECRET" in up.refused()
    assert not up.home.exists()


def test_a_redis_that_does_not_answer_is_told_without_its_password(up: Up) -> None:
    up.environment["REDIS_URL"] = f"redis://:hunter2@127.0.0.1:{free_port()}/0"
    assert "hunter2" not in up.refused()


def test_an_unknown_setting_is_refused(up: Up) -> None:
    up.environment["ECG_PROT"] = "1"
    assert "ECG_PROT" in up.refused()


def test_the_configuration_holds_no_secret(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, redis_url_setting="redis://:hunter2@db/0", api_key="hunter3")
    text = supervision.configuration(settings, supervision.application(ROOT))
    assert "hunter" not in text
    assert "[program:valkey]" not in text


def test_the_sockets_of_a_deep_home_move_to_the_temporary_folder(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / ("deep" * 30))
    text = supervision.configuration(settings, [supervision.valkey(settings, Path("/bin/valkey-server"))])
    assert f"--unixsocket {settings.socket_path} " in text
    assert f"file={supervision.control_socket(settings)}\n" in text


def test_a_lock_file_without_a_holder_does_not_block(tmp_path: Path) -> None:
    (tmp_path / "up.lock").write_text("1\n")
    with processes.home_lock(tmp_path):
        assert (tmp_path / "up.lock").read_text() == f"{os.getpid()}\n"
