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
from collections.abc import Callable
from typing import Any

import httpx
import numpy as np

PAUSE = 0.02
"""Seconds between two requests: the client shares the cores."""
TEXT = "窦性心律，平均心率72次/分，最快心率118次/分，偶发室性早搏12次，ST-T改变。" * 3


def measure(ask: Callable[[], httpx.Response], count: int) -> dict[str, float]:
    """Milliseconds of `count` requests, one after the other: median, 99th percentile, maximum."""
    taken = []
    for _ in range(count):
        start = time.perf_counter()
        ask().raise_for_status()
        taken.append(1000 * (time.perf_counter() - start))
        time.sleep(PAUSE)
    return {
        "requests": count,
        "p50_ms": round(float(np.percentile(taken, 50)), 1),
        "p99_ms": round(float(np.percentile(taken, 99)), 1),
        "max_ms": round(max(taken), 1),
    }


def stage(client: httpx.Client, project: str) -> str:
    """What the running round does, "" when none runs."""
    jobs = client.get(f"/api/projects/{project}/status").raise_for_status().json()["jobs"]
    return next((job["progress"].get("stage", "") for job in jobs if job["kind"] == "retrain" and job["progress"]), "")


def main() -> int:
    """Measure; the last line is one JSON object with --json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default="http://127.0.0.1:9090")
    parser.add_argument("--project", default="1")
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    user, _, password = os.environ.get("ECG_BASIC_AUTH", "").partition(":")
    auth = httpx.BasicAuth(user, password) if user else None
    hook_headers = {"X-Webhook-Secret": os.environ.get("ECG_WEBHOOK_SECRET", "")}
    hook = {"action": "ANNOTATION_UPDATED", "project": {"id": int(arguments.project)}, "annotation": {"id": 1}}
    predict = {"project": f"{arguments.project}.1", "tasks": [{"id": 1, "data": {"text": TEXT}}]}
    key = {"Authorization": f"Bearer {os.environ.get('ECG_API_KEY', '')}"}
    with httpx.Client(base_url=arguments.url, headers=key, trust_env=False) as operator:
        before = stage(operator, arguments.project)
        post: Any = {"timeout": 30, "auth": auth}
        results: dict[str, Any] = {
            "health": measure(lambda: httpx.get(f"{arguments.url}/health", auth=auth), arguments.count),
            "webhook": measure(
                lambda: httpx.post(f"{arguments.url}/webhook", json=hook, headers=hook_headers), arguments.count
            ),
            "predict": measure(lambda: httpx.post(f"{arguments.url}/predict", json=predict, **post), arguments.count),
        }
        results["round"] = {"at_start": before, "at_end": stage(operator, arguments.project)}
    if arguments.json:
        sys.stdout.write(json.dumps(results) + "\n")
        return 0
    for name in ("health", "webhook", "predict"):
        sys.stdout.write(f"{name:<8} " + "  ".join(f"{k} {v}" for k, v in results[name].items()) + "\n")
    sys.stdout.write(f"round    at start: {before or 'none'}, at end: {results['round']['at_end'] or 'none'}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
