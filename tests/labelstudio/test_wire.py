from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.errors import BadRequest
from backend.labelstudio.config import LabelConfig
from backend.labelstudio.wire import (
    Hook,
    annotation_spans,
    empty_prediction,
    is_trainable,
    parse_predict,
    parse_setup,
    parse_webhook,
    prediction_json,
    project_id,
    task_text,
)
from backend.ner.spans import Span

CONFIG = LabelConfig("label", "text", "text", ("HR", "VALUE"))
TEXT = "窦性心律，心率 72 次/分"


@dataclass(frozen=True)
class Said:
    spans: tuple[Span, ...] = ()
    uncertainty: float = 0.25
    version: str = "ecg-r0001-00000000"


def region(start: Any = 5, end: Any = 7, label: Any = "HR", **more: Any) -> dict[str, Any]:
    value = {"start": start, "end": end, "labels": [label], **more.pop("value", {})}
    return {"id": "r1", "from_name": "label", "to_name": "text", "type": "labels", "value": value, **more}


def spans_of(*regions: Any) -> tuple[list[Span], list[str]]:
    return annotation_spans({"result": list(regions)}, TEXT, CONFIG)


# Project ids -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "expected"),
    [("1.1795465700", "1"), ("12", "12"), (7, "7"), (None, ""), ("", ""), (True, ""), ("a", ""), ("1/../2", ""),
     ("٣", ""), ("1.x", ""), ("9" * 30, ""), ({}, ""), (" 1", "")],
)  # fmt: skip
def test_a_project_id_is_a_number_or_nothing(field: object, expected: str) -> None:
    assert project_id(field) == expected


# Texts -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [None, 7, 1.5, True, [], ["a"], {"a": "b"}])
def test_a_task_without_text_under_the_key_has_none(value: object) -> None:
    assert task_text({"data": {"text": value}}, CONFIG) is None


@pytest.mark.parametrize("task", [None, 3, "x", [], {}, {"data": None}, {"data": "text"}, {"data": {}}])
def test_a_malformed_task_has_no_text(task: object) -> None:
    assert task_text(task, CONFIG) is None


def test_empty_text_is_text() -> None:
    assert task_text({"data": {"text": ""}}, CONFIG) == ""


def test_text_is_not_normalised() -> None:
    text = " \r\n𠮷 ＡＢ\u0301<b>&amp;"
    assert task_text({"data": {"text": text}}, CONFIG) == text


def test_text_that_is_not_unicode_is_none() -> None:
    assert task_text({"data": {"text": "心\ud83d率"}}, CONFIG) is None


def test_nested_keys_are_followed_and_exact_keys_win() -> None:
    nested = LabelConfig("label", "text", "report.body", ("HR",))
    assert task_text({"data": {"report": {"body": "a"}}}, nested) == "a"
    assert task_text({"data": {"report.body": "b", "report": {"body": "a"}}}, nested) == "b"
    assert task_text({"data": {"report": "x"}}, nested) is None


# Predictions -----------------------------------------------------------------------------------------


def test_score_is_one_minus_priority() -> None:
    assert prediction_json(Said(uncertainty=0.25), TEXT, CONFIG)["score"] == 0.75
    assert prediction_json(Said(uncertainty=0.25), TEXT, CONFIG, priority=0.9)["score"] == 0.1


@pytest.mark.parametrize(
    ("uncertainty", "score"), [(math.nan, 0.0), (math.inf, 0.0), (-math.inf, 1.0), (-0.1, 1.0), (1.1, 0.0)]
)
def test_impossible_uncertainties_stay_within_zero_and_one(uncertainty: float, score: float) -> None:
    assert prediction_json(Said(uncertainty=uncertainty), TEXT, CONFIG)["score"] == score


def test_a_region_says_what_label_studio_needs() -> None:
    found = prediction_json(Said((Span(5, 7, "HR", score=0.98765),)), TEXT, CONFIG)["result"]
    assert found == [
        {
            "id": found[0]["id"],
            "from_name": "label",
            "to_name": "text",
            "type": "labels",
            "score": 0.9877,
            "value": {"start": 5, "end": 7, "text": "心率", "labels": ["HR"]},
        }
    ]


def test_region_ids_are_stable_and_differ() -> None:
    spans = (Span(5, 7, "HR"), Span(8, 10, "VALUE"))
    one = [r["id"] for r in prediction_json(Said(spans), TEXT, CONFIG)["result"]]
    two = [r["id"] for r in prediction_json(Said(spans[::-1]), TEXT, CONFIG)["result"]]
    assert one == two
    assert len(set(one)) == 2


def test_spans_that_label_studio_would_store_unchecked_are_left_out() -> None:
    wild = (Span(-1, 2, "HR"), Span(5, 5, "HR"), Span(7, 5, "HR"), Span(0, 99, "HR"), Span(0, 2, "NOPE"))
    assert prediction_json(Said(wild), TEXT, CONFIG)["result"] == []


def test_the_same_span_twice_is_one_region() -> None:
    assert len(prediction_json(Said((Span(5, 7, "HR"), Span(5, 7, "HR", score=0.1))), TEXT, CONFIG)["result"]) == 1


def test_an_empty_prediction_is_asked_first() -> None:
    assert empty_prediction("v") == {"result": [], "score": 0.0, "model_version": "v"}


anything = st.floats(allow_nan=True, allow_infinity=True)
some_spans = st.builds(
    Span, st.integers(-3, 40), st.integers(-3, 40), st.sampled_from(["HR", "VALUE", "NOPE"]), score=anything
)


@given(st.text(max_size=30), st.lists(some_spans, max_size=12), anything, st.none() | anything)
def test_whatever_is_predicted_label_studio_gets_valid_json(
    text: str, spans: list[Span], uncertainty: float, priority: float | None
) -> None:
    said = prediction_json(Said(tuple(spans), uncertainty), text, CONFIG, priority)
    assert json.loads(json.dumps(said, allow_nan=False)) == said
    assert 0.0 <= said["score"] <= 1.0
    ids = [r["id"] for r in said["result"]]
    assert len(set(ids)) == len(ids)
    for r in said["result"]:
        value = r["value"]
        assert 0.0 <= r["score"] <= 1.0
        assert 0 <= value["start"] < value["end"] <= len(text)
        assert text[value["start"] : value["end"]] == value["text"]
        assert value["labels"][0] in CONFIG.labels


@given(st.text(alphabet=st.characters(exclude_categories=["Cs", "Z", "C"]), min_size=1, max_size=30), st.data())
def test_predicted_spans_come_back_from_an_annotation(text: str, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=8)))
    spans = [Span(a, b, data.draw(st.sampled_from(CONFIG.labels))) for a, b in zip(cuts[::2], cuts[1::2], strict=False)]
    result = prediction_json(Said(tuple(spans)), text, CONFIG)["result"]
    assert annotation_spans({"result": result}, text, CONFIG) == (spans, [])


# Annotations -----------------------------------------------------------------------------------------


def test_regions_become_sorted_spans() -> None:
    assert spans_of(region(8, 10, "VALUE"), region()) == ([Span(5, 7, "HR"), Span(8, 10, "VALUE")], [])


def test_relations_and_choices_are_no_rejects() -> None:
    relation = {"type": "relation", "from_id": "a", "to_id": "b", "direction": "right"}
    choice = {"id": "c", "type": "choices", "from_name": "q", "to_name": "text", "value": {"choices": ["ok"]}}
    assert spans_of(relation, choice, region()) == ([Span(5, 7, "HR")], [])


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (None, "region without id: it is not an object"),
        (region(from_name="other"), "region r1: it belongs to another control"),
        (region(to_name="other"), "region r1: it belongs to another control"),
        ({**region(), "type": "hypertextlabels"}, "region r1: its type is hypertextlabels, not labels"),
        ({**region(), "type": "paragraphlabels"}, "region r1: its type is paragraphlabels, not labels"),
        (region(label="NOPE"), "region r1: its label 'NOPE' is not in the labelling configuration"),
        (region(label=["HR"]), "is not in the labelling configuration"),
        (region(value={"labels": []}), "region r1: it has no label"),
        (region(value={"labels": "HR"}), "region r1: it has no label"),
        ({**region(), "value": None}, "region r1: it has no label"),
        (region("5a", 7), "region r1: its offsets are not whole numbers"),
        (region(5.5, 7), "region r1: its offsets are not whole numbers"),
        (region(True, 7), "region r1: its offsets are not whole numbers"),
        (region(None, 7), "region r1: its offsets are not whole numbers"),
        (region(5, 99), f"region r1: its offsets 5..99 do not fit a text of {len(TEXT)} characters"),
        (region(-2, 1), "do not fit a text"),
        (region(7, 5), "do not fit a text"),
        (region(5, 5), "do not fit a text"),
        (region(value={"text": "心律"}), "region r1: its text is not what the report holds at 5..7"),
        (region(7, 8), "region r1: it covers only white space at 7..8"),
    ],
)
def test_a_bad_region_is_left_out_with_a_reason(bad: Any, reason: str) -> None:
    spans, reasons = spans_of(bad, region(0, 4, "VALUE"))
    assert spans == [Span(0, 4, "VALUE")]
    assert len(reasons) == 1
    assert reason in reasons[0]


def test_reasons_carry_no_report_text() -> None:
    _, reasons = spans_of(region(value={"text": "张某某"}), region(0, 99))
    assert not any(word in reason for reason in reasons for word in ("张某某", "心率", "窦性"))


def test_of_two_labels_the_first_is_used() -> None:
    spans, reasons = spans_of(region(value={"labels": ["VALUE", "HR"]}))
    assert spans == [Span(5, 7, "VALUE")]
    assert reasons == ["region r1: it has several labels, the first is used"]


def test_of_overlapping_regions_the_longest_stays() -> None:
    assert spans_of(region(5, 7), region(5, 10, "VALUE")) == (
        [Span(5, 10, "VALUE")],
        ["region at 5..7: overlaps another region"],
    )


def test_a_region_without_its_text_is_taken() -> None:
    assert spans_of(region())[1] == []


def test_an_empty_annotation_is_an_example_without_spans() -> None:
    assert spans_of() == ([], [])


@pytest.mark.parametrize("annotation", [None, [], {}, {"result": None}, {"result": {}}])
def test_an_annotation_without_regions_list_is_rejected(annotation: object) -> None:
    assert annotation_spans(annotation, TEXT, CONFIG) == ([], ["the annotation has no list of regions"])


def test_skipped_annotations_drafts_and_nonsense_are_not_trainable() -> None:
    assert is_trainable({"id": 1, "result": [], "was_cancelled": False})
    assert not is_trainable({"id": 1, "result": [], "was_cancelled": True})
    assert not is_trainable({"id": 1, "result": [], "was_postponed": False})
    assert not is_trainable(None)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 20) | st.floats() | st.sampled_from(["labels", "label", "text", "HR"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["type", "value", "from_name", "to_name", "labels", "start", "end", "text", "result", "id"]
            ),
            inner,
            max_size=6,
        )
    ),
    max_leaves=12,
)


@given(json_values)
def test_no_annotation_raises_and_spans_always_fit(annotation: Any) -> None:
    spans, _ = annotation_spans(annotation, TEXT, CONFIG)
    assert all(0 <= s.start < s.end <= len(TEXT) and s.label in CONFIG.labels for s in spans)


# Requests --------------------------------------------------------------------------------------------


def test_setup_takes_project_and_configuration_and_nothing_secret() -> None:
    setup = parse_setup({"project": "3.17", "schema": "<View/>", "access_token": "secret", "hostname": "http://x"})
    assert (setup.project_id, setup.label_config) == ("3", "<View/>")
    assert "secret" not in repr(setup)
    assert parse_setup({}) == parse_setup({"project": None, "schema": 3})


def test_predict_keeps_tasks_as_sent() -> None:
    request = parse_predict({"project": "3.17", "label_config": "<View/>", "tasks": [{"id": 1}, None]})
    assert (request.project_id, request.label_config, request.tasks) == ("3", "<View/>", [{"id": 1}, None])


@pytest.mark.parametrize("body", [None, [], "x", 3, {}, {"tasks": None}, {"tasks": {}}])
def test_a_predict_body_without_a_list_of_tasks_is_a_bad_request(body: object) -> None:
    with pytest.raises(BadRequest):
        parse_predict(body)


@pytest.mark.parametrize("body", [None, [], "x", 3])
def test_a_body_that_is_no_object_is_a_bad_request(body: object) -> None:
    for parse in (parse_setup, parse_webhook):
        with pytest.raises(BadRequest):
            parse(body)


@pytest.mark.parametrize("body", [{}, {"action": None}, {"action": ""}, {"action": 3}])
def test_a_webhook_without_action_is_a_bad_request(body: object) -> None:
    with pytest.raises(BadRequest):
        parse_webhook(body)


def test_an_unknown_action_is_kept() -> None:
    hook = parse_webhook({"action": "REVIEW_CREATED", "project": {"id": 4}, "review": {"id": 1}})
    assert hook == Hook("REVIEW_CREATED", "4")
    assert not hook.starts_training


def test_a_webhook_without_payload_has_the_action_only() -> None:
    assert parse_webhook({"action": "ANNOTATION_CREATED"}) == Hook("ANNOTATION_CREATED", "")


def test_ids_are_numbers_each_once_in_order() -> None:
    body = {"action": "TASKS_DELETED", "tasks": [{"id": 3}, {"id": 1}, {"id": 3}, {"id": "x"}, {}, None], "project": 5}
    assert parse_webhook(body) == Hook("TASKS_DELETED", "5", task_ids=(3, 1))
