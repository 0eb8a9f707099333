import json
from pathlib import Path

import pytest

from backend.errors import LabelConfigError
from backend.model_card import ModelCard
from backend.ner.spans import Span
from backend.ranking.control import is_holdout
from backend.ranking.copies import report_key
from backend.records import RankingRecord
from backend.registry import RULES_VERSION, Registry
from backend.rules import SpanMemory
from backend.serving import Serving
from backend.settings import Settings
from tests.test_registry import card

XML = (
    '<View><Labels name="label" toName="text"><Label value="HR"/><Label value="DIAG"/></Labels>'
    '<Text name="text" value="$text"/></View>'
)
TEXT = "窦性心律，心率72次/分"


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path)


@pytest.fixture
def serving(registry: Registry, tmp_path: Path) -> Serving:
    return Serving(Settings(ECG_HOME=tmp_path), registry)


def task(text: object, task_id: int = 1) -> dict[str, object]:
    return {"id": task_id, "data": {"text": text}}


def publish(registry: Registry, number: int, memory: SpanMemory | str) -> ModelCard:
    """A version without network: rules and a memory."""
    made = card(number)
    folder = registry.new_folder("1")
    (folder / "memory.json").write_text(memory if isinstance(memory, str) else memory.to_json(), "utf-8")
    registry.publish(made, folder)
    return made


def found(answer: dict[str, object]) -> list[tuple[str, str]]:
    return [(region["value"]["text"], region["value"]["labels"][0]) for region in answer["result"]]


def test_an_unknown_project_is_answered_by_rules(serving: Serving) -> None:
    (answer,) = serving.predict_tasks("", XML, [task(TEXT)])
    assert found(answer) == [("窦性心律", "DIAG"), ("72次/分", "HR")]
    assert answer["model_version"] == RULES_VERSION


@pytest.mark.parametrize(
    "odd", [task(None), task(7), task(["x"]), {}, None, "text", 3, {"data": "x"}, task("\ud800"), task("心" * 20_001)]
)
def test_a_task_without_text_costs_only_itself(serving: Serving, odd: object) -> None:
    answers = serving.predict_tasks("1", XML, [task(TEXT), odd, task(TEXT)])
    assert len(answers) == 3
    assert answers[1] == {"result": [], "score": 0.0, "model_version": RULES_VERSION}
    assert found(answers[0]) == found(answers[2]) != []


def test_no_tasks_give_no_answers(serving: Serving) -> None:
    assert serving.predict_tasks("1", XML, []) == []


def test_a_promoted_version_answers_at_once(serving: Serving, registry: Registry) -> None:
    assert serving.predict_tasks("1", XML, [task("新词甲")])[0]["model_version"] == RULES_VERSION
    reports = [("新词甲", [Span(0, 3, "DIAG")])] * 3
    version = publish(registry, 1, SpanMemory.from_reports(reports)).version
    registry.promote("1", version)
    (answer,) = serving.predict_tasks("1", XML, [task("新词甲")])
    assert (answer["model_version"], found(answer)) == (version, [("新词甲", "DIAG")])


def test_a_version_that_cannot_be_loaded_answers_empty_under_its_own_name(serving: Serving, registry: Registry) -> None:
    for number, memory in ((1, "{"), (2, "[]"), (3, json.dumps({"format": 99}))):
        version = publish(registry, number, memory).version
        registry.promote("1", version)
        answers = serving.predict_tasks("1", XML, [task(TEXT)] * 2)
        assert answers == [{"result": [], "score": 0.0, "model_version": version}] * 2


def test_the_projects_last_configuration_helps_out_and_the_log_says_so_once(
    serving: Serving, registry: Registry, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(LabelConfigError):
        serving.predict_tasks("1", "<broken", [task(TEXT)])
    registry.remember_label_config("1", XML)
    for _ in range(2):
        assert found(serving.predict_tasks("1", "<broken", [task(TEXT)])[0]) != []
    (line,) = caplog.messages
    assert line.startswith("project 1: The labelling configuration is not XML")
    registry.remember_label_config("1", "<broken")
    with pytest.raises(LabelConfigError):
        serving.predict_tasks("1", "<broken", [task(TEXT)])


def test_a_text_in_base64_is_not_read_by_the_configuration_before(serving: Serving, registry: Registry) -> None:
    registry.remember_label_config("1", XML)
    with pytest.raises(LabelConfigError, match='encoding="base64unicode"'):
        serving.predict_tasks("1", XML.replace("<Text ", '<Text encoding="base64unicode" '), [task(TEXT)])


def test_labels_come_from_the_request(serving: Serving) -> None:
    only_hr = XML.replace('<Label value="DIAG"/>', "")
    assert found(serving.predict_tasks("1", only_hr, [task(TEXT)])[0]) == [("72次/分", "HR")]
    renamed = XML.replace('value="HR"', 'value="心率" alias="HR"')
    assert ("72次/分", "HR") in found(serving.predict_tasks("1", renamed, [task(TEXT)])[0])


def test_the_score_is_one_minus_the_priority_and_holdout_tasks_take_a_random_place(
    serving: Serving, registry: Registry
) -> None:
    record = RankingRecord(version=RULES_VERSION, tasks=3, seconds=1, finished="", distribution=(0.7, 0.7, 0.7))
    registry.save_ranking("1", record)
    texts = [f"{TEXT} 第{i}次" for i in range(100)]
    held = next(text for text in texts if is_holdout(report_key(text), 0.2))
    free = next(text for text in texts if not is_holdout(report_key(text), 0.2))
    first, second, other = serving.predict_tasks("1", XML, [task(held, 7), task(f"{held}\u200b ", 8), task(free, 7)])
    assert first["score"] == second["score"] == pytest.approx(0.3, abs=1e-5)
    assert other["score"] != pytest.approx(0.3, abs=1e-3)
