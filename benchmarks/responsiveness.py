"""How fast /health, /webhook and /predict answer while a round trains on the same machine.

    ecgal retrain --project 1; python -m benchmarks.responsiveness --url http://127.0.0.1:9090 --project 1 [--json]

Run it against a running `ecgal up` (the demo, say). Each request opens a new connection, as Label Studio does.
The webhooks are real hints for an annotation that is already known: the round they lead to finds nothing new.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from base64 import b64encode
from collections.abc import Callable
from functools import partial
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

import httpx
import numpy as np

PAUSE = 0.02
"""Seconds between two requests: the client shares the cores."""
TEXT = "窦性心律，平均心率72次/分，最快心率118次/分，偶发室性早搏12次，ST-T改变。" * 3


def ask(address: tuple[str, int], method: str, path: str, headers: dict[str, str], body: bytes) -> None:
    """One request on a new connection; raises when the answer is an error."""
    # Not httpx: making its client costs more than the answer.
    connection = HTTPConnection(*address, timeout=30)
    try:
        connection.request(method, path, body or None, {"Content-Type": "application/json", **headers})
        answer = connection.getresponse()
        answer.read()
        if answer.status >= 400:
            raise SystemExit(f"{method} {path} answered {answer.status}; set ECG_BASIC_AUTH, ECG_WEBHOOK_SECRET")
    finally:
        connection.close()


def measure(call: Callable[[], None], count: int) -> dict[str, float]:
    """Milliseconds of `count` requests, one after the other: median, 99th percentile, maximum."""
    taken = []
    for _ in range(count):
        start = time.perf_counter()
        call()
        taken.append(1000 * (time.perf_counter() - start))
        time.sleep(PAUSE)
    return {
        "requests": count,
        "p50_ms": round(float(np.percentile(taken, 50)), 1),
        "p99_ms": round(float(np.percentile(taken, 99)), 1),
        "max_ms": round(max(taken), 1),
    }


def stage(url: str, project: str) -> str:
    """What the running round does, "" when none runs."""
    key = os.environ.get("ECG_API_KEY")
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    answer = httpx.get(f"{url}/api/projects/{project}/status", headers=headers, trust_env=False, timeout=30)
    jobs = answer.raise_for_status().json()["jobs"]
    return next((job["progress"].get("stage", "") for job in jobs if job["kind"] == "retrain" and job["progress"]), "")


def main() -> int:
    """Measure; the last line is one JSON object with --json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default="http://127.0.0.1:9090")
    parser.add_argument("--project", default="1")
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    parts = urlsplit(arguments.url)
    address = (parts.hostname or "127.0.0.1", parts.port or 80)
    credentials = b64encode(os.environ.get("ECG_BASIC_AUTH", "").encode()).decode()
    basic = {"Authorization": f"Basic {credentials}"} if credentials else {}
    secret = {"X-Webhook-Secret": os.environ.get("ECG_WEBHOOK_SECRET", "")}
    hook = {"action": "ANNOTATION_UPDATED", "project": {"id": int(arguments.project)}, "annotation": {"id": 1}}
    predict = {"project": f"{arguments.project}.1", "tasks": [{"id": 1, "data": {"text": TEXT}}]}
    calls = {
        "health": ("GET", "/health", basic, b""),
        "webhook": ("POST", "/webhook", secret, json.dumps(hook).encode()),
        "predict": ("POST", "/predict", basic, json.dumps(predict).encode()),
    }
    results: dict[str, Any] = {}
    for name, call in calls.items():
        before = stage(arguments.url, arguments.project)
        results[name] = measure(partial(ask, address, *call), arguments.count)
        results[name]["round"] = f"{before or 'none'} - {stage(arguments.url, arguments.project) or 'none'}"
    if arguments.json:
        sys.stdout.write(json.dumps(results) + "\n")
        return 0
    for name, found in results.items():
        sys.stdout.write(f"{name:<8} " + "  ".join(f"{k} {v}" for k, v in found.items()) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
