"""`make demo-annotate N=25`: plays the annotator of the demo from the gold file.

Tasks come from Label Studio's own labelling stream, annotations go through its API, rounds follow by
themselves. After each batch it prints what the loop gained.
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

import httpx

from backend.labelstudio.config import parse_label_config
from backend.labelstudio.wire import annotation_spans
from backend.ner.metrics import Edits, edits, span_scores
from backend.ner.spans import Span
from examples.demo_state import REPORTS, Demo, DemoError, api, say, status, wait_until_settled

CONFIG = parse_label_config((REPORTS / "label_config.xml").read_text("utf-8"))


def load(name: str) -> list[dict[str, Any]]:
    """Annotated tasks of the corpus."""
    return list(json.loads((REPORTS / name).read_text("utf-8")))


def spans_of(result: list[dict[str, Any]], text: str) -> list[Span]:
    """Regions as spans."""
    return annotation_spans({"result": result}, text, CONFIG)[0]


def annotate(client: httpx.Client, project: str, gold: dict[str, dict[str, Any]]) -> Edits | None:
    """Take the next task of the stream, submit its gold annotation; None when the stream is empty."""
    answer = client.get(f"/api/projects/{project}/next")
    if answer.status_code == 404:
        return None
    task = answer.raise_for_status().json()
    entry = gold[task["data"]["report_id"]]
    text, result = task["data"]["text"], entry["annotations"][0]["result"]
    shown = task["predictions"][0] if task.get("predictions") else {"result": []}
    body = {"result": result, "lead_time": 10.0}
    if shown.get("id"):
        body["parent_prediction"] = shown["id"]
    client.post(f"/api/tasks/{task['id']}/annotations/", json=body).raise_for_status()
    return edits(spans_of(result, text), spans_of(shown["result"], text))


def test_f1(demo: Demo, project: str, tests: list[dict[str, Any]]) -> float:
    """Strict micro F1 of the served predictions on the test file, through /predict."""
    body = {"tasks": [{"data": t["data"]} for t in tests], "project": project}
    answer = httpx.post(f"{demo.backend_url}/predict", json=body, timeout=300, trust_env=False).raise_for_status()
    texts = [t["data"]["text"] for t in tests]
    gold = [spans_of(t["annotations"][0]["result"], text) for t, text in zip(tests, texts, strict=True)]
    found = [spans_of(r["result"], text) for r, text in zip(answer.json()["results"], texts, strict=True)]
    return span_scores(gold, found, CONFIG.labels).micro.f1


def row(demo: Demo, project: str, tests: list[dict[str, Any]], done: int, made: list[Edits]) -> str:
    """One line of the table."""
    state = status(demo, project)
    newest = state["rounds"][0]
    held = " ".join(f"{newest['f1_by_mode'].get(mode, float('nan')):7.3f}" for mode in ("rules", "model", "merged"))
    kinds = ("added", "removed", "moved", "relabelled")
    mean = [sum(getattr(e, kind) for e in made) / max(1, len(made)) for kind in kinds]
    counts = " ".join(f"{value:7.1f}" for value in [*mean, sum(mean)])
    test = test_f1(demo, project, tests)
    return f"{done:5d}  {state['serving']} ({newest['mode']:<6}) {held}  {test:7.3f}  {counts}"


def main() -> int:
    """Annotate N reports in batches; one table row per batch."""
    parser = argparse.ArgumentParser(description="Annotate reports of the running demo from the gold file.")
    parser.add_argument("--n", type=int, default=25, help="reports to annotate")
    parser.add_argument("--batch", type=int, default=5, help="reports before waiting for the round")
    arguments = parser.parse_args()
    try:
        demo = Demo.from_env()
    except DemoError as error:
        parser.error(str(error))
    if not demo.project_file.exists():
        sys.stderr.write("annotate: no demo here; start `make demo` first (same DEMO_HOME)\n")
        return 1
    try:
        play(demo, arguments.n, arguments.batch)
    except httpx.TransportError as error:
        hint = "start `make demo`; LS_PORT, ECG_PORT and DEMO_HOME must be those it was started with"
        where = f"{demo.label_studio_url} or {demo.backend_url}"
        sys.stderr.write(f"annotate: no answer from {where} ({type(error).__name__}); {hint}\n")
        return 1
    except DemoError as error:
        sys.stderr.write(f"annotate: {error}\n")
        return 1
    return 0


def play(demo: Demo, reports: int, batch: int) -> None:
    """Annotate that many reports, a batch at a time, and print a row after each.

    Raises httpx.TransportError when the demo does not answer, DemoError when a round fails.
    """
    project = demo.project_file.read_text("utf-8")
    gold = {task["data"]["report_id"]: task for task in load("gold.json")}
    tests = load("test.json")
    say("                                    F1 of the round, unseen       test  edits per report")
    say(" done  serving                         rules network  merged     F1    added removed   moved relabel   total")
    say(row(demo, project, tests, 0, []))
    done = 0
    with api(demo) as client:
        while done < reports:
            made: list[Edits] = []
            while len(made) < min(batch, reports - done):
                edited = annotate(client, project, gold)
                if edited is None:
                    say("everything is annotated")
                    return
                made.append(edited)
            done += len(made)
            wait_until_settled(demo, project, lambda: None)
            say(row(demo, project, tests, done, made))


if __name__ == "__main__":
    sys.exit(main())
