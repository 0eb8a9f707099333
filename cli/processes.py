"""The processes of one ECG_HOME: who holds it, and which ones an earlier run left behind.

Every process that `ecgal up` starts, and every process those start, carries the variable MARKER with
the absolute ECG_HOME in its environment. That finds workers, jobs and servers of a killed supervisor on
Linux and macOS alike, and cannot hit a stranger that was given the same process id.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from backend.errors import Conflict
from backend.files import read_text, write_atomic

ADDRESS = "address"
"""File in ECG_HOME that holds the URL of the web process while `ecgal up` runs."""

MARKER = "ECGAL_UP_HOME"
JOB_MARKER = "RQ_EXECUTION_ID"
"""RQ sets it for the process that runs a job, not for the worker itself."""

PATIENCE_SECONDS = 10.0
"""Between the request to end and the kill."""


@contextmanager
def home_lock(home: Path) -> Iterator[int]:
    """Hold the home alone; yields the open descriptor of the lock file, for `name_owner` and children.

    The operating system drops the lock with the last process that has the descriptor open, so the file of
    a killed run does not stand in the way. Raises Conflict naming the process that holds it.
    """
    descriptor = os.open(home / "up.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = os.pread(descriptor, 32, 0).decode().strip() or "unknown"
            raise Conflict("`ecgal up` runs already for this home, process", pid, f"stop it with kill {pid}") from None
        name_owner(descriptor, os.getpid())
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def told_address(home: Path, address: str) -> Iterator[None]:
    """Tell the commands of this home, in ECG_HOME/address, where the web process listens, until the end."""
    write_atomic(home / ADDRESS, f"{address}\n")
    try:
        yield
    finally:
        (home / ADDRESS).unlink(missing_ok=True)


def address_of(home: Path) -> str:
    """URL of the running web process of this home; "" when nothing of the home runs, whatever a killed one left behind.

    The lock is not touched: an `ecgal up` that starts at this moment has to get it.
    """
    address = (read_text(home / ADDRESS) or "").strip()
    return address if address and family(home) else ""


def name_owner(descriptor: int, pid: int) -> None:
    """Write the process to end when the home is wanted."""
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{pid}\n".encode(), 0)


def end_leftovers(home: Path) -> int:
    """End all processes of the home, Valkey last so that workers can still report; returns their number."""
    members = family(home)
    servers = [process for process in members if _is_valkey(process)]
    _end(process for process in members if process not in servers)
    _end(servers)
    return len(members)


def end_jobs(home: Path) -> int:
    """End running jobs; their workers see it and put the jobs back into the queue. Returns their number."""
    jobs = [process for process in family(home) if JOB_MARKER in _environment(process)]
    for process in jobs:
        _signal(process, kill=False)
    return len(jobs)


def end_orphans(home: Path, supervisor: int) -> int:
    """End what a killed child of the supervisor left behind (jobs, gunicorn's workers); returns their number."""
    members = [process for process in family(home) if process.pid != supervisor]
    parents = {process.pid: _parent(process) for process in members}
    orphans = [process for process in members if _oldest(process.pid, parents) != supervisor]
    _end(orphans)
    return len(orphans)


def _oldest(pid: int | None, parents: dict[int, int | None]) -> int | None:
    """The first ancestor outside the family; None when one of them ended while we looked."""
    while pid in parents:
        pid = parents[pid]
    return pid


def family(home: Path) -> list[psutil.Process]:
    """All processes of the home but this one, the supervisor among them."""
    own = os.getpid()
    marked = (process for process in psutil.process_iter() if process.pid != own)
    return [process for process in marked if _environment(process).get(MARKER) == str(home)]


def _environment(process: psutil.Process) -> dict[str, str]:
    """Empty for processes of other people, kernel threads and processes that are gone."""
    try:
        return process.environ()
    except (psutil.Error, OSError):
        return {}


def _parent(process: psutil.Process) -> int | None:
    try:
        return process.ppid()
    except psutil.Error:
        return None


def _is_valkey(process: psutil.Process) -> bool:
    try:
        return process.name().startswith("valkey")
    except psutil.Error:
        return False


def _end(processes: Iterable[psutil.Process]) -> None:
    processes = list(processes)
    for process in processes:
        _signal(process, kill=False)
    _, alive = psutil.wait_procs(processes, timeout=PATIENCE_SECONDS)
    for process in alive:
        _signal(process, kill=True)
    psutil.wait_procs(alive, timeout=PATIENCE_SECONDS)


def _signal(process: psutil.Process, *, kill: bool) -> None:
    try:
        process.kill() if kill else process.terminate()
    except psutil.NoSuchProcess:
        return
