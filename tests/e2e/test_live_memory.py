"""A term that an annotator just labelled, in the next report that Label Studio shows: before any training ends."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.site import QUICK
from tests.e2e.stack import REPORTS, LabelProject, Stack, reports, wait_for
from tests.label_studio import LabelStudio

pytestmark = pytest.mark.e2e

CONFIG = (REPORTS / "label_config.xml").read_text("utf-8")
TERM = "龘靐样传导"
FIRST = f"窦性心律，心率72次/分，可见{TERM}。"
SECOND = f"窦性心律，平均心率81次/分，全程见{TERM}，未见ST段改变。"


def region(text: str, said: str, label: str) -> dict[str, Any]:
    start = text.index(said)
    value = {"start": start, "end": start + len(said), "text": said, "labels": [label]}
    return {"id": f"r{start}", "from_name": "label", "to_name": "text", "type": "labels", "value": value}


def carries(task: dict[str, Any]) -> list[str]:
    """The labels under which the stored prediction of an opened task holds the term."""
    regions = [found for prediction in task["predictions"] for found in prediction["result"]]
    return [label for found in regions if found["value"]["text"] == TERM for label in found["value"]["labels"]]


def open_next(project: LabelProject, expected: list[str]) -> dict[str, Any]:
    """The next task of the labelling stream, once it carries the term as expected."""

    def look() -> dict[str, Any] | None:
        task = project.next_task()
        return task if carries(task) == expected else None

    return dict(wait_for(look, f"a next report with {expected}"))


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory, label_studio: LabelStudio, base_model: Path) -> Iterator[Stack]:
    """`ecgal up` whose trainings are short, and begin a while after the annotation."""
    running = Stack(
        tmp_path_factory.mktemp("live") / "home", label_studio, base_model, **QUICK | {"ECG_RETRAIN_QUIET": "4"}
    )
    running.start()
    yield running
    running.stop()


@pytest.fixture(scope="module", params=[0, 10], ids=["rules", "network"])
def project(quick: Stack, request: pytest.FixtureRequest) -> LabelProject:
    """Two reports to annotate; with ten annotated ones beside them a version with a network serves."""
    seed = reports("seed10.json")[: request.param]
    tasks = [*seed, {"data": {"text": FIRST}}, {"data": {"text": SECOND}}]
    made = LabelProject.create(quick, f"新词 {request.param}", CONFIG, tasks)
    if not seed:
        made.wait_settled()
        return made
    version = made.wait_round(0)["rounds"][0]["version"]
    if made.status()["serving"] != version:
        made.serve(version)
    return made


def test_a_new_term_is_in_the_next_opened_report_before_any_training_ends(
    project: LabelProject, record_testsuite_property: Callable[[str, object], None]
) -> None:
    before = project.status()["rounds"]
    tasks = {task["text"]: number for number, task in project.data().items()}
    assert carries(project.http.get(f"/api/tasks/{tasks[SECOND]}").json()) == []
    made = project.annotate(tasks[FIRST], [region(FIRST, TERM, "EVENT")])
    submitted = time.monotonic()
    opened = open_next(project, ["EVENT"])
    seconds = round(time.monotonic() - submitted, 2)
    record_testsuite_property(f"seconds from submit to proposal ({project.status()['serving']})", seconds)
    status = project.status()
    assert status["rounds"] == before, "no training has ended"
    assert status["pending"] or [job for job in status["jobs"] if job["kind"] == "retrain"]
    assert opened["id"] == tasks[SECOND]
    shown = project.http.get(f"/api/tasks/{tasks[FIRST]}").json()["predictions"]
    assert [p["model_version"] for p in opened["predictions"]] == [status["serving"]]

    # Corrected: the label changes with it. Taken back: the term goes.
    path = f"/api/annotations/{made['id']}/"
    project.http.patch(path, json={"result": [region(FIRST, TERM, "DIAG")]}).raise_for_status()
    open_next(project, ["DIAG"])
    project.http.patch(path, json={"was_cancelled": True}).raise_for_status()
    open_next(project, [])
    project.http.patch(path, json={"was_cancelled": False}).raise_for_status()
    open_next(project, ["DIAG"])
    task = project.http.get(f"/api/tasks/{tasks[FIRST]}").json()
    assert carries(task) == [], "what the annotator was shown stays"
    assert [p["result"] for p in task["predictions"]] == [p["result"] for p in shown]
    project.wait_settled()
    assert carries(project.next_task()) == ["DIAG"], "the term stays when the next version serves"


def test_a_report_opened_out_of_turn_carries_the_term_too(quick: Stack) -> None:
    terms = [f"龘{letter}样传导" for letter in "甲乙丙丁戊己庚辛壬癸子丑寅卯辰"]
    source = "可见" + "、".join(terms)
    texts = [source, *(f"窦性心律，心率{60 + place}次/分，见{term}。" for place, term in enumerate(terms))]
    project = LabelProject.create(quick, "任意打开", CONFIG, [{"data": {"text": text}} for text in texts])
    project.wait_settled()
    tasks = {task["text"]: number for number, task in project.data().items()}
    last = project.queue(100)[-1] if project.queue(100)[-1] != tasks[source] else project.queue(100)[-2]
    term = next(term for term in terms if term in project.data()[last]["text"])
    assert last not in project.queue(10)
    before = project.status()["rounds"]
    project.annotate(tasks[source], [region(source, term, "EVENT")])

    def look() -> list[str]:
        found = project.http.get(f"/api/tasks/{last}").json()["predictions"][0]["result"]
        return [region["value"]["text"] for region in found if region["value"]["text"] == term]

    wait_for(look, "the term in the last report of the queue")
    assert project.status()["rounds"] == before


def test_with_every_report_imported_twice_one_copy_is_asked_for_and_the_other_follows_its_annotation(
    quick: Stack,
) -> None:
    texts = [f"窦性心律，心率{60 + place}次/分，全程见{TERM}。" for place in range(12)]
    copies = [f" {text.replace('，', '， ')}\n" for text in texts]
    project = LabelProject.create(quick, "重复导入", CONFIG, [{"data": {"text": text}} for text in [*texts, *copies]])
    project.wait_settled()
    tasks = {task["text"]: number for number, task in project.data().items()}
    queue = project.queue(100)
    bare = {number: text.replace(" ", "").strip() for text, number in tasks.items()}
    assert len({bare[number] for number in queue[:12]}) == 12, "each text is asked for once"
    assert len(queue) == 24
    first = project.next_task()["id"]
    assert first == queue[0]
    text = next(text for text, number in tasks.items() if number == first)
    (copy,) = (number for number in tasks.values() if number != first and bare[number] == bare[first])

    def said() -> list[str]:
        predictions = project.http.get(f"/api/tasks/{copy}").json()["predictions"]
        return [region["value"]["text"] for found in predictions for region in found["result"]]

    before = said()
    assert before != [TERM]
    made = project.annotate(first, [region(text, TERM, "EVENT")])
    wait_for(lambda: said() == [TERM], "the copy with what was annotated, and nothing else")
    project.http.patch(f"/api/annotations/{made['id']}/", json={"was_cancelled": True}).raise_for_status()
    wait_for(lambda: said() == before, "the copy as it was before")
    project.wait_settled()
    assert said() == before
