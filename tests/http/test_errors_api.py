from __future__ import annotations

import logging
from typing import Any

import pytest
from pydantic import SecretStr
from starlette.testclient import TestClient

from backend.error_analysis import ERRORS
from backend.http.app import create_app
from backend.model_card import DatasetSummary, Decision, Evaluation, ModelCard, TrainingSummary
from backend.ner.spans import Span
from backend.records import Connection
from backend.registry import RULES_VERSION, Registry
from backend.settings import Settings
from trainer.dataset import Report
from trainer.error_analysis import analyse, write_analysis

VERSION = "ecg-r0001-00000001"
REPORTS = [
    Report(1, 1, "窦性心律，心率48次/分", (Span(0, 4, "DIAG"), Span(7, 12, "HR"))),
    Report(2, 2, "房颤，心率96次/分", (Span(0, 2, "DIAG"), Span(5, 10, "HR"))),
]
FOUND = {
    1: [Span(0, 4, "HR", score=0.97, source="model"), Span(7, 9, "HR", score=0.8, source="model")],
    2: [Span(5, 7, "HR", score=0.9, source="model")],
}


@pytest.fixture
def registry(settings: Settings, label_config: str) -> Registry:
    """Knows project 1, which the rules serve."""
    registry = Registry(settings.home)
    registry.remember_label_config("1", label_config)
    return registry


@pytest.fixture
def serving(registry: Registry) -> Registry:
    """A trained version serves project 1, with its error analysis beside the weights."""
    card = ModelCard(
        version=VERSION,
        project="1",
        round=1,
        created="2026-11-24T10:00:00Z",
        mode="merged",
        labels=["HR", "DIAG"],
        base_model="built-in",
        seed=13,
        dataset=DatasetSummary(hash="h", reports=2, spans=4, tasks=[], annotations=[], holdout_tasks=[]),
        training=TrainingSummary(),
        evaluation=Evaluation(method="holdout"),
        decision=Decision(promote=True, reason="better", serving=RULES_VERSION),
    )
    folder = registry.new_folder("1")
    (folder / "memory.json").write_text("{}")
    write_analysis(folder, analyse(REPORTS, FOUND, card.labels, version=VERSION))
    registry.publish(card, folder)
    registry.promote("1", VERSION)
    return registry


def errors(client: TestClient, **parameters: Any) -> dict[str, Any]:
    answer = client.get("/api/projects/1/errors", params=parameters)
    assert answer.status_code == 200
    return dict(answer.json())


def test_the_errors_of_the_serving_version_are_told_with_figures_and_excerpts(
    client: TestClient, serving: Registry
) -> None:
    serving.save_connection("1", Connection(url="http://ls.example:8080/", token=SecretStr("t")))
    body = errors(client)
    assert (body["version"], body["labels"], body["total"]) == (VERSION, ["HR", "DIAG"], 4)
    assert body["summary"]["kinds"] == {
        "missed": 1,
        "spurious": 0,
        "boundary": 2,
        "wrong-label": 1,
        "wrong-label-and-boundary": 0,
    }
    assert body["confusion"] == {"labels": ["HR", "DIAG"], "counts": [[2, 0, 0], [1, 0, 1], [0, 0, 0]]}
    second = body["errors"][1]
    assert (second["task_id"], second["kind"], second["shape"], second["right_text"]) == (
        *(1, "boundary", "too short"),
        "次/分",
    )
    assert (second["before"], second["text"], second["after"]) == ("窦性心律，心率", "48次/分", "")
    assert second["gold"] == {"start": 7, "end": 12, "label": "HR", "text": "48次/分", "score": None, "source": ""}
    assert second["url"] == "http://ls.example:8080/projects/1/data?task=1"
    assert body["patterns"][0]["text"] == "…-次/分"
    assert {row["label"] for row in body["by_label"]} == {"HR", "DIAG"}
    assert body["suggestions"]


@pytest.mark.parametrize(
    ("parameters", "found", "patterns"),
    [
        ({"kind": "boundary"}, [(1, "boundary"), (2, "boundary")], 1),
        ({"kind": "spurious"}, [], 0),
        ({"label": "DIAG"}, [(1, "wrong-label"), (2, "missed")], 2),
        ({"label": "HR"}, [(1, "wrong-label"), (1, "boundary"), (2, "boundary")], 2),
        ({"kind": "missed", "label": "DIAG"}, [(2, "missed")], 1),
    ],
)
def test_errors_are_chosen_by_kind_and_label(
    client: TestClient, serving: Registry, parameters: dict[str, str], found: list[tuple[int, str]], patterns: int
) -> None:
    body = errors(client, **parameters)
    assert [(error["task_id"], error["kind"]) for error in body["errors"]] == found
    assert body["total"] == len(found)
    assert len(body["patterns"]) == patterns
    assert body["summary"]["gold"] == 4


def test_a_limit_cuts_the_lists_and_not_the_total(client: TestClient, serving: Registry) -> None:
    body = errors(client, limit=1)
    assert (len(body["errors"]), len(body["patterns"]), len(body["strings"]), body["total"]) == (1, 1, 1, 4)


@pytest.mark.parametrize(
    ("route", "parameters"),
    [
        ("errors", {"kind": "x"}),
        ("errors", {"kind": ""}),
        *((route, bad) for route in ("errors", "suspects") for bad in ({"limit": 0}, {"limit": "x"}, {"label": "x"})),
    ],
)
def test_an_impossible_parameter_is_a_400(
    client: TestClient, serving: Registry, route: str, parameters: dict[str, str]
) -> None:
    answer = client.get(f"/api/projects/1/{route}", params=parameters)
    assert answer.status_code == 400
    assert set(answer.json()) == {"error", "value", "hint"}


def test_an_unknown_label_is_answered_with_those_there_are(client: TestClient, serving: Registry) -> None:
    answer = client.get("/api/projects/1/errors", params={"label": "DIAGNOSE"})
    assert answer.json()["hint"] == "the labels are HR, DIAG"


def test_suspects_are_annotations_a_sure_prediction_contradicts(client: TestClient, serving: Registry) -> None:
    body = client.get("/api/projects/1/suspects").json()
    assert (body["version"], body["total"]) == (VERSION, 1)
    (suspect,) = body["suspects"]
    assert (suspect["task_id"], suspect["label"], suspect["expected"]) == (1, "DIAG", "HR")
    assert "97%" in suspect["reason"]
    assert client.get("/api/projects/1/suspects", params={"label": "DIAG"}).json()["total"] == 1


@pytest.mark.parametrize("route", ["errors", "suspects"])
def test_a_version_without_analysis_is_a_404_with_a_hint(client: TestClient, serving: Registry, route: str) -> None:
    (serving.model_folder("1", VERSION) / ERRORS).unlink()
    answer = client.get(f"/api/projects/1/{route}")
    assert (answer.status_code, answer.json()["value"]) == (404, VERSION)
    assert "ecgal errors" in answer.json()["hint"]


@pytest.mark.parametrize("route", ["errors", "suspects"])
def test_the_rules_have_no_stored_analysis(client: TestClient, registry: Registry, route: str) -> None:
    answer = client.get(f"/api/projects/1/{route}")
    assert (answer.status_code, answer.json()["value"]) == (404, RULES_VERSION)


@pytest.mark.parametrize("project", ["2", "x", "%2e%2e", "1%2F..%2F1"])
@pytest.mark.parametrize("route", ["errors", "suspects"])
def test_an_unknown_project_is_a_404(client: TestClient, serving: Registry, route: str, project: str) -> None:
    assert client.get(f"/api/projects/{project}/{route}").status_code == 404


def test_a_broken_analysis_is_a_500_that_quotes_nothing(client: TestClient, serving: Registry) -> None:
    (serving.model_folder("1", VERSION) / ERRORS).write_text('{"labels": "窦性心律"}')
    answer = client.get("/api/projects/1/errors")
    assert answer.status_code == 500
    assert "窦性" not in answer.text


def test_excerpts_are_never_logged(client: TestClient, serving: Registry, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    errors(client)
    client.get("/api/projects/1/suspects")
    assert "次/分" not in caplog.text
    assert "窦性" not in caplog.text


@pytest.mark.parametrize("route", ["errors", "suspects"])
def test_the_analysis_is_for_operators(make_settings: Any, serving: Registry, route: str) -> None:
    with TestClient(create_app(make_settings(api_key=SecretStr("key")))) as guarded:
        assert guarded.get(f"/api/projects/1/{route}").status_code == 401
        allowed = guarded.get(f"/api/projects/1/{route}", headers={"Authorization": "Bearer key"})
        assert allowed.status_code == 200
