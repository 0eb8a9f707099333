"""Completing stored predictions against a small Label Studio of the test's own, which fails when it is told to."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from pydantic import SecretStr
from redis import Redis

from backend.annotated_texts import Answer
from backend.errors import BackendError
from backend.live_memory import LiveReport
from backend.model_card import TrainingSummary
from backend.ner.spans import Span
from backend.ranking.copies import report_key
from backend.ranking_index import RankedTask
from backend.records import Connection
from backend.registry import MEMORY, RULES_VERSION
from backend.rules import EMPTY_MEMORY
from backend.settings import Settings
from tests.cards import card
from tests.servers import Request, Response, answering
from tests.test_live_memory import CONFIG, TERM
from trainer.parts import WorkerParts
from trainer.proposing import HEAD, LONGEST_TERM, Proposals, Proposer
from trainer.reconcile import Reconciler

TOKEN = "0123456789abcdef0123456789abcdef01234567"
ITEMS: dict[str, Callable[[Any, Any], bool]] = {
    "in_list": lambda found, value: found in value,
    "contains": lambda found, value: value in found,
    "equal": lambda found, value: found == value,
}


@dataclass
class Studio:
    """Tasks with one prediction each; `refuse` holds statuses for the next requests, as (method, status)."""

    url: str = ""
    tasks: dict[int, dict[str, Any]] = field(default_factory=dict)
    refuse: list[tuple[str, int]] = field(default_factory=list)
    after_reading: Callable[[], object] = lambda: None
    read: list[int] = field(default_factory=list)

    def add(self, text: str, version: str = RULES_VERSION, **counts: int) -> int:
        """A task, whose prediction has ten times its number; the first ones have the lowest scores."""
        number = len(self.tasks) + 1
        prediction = {"id": 10 * number, "model_version": version, "result": [], "score": number / 1000}
        counts = {"total_annotations": 0, "cancelled_annotations": 0, **counts}
        self.tasks[number] = {"id": number, "data": {"text": text}, "predictions": [prediction], **counts}
        return number

    def carries(self, number: int) -> list[str]:
        """The strings in the task's stored prediction."""
        return [region["value"]["text"] for region in self.tasks[number]["predictions"][0]["result"]]

    def list(self, parameters: dict[str, list[str]]) -> dict[str, Any]:
        """What the Data Manager finds, in its order."""
        query = json.loads(parameters["query"][0])
        together = all if query["filters"]["conjunction"] == "and" else any
        items = query["filters"]["items"]
        found = [task for task in self.tasks.values() if together(self.passes(task, item) for item in items)]
        page = found[: int(parameters["page_size"][0])]
        self.read.extend(task["id"] for task in page)
        answer = {"tasks": page, "total": len(found), "total_annotations": 0, "total_predictions": 0}
        return dict(json.loads(json.dumps(answer)))

    def passes(self, task: dict[str, Any], item: dict[str, Any]) -> bool:
        name = item["filter"].removeprefix("filter:tasks:")
        found = task["data"][name.removeprefix("data.")] if name.startswith("data.") else task[name]
        return ITEMS[item["operator"]](found, item["value"])

    def change(self, number: int, fields: dict[str, Any]) -> dict[str, Any] | None:
        """Change a prediction; None when it is gone."""
        for task in self.tasks.values():
            for prediction in task["predictions"]:
                if prediction["id"] == number:
                    prediction.update(fields)
                    return dict(prediction)
        return None

    def delete(self, number: int) -> bool:
        """Delete a prediction; False when it is gone."""
        for task in self.tasks.values():
            kept = [prediction for prediction in task["predictions"] if prediction["id"] != number]
            if len(kept) < len(task["predictions"]):
                task["predictions"] = kept
                return True
        return False


def number_of(request: Request) -> int:
    """Of the prediction that the path names."""
    return int(request.path.rstrip("/").rpartition("/")[2])


@pytest.fixture
def studio() -> Iterator[Studio]:
    state = Studio()

    def answer(request: Request) -> tuple[int, Any]:
        if state.refuse and state.refuse[0][0] == request.method:
            return state.refuse.pop(0)[1], {"detail": "no"}
        if request.method == "GET":
            found = state.list(parse_qs(urlsplit(request.path).query))
            state.after_reading()
            return 200, found
        if request.method == "DELETE":
            return (204, None) if state.delete(number_of(request)) else (404, {"detail": "Not found."})
        changed = state.change(number_of(request), json.loads(request.body))
        return (404, {"detail": "Not found."}) if changed is None else (200, changed)

    def reply(request: Request) -> Response:
        status, content = answer(request)
        return Response(status, json.dumps(content).encode())

    with answering(reply) as state.url:
        yield state


@pytest.fixture
def parts(tmp_path: Path, valkey_socket: Path, redis: Redis, studio: Studio) -> WorkerParts:
    opened = WorkerParts.open(Settings(home=tmp_path / "home", redis_url_setting=f"unix://{valkey_socket}"))
    connect(opened, studio, "7")
    return opened


@pytest.fixture
def proposer(parts: WorkerParts) -> Iterator[Proposer]:
    made = Proposer(parts)
    yield made
    for _, client in made._clients.values():
        client.close()


def connect(parts: WorkerParts, studio: Studio, project: str) -> None:
    parts.registry.save_connection(project, Connection(url=studio.url, token=SecretStr(TOKEN)))
    parts.registry.remember_label_config(project, CONFIG)


def rank(parts: WorkerParts, *tasks: int, project: str = "7") -> None:
    """A queue of these tasks."""
    rows = [RankedTask(task, 1 - place / 1000, 0.5, "", "") for place, task in enumerate(tasks)]
    parts.index.drop(project, RULES_VERSION)
    parts.index.add(project, RULES_VERSION, rows)


def annotate(parts: WorkerParts, *terms: str, annotation: int = 1, project: str = "7", label: str = "EVENT") -> None:
    """What the webhook leaves behind."""
    text = "，".join(terms)
    starts = [text.index(term) for term in terms]
    spans = tuple(Span(start, start + len(term), label) for start, term in zip(starts, terms, strict=True))
    parts.live.put(project, [LiveReport(annotation, 10_000 + annotation, text, spans)])
    parts.live.request_proposing(project)


def serve_all(proposer: Proposer) -> int:
    """Serve until no project asks; returns how many turns it took. Nothing may fail."""
    turns = 0
    while proposer.parts.redis.zcard("ecg:proposing"):
        assert proposer.serve(0.01)
        turns += 1
    return turns


# What is changed ----------------------------------------------------------------------------------


def test_the_next_tasks_and_others_that_hold_the_term_are_completed(
    parts: WorkerParts, proposer: Proposer, studio: Studio
) -> None:
    ranked = [studio.add(f"可见{TERM}" if place % 3 == 0 else "窦性") for place in range(3 * HEAD)]
    rank(parts, *ranked)
    annotate(parts, TERM)
    serve_all(proposer)
    assert [number for number in ranked if TERM in studio.carries(number)] == ranked[::3]


@pytest.mark.parametrize(
    "counts", [{"total_annotations": 1}, {"cancelled_annotations": 1}], ids=["annotated", "skipped"]
)
def test_what_an_annotator_was_shown_stays_and_takes_no_place(
    parts: WorkerParts, proposer: Proposer, studio: Studio, counts: dict[str, int]
) -> None:
    done = [studio.add(f"可见{TERM}", **counts) for _ in range(60)]
    head = [studio.add("窦性") for _ in range(HEAD - 1)]
    last = studio.add(f"又见{TERM}")
    rank(parts, done[0], *head)
    annotate(parts, TERM)
    serve_all(proposer)
    assert studio.carries(last) == [TERM]
    assert [number for number in done if studio.carries(number)] == []
    assert not set(studio.read) & set(done)


def test_a_rare_term_is_found_beside_a_frequent_one(parts: WorkerParts, proposer: Proposer, studio: Studio) -> None:
    ranked = [studio.add(f"可见{TERM}") for _ in range(60)]
    last = studio.add("可见龘甲样传导")
    rank(parts, *ranked, last)
    annotate(parts, TERM, "龘甲样传导")
    serve_all(proposer)
    assert studio.carries(last) == ["龘甲样传导"]
    completed = [number for number in ranked if studio.carries(number)]
    assert ranked[:HEAD] == completed[:HEAD]
    assert HEAD < len(completed) < 60, "a frequent term is completed in some tasks only"


def test_many_terms_are_sought_in_turns(parts: WorkerParts, proposer: Proposer, studio: Studio) -> None:
    terms = [f"龘{letter}样传导" for letter in "甲乙丙丁戊己庚辛壬癸子丑寅卯辰巳午未申酉戌亥"]
    head = [studio.add("窦性") for _ in range(HEAD)]
    others = [studio.add(f"可见{term}") for term in terms]
    rank(parts, *head, *others)
    annotate(parts, *terms)
    assert serve_all(proposer) > 1
    assert [studio.carries(number) for number in others] == [[term] for term in terms]


def test_a_term_is_sought_once(parts: WorkerParts, proposer: Proposer, studio: Studio) -> None:
    rank(parts, *[studio.add("窦性") for _ in range(HEAD)])
    last = studio.add(f"可见{TERM}")
    annotate(parts, TERM)
    serve_all(proposer)
    annotate(parts, TERM, annotation=2)
    serve_all(proposer)
    assert studio.read.count(last) == 1


@pytest.mark.parametrize(("label", "expected"), [("DIAG", ["DIAG"]), ("", [])], ids=["relabelled", "taken back"])
def test_a_change_of_mind_reaches_tasks_that_are_not_next(
    parts: WorkerParts, proposer: Proposer, studio: Studio, label: str, expected: list[str]
) -> None:
    rank(parts, *[studio.add("窦性") for _ in range(HEAD)])
    last = studio.add(f"可见{TERM}")
    annotate(parts, TERM)
    serve_all(proposer)
    assert studio.carries(last) == [TERM]
    parts.live.forget("7", [1])
    annotate(parts, *([TERM] if label else ["窦性"]), label=label or "EVENT")
    serve_all(proposer)
    result = studio.tasks[last]["predictions"][0]["result"]
    assert [region["value"]["labels"][0] for region in result] == expected


def test_a_string_that_fits_no_address_is_not_sought(parts: WorkerParts, proposer: Proposer, studio: Studio) -> None:
    rank(parts, *[studio.add("窦性") for _ in range(HEAD)])
    long = "龘" * (LONGEST_TERM + 1)
    last = studio.add(f"可见{TERM}")
    annotate(parts, long, TERM)
    serve_all(proposer)
    assert studio.carries(last) == [TERM]


# What fails ---------------------------------------------------------------------------------------


COPIED = "心率72次/分，窦性心律"


def answer(parts: WorkerParts, task: int, spans: Sequence[Span], annotation: int = 1) -> None:
    """What the webhook of a submitted annotation leaves behind, as the copies need it."""
    parts.annotated.put("7", [Answer.of(annotation, task, COPIED, spans)])


def claimed(parts: WorkerParts, tasks: Sequence[int], texts: Sequence[str]) -> None:
    """A ranking's claims of the texts."""
    parts.index.claim("7", RULES_VERSION, {task: report_key(text) for task, text in zip(tasks, texts, strict=True)})


@pytest.mark.parametrize("spans", [[Span(8, 12, "EVENT")], []], ids=["with regions", "with none"])
def test_copies_of_a_report_say_what_was_annotated_until_it_is_taken_back(
    parts: WorkerParts, proposer: Proposer, studio: Studio, spans: list[Span]
) -> None:
    texts = [COPIED, f" {COPIED}", COPIED.replace("72", " ７２ "), "心率73次/分，窦性心律"]
    tasks = [studio.add(text) for text in texts]
    queue = [studio.add(f"无关{i}") for i in range(HEAD)]
    rank(parts, *queue, *tasks)
    claimed(parts, tasks, texts)
    shown = [{"id": "x", "type": "labels", "value": {"start": 0, "end": 2, "text": "心率", "labels": ["EVENT"]}}]
    for number in tasks:
        studio.tasks[number]["predictions"][0]["result"] = shown
    studio.tasks[tasks[0]]["total_annotations"] = 1
    answer(parts, tasks[0], spans)
    assert proposer.project("7") == 2
    said = [COPIED[span.start : span.end] for span in spans]
    assert [studio.carries(task) for task in tasks] == [["心率"], said, said, ["心率"]]
    assert proposer.project("7") == 0, "nothing changed since"

    studio.tasks[tasks[0]]["total_annotations"] = 0
    parts.annotated.forget("7", [1])
    assert proposer.project("7") == 3
    assert [len(studio.tasks[task]["predictions"]) for task in tasks] == [0, 0, 0, 1]
    assert parts.queue.jobs("7", "rank"), "they are predicted anew"


def test_copies_of_a_deleted_report_are_predicted_anew(parts: WorkerParts, proposer: Proposer, studio: Studio) -> None:
    tasks = [studio.add(COPIED) for _ in range(2)]
    rank(parts, *tasks)
    claimed(parts, [999], [COPIED])
    claimed(parts, tasks, [COPIED] * 2)
    parts.annotated.tell_changed("7", parts.index.release("7", RULES_VERSION, [999]))
    proposer.project("7")
    assert [studio.tasks[task]["predictions"] for task in tasks] == [[], []]
    assert parts.queue.jobs("7", "rank")


def test_a_new_term_leaves_a_copy_of_an_annotated_report_as_it_is(
    parts: WorkerParts, proposer: Proposer, studio: Studio
) -> None:
    number = studio.add(f"见{TERM}，余无殊")
    rank(parts, number)
    parts.annotated.put("7", [Answer.of(2, 999, f"见{TERM}，余无殊", [])])
    annotate(parts, TERM)
    proposer.project("7")
    assert studio.carries(number) == []
    parts.annotated.forget("7", [2])
    proposer.project("7")
    assert studio.carries(number) == [TERM]


def test_copies_that_have_to_wait_have_their_turn_next(parts: WorkerParts, proposer: Proposer, studio: Studio) -> None:
    firsts = []
    rank(parts, studio.add("无关"))
    for i in range(4):
        text = f"第{'甲乙丙丁'[i]}份：窦性心律"
        tasks = [studio.add(text) for _ in range(12)]
        claimed(parts, tasks, [text] * 12)
        studio.tasks[tasks[0]]["total_annotations"] = 1
        parts.annotated.put("7", [Answer.of(i + 1, tasks[0], text, [Span(0, 3, "EVENT")])])
        firsts.append(tasks)
    assert proposer.project("7") == 33
    assert parts.live.next_project(0.1) == "7"
    assert proposer.project("7") == 11
    assert parts.live.next_project(0.1) is None
    assert all(studio.carries(task) for tasks in firsts for task in tasks[1:])


def test_copies_of_an_outage_are_told_again(parts: WorkerParts, proposer: Proposer, studio: Studio) -> None:
    tasks = [studio.add(COPIED), studio.add(COPIED)]
    rank(parts, studio.add("无关"))
    claimed(parts, tasks, [COPIED, COPIED])
    studio.tasks[tasks[0]]["total_annotations"] = 1
    answer(parts, tasks[0], [Span(8, 12, "EVENT")])
    studio.refuse = [("PATCH", 400)]
    with pytest.raises(BackendError):
        proposer.project("7")
    assert proposer.project("7") == 1
    assert studio.carries(tasks[1]) == ["窦性心律"]


@pytest.mark.parametrize("refused", [[("GET", 400)], [("PATCH", 400)], [("GET", 401), ("GET", 401)]])
def test_a_project_that_failed_is_completed_the_next_time(
    parts: WorkerParts, proposer: Proposer, studio: Studio, refused: list[tuple[str, int]]
) -> None:
    rank(parts, studio.add(f"可见{TERM}"), *[studio.add("窦性") for _ in range(HEAD)])
    last = studio.add(f"又见{TERM}")
    annotate(parts, TERM)
    studio.refuse = list(refused)
    assert [proposer.serve(0.01) for _ in refused] == [False] * len(refused)
    assert proposer.serve(0.01)
    assert [studio.carries(1), studio.carries(last)] == [[TERM], [TERM]]


def test_a_search_that_failed_is_repeated(parts: WorkerParts, proposer: Proposer, studio: Studio) -> None:
    rank(parts, *[studio.add("窦性") for _ in range(HEAD)])
    last = studio.add(f"又见{TERM}")
    annotate(parts, TERM)
    studio.after_reading = lambda: studio.refuse.append(("GET", 400))
    assert not proposer.serve(0.01), "the next tasks are read, then the search fails"
    studio.after_reading = lambda: None
    assert proposer.serve(0.01)
    assert studio.carries(last) == [TERM]


def test_a_prediction_that_is_gone_holds_up_no_other(parts: WorkerParts, proposer: Proposer, studio: Studio) -> None:
    rank(parts, *[studio.add(f"可见{TERM}") for _ in range(3)])
    annotate(parts, TERM)
    studio.refuse = [("PATCH", 404)]
    assert proposer.serve(0.01)
    assert [studio.carries(2), studio.carries(3)] == [[TERM], [TERM]]


def test_a_ranking_that_ends_meanwhile_keeps_its_predictions(
    parts: WorkerParts, proposer: Proposer, studio: Studio
) -> None:
    rank(parts, *[studio.add(f"可见{TERM}") for _ in range(3)])
    annotate(parts, TERM)

    def another_version_serves() -> None:
        for task in studio.tasks.values():
            task["predictions"] = [{"id": 10 * task["id"] + 1, "model_version": "new", "result": [], "score": 0.5}]

    studio.after_reading = another_version_serves
    assert proposer.serve(0.01)
    assert [studio.carries(number) for number in studio.tasks] == [[], [], []]


def test_what_a_killed_process_left_is_done_at_the_start(parts: WorkerParts, studio: Studio) -> None:
    rank(parts, studio.add(f"可见{TERM}"))
    annotate(parts, TERM)
    assert parts.live.next_project(0.01) == "7", "the killed process took the request"
    proposer = Proposer(parts)
    proposer.run(lambda seconds: True)
    assert studio.carries(1) == [TERM]
    proposer._client("7").close()


def test_without_a_ranked_task_nothing_is_asked(parts: WorkerParts, proposer: Proposer, studio: Studio) -> None:
    annotate(parts, TERM)
    assert proposer.serve(0.01)
    assert studio.read == []


# What is logged -----------------------------------------------------------------------------------


def test_an_outage_is_logged_once_for_each_project(
    parts: WorkerParts, proposer: Proposer, studio: Studio, caplog: pytest.LogCaptureFixture
) -> None:
    connect(parts, studio, "8")
    for project in ("7", "8"):
        rank(parts, studio.add(f"可见{TERM}"), project=project)
        annotate(parts, TERM, project=project)
    studio.refuse = [("GET", 401)] * 4
    with caplog.at_level(logging.WARNING, "trainer.proposing"):
        assert [proposer.serve(0.01) for _ in range(4)] == [False] * 4
    assert [record.args[0] for record in caplog.records if isinstance(record.args, tuple)] == ["7", "8"]


def test_of_an_unexpected_error_type_and_place_are_logged(
    parts: WorkerParts, proposer: Proposer, studio: Studio, caplog: pytest.LogCaptureFixture
) -> None:
    rank(parts, studio.add(f"可见{TERM}"))
    studio.tasks[1]["predictions"][0]["result"] = [TERM]
    annotate(parts, TERM)
    parts.registry.save_connection("8", Connection(url=studio.url, token=SecretStr(TOKEN)))
    (parts.registry.folder("8") / "connection.json").write_text(json.dumps({"token": [TOKEN]}))
    with caplog.at_level(logging.WARNING):
        assert not proposer.serve(0.01)
        parts.registry.folder("7").joinpath("connection.json").unlink()
        Reconciler(parts).tick()
    assert [record.name for record in caplog.records] == ["trainer.proposing", "trainer.reconcile"]
    for record in caplog.records:
        assert re.search(r": unexpected \w+ at \S+\.py:\d+$", record.getMessage())
        assert record.exc_info is None
    assert TERM not in caplog.text
    assert TOKEN not in caplog.text


def test_what_a_tagger_found_is_not_made_anew_by_the_rules(parts: WorkerParts) -> None:
    folder = parts.registry.new_folder("7")
    (folder / MEMORY).write_text(EMPTY_MEMORY.to_json(), "utf-8")
    made = card(version="ecg-r0001-00000001", project="7", mode="tagger", training=TrainingSummary(iterations=9))
    parts.registry.publish(made, folder)
    parts.registry.promote("7", made.version)
    assert not Proposals.of(parts, "7").rules
