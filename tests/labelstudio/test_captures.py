"""Bodies recorded from Label Studio 1.23.2 (tests/captures) through wire and config."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from backend.labelstudio.config import parse_label_config
from backend.labelstudio.wire import (
    START_TRAINING,
    WEBHOOK_ACTIONS,
    annotation_spans,
    is_trainable,
    parse_predict,
    parse_setup,
    parse_webhook,
    task_text,
)

FOLDER = Path(__file__).resolve().parents[1] / "captures"
CAPTURES = {path.stem: json.loads(path.read_text("utf-8")) for path in sorted(FOLDER.glob("*.json"))}


def objects(value: Any) -> Iterator[dict[str, Any]]:
    """Every object inside, outer ones first."""
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from objects(inner)


def requests(path: str) -> list[tuple[str, Any]]:
    return [
        (name, request["body"])
        for name, capture in CAPTURES.items()
        for request in objects(capture)
        if request.get("path") == path and isinstance(request.get("body"), dict) and "method" in request
    ]


def hook(name: str) -> Any:
    return next(body for found, body in requests("/webhook") if found == name)


def test_all_recordings_are_here() -> None:
    assert len(CAPTURES) == 58


def test_no_recording_names_a_place_outside() -> None:
    for path in FOLDER.glob("*.json"):
        text = path.read_text("utf-8")
        hosts = {part.split("/")[0].split('"')[0] for part in text.split("://")[1:]}
        assert hosts <= {"127.0.0.1:8080", "127.0.0.1:9090", "127.0.0.1:9091", "labelstud.io"}, path.name


@pytest.mark.parametrize(("name", "body"), requests("/setup"))
def test_every_setup_names_project_and_configuration(name: str, body: Any) -> None:
    setup = parse_setup(body)
    assert setup.project_id.isdigit()
    assert "HR" in parse_label_config(setup.label_config).labels


@pytest.mark.parametrize(("name", "body"), requests("/predict"))
def test_every_predicted_task_has_its_text(name: str, body: Any) -> None:
    request = parse_predict(body)
    config = parse_label_config(request.label_config)
    assert request.project_id.isdigit()
    assert request.tasks
    assert all(task_text(task, config) for task in request.tasks)


@pytest.mark.parametrize(("name", "body"), requests("/webhook"))
def test_every_webhook_is_understood(name: str, body: Any) -> None:
    parsed = parse_webhook(body)
    assert parsed.action in (*WEBHOOK_ACTIONS, START_TRAINING)
    # In the recording of 10,000 tasks the lists are cut out.
    assert parsed.project_id.isdigit() or name == "webhook_TASKS_CREATED_10000_shape"
    assert parsed.starts_training == (parsed.action == START_TRAINING)


@pytest.mark.parametrize("action", WEBHOOK_ACTIONS)
def test_every_action_we_subscribe_to_was_recorded(action: str) -> None:
    assert any(body["action"] == action for _, body in requests("/webhook"))
    assert action in CAPTURES["webhooks_info"]


@pytest.mark.parametrize(
    ("name", "annotations", "tasks"),
    [
        ("webhook_ANNOTATION_CREATED", (2,), (1,)),
        ("webhook_ANNOTATIONS_CREATED_bulk", (6, 7), (6, 7)),
        ("webhook_ANNOTATIONS_DELETED_bulk", (6, 7), ()),
        ("webhook_ANNOTATIONS_DELETED_single", (2,), ()),
        ("webhook_PROJECT_UPDATED", (), ()),
        ("ml_train_START_TRAINING", (), ()),
    ],
)
def test_ids_of_a_webhook(name: str, annotations: tuple[int, ...], tasks: tuple[int, ...]) -> None:
    parsed = parse_webhook(hook(name))
    assert (parsed.annotation_ids, parsed.task_ids) == (annotations, tasks)


@pytest.mark.parametrize(
    "name",
    [
        "webhook_TASKS_CREATED_import",
        "webhook_TASKS_CREATED_single",
        "webhook_TASKS_DELETED_bulk",
        "webhook_TASKS_DELETED_single",
    ],
)
def test_new_and_deleted_tasks_are_named(name: str) -> None:
    assert parse_webhook(hook(name)).task_ids


def test_a_changed_configuration_comes_with_the_webhook() -> None:
    xml = parse_webhook(hook("webhook_PROJECT_UPDATED_label_config")).label_config
    assert xml is not None
    assert (
        parse_label_config(xml).labels
        != parse_label_config(hook("webhook_PROJECT_UPDATED")["project"]["label_config"]).labels
    )


def test_a_skip_is_not_trainable_until_it_is_taken_back() -> None:
    skipped = hook("webhook_ANNOTATION_CREATED_skip")["annotation"]
    assert not is_trainable(skipped)
    assert is_trainable(hook("webhook_ANNOTATION_UPDATED_unskip")["annotation"])
    screen = [body["annotation"] for name, body in requests("/webhook") if name == "ui_label_stream_skip_submit"]
    assert [is_trainable(annotation) for annotation in screen].count(False) == 1
    # Label Studio stores the prefilled regions of a skipped report as if somebody had confirmed them.
    assert all(annotation["result"] for annotation in screen if not is_trainable(annotation))


def test_a_draft_is_not_trainable() -> None:
    for name in ("draft_create", "annotation_convert_to_draft"):
        assert not is_trainable(CAPTURES[name]["trigger"]["response"])


def test_an_empty_submit_is_an_example() -> None:
    body = hook("webhook_ANNOTATION_CREATED_empty")
    config = parse_label_config(body["project"]["label_config"])
    assert is_trainable(body["annotation"])
    assert annotation_spans(body["annotation"], task_text(body["task"], config) or "", config) == ([], [])


@pytest.mark.parametrize(
    "name", ["webhook_ANNOTATION_CREATED", "webhook_ANNOTATION_UPDATED", "ui_label_stream_skip_submit"]
)
def test_recorded_regions_fit_the_recorded_text(name: str) -> None:
    bodies = [body for found, body in requests("/webhook") if found == name]
    assert bodies
    for body in bodies:
        config = parse_label_config(body["project"]["label_config"])
        spans, reasons = annotation_spans(body["annotation"], task_text(body["task"], config) or "", config)
        assert len(spans) == len(body["annotation"]["result"])
        assert reasons == []


def test_annotations_and_tasks_of_a_bulk_webhook_are_parallel() -> None:
    body = hook("webhook_ANNOTATIONS_CREATED_bulk")
    config = parse_label_config(body["project"]["label_config"])
    for annotation, task in zip(body["annotation"], body["task"], strict=True):
        assert annotation["task"] == task["id"]
        assert annotation_spans(annotation, task_text(task, config) or "", config)[1] == []


def test_regions_that_were_posted_with_offsets_of_another_report_are_rejected() -> None:
    body = hook("webhook_ANNOTATION_CREATED_from_prediction")
    config = parse_label_config(body["project"]["label_config"])
    spans, reasons = annotation_spans(body["annotation"], task_text(body["task"], config) or "", config)
    assert (spans, len(reasons)) == ([], 1)
