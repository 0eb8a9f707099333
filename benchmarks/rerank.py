"""A whole promotion at several sizes of the pool: rank job, real Label Studio, real Valkey, seconds by phase.

    python -m benchmarks.rerank [--tasks 1000,10000] [--model FOLDER] [--rounds 1] [--stock] [--json]

The reports are those of `benchmarks.throughput`, each another text: equal windows are computed once, and a larger pool
of copies would have more of them. Each pool is first ranked by the rules; measured is the job that lets the next
version serve, in a process of its own: the pool is read, predicted, written to the index and imported, the version
switched, the old predictions deleted. Label Studio 1.23.2 is started in the environment LS_VENV
(`examples/label_studio.sh`). FOLDER is one that `ecgal train` wrote, or a version's folder under ECG_HOME; without it
rules predict, so that the growth of everything else is seen. `--stock` leaves off the Label Studio setting that
docs/ranking.md recommends. `--rounds` repeats, sizes interleaved; the figures are medians. The default takes four
minutes on two cores, 50,000 tasks another fifteen.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from pydantic import SecretStr

from backend.model_card import DatasetSummary, Decision, Evaluation, ModelCard, TrainingSummary
from backend.records import Connection
from backend.registry import CARD, MEMORY, RULES_VERSION, Registry
from backend.rules import EMPTY_MEMORY
from benchmarks.learning_corpora import load
from benchmarks.queue import REPORTS, valkey
from benchmarks.throughput import texts_of
from tests.label_studio import ROOT, LabelStudio, running

CONFIG = (REPORTS / "label_config.xml").read_text("utf-8")
FLAG = "fflag_fix_back_4620_memory_efficient_predictions_import_08012025_short"
"""Without it Label Studio 1.23.2 counts all tasks of the project with each import."""
AT_ONCE = 10_000
"""Tasks of one import."""
JOB = "import sys; from trainer.jobs import rank; sys.stdout.write(rank(sys.argv[1], 1))"


@dataclass(frozen=True)
class Bench:
    """One Label Studio, one ECG_HOME, one Valkey."""

    studio: LabelStudio
    registry: Registry
    redis_url: str
    model: Path | None

    def project(self, texts: list[str], tasks: int) -> str:
        """A project with so many different reports, ranked by the rules."""
        with httpx.Client(base_url=self.studio.url, headers=self.headers, timeout=600) as http:
            body = {"title": f"{tasks} reports", "label_config": CONFIG}
            number = str(http.post("/api/projects/", json=body).raise_for_status().json()["id"])
            for start in range(0, tasks, AT_ONCE):
                part = range(start, min(start + AT_ONCE, tasks))
                data = [{"data": {"text": texts[i]}} for i in part]
                http.post(f"/api/projects/{number}/import", json=data).raise_for_status()
        self.registry.remember_label_config(number, CONFIG)
        self.registry.save_connection(number, Connection(url=self.studio.url, token=SecretStr(self.studio.token)))
        self.rank(number)
        return number

    @property
    def headers(self) -> dict[str, str]:
        """What Label Studio wants to see."""
        return {"Authorization": f"Token {self.studio.token}"}

    def version(self, project: str, number: int) -> str:
        """Publish a version and aim at it."""
        folder = self.registry.new_folder(project)
        if self.model:
            shutil.copytree(self.model, folder, dirs_exist_ok=True)
            card = ModelCard.model_validate_json((folder / CARD).read_text("utf-8"))
        else:
            (folder / MEMORY).write_text(EMPTY_MEMORY.to_json(), "utf-8")
            card = rules_card()
        fields = {"version": f"ecg-r{number:04d}-00000000", "project": project, "round": number}
        card = card.model_copy(update=fields)
        self.registry.publish(card, folder)
        self.registry.aim(project, card.version)
        return card.version

    def rank(self, project: str) -> dict[str, Any]:
        """Run the rank job in a process of its own: seconds, seconds by phase, peak memory."""
        # One job does it all: shards would measure how many workers there are.
        own = {"ECG_HOME": str(self.registry.home), "REDIS_URL": self.redis_url, "ECG_SHARD": str(10**9)}
        environment = {**os.environ, **own, "ECG_LOG_LEVEL": "WARNING"}
        command = [sys.executable, "-c", JOB, project]
        started = time.perf_counter()
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        record = self.registry.ranking(project)
        if status or record is None or not record.finished or record.version != self.registry.target(project):
            raise SystemExit(f"the ranking of project {project} failed")
        return {"seconds": seconds, "phases": record.phases, "peak_mb": usage.ru_maxrss / 1024}


def rules_card() -> ModelCard:
    """A version without a network."""
    return ModelCard(
        version="",
        project="",
        round=0,
        created="2026-01-01T00:00:00Z",
        mode="rules",
        labels=["HR", "VALUE", "TIME", "EVENT", "DIAG"],
        base_model="",
        seed=0,
        dataset=DatasetSummary(hash="", reports=0, spans=0, tasks=[], annotations=[], holdout_tasks=[]),
        training=TrainingSummary(),
        evaluation=Evaluation(method="holdout", modes={}),
        decision=Decision(promote=True, reason="", serving=RULES_VERSION),
    )


def measure(bench: Bench, texts: list[str], sizes: list[int], rounds: int) -> list[dict[str, Any]]:
    """All sizes, round by round."""
    projects = {tasks: bench.project(texts, tasks) for tasks in sizes}
    runs: dict[int, list[dict[str, Any]]] = {tasks: [] for tasks in sizes}
    for number in range(1, rounds + 1):
        for tasks, project in projects.items():
            bench.version(project, number)
            runs[tasks].append(bench.rank(project))
            sys.stderr.write(f"{tasks} tasks: {runs[tasks][-1]}\n")
    found = [summary(tasks, of_size) for tasks, of_size in runs.items()]
    smallest = found[0]["ms_per_report"]
    return [
        {**size, "ratio": round(size["ms_per_report"] / smallest, 3), "ms_per_added_report": added(smaller, size)}
        for smaller, size in zip([found[0], *found[:-1]], found, strict=True)
    ]


def added(smaller: dict[str, Any], larger: dict[str, Any]) -> float | None:
    """Milliseconds of each report more, from one size of the pool to the next; what any pool costs is not in it."""
    more = larger["tasks"] - smaller["tasks"]
    spent = larger["ms_per_report"] * larger["tasks"] - smaller["ms_per_report"] * smaller["tasks"]
    return round(spent / more, 3) if more else None


def summary(tasks: int, runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Medians: milliseconds per report in all phases and in each, seconds that no phase counts, peak memory."""

    def median(values: Iterable[float]) -> float:
        return statistics.median(list(values))

    phases = {name: median(1000 * run["phases"][name] / tasks for run in runs) for name in runs[0]["phases"]}
    totals = [sum(run["phases"].values()) for run in runs]
    return {
        "tasks": tasks,
        "ms_per_report": round(1000 * median(totals) / tasks, 3),
        "phases_ms": {name: round(value, 3) for name, value in phases.items()},
        "fixed_s": round(median(run["seconds"] - total for run, total in zip(runs, totals, strict=True)), 1),
        "seconds": round(median(run["seconds"] for run in runs), 1),
        "peak_mb": round(max(run["peak_mb"] for run in runs)),
    }


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", default="1000,10000")
    parser.add_argument("--model", type=Path)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--stock", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    sizes = [int(size) for size in options.tasks.split(",")]
    corpus = load("ecg_reports", None)
    assert corpus is not None
    texts = texts_of(max(sizes), corpus)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ecg-")))
        url = stack.enter_context(valkey(folder))
        flag = {} if options.stock else {FLAG: "true"}
        studio = stack.enter_context(running(folder / "label-studio", **flag))
        bench = Bench(studio, Registry(folder / "home"), url, options.model)
        found = measure(bench, texts, sizes, options.rounds)
    how = {"predictor": "model" if options.model else "rules", "stock": options.stock, "rounds": options.rounds}
    result = {**how, "load": round(os.getloadavg()[0], 1), "cores": os.cpu_count(), "sizes": found}
    sys.stdout.write(json.dumps(result) + "\n" if options.json else table(found))


def table(sizes: list[dict[str, Any]]) -> str:
    """The figures for people; milliseconds per report."""
    names = list(sizes[0]["phases_ms"])
    lines = [" | ".join(["tasks", *names, "all", "ratio", "fixed (s)", "peak (MB)"])]
    for size in sizes:
        phases = [str(size["phases_ms"].get(name, 0.0)) for name in names]
        rest = (size["ms_per_report"], size["ratio"], size["fixed_s"], size["peak_mb"])
        lines.append(" | ".join([f"{size['tasks']:,}", *phases, *map(str, rest)]))
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    main()
