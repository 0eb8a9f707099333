"""`make demo-annotate N=40`: plays the annotator of the demo from the gold file.

Tasks come from Label Studio's own labelling stream, annotations go through its API, rounds follow by
themselves. After each batch it waits for what the loop makes of it and prints a row of a table.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import httpx

from backend.errors import BackendError
from backend.labelstudio.config import parse_label_config
from backend.labelstudio.wire import annotation_spans
from backend.ner.metrics import edits, match_counts, scores_of
from backend.ner.spans import Span
from backend.registry import RULES_VERSION, Registry
from examples.demo_state import (
    REPORTS,
    Demo,
    DemoError,
    Follower,
    api,
    give_up_after_failures,
    say,
    status,
    wait_until_settled,
)
from trainer.bootstrap import f1_interval

CONFIG = parse_label_config((REPORTS / "label_config.xml").read_text("utf-8"))
LOOK = 0.2
"""Seconds between looks for the version that learned a batch: the error of the seconds that are printed."""
SILENCE = 15.0
"""Seconds of waiting after which the stages of the round are told."""
NEWEST = 10
"""Model cards in which a batch is sought."""


@dataclass(frozen=True)
class Submitted:
    """An annotation: its id, when it was submitted (monotonic seconds), and what the prefilled report lacked."""

    annotation: int
    at: float
    edits: int


def load(name: str) -> list[dict[str, Any]]:
    """Annotated tasks of the corpus."""
    return list(json.loads((REPORTS / name).read_text("utf-8")))


def spans_of(result: list[dict[str, Any]], text: str) -> list[Span]:
    """Regions as spans."""
    return annotation_spans({"result": result}, text, CONFIG)[0]


def gold_of(task: dict[str, Any]) -> list[Span]:
    """The annotated spans of a task of the corpus."""
    return spans_of(task["annotations"][0]["result"], task["data"]["text"])


class Annotator:
    """Somebody who annotates as the gold file does, and measures what comes of it."""

    def __init__(self, demo: Demo, client: httpx.Client) -> None:
        self.demo = demo
        self.client = client
        self.project = demo.project_file.read_text("utf-8")
        self.registry = Registry(demo.ecg_home)

    @cached_property
    def gold(self) -> dict[str, dict[str, Any]]:
        """What to submit, by report."""
        return {task["data"]["report_id"]: task for task in load("gold.json")}

    @cached_property
    def tests(self) -> list[dict[str, Any]]:
        """The fixed test reports."""
        return load("test.json")

    def annotate(self) -> Submitted | None:
        """Submit the gold of the next task of the stream; None when the stream is empty. Raises DemoError."""
        answer = self.client.get(f"/api/projects/{self.project}/next")
        if answer.status_code == 404:
            return None
        task = answer.raise_for_status().json()
        gold = self.gold.get(task["data"].get("report_id", ""))
        if gold is None:
            own = f"{REPORTS.parent.name}/{REPORTS.name}"
            raise DemoError(
                f"task {task['id']} is no report of {own}, so its annotation is not known; annotate or delete it by "
                "hand, or start a new demo with another DEMO_HOME"
            )
        shown = task["predictions"][0] if task.get("predictions") else {"result": []}
        body: dict[str, Any] = {"result": gold["annotations"][0]["result"], "lead_time": 10.0}
        if shown.get("id"):
            body["parent_prediction"] = shown["id"]
        at = time.monotonic()
        made = self.client.post(f"/api/tasks/{task['id']}/annotations/", json=body).raise_for_status().json()
        lacked = edits(gold_of(gold), spans_of(shown["result"], task["data"]["text"]))
        return Submitted(made["id"], at, lacked.total)

    def batch(self, size: int) -> list[Submitted]:
        """Annotate so many reports, or as many as there are left."""
        made: list[Submitted] = []
        while len(made) < size and (submitted := self.annotate()):
            made.append(submitted)
        return made

    def wait_until_served(self, submitted: Submitted) -> float | None:
        """Seconds from the submit until a version that learned it serves; None when the gate kept the one before.

        Raises DemoError when the round fails again and again.
        """
        follower = Follower(lambda line: say(f"  {line}"))
        while True:
            state = status(self.demo, self.project)
            waited = time.monotonic() - submitted.at
            newest = self.registry.versions(self.project, NEWEST)
            learned = [card for card in newest if submitted.annotation in card.dataset.annotations]
            if any(card.version == state["serving"] for card in learned):
                return waited
            if learned and not any(card.decision.promote for card in learned):
                return None
            give_up_after_failures(state)
            if waited > SILENCE:
                follower.see(state)
            time.sleep(LOOK)

    def test_f1(self) -> str:
        """Strict micro F1 of what serves on the test reports with its 95 % interval, through /predict."""
        body = {"tasks": [{"data": task["data"]} for task in self.tests], "project": self.project}
        url = f"{self.demo.backend_url}/predict"
        results = httpx.post(url, json=body, timeout=300, trust_env=False).raise_for_status().json()["results"]
        texts = [task["data"]["text"] for task in self.tests]
        found = [spans_of(result["result"], text) for result, text in zip(results, texts, strict=True)]
        counts = match_counts([gold_of(task) for task in self.tests], found, CONFIG.labels)
        ends = f1_interval(counts.sum(axis=1))
        f1 = scores_of(counts.sum(axis=0), CONFIG.labels).micro.f1
        return f"{f1:.3f}" + (f" [{ends[0]:.3f}, {ends[1]:.3f}]" if ends else "")

    def row(self, seconds: str, made: list[Submitted]) -> str:
        """One line of the table."""
        state = status(self.demo, self.project)
        serving = state["serving"]
        mode = "rules" if serving == RULES_VERSION else self.registry.card(self.project, serving).mode
        mean = f"{sum(submitted.edits for submitted in made) / len(made):.1f}" if made else "-"
        return f"{state['labelled']:7d}  {seconds:>7}  {self.test_f1():<20}  {mean:>5}  {serving} ({mode})"

    def play(self, reports: int, batch: int) -> None:
        """Annotate that many reports, a batch at a time, and print a row after each round."""
        wait_until_settled(self.demo, self.project, lambda: None)
        say(f"seconds  from the last submit of {batch} until the version that learned them serves;")
        say("         kept: the gate kept the one before")
        say(f"F1       of what serves on the {len(self.tests)} reports of test.json, with its 95 % interval")
        say("edits    spans to add, remove, move or relabel in a prefilled report, mean of the batch")
        say("")
        say("reports  seconds  F1                    edits  serving")
        say(self.row("-", []))
        done = 0
        while done < reports:
            wanted = min(batch, reports - done)
            if made := self.batch(wanted):
                seconds = self.wait_until_served(made[-1])
                say(self.row("kept" if seconds is None else f"{seconds:.1f}", made))
            done += len(made)
            if len(made) < wanted:
                say("everything is annotated")
                return


def positive(text: str) -> int:
    """A whole number of at least 1; raises ValueError."""
    if (number := int(text)) < 1:
        raise ValueError(text)
    return number


def main() -> int:
    """Annotate N reports in batches; one table row per batch."""
    parser = argparse.ArgumentParser(description="Annotate reports of the running demo from the gold file.")
    parser.add_argument("--n", type=positive, default=40, help="reports to annotate")
    parser.add_argument("--batch", type=positive, default=5, help="reports before waiting for the round")
    arguments = parser.parse_args()
    try:
        demo = Demo.from_env()
    except DemoError as error:
        parser.error(str(error))
    if not demo.project_file.exists():
        sys.stderr.write("annotate: no demo here; start `make demo` first (same DEMO_HOME)\n")
        return 1
    try:
        with api(demo) as client:
            Annotator(demo, client).play(arguments.n, arguments.batch)
    except httpx.TransportError as error:
        hint = "start `make demo`; LS_PORT, ECG_PORT and DEMO_HOME must be those it was started with"
        where = f"{demo.label_studio_url} or {demo.backend_url}"
        sys.stderr.write(f"annotate: no answer from {where} ({type(error).__name__}); {hint}\n")
        return 1
    except (DemoError, BackendError, httpx.HTTPStatusError) as error:
        sys.stderr.write(f"annotate: {str(error).splitlines()[0]}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
