from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from backend.model_card import DatasetSummary, Decision, Evaluation, ModelCard, TrainingSummary
from backend.ner.spans import Span
from backend.registry import CARD, MEMORY, RULES_VERSION, Registry
from backend.rules import SpanMemory
from cli.errors import errors
from cli.main import Commands
from trainer.dataset import Report
from trainer.error_analysis import analyse, write_analysis

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "ecg_reports"
SEED = EXAMPLES / "seed10.json"
VERSION = "ecg-r0001-00000001"


def ecgal(*arguments: object) -> Result:
    """As `ecgal errors …`, with its way of telling errors."""
    return CliRunner().invoke(Commands(commands={"errors": errors}), ["errors", *map(str, arguments)])


def answer(*arguments: object) -> dict[str, Any]:
    result = ecgal(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return dict(json.loads(result.stdout))


@pytest.fixture
def mistaken(tmp_path: Path) -> Path:
    """The ten example reports, the unit of the first annotated rate left off, one finding not annotated."""
    tasks = json.loads(SEED.read_text("utf-8"))
    regions = tasks[0]["annotations"][0]["result"]
    rate = regions[0]["value"]
    assert (rate["text"], rate["labels"]) == ("48次/分", ["HR"])
    rate.update(end=rate["end"] - 3, text="48")
    regions[:] = [region for region in regions if region["value"]["text"] != "窦性心动过缓"]
    path = tmp_path / "mistaken.json"
    path.write_text(json.dumps(tasks, ensure_ascii=False), "utf-8")
    return path


def make_card() -> ModelCard:
    return ModelCard(
        version=VERSION,
        project="1",
        round=1,
        created="2026-11-24T10:00:00Z",
        mode="rules",
        labels=["HR", "VALUE", "TIME", "EVENT", "DIAG"],
        base_model="built-in",
        seed=13,
        dataset=DatasetSummary(hash="h", reports=1, spans=1, tasks=[], annotations=[], holdout_tasks=[]),
        training=TrainingSummary(),
        evaluation=Evaluation(method="holdout"),
        decision=Decision(promote=True, reason="better", serving=RULES_VERSION),
    )


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """ECG_HOME of a project that a version with a stored analysis serves."""
    monkeypatch.setenv("ECG_HOME", str(tmp_path / "home"))
    registry = Registry(tmp_path / "home")
    registry.remember_label_config("1", (EXAMPLES / "label_config.xml").read_text("utf-8"))
    folder = registry.new_folder("1")
    (folder / MEMORY).write_text("{}")
    report = Report(4, 4, "心率48次/分", (Span(2, 7, "HR"),))
    write_analysis(folder, analyse([report], {4: [Span(2, 4, "HR")]}, ["HR"], version=VERSION))
    registry.publish(make_card(), folder)
    registry.promote("1", VERSION)
    return registry.home


def test_the_rules_are_analysed_without_a_model(mistaken: Path) -> None:
    told = answer("--data", mistaken)
    assert (told["version"], told["summary"]["reports"]) == (RULES_VERSION, 10)
    first, second = told["errors"]
    assert (first["task_id"], first["kind"], first["shape"], first["right_text"]) == (
        1,
        "boundary",
        "too long",
        "次/分",
    )
    assert (second["kind"], second["predicted"]["text"]) == ("spurious", "窦性心动过缓")
    assert second["predicted"]["source"] == "lexicon:DIAG"


def test_people_get_tables_that_name_what_is_wrong(mistaken: Path) -> None:
    result = ecgal("--data", mistaken)
    assert result.exit_code == 0
    assert "1 of 10 reports with errors" in result.stdout
    assert "1 spurious, 1 boundary" in result.stdout
    for expected in ("…+次/分", "taken in", "lexicon:DIAG", "窦性心动过缓", "What to annotate or decide next"):
        assert expected in result.stdout
    assert max(map(len, result.stdout.split("What to annotate")[0].splitlines())) <= 120


def test_top_cuts_the_lists_of_the_tables(mistaken: Path) -> None:
    assert "1 more with --top" in ecgal("--data", mistaken, "--top", 1).stdout
    assert ecgal("--data", mistaken, "--top", 0).exit_code == 2


def test_a_model_folder_is_analysed_in_place_of_the_rules(tmp_path: Path, home: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    said = SpanMemory.from_reports([("诊断：自创综合征", (Span(3, 8, "DIAG"),))] * 3)
    (folder / MEMORY).write_text(said.to_json(), "utf-8")
    (folder / CARD).write_text(make_card().model_dump_json(), "utf-8")
    task = {
        "id": 5,
        "data": {"text": "结论：自创综合征"},
        "annotations": [
            {
                "id": 5,
                "result": [
                    {
                        "from_name": "label",
                        "to_name": "text",
                        "type": "labels",
                        "value": {"start": 3, "end": 7, "text": "自创综合", "labels": ["DIAG"]},
                    }
                ],
            }
        ],
    }
    data = tmp_path / "data.json"
    data.write_text(json.dumps([task], ensure_ascii=False), "utf-8")
    arguments = ("--data", data, "--label-config", EXAMPLES / "label_config.xml")
    told = answer(*arguments, "--model", folder)
    (error,) = told["errors"]
    assert (told["version"], error["kind"], error["predicted"]["source"]) == (VERSION, "boundary", "memory")
    assert answer(*arguments)["errors"][0]["kind"] == "missed"


def test_the_page_is_written_for_its_owner(mistaken: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    assert ecgal("--data", mistaken, "--html", page).exit_code == 0
    assert stat.S_IMODE(page.stat().st_mode) == 0o600
    html = page.read_text("utf-8")
    assert "mistaken.json" in html
    assert 'id="task-1"' in html
    assert "窦性心动过缓" in html


def test_no_text_leaves_reports_out_of_page_tables_and_json(mistaken: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    results = [ecgal("--data", mistaken, "--no-text", "--html", page), ecgal("--data", mistaken, "--no-text", "--json")]
    for text in (*(result.stdout for result in results), page.read_text("utf-8")):
        assert "boundary" in text
        assert "窦性" not in text
        assert "次/分" not in text


def test_the_stored_analysis_of_the_serving_version_is_shown(home: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    told = answer("--project", 1, "--html", page)
    assert (told["version"], told["errors"][0]["right_text"]) == (VERSION, "次/分")
    assert "次/分" in page.read_text("utf-8")
    bare = answer("--project", 1, "--no-text")
    assert bare["errors"][0]["right_text"] == ""


def test_a_project_without_analysis_is_an_error_with_a_hint(home: Path) -> None:
    Registry(home).promote("1", RULES_VERSION)
    result = ecgal("--project", 1)
    assert result.exit_code == 1
    assert "ecgal retrain" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [(), ("--project", 1, "--data", SEED), ("--project", 1, "--model", "x"), ("--model", "x"), ("--top", 5)],
)
def test_either_data_or_a_project_is_asked_for(arguments: tuple[object, ...]) -> None:
    result = ecgal(*arguments)
    assert result.exit_code == 2
    assert "--data" in result.stderr


def test_what_cannot_be_read_or_written_is_one_sentence(mistaken: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for arguments in (
        ("--data", tmp_path / "none.json"),
        ("--data", mistaken, "--model", tmp_path),
        ("--data", mistaken, "--html", tmp_path / "file" / "page.html"),
    ):
        result = ecgal(*arguments)
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr.startswith("Error: ")
        assert len(result.stderr.splitlines()) == 1


def test_control_characters_of_a_report_do_not_reach_the_terminal(tmp_path: Path) -> None:
    tasks = json.loads(SEED.read_text("utf-8"))
    text = tasks[0]["data"]["text"] + "\x1b[31m红\x1b[0m\n斑"
    value = {"start": len(text) - 11, "end": len(text), "text": text[-11:], "labels": ["DIAG"]}
    tasks[0]["data"]["text"] = text
    tasks[0]["annotations"][0]["result"].append(
        {"id": "x", "from_name": "label", "to_name": "text", "type": "labels", "value": value}
    )
    data = tmp_path / "data.json"
    data.write_text(json.dumps(tasks, ensure_ascii=False), "utf-8")
    result = ecgal("--data", data)
    assert "红" in result.stdout
    assert "\x1b" not in result.stdout


def test_copies_count_once_and_are_told_beside_the_analysis(tmp_path: Path) -> None:
    tasks = json.loads(SEED.read_text("utf-8"))
    copies = [{**task, "id": 1000 + i, "data": {"text": f"{task['data']['text']} "}} for i, task in enumerate(tasks)]
    twice = tmp_path / "twice.json"
    twice.write_text(json.dumps(tasks + copies), "utf-8")
    result = ecgal("--data", twice, "--json")
    assert json.loads(result.stdout)["summary"] == answer("--data", SEED)["summary"]
    assert result.stderr == "note: 10 of 20 reports are copies of others (same text), and each text counts once.\n"
