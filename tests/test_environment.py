"""What the environment of a user must not change: proxies, gunicorn's variables, encodings, Redis' password."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from pydantic import SecretStr
from redis import Redis
from rq import Queue

from backend import overview
from backend.errors import LabelStudioError
from backend.files import write_atomic
from backend.job_queue import JobQueue
from backend.labelstudio.client import LabelStudioClient
from backend.labelstudio.session import Unreachable
from backend.ranking_index import RankedTask, RankingIndex
from backend.records import Connection, RankingRecord
from backend.registry import Registry
from backend.settings import Settings, inherited, is_loopback, proxy_variable, proxy_variables
from cli import processes, supervision
from cli.connect import reached_at
from cli.disconnect import run
from cli.doctor import working
from cli.main import main
from cli.worker import Hidden
from tests.label_studio import ROOT
from trainer.disconnection import end
from trainer.parts import NotConnected, WorkerParts

ADDRESS = "http://127.0.0.1:9190"
CONNECTION = Connection(url="http://127.0.0.1:9", token=SecretStr("t"))


@pytest.fixture
def parts(redis: Redis, tmp_path: Path) -> WorkerParts:
    settings = Settings(home=tmp_path)
    registry = Registry(tmp_path)
    return WorkerParts(settings, registry, redis, JobQueue(redis, registry, settings), RankingIndex(redis))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "[::1]", "localhost", "LOCALHOST"])
def test_this_machine_is_known_by_all_its_names(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["10.0.0.1", "label-studio", "", "localhost.example", "0.0.0.0"])
def test_other_machines_are_not_taken_for_this_one(host: str) -> None:
    assert not is_loopback(host)


def test_an_error_names_the_variable_of_the_proxy_and_not_its_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://user:secret@127.0.0.1:9")
    with LabelStudioClient("http://label-studio.example", "t") as client, pytest.raises(Unreachable) as raised:
        client.version()
    assert "proxy of http_proxy" in str(raised.value)
    assert "secret" not in str(raised.value)


def test_this_machine_is_asked_without_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:9")  # httpx would fail for want of a package
    with LabelStudioClient("http://127.0.0.1:9", "t") as client, pytest.raises(Unreachable) as raised:
        client.version()
    assert "roxy" not in str(raised.value)


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("ALL_PROXY", "socks5://user:secret@127.0.0.1:9", "SOCKS"),
        ("https_proxy", "socks5h://127.0.0.1:9", "SOCKS"),
        ("http_proxy", "ftp://user:secret@127.0.0.1:9", "proxy variable"),
        ("HTTP_PROXY", "http://user:secret@proxy:port", "proxy variable"),
        ("NO_PROXY", "[::1]", "proxy variable"),
    ],
)
def test_a_proxy_that_cannot_be_used_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, said: str
) -> None:
    for name in proxy_variables():
        monkeypatch.delenv(name)
    monkeypatch.setenv(variable, value)
    for ask in (LabelStudioClient.version, LabelStudioClient.whoami):
        with LabelStudioClient("http://label-studio.example", "t") as client, pytest.raises(LabelStudioError) as raised:
            ask(client)
        assert said in str(raised.value)
        assert variable in str(raised.value)
        assert "secret" not in str(raised.value)


def test_an_address_in_no_proxy_has_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "inside.example")
    assert (proxy_variable("http://inside.example:8080"), proxy_variable("http://out.example")) == ("", "http_proxy")


def test_processes_that_are_started_ask_this_machine_directly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv("NO_PROXY", "inside.example")
    names = inherited(MORE="1")["no_proxy"].split(",")
    assert names[0] == "inside.example"
    assert {"127.0.0.1", "localhost", "::1"} <= set(names)


def test_processes_that_are_started_ask_all_hosts_directly_where_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv("NO_PROXY", " * ")
    assert inherited()["no_proxy"] == inherited()["NO_PROXY"] == "*"


def test_gunicorns_own_variable_does_not_reach_it() -> None:
    web = next(program for program in supervision.application(ROOT) if program.name == "web")
    shown = "import os; print(os.environ.get('GUNICORN_CMD_ARGS'))"
    argv = [*web.argv[: web.argv.index(sys.executable)], sys.executable, "-c", shown]
    environment = {**os.environ, "GUNICORN_CMD_ARGS": "--bind 0.0.0.0:1"}
    assert subprocess.run(argv, env=environment, capture_output=True, text=True, check=True).stdout == "None\n"


def test_a_password_of_redis_is_not_written_into_a_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECGAL_REDIS_PASSWORD", "p%w@")
    source = repr({"password": Hidden("p%w@")})
    assert "p%w" not in source
    assert eval(source, {"os": os}) == {"password": "p%w@"}


@pytest.mark.parametrize("encoding", ["gbk", "latin-1", "ascii"])
@pytest.mark.parametrize("form", [(), ("--json",)])
def test_a_queue_ends_without_a_traceback_on_any_terminal(
    parts: WorkerParts, valkey_socket: Path, encoding: str, form: tuple[str, ...]
) -> None:
    parts.registry.save_connection("1", CONNECTION)
    parts.index.add("1", "rules-1", [RankedTask(7, 0.5, 0.5, "token entropy", "窦性心律 ©𠮷é心率72次/分")])
    own = {"PYTHONIOENCODING": encoding, "ECG_HOME": str(parts.settings.home), "REDIS_URL": f"unix://{valkey_socket}"}
    command = [sys.executable, "-m", "cli.main", "queue", *form]
    done = subprocess.run(command, env={**os.environ, **own}, capture_output=True, cwd=ROOT)
    assert (done.returncode, done.stderr) == (0, b"")
    # click takes a terminal of ASCII for a misconfigured one, and writes UTF-8.
    said = done.stdout.decode("utf-8" if encoding == "ascii" else encoding)
    assert ("𠮷" in said) == (encoding == "ascii")


@pytest.mark.parametrize("form", ["table", "json", "ndjson", "csv"])
@pytest.mark.parametrize("encoding", ["gbk", "utf-8", "ascii", "utf-16"])
def test_a_parsed_report_is_printed_in_the_encoding_of_a_file_as_well(tmp_path: Path, encoding: str, form: str) -> None:
    report, printed = tmp_path / "𠮷.txt", tmp_path / "printed"
    report.write_text("窦性心律", "utf-8")
    command = [sys.executable, "-m", "cli.main", "parse", str(report), str(report), "--format", form]
    with printed.open("wb") as file:
        done = subprocess.run(
            command, env={**os.environ, "PYTHONIOENCODING": encoding}, stdout=file, stderr=subprocess.PIPE, cwd=ROOT
        )
    assert (done.returncode, done.stderr) == (0, b"")
    said = printed.read_bytes().decode("utf-8" if encoding == "ascii" else encoding)
    assert "窦性心律" in said
    assert ("𠮷" in said) == (encoding != "gbk")
    assert said.startswith("\ufeff") == (form == "csv" and encoding in ("utf-8", "ascii"))


WRITERS = [
    ("connect", "--url", "http://127.0.0.1:9", "--token", "t", "--project", "1"),
    ("reconcile", "--once"),
    ("base-model", "use", "built-in"),
    ("base-model", "build"),
]
READERS = [
    ("status",),
    ("queue", "-p", "1"),
    ("doctor",),
    ("disconnect", "-p", "1"),
    ("base-model",),
    ("errors", "-p", "1"),
    ("up",),
]


@pytest.mark.parametrize("command", [*WRITERS, *READERS], ids="-".join)
def test_a_home_that_cannot_be_used_is_a_sentence_in_each_command(tmp_path: Path, command: tuple[str, ...]) -> None:
    (tmp_path / "home").touch()
    unusable = [tmp_path / "home"]
    # No user can make a folder there, not even root.
    unusable += [Path("/proc/none")] if command in WRITERS and Path("/proc/self").exists() else []
    for home in unusable:
        done = CliRunner().invoke(main, command, env={"ECG_HOME": str(home)})
        assert done.exit_code == 1
        assert isinstance(done.exception, SystemExit)
        assert str(home) in done.stderr
        assert len(done.stderr.splitlines()) == 1


def test_a_place_in_the_home_that_cannot_be_used_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "projects" / "1" / "connection.json").mkdir(parents=True)
    done = CliRunner().invoke(main, ["status"], env={"ECG_HOME": str(tmp_path)})
    assert (done.exit_code, len(done.stderr.splitlines())) == (1, 1)
    assert "connection.json" in done.stderr
    assert "ECG_HOME" in done.stderr


# Which backend, which project ------------------------------------------------------------------------


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Path]:
    """A home of which a process runs, and which tells its address."""
    command = [sys.executable, "-c", "input()"]
    mark = {**os.environ, processes.MARKER: str(tmp_path)}
    with (
        processes.told_address(tmp_path, ADDRESS),
        subprocess.Popen(command, env=mark, stdin=subprocess.PIPE) as process,
    ):
        yield tmp_path
        process.kill()


def test_the_port_of_a_running_home_is_found(running: Path) -> None:
    assert reached_at(Settings(home=running), None).url == ADDRESS
    assert reached_at(Settings(home=running, port=9999), None).port == 9999


def test_an_address_that_a_killed_home_left_behind_is_not_believed(tmp_path: Path) -> None:
    (tmp_path / processes.ADDRESS).write_text(f"{ADDRESS}\n")
    assert reached_at(Settings(home=tmp_path), None).port == 9090


def test_an_address_is_told_no_longer_than_it_holds(tmp_path: Path) -> None:
    with processes.told_address(tmp_path, ADDRESS):
        assert (tmp_path / processes.ADDRESS).exists()
    assert not (tmp_path / processes.ADDRESS).exists()


def test_looking_for_the_address_never_takes_the_lock(running: Path) -> None:
    with (running / "up.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        (running / "up.lock").chmod(0)
        assert processes.address_of(running) == ADDRESS


def command(monkeypatch: pytest.MonkeyPatch, home: Path, *words: str) -> Any:
    monkeypatch.setenv("ECG_HOME", str(home))
    return CliRunner().invoke(main, list(words))


def test_commands_are_printed_as_the_user_called_them(tmp_path: Path) -> None:
    script = Path(sys.executable).with_name("ecgal")
    own = {**os.environ, "ECG_HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    calls = {"bin/ecgal": "`bin/ecgal connect --url", str(script): f"`{script} connect --url"}
    for call, said in calls.items():
        done = subprocess.run([call, "models"], env=own, cwd=script.parents[1], capture_output=True, text=True)
        assert (done.returncode, said in done.stderr) == (1, True), done.stderr
    own["PATH"] = str(script.parent)
    done = subprocess.run(["ecgal", "models"], env=own, capture_output=True, text=True)
    assert "`ecgal connect --url" in done.stderr


def test_the_first_connect_says_what_to_give(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LABEL_STUDIO_URL", raising=False)
    assert "Which Label Studio? Give --url" in command(monkeypatch, tmp_path, "connect").output
    output = command(monkeypatch, tmp_path, "connect", "--url", ADDRESS).output
    assert output == "Error: Which project? Give --project.\n"


def test_without_a_project_the_only_connected_one_is_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    registry = Registry(tmp_path)
    assert "ecgal connect --url" in command(monkeypatch, tmp_path, "models").output
    registry.save_connection("3", CONNECTION)
    assert command(monkeypatch, tmp_path, "models", "--json").exit_code == 0
    registry.save_connection("12", CONNECTION)
    said = command(monkeypatch, tmp_path, "models")
    assert (said.exit_code, "3, 12" in said.output, "--project" in said.output) == (1, True, True)


# The end of a project --------------------------------------------------------------------------------


def test_the_end_cancels_jobs_drops_hints_and_outlives_the_connection(parts: WorkerParts) -> None:
    parts.registry.save_connection("1", CONNECTION)
    parts.queue.hint("1", ["a"], 1.0)
    job = parts.queue.request_round("1")
    assert end(parts, "1", "deleted") == [job]
    assert Queue("train", connection=parts.redis).job_ids == []
    assert (parts.queue.jobs("1", "retrain"), parts.queue.pending("1").count) == ([], 0)
    assert parts.queue.dispatch_due(1e12) == []
    with pytest.raises(NotConnected, match="deleted"):
        parts.connection("1")
    parts.registry.save_connection("1", CONNECTION)
    assert parts.connection("1").url == CONNECTION.url


def test_a_disconnection_that_label_studio_does_not_answer_ends_nothing_unless_it_is_forced(parts: WorkerParts) -> None:
    parts.registry.save_connection("1", CONNECTION)
    job = parts.queue.request_round("1")
    with pytest.raises(LabelStudioError, match="add --force"):
        run(parts, "1", delete_predictions=False, force=False)
    assert (parts.connection("1").url, parts.registry.ended("1")) == (CONNECTION.url, "")
    assert [waiting.id for waiting in parts.queue.jobs("1", "retrain")] == [job]
    changes = run(parts, "1", delete_predictions=False, force=True)
    assert [change.part for change in changes] == ["Label Studio", "backend"]
    assert job in changes[1].what
    assert overview.status(parts, "1")["ended"] == "disconnected by `ecgal disconnect`"


def test_an_ended_project_is_not_trained_or_ranked(parts: WorkerParts, monkeypatch: pytest.MonkeyPatch) -> None:
    end(parts, "1", "deleted")
    for name in ("retrain", "rerank"):
        said = command(monkeypatch, parts.settings.home, name, "--project", "1").output
        assert "has ended (deleted)" in said
        assert "ecgal connect --url" in said


def test_what_the_reconciler_will_rank_is_waited_for(parts: WorkerParts) -> None:
    record = RankingRecord(version="rules-1", tasks=1, seconds=1.0, finished="now")
    parts.registry.save_ranking("1", record)
    assert working(parts, "1") == ""
    write_atomic(parts.registry.folder("1") / "target", "ecg-r0001-0badcafe")
    assert "a ranking starts within" in working(parts, "1")
    parts.registry.save_ranking("2", record.model_copy(update={"finished": ""}))
    assert "a ranking starts within" in working(parts, "2")
    job = parts.queue.request_rank("2")
    assert working(parts, "2") == f"{job} is queued"
