"""`ecgal evaluate` on files, as people call it."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from backend.errors import BackendError
from cli.evaluate import evaluate

GOLD = Path(__file__).resolve().parents[2] / "examples" / "ecg_reports" / "gold.json"


def task(number: int, text: str, *spans: tuple[int, int, str]) -> dict[str, object]:
    regions = [
        {"id": f"r{i}", "from_name": "label", "to_name": "text", "type": "labels",
         "value": {"start": start, "end": end, "text": text[start:end], "labels": [label]}}
        for i, (start, end, label) in enumerate(spans)
    ]  # fmt: skip
    return {"id": number, "data": {"text": text}, "annotations": [{"id": number, "result": regions}]}


def run(*arguments: object) -> Result:
    result = CliRunner().invoke(evaluate, [str(argument) for argument in arguments])
    if isinstance(result.exception, BackendError):
        raise result.exception
    return result


def test_the_rules_are_scored_without_a_model() -> None:
    result = run("--data", GOLD, "--json")
    assert result.exit_code == 0
    told = json.loads(result.output)
    assert (told["version"], told["served"], told["reports"]) == ("rules-1", "rules", 250)
    scores = told["modes"]["rules"]
    assert scores["strict"]["micro"]["gold"] == told["spans"] == 3577
    assert set(scores["strict"]["by_label"]) == {"HR", "VALUE", "TIME", "EVENT", "DIAG"}
    assert sum(group["reports"] for group in scores["by_length"].values()) == 250
    assert sum(group["reports"] for group in scores["by_kind"].values()) == 250
    assert told["speed"]["characters_per_second"] > 0


def test_people_get_a_table_with_every_label_and_the_notes(tmp_path: Path) -> None:
    data = tmp_path / "data.json"
    data.write_text(json.dumps([task(1, "心率72次/分，王某", (2, 7, "HR"), (8, 10, "NAME"))]), "utf-8")
    output = run("--data", data).output
    lines = {line.split()[0]: line for line in output.splitlines() if line.strip()}
    assert "1.000" in lines["HR"]
    assert "0.000" in lines["NAME"]
    assert "note: Nothing was predicted for NAME (1 spans)." in output
    assert "reports/s" in output


def test_a_mode_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match="no network and so no mode: merged"):
        run("--data", GOLD, "--mode", "merged")
    assert run("--data", GOLD, "--mode", "best").exit_code == 2


def test_a_folder_that_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match="No readable model card"):
        run("--data", GOLD, "--model", tmp_path)
