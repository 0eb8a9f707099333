"""Reports per second through POST /api/parse, beside the engine's own, rules and a trained model.

    python -m benchmarks.parse_throughput [--model DIR] [--reports 1000] [--rounds 3] [--json]

Reports go, all at once, to the predictor in this process (`engine`: spans only), to predictor and parser in this
process (`parser`), and as one batch to the web process over a socket of this machine (`http`). The three take turns,
each with reports that none has seen, and the best round of each counts, so that other work on the machine hits all.
`of_engine` and `of_parser` are what HTTP reaches of the other two. DIR is a model folder: what `ecgal train`
writes, or a version.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from backend.parsing import parse_texts
from backend.parsing.layout import STRUCTURED
from backend.predictor import Predictor, RulesPredictor
from backend.registry import RULES_VERSION, Registry
from backend.settings import Settings
from trainer.offline import open_saved

ROOT = Path(__file__).resolve().parents[1]
REPORTS = ROOT / "examples" / "ecg_reports"
PROJECT = "1"


def main() -> int:
    """Measure; the last line is one JSON object with --json."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, help="model folder to measure beside the rules")
    parser.add_argument("--reports", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    count, rounds = arguments.reports, arguments.rounds
    results = {"rules": measure(RulesPredictor(RULES_VERSION, tuple(sorted(STRUCTURED))), count, rounds)}
    if arguments.model:
        predictor = open_saved(arguments.model, Settings()).predictor
        results["model"] = measure(predictor, count, rounds, arguments.model)
    if arguments.json:
        sys.stdout.write(json.dumps(results) + "\n")
        return 0
    for name, found in results.items():
        sys.stdout.write("  ".join([f"{name:<6}", *(f"{key} {value}" for key, value in found.items())]) + "\n")
    return 0


def reports(count: int) -> Iterator[list[str]]:
    """Again and again as many texts of the shipped pool, each made distinct: what was computed once is remembered."""
    pool = [task["data"]["text"] for task in json.loads((REPORTS / "unlabelled.json").read_text("utf-8"))]
    for turn in itertools.count(1):
        yield [f"{pool[i % len(pool)]}\n编号{turn}-{i}" for i in range(count)]


def measure(predictor: Predictor, count: int, rounds: int, model: Path | None = None) -> dict[str, Any]:
    """Reports per second of engine, parser and HTTP, and how they compare."""
    fresh = reports(count)
    with (
        tempfile.TemporaryDirectory() as home,
        serving(Path(home), model) as url,
        httpx.Client(base_url=url, timeout=3600, trust_env=False) as client,
    ):

        def ask(texts: list[str]) -> None:
            answer = client.post("/api/parse", json={"texts": texts}).raise_for_status().json()
            assert all("report" in found for found in answer)

        ask(next(fresh)[:8])
        predictor.find(next(fresh)[:8])
        calls = (predictor.find, partial(parse_texts, predictor), ask)
        taken = [[seconds(call, next(fresh)) for call in calls] for _ in range(rounds)]
    engine, parser, http = (count / min(times) for times in zip(*taken, strict=True))
    speeds = {"engine": round(engine, 1), "parser": round(parser, 1), "http": round(http, 1)}
    return {"reports": count, **speeds, "of_engine": round(http / engine, 3), "of_parser": round(http / parser, 3)}


def seconds(call: Callable[[Any], Any], argument: Any) -> float:
    """How long the call takes."""
    started = time.perf_counter()
    call(argument)
    return time.perf_counter() - started


@contextmanager
def serving(home: Path, model: Path | None) -> Iterator[str]:
    """The web process on a free port, the model serving a project in it; its address."""
    if model:
        install(Registry(home), model)
    with closing(socket.create_server(("127.0.0.1", 0))) as probe:
        port = probe.getsockname()[1]
    environment = {**os.environ, "ECG_HOME": str(home), "ECG_PORT": str(port), "ECG_LOG_LEVEL": "ERROR"}
    command = [sys.executable, "-m", "gunicorn", "_wsgi:app"]
    process = subprocess.Popen(command, cwd=ROOT, env=environment)
    try:
        wait(f"http://127.0.0.1:{port}/", process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def wait(url: str, process: subprocess.Popen[bytes]) -> None:
    """Until the address answers; SystemExit when the process ends."""
    while process.poll() is None:
        try:
            httpx.get(url, trust_env=False)
            return
        except httpx.TransportError:
            time.sleep(0.1)
    raise SystemExit("the web process ended")


def install(registry: Registry, model: Path) -> None:
    """Copy the model folder into the registry as the version that serves."""
    card = open_saved(model, Settings()).card
    version = "ecg-r0001-00000000"
    folder = registry.new_folder(PROJECT)
    shutil.copytree(model, folder, dirs_exist_ok=True)
    registry.publish(card.model_copy(update={"project": PROJECT, "version": version, "round": 1}), folder)
    labels = "".join(f'<Label value="{label}"/>' for label in card.labels)
    config = f'<View><Labels name="label" toName="text">{labels}</Labels><Text name="text" value="$text"/></View>'
    registry.remember_label_config(PROJECT, config)
    registry.promote(PROJECT, version)


if __name__ == "__main__":
    sys.exit(main())
