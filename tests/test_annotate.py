"""`make demo-annotate`: the simulated annotator of the demo."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from backend.model_card import DatasetSummary, Decision
from backend.registry import MEMORY, RULES_VERSION, Registry
from examples.annotate import Annotator, gold_of, load
from examples.demo_state import Demo, DemoError, api
from tests.cards import card
from tests.label_studio import ROOT
from tests.servers import Request, Response, answering


def annotate(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    # Port 1 is reserved, nothing answers there.
    environment = {**os.environ, "DEMO_HOME": str(home), "LS_PORT": "1", "ECG_PORT": "1"}
    command = [sys.executable, "-m", "examples.annotate", *(arguments or ("--n", "1"))]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def test_a_folder_without_a_demo_is_told_in_a_sentence(tmp_path: Path) -> None:
    done = annotate(tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("annotate: no demo here")


def test_a_demo_that_has_stopped_is_told_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "project").write_text("1")
    done = annotate(tmp_path)
    assert done.returncode == 1
    assert "no answer from http://127.0.0.1:1" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("arguments", [("--n", "0"), ("--batch", "0"), ("--n", "many")])
def test_a_batch_or_number_that_would_never_end_is_refused(arguments: tuple[str, str], tmp_path: Path) -> None:
    done = annotate(tmp_path, *arguments)
    assert done.returncode == 2
    assert f"argument {arguments[0]}: invalid" in done.stderr


class Loop:
    """The demo's Label Studio and backend behind one port: a round for each look that finds something new.

    What serves finds nothing at first and all spans once a round was promoted; prefilled reports lack their last span.
    """

    def __init__(self, home: Path, promotes: tuple[bool, ...], reports: int) -> None:
        self.registry = Registry(home / "ecg")
        self.home = home
        self.promotes = promotes
        self.stream = load("gold.json")[:reports]
        self.tests = {task["data"]["report_id"]: task for task in load("test.json")}
        self.annotations: list[int] = []
        self.submitted: list[dict[str, Any]] = []
        self.looks = 0
        (home / "project").write_text("1")
        (home / "ecg" / "projects" / "1").mkdir(parents=True)

    def demo(self, url: str) -> Demo:
        port = int(url.rpartition(":")[2])
        return Demo(self.home, port, port, 0)

    def reply(self, request: Request) -> Response:
        routes = {
            "/next": self.next_task,
            "/annotations/": self.submit,
            "/status": self.status,
            "/predict": self.predict,
        }
        made = next(route for end, route in routes.items() if request.path.endswith(end))(request)
        return Response(200, json.dumps(made).encode()) if made is not None else Response(404, b"{}")

    def next_task(self, request: Request) -> dict[str, Any] | None:
        if not self.stream:
            return None
        task = self.stream[0]
        prefilled = {"id": 7, "result": task["annotations"][0]["result"][:-1]}
        return {"id": task["id"], "data": task["data"], "predictions": [prefilled]}

    def submit(self, request: Request) -> dict[str, Any]:
        self.submitted.append({"task": int(request.path.split("/")[3]), **json.loads(request.body)})
        self.stream.pop(0)
        self.annotations.append(900 + len(self.annotations))
        return {"id": self.annotations[-1]}

    def status(self, request: Request) -> dict[str, Any]:
        """The version of a round serves one look after it was published."""
        cards = self.registry.versions("1")
        learned = cards[0].dataset.annotations if cards else []
        serving = next((made.version for made in cards if made.decision.promote), RULES_VERSION)
        if len(self.annotations) > len(learned):
            self.round(len(cards))
        rounds = [{"version": made.version} for made in cards] or [{}]
        state = {"serving": serving, "target": serving, "ranking": {"version": serving}, "labelled": 10 + len(learned)}
        return {**state, "rounds": rounds, "jobs": [], "changes": 0, "failures": {}}

    def round(self, before: int) -> None:
        (folder := self.registry.new_folder("1")).joinpath(MEMORY).write_text("{}")
        said = {"hash": "", "spans": 0, "tasks": [], "holdout_tasks": [], "reports": 10 + len(self.annotations)}
        dataset = DatasetSummary(annotations=list(self.annotations), **said)
        decision = Decision(promote=self.promotes[before], reason="", serving="")
        made = {"version": f"ecg-r{before + 1:04d}-0badcafe", "round": before + 1, "mode": "merged"}
        self.registry.publish(card(**made, dataset=dataset, decision=decision), folder)

    def predict(self, request: Request) -> dict[str, Any]:
        found = any(made.decision.promote for made in self.registry.versions("1"))
        tasks = [self.tests[task["data"]["report_id"]] for task in json.loads(request.body)["tasks"]]
        return {"results": [{"result": task["annotations"][0]["result"] if found else []} for task in tasks]}


def play(loop: Loop, reports: int, batch: int) -> None:
    with answering(loop.reply) as url:
        demo = loop.demo(url)
        with api(demo) as client:
            Annotator(demo, client).play(reports, batch)


def rows(printed: str) -> list[str]:
    """The table without its head, columns parted by one blank."""
    return [re.sub(" +", " ", line).strip() for line in printed.partition("serving\n")[2].splitlines()]


def test_a_row_tells_reports_seconds_f1_and_edits_of_each_round(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    loop = Loop(tmp_path, (True, False), reports=5)
    play(loop, 4, 2)
    first, served, kept = rows(capsys.readouterr().out)
    assert first == "10 - 0.000 - rules-1 (rules)"
    assert re.fullmatch(r"12 \d+\.\d 1\.000 1\.0 ecg-r0001-0badcafe \(merged\)", served)
    assert kept == "14 kept 1.000 1.0 ecg-r0001-0badcafe (merged)"
    assert [sent["task"] for sent in loop.submitted] == [task["id"] for task in load("gold.json")[:4]]
    assert {sent["parent_prediction"] for sent in loop.submitted} == {7}


def test_what_was_annotated_before_the_pool_ended_gets_its_row(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    play(Loop(tmp_path, (True, True), reports=3), 10, 2)
    *_, last, end = rows(capsys.readouterr().out)
    assert last.startswith("13 ")
    assert end == "everything is annotated"


def test_a_task_that_somebody_else_imported_is_told_and_not_annotated(tmp_path: Path) -> None:
    loop = Loop(tmp_path, (), reports=1)
    loop.stream[0] = {**loop.stream[0], "data": {"text": "窦性心律"}}
    with pytest.raises(DemoError, match="no report of examples/second_hospital"):
        play(loop, 1, 1)
    assert not loop.submitted


def test_f1_on_the_test_reports_has_an_interval(tmp_path: Path) -> None:
    loop = Loop(tmp_path, (), reports=0)
    half = load("test.json")[::2]
    loop.predict = lambda request: {  # type: ignore[method-assign]
        "results": [{"result": t["annotations"][0]["result"] if t in half else []} for t in load("test.json")]
    }
    with answering(loop.reply) as url, api(demo := loop.demo(url)) as client:
        told = Annotator(demo, client).test_f1()
    f1, low, high = map(float, re.findall(r"\d\.\d{3}", told))
    spans = [len(gold_of(task)) for task in load("test.json")]
    found = sum(spans[::2])
    assert f1 == pytest.approx(2 * found / (found + sum(spans)), abs=5e-4)
    assert 0 < low < f1 < high < 1
