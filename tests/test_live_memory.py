"""What annotators labelled comes back as proposals at once, counts once, and can be taken back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from redis import Redis
from tokenizers import Tokenizer, models

from backend.engine.tokenizer import TextTokenizer
from backend.errors import Unavailable
from backend.http import hints
from backend.http.parts import WebParts
from backend.labelstudio.config import parse_label_config
from backend.live_memory import LIMIT, LiveMemory, LiveReport
from backend.model_card import Mode, ModelCard
from backend.ner.scheme import LabelScheme
from backend.ner.spans import Span
from backend.predictor import ModelPredictor, complete, extend
from backend.registry import RULES_VERSION
from backend.rules import EMPTY_MEMORY, SpanMemory
from backend.settings import Settings
from tests.test_registry import card
from trainer.parts import WorkerParts
from trainer.proposing import MARK, Proposals

CAPTURES = Path(__file__).parent / "captures"
CONFIG = (
    '<View><Labels name="label" toName="text"><Label value="EVENT"/><Label value="DIAG"/></Labels>'
    '<Text name="text" value="$text"/></View>'
)
TERM = "龘靐现象"
LABELS = ("EVENT", "DIAG")


@pytest.fixture
def parts(tmp_path: Path, valkey_socket: Path, redis: Redis) -> WebParts:
    return WebParts.open(Settings(home=tmp_path / "home", redis_url_setting=f"unix://{valkey_socket}"))


def region(text: str, said: str, label: str) -> dict[str, Any]:
    start = text.index(said)
    value = {"start": start, "end": start + len(said), "text": said, "labels": [label]}
    return {"id": "r", "from_name": "label", "to_name": "text", "type": "labels", "value": value}


def body(action: str, number: int = 1, task: int = 1, text: str = f"可见{TERM}", **fields: Any) -> dict[str, Any]:
    """A webhook of one annotation that labels the term, unless `result` says something else."""
    result = fields.pop("result", None)
    result = [region(text, TERM, fields.pop("label", "EVENT"))] if result is None else result
    annotation = {"id": number, "task": task, "result": result, "was_cancelled": False, **fields}
    project = {"id": 7, "label_config": CONFIG}
    return {
        "action": action,
        "annotation": annotation,
        "task": {"id": task, "data": {"text": text}},
        "project": project,
    }


def proposed(parts: WebParts, text: str = f"又见{TERM}") -> list[tuple[str, str]]:
    """What the serving path says of a new report."""
    (answer,) = parts.serving.predict_tasks("7", CONFIG, [{"id": 99, "data": {"text": text}}])
    return [(found["value"]["text"], found["value"]["labels"][0]) for found in answer["result"]]


def publish(
    parts: WebParts,
    number: int,
    annotations: list[int],
    holdout: list[int] | None = None,
    memory: SpanMemory = EMPTY_MEMORY,
) -> ModelCard:
    """A version without network and with the memory, made from these annotations; it serves."""
    made = card(number).model_copy(update={"project": "7"})
    dataset = made.dataset.model_copy(update={"annotations": annotations, "holdout_tasks": holdout or []})
    made = made.model_copy(update={"dataset": dataset})
    folder = parts.registry.new_folder("7")
    (folder / "memory.json").write_text(memory.to_json(), "utf-8")
    parts.registry.publish(made, folder)
    parts.registry.promote("7", made.version)
    return made


def test_a_labelled_term_is_proposed_after_its_webhook(parts: WebParts) -> None:
    assert proposed(parts) == []
    hints.receive(parts, body("ANNOTATION_CREATED"), 0.0)
    assert proposed(parts) == [(TERM, "EVENT")]
    assert parts.serving.predict_tasks("8", CONFIG, [{"data": {"text": TERM}}])[0]["result"] == [], "another project"


def test_another_process_proposes_it_too(parts: WebParts) -> None:
    hints.receive(parts, body("ANNOTATION_CREATED"), 0.0)
    assert proposed(WebParts.open(parts.settings)) == [(TERM, "EVENT")]


def test_a_correction_replaces_what_the_annotation_said(parts: WebParts) -> None:
    hints.receive(parts, body("ANNOTATION_CREATED"), 0.0)
    hints.receive(parts, body("ANNOTATION_UPDATED", label="DIAG"), 1.0)
    assert proposed(parts) == [(TERM, "DIAG")]
    hints.receive(parts, body("ANNOTATION_UPDATED", result=[]), 2.0)
    assert proposed(parts) == []


@pytest.mark.parametrize(
    "later",
    [
        body("ANNOTATION_UPDATED", was_cancelled=True),
        body("ANNOTATION_UPDATED", was_postponed=True),
        {"action": "ANNOTATIONS_DELETED", "annotations": [{"id": 1}], "project": {"id": 7}},
        {"action": "TASKS_DELETED", "tasks": [{"id": 1}], "project": {"id": 7}},
    ],
    ids=["skipped", "draft", "deleted", "task deleted"],
)
def test_what_is_taken_back_is_proposed_no_more(parts: WebParts, later: dict[str, Any]) -> None:
    hints.receive(parts, body("ANNOTATION_CREATED"), 0.0)
    hints.receive(parts, body("ANNOTATION_CREATED", 2, 2, "可见别的"[:4] + TERM), 0.0)
    hints.receive(parts, later, 1.0)
    assert [report.annotation for report in parts.live.reports("7")] == [2]
    hints.receive(parts, {"action": "ANNOTATIONS_DELETED", "annotations": [{"id": 2}], "project": {"id": 7}}, 2.0)
    assert proposed(parts) == []


def test_a_skipped_report_says_nothing(parts: WebParts) -> None:
    hints.receive(parts, body("ANNOTATION_CREATED", was_cancelled=True), 0.0)
    assert proposed(parts) == []


def test_reports_that_leave_the_term_out_count_against_it(parts: WebParts) -> None:
    hints.receive(parts, body("ANNOTATION_CREATED"), 0.0)
    hints.receive(parts, body("ANNOTATION_CREATED", 2, 2, result=[]), 1.0)
    assert proposed(parts) == []


def shifted(start: int, kind: str = "labels") -> dict[str, Any]:
    """A region of the term that stands somewhere else."""
    right = region(f"可见{TERM}", TERM, "EVENT")
    return {**right, "type": kind, "value": {**right["value"], "start": start, "end": start + len(TERM)}}


@pytest.mark.parametrize("result", [[shifted(1)], [shifted(90)], [shifted(2, "hypertextlabels")]])
def test_a_report_whose_regions_cannot_be_placed_says_nothing(parts: WebParts, result: list[dict[str, Any]]) -> None:
    hints.receive(parts, body("ANNOTATION_CREATED"), 0.0)
    hints.receive(parts, body("ANNOTATION_CREATED", 2, 2, result=result), 1.0)
    assert proposed(parts) == [(TERM, "EVENT")]
    assert parts.annotated.known("7").keys() == {1}
    # It takes back what the annotation said before.
    hints.receive(parts, body("ANNOTATION_UPDATED", result=result), 2.0)
    assert proposed(parts) == []
    assert parts.annotated.known("7") == {}


def test_recorded_bodies_are_understood(parts: WebParts) -> None:
    for name, kept in (("ANNOTATION_CREATED", 1), ("ANNOTATION_CREATED_skip", 0), ("ANNOTATIONS_CREATED_bulk", 2)):
        capture = json.loads((CAPTURES / f"webhook_{name}.json").read_text("utf-8"))
        for request in capture["requests_seen_by_backend"]:
            if request["path"] == "/webhook":
                hints.receive(parts, request["body"], 0.0)
                project = str(request["body"]["project"]["id"])
                ids = {report.annotation for report in parts.live.reports(project)}
                said = request["body"]["annotation"]
                told = {annotation["id"] for annotation in (said if isinstance(said, list) else [said])}
                assert len(ids & told) == kept, name


def test_a_body_without_usable_configuration_costs_only_the_proposal(parts: WebParts) -> None:
    broken = {**body("ANNOTATION_CREATED"), "project": {"id": 7, "label_config": "<View/>"}}
    assert hints.receive(parts, broken, 0.0) == hints.STORED
    assert parts.queue.pending("7").count == 1
    assert parts.live.reports("7") == []


# One report counts once ---------------------------------------------------------------------------


def report(annotation: int = 1, **fields: Any) -> LiveReport:
    given = {"task": 1, "text": f"可见{TERM}", "spans": (Span(2, 6, "EVENT"),), **fields}
    return LiveReport(annotation, **given)


def trained(number: int, annotations: list[int], holdout: list[int] | None = None) -> ModelCard:
    dataset = card(number).dataset.model_copy(update={"annotations": annotations, "holdout_tasks": holdout or []})
    return card(number).model_copy(update={"dataset": dataset})


@pytest.mark.parametrize(
    ("live", "version", "is_new"),
    [
        (report(after=0), None, True),
        (report(after=0), trained(1, [1]), False),
        (report(after=0), trained(1, []), False),
        (report(after=1), trained(1, []), True),
        (report(after=1), trained(1, [1]), False),
        (report(after=1, changed=True), trained(1, [1]), True),
        (report(after=1, changed=True), trained(2, [1]), False),
        (report(after=2), trained(1, []), True),
        (report(after=0, task=5), trained(1, [1], [5]), True),
    ],
    ids=[
        "the rules know nothing",
        "a later round learned it",
        "a later round left it out",
        "submitted while the round learned",
        "submitted as the round began, and read",
        "changed while the round learned",
        "changed before the next round",
        "an older version serves again",
        "held out of every training",
    ],
)
def test_a_report_counts_until_a_version_serves_that_learned_it(
    live: LiveReport, version: ModelCard | None, is_new: bool
) -> None:
    assert live.is_new_to(version) is is_new


def test_a_version_that_learned_the_report_takes_over(parts: WebParts) -> None:
    hints.receive(parts, body("ANNOTATION_CREATED"), 0.0)
    publish(parts, 1, [1])
    assert proposed(parts) == [], "the version's own memory decides, here an empty one"
    publish(parts, 2, [])
    hints.receive(parts, body("ANNOTATION_CREATED", 2), 1.0)
    assert proposed(parts) == [(TERM, "EVENT")]


def test_a_round_that_has_begun_is_not_taken_for_one_that_read_the_report(parts: WebParts) -> None:
    parts.queue.take("7", 1)
    hints.receive(parts, body("ANNOTATION_CREATED"), 0.0)
    publish(parts, 1, [])
    assert proposed(parts) == [(TERM, "EVENT")]


def test_of_two_annotations_of_a_report_the_last_counts(parts: WebParts) -> None:
    hints.receive(parts, body("ANNOTATION_CREATED", 1, label="EVENT"), 0.0)
    hints.receive(parts, body("ANNOTATION_CREATED", 2, label="DIAG"), 1.0)
    assert proposed(parts) == [(TERM, "DIAG")]
    hints.receive(parts, body("ANNOTATION_UPDATED", 1, label="EVENT"), 2.0)
    assert proposed(parts) == [(TERM, "EVENT")]
    hints.receive(parts, {"action": "ANNOTATIONS_DELETED", "annotations": [{"id": 1}], "project": {"id": 7}}, 3.0)
    assert proposed(parts) == [(TERM, "DIAG")]
    hints.receive(parts, body("ANNOTATION_UPDATED", 1, label="EVENT"), 4.0)
    hints.receive(parts, {"action": "TASKS_DELETED", "tasks": [{"id": 1}], "project": {"id": 7}}, 5.0)
    assert proposed(parts) == []


@pytest.mark.parametrize("copy", [f"可见{TERM}", f" 可见 {TERM}\n"])
def test_a_text_counts_once_however_many_tasks_hold_it(parts: WebParts, copy: str) -> None:
    for number, text in ((1, f"可见{TERM}"), (2, copy), (3, copy)):
        hints.receive(parts, body("ANNOTATION_CREATED", number, number, text), 0)
    (found,) = parts.live.reports("7")
    assert found.annotation == 3
    hints.receive(parts, {"action": "ANNOTATIONS_DELETED", "project": {"id": 7}, "annotations": [{"id": 3}]}, 0)
    assert [report.annotation for report in parts.live.reports("7")] == [2]


def test_a_copy_replaces_what_the_version_counted_of_its_text(redis: Redis) -> None:
    live = LiveMemory(redis)
    live.put("7", [report(1, task=1, after=0), report(2, task=2, text=f" {report().text}", spans=(), after=1)])
    (found,) = live.reports("7", trained(1, [1]))
    assert (found.annotation, found.spans) == (2, ())
    assert found.replaces == tuple(replace(s, start=s.start + 1, end=s.end + 1) for s in report().spans)


def learn(parts: WebParts, number: int, states: Mapping[int, str]) -> None:
    """A round that begins, learns the term in one report per annotation under its label, and serves."""
    parts.queue.take("7", number)
    memory = SpanMemory.from_reports([(f"可见{TERM}", [Span(2, 6, label)]) for label in states.values()])
    publish(parts, number, list(states), memory=memory)


def counted(parts: WebParts) -> Mapping[str, int]:
    """How often the term counts under each label, for the stored predictions."""
    return Proposals.of(WorkerParts.open(parts.settings), "7").memory.labelled.get(TERM, {})


def test_a_correction_takes_out_what_the_version_counted(parts: WebParts) -> None:
    hints.receive(parts, body("ANNOTATION_CREATED"), 0.0)
    learn(parts, 1, {1: "EVENT"})
    assert proposed(parts) == [(TERM, "EVENT")]
    hints.receive(parts, body("ANNOTATION_UPDATED", label="DIAG"), 1.0)
    assert proposed(parts) == [(TERM, "DIAG")]
    assert counted(parts) == {"DIAG": 1}
    hints.receive(parts, body("ANNOTATION_UPDATED", result=[]), 2.0)
    assert proposed(parts) == []
    assert counted(parts) == {}


def test_a_correction_leaves_what_other_reports_say(parts: WebParts) -> None:
    numbers = range(1, 11)
    for number in numbers:
        hints.receive(parts, body("ANNOTATION_CREATED", number, number), 0.0)
    learn(parts, 1, dict.fromkeys(numbers, "EVENT"))
    hints.receive(parts, body("ANNOTATION_UPDATED", 3, 3, label="DIAG"), 1.0)
    assert counted(parts) == {"EVENT": 9, "DIAG": 1}
    assert proposed(parts) == [(TERM, "EVENT")]


def test_each_version_loses_the_state_that_it_learned(parts: WebParts) -> None:
    hints.receive(parts, body("ANNOTATION_CREATED", label="EVENT"), 0.0)
    learn(parts, 1, {1: "EVENT"})
    hints.receive(parts, body("ANNOTATION_UPDATED", label="DIAG"), 1.0)
    learn(parts, 2, {1: "DIAG"})
    assert counted(parts) == {"DIAG": 1}, "learned, it counts in the version alone"
    for label in ("DIAG", "EVENT"):
        hints.receive(parts, body("ANNOTATION_UPDATED", label=label), 2.0)
        assert counted(parts) == {label: 1}
    hints.receive(parts, body("ANNOTATION_UPDATED", label="DIAG"), 3.0)
    parts.registry.promote("7", parts.registry.versions("7")[-1].version)
    assert counted(parts) == {"DIAG": 1}, "version 1 loses its EVENT"


def test_a_later_annotation_replaces_the_one_that_the_version_learned(parts: WebParts) -> None:
    hints.receive(parts, body("ANNOTATION_CREATED", 1), 0.0)
    learn(parts, 1, {1: "EVENT"})
    hints.receive(parts, body("ANNOTATION_CREATED", 2, label="DIAG"), 1.0)
    assert counted(parts) == {"DIAG": 1}


def test_a_state_that_nobody_told_of_stays_counted(parts: WebParts) -> None:
    learn(parts, 1, {1: "EVENT"})
    hints.receive(parts, body("ANNOTATION_UPDATED", label="DIAG"), 1.0)
    assert counted(parts) == {"EVENT": 1, "DIAG": 1}


def test_nothing_is_taken_out_for_a_report_that_was_held_out(parts: WebParts) -> None:
    hints.receive(parts, body("ANNOTATION_CREATED", 1, 1), 0.0)
    hints.receive(parts, body("ANNOTATION_CREATED", 2, 2, text=f"另见{TERM}"), 0.0)
    parts.queue.take("7", 1)
    memory = SpanMemory.from_reports([(f"可见{TERM}", [Span(2, 6, "EVENT")])])
    publish(parts, 1, [1, 2], holdout=[1], memory=memory)
    hints.receive(parts, body("ANNOTATION_UPDATED", 1, 1), 1.0)
    assert counted(parts) == {"EVENT": 2}


# The store ----------------------------------------------------------------------------------------


def test_only_the_newest_reports_are_kept(redis: Redis) -> None:
    live = LiveMemory(redis)
    live.put("7", [report(n, task=n, text=f"第{n}份") for n in range(1, LIMIT + 1)])
    live.put("7", [report(LIMIT + 1, task=LIMIT + 1)])
    assert [found.annotation for found in live.reports("7")] == list(range(2, LIMIT + 2))


def test_a_correction_of_an_old_annotation_is_kept(redis: Redis) -> None:
    live = LiveMemory(redis)
    live.put("7", [report(n, task=n, text=f"第{n}份") for n in range(2, LIMIT + 2)])
    live.put("7", [report(1, task=1)])
    assert [found.annotation for found in live.reports("7")] == [1, *range(3, LIMIT + 2)]


def test_a_report_survives_the_store_unchanged(redis: Redis) -> None:
    live, odd = LiveMemory(redis), LiveReport(3, 4, "早搏\r\n𠮷", (Span(0, 2, "EVENT"),), after=5, changed=True)
    live.put("7", [odd])
    assert live.reports("7") == [odd]
    live.put("7", [replace(odd, spans=(), after=6)])
    assert live.reports("7") == [replace(odd, spans=(), after=6, earlier=((5, odd.spans),))]


def test_a_report_that_an_older_release_stored_is_read(redis: Redis) -> None:
    redis.hset("ecg:7:live", "3", json.dumps([4, "早搏", [[0, 2, "EVENT"]], 5, True]))
    assert LiveMemory(redis).reports("7") == [LiveReport(3, 4, "早搏", (Span(0, 2, "EVENT"),), after=5, changed=True)]


def test_each_change_is_noticed(redis: Redis) -> None:
    live = LiveMemory(redis)
    stamps = [live.stamp("7")]
    for change in (lambda: live.put("7", [report()]), lambda: live.put("7", [report()]), lambda: live.forget("7", [1])):
        change()
        stamps.append(live.stamp("7"))
    assert stamps[0] == ""
    assert len(set(stamps)) == 4


def test_asking_for_proposals_twice_is_asking_once(redis: Redis) -> None:
    live = LiveMemory(redis)
    live.request_proposing("7")
    live.request_proposing("7")
    assert [live.next_project(0.01), live.next_project(0.01)] == ["7", None]


def test_the_project_that_asked_first_comes_first(redis: Redis) -> None:
    live = LiveMemory(redis)
    for project in ("9", "10", "9"):
        live.request_proposing(project)
    assert [live.next_project(0.01), live.next_project(0.01)] == ["9", "10"]


def test_without_redis_predictions_go_on(tmp_path: Path) -> None:
    parts = WebParts.open(Settings(home=tmp_path, redis_url_setting=f"unix://{tmp_path}/none.sock"))
    assert proposed(parts, f"室性早搏，{TERM}") == [("室性早搏", "EVENT")]
    with pytest.raises(Unavailable, match="live memory"):
        parts.live.stamp("7")


# The network --------------------------------------------------------------------------------------


class Silent:
    """An engine that is sure there is nothing to find."""

    max_tokens, window, precision = 510, 510, "f32"

    def probabilities(self, sequences: Sequence[NDArray[np.int64]]) -> list[NDArray[np.float32]]:
        return [np.eye(5, dtype=np.float32)[[0] * len(ids)] for ids in sequences]


def network(mode: Mode, memory: SpanMemory = EMPTY_MEMORY) -> ModelPredictor:
    tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0, "[CLS]": 1, "[SEP]": 2, "[PAD]": 3}, unk_token="[UNK]"))
    tokenizer.add_special_tokens(["[UNK]", "[CLS]", "[SEP]", "[PAD]"])
    return ModelPredictor("v", mode, LabelScheme(LABELS), LABELS, TextTokenizer(tokenizer), Silent(), memory)


@pytest.mark.parametrize("mode", ["model", "merged", "rules"])
def test_every_mode_proposes_a_term_the_network_does_not_know(mode: Mode) -> None:
    quiet = network(mode)
    assert quiet.predict([f"又见{TERM}"])[0].spans == ()
    (prediction,) = extend(quiet, [(TERM, [Span(0, 4, "EVENT")])]).predict([f"又见{TERM}"])
    assert [(s.start, s.end, s.label, s.source) for s in prediction.spans] == [(2, 6, "EVENT", "memory")]


def test_a_network_keeps_its_silence_about_terms_it_learned() -> None:
    known = SpanMemory.from_reports([(TERM, [Span(0, 4, "EVENT")])])
    quiet = network("model", known)
    assert extend(quiet, [(TERM, [Span(0, 4, "EVENT")])]).predict([f"又见{TERM}"])[0].spans == ()


def test_a_negated_term_is_not_proposed_in_model_mode() -> None:
    quiet = network("model")
    assert extend(quiet, [(TERM, [Span(0, 4, "EVENT")])]).predict([f"未见{TERM}"])[0].spans == ()


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ((2, 4), [(2, 6)]),
        ((2, 6), [(2, 6)]),
        ((1, 6), [(1, 6)]),
        ((0, 3), [(0, 3)]),
        ((0, 2), [(0, 2), (2, 6)]),
    ],
    ids=["a part of the term", "the same", "more than the term", "crossing", "beside it"],
)
def test_the_network_keeps_what_a_term_does_not_wholly_cover(
    found: tuple[int, int], expected: list[tuple[int, int]]
) -> None:
    spans = complete([Span(*found, "DIAG")], [Span(2, 6, "EVENT")])
    assert [(span.start, span.end) for span in spans] == expected
    if found == (2, 6):
        assert spans[0].label == "DIAG"


# Stored predictions -------------------------------------------------------------------------------


def test_what_a_term_displaced_comes_back_when_it_is_taken_back() -> None:
    text = "可见龘靐现象，早搏"
    before = [region(text, said, label) for said, label in (("龘靐", "DIAG"), ("早搏", "EVENT"))]
    added = proposals(龘靐现象="EVENT").result(text, before)
    assert [(r["value"]["text"], r["value"]["labels"]) for r in added] == [(TERM, ["EVENT"]), ("早搏", ["EVENT"])]
    relabelled = proposals(龘靐现象="DIAG").result(text, added)
    assert proposals(龘靐现象="DIAG").result(text, relabelled) == relabelled
    assert proposals().result(text, relabelled) == before
    assert proposals(龘靐="EVENT").result(text, relabelled) == before, "the network has the shorter term itself"


def proposals(rules: bool = False, **labelled: str) -> Proposals:
    memory = SpanMemory.from_reports([(said, [Span(0, len(said), label)]) for said, label in labelled.items()])
    return Proposals(RULES_VERSION, parse_label_config(CONFIG), memory, memory, rules)


def test_a_term_is_added_to_a_stored_prediction_and_taken_back() -> None:
    text = f"早搏，{TERM}"
    before = [region(text, "早搏", "EVENT")]
    added = proposals(龘靐现象="EVENT").result(text, before)
    assert added[0] == before[0]
    assert [(r["value"]["text"], r["value"]["labels"]) for r in added[1:]] == [(TERM, ["EVENT"])]
    assert added[1]["id"].startswith(MARK)
    assert proposals(龘靐现象="EVENT").result(text, added) == added, "nothing to do a second time"
    assert proposals(龘靐现象="DIAG").result(text, added)[1]["value"]["labels"] == ["DIAG"]
    assert proposals().result(text, added) == before


def test_rules_predict_a_stored_text_anew() -> None:
    text = "室性早搏，房性早搏"
    stale = [region(text, "室性早搏", "EVENT"), region(text, "，房", "DIAG")]
    made = proposals(rules=True).result(text, stale)
    assert [r["value"]["text"] for r in made] == ["室性早搏", "房性早搏"]
    assert made[0] == stale[0]


def test_only_terms_that_nobody_but_annotators_knows_are_sought(parts: WebParts) -> None:
    text = f"室性早搏，{TERM}，未见房颤"
    result = [region(text, said, "EVENT") for said in ("室性早搏", TERM)]
    hints.receive(parts, body("ANNOTATION_CREATED", text=text, result=result), 0.0)
    workers = WorkerParts.open(parts.settings)
    assert Proposals.of(workers, "7").terms == {TERM: "EVENT"}
    made = publish(parts, 1, [])
    assert (Proposals.of(workers, "7").version, Proposals.of(workers, "7").terms) == (made.version, {})
    assert workers.live.next_project(0.01) == "7", "the webhook asked for it"


def test_only_predictions_of_the_serving_version_change() -> None:
    text = f"又见{TERM}"
    stored = [{"id": n, "model_version": v, "result": []} for n, v in ((1, "other"), (2, RULES_VERSION))]
    changed = dict(proposals(龘靐现象="EVENT").changes({"id": 1, "data": {"text": text}, "predictions": stored}, None))
    assert list(changed) == [2]
    assert list(proposals().changes({"id": 1, "data": {}, "predictions": stored}, None)) == []
