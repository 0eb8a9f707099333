"""`ecgal convert` and `ecgal split` on files, as people call them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from cli.convert import convert
from cli.corpus import read_texts
from cli.main import Commands
from cli.split import split
from trainer.corpus import read
from trainer.corpus.tasks import PLAIN
from trainer.dataset import Reject

REPORTS = Path(__file__).resolve().parents[2] / "examples" / "ecg_reports"
COMMANDS: click.Group = Commands("ecgal", commands={"convert": convert, "split": split})
TEXT = "心率72次/分"


def call(*arguments: object) -> Result:
    return CliRunner().invoke(COMMANDS, [str(argument) for argument in arguments])


def export(folder: Path, *annotations: dict[str, Any]) -> Path:
    path = folder / "exported.json"
    path.write_text(json.dumps([{"id": 1, "data": {"text": TEXT}, "annotations": list(annotations)}]), encoding="utf-8")
    return path


def region(start: int, end: int) -> dict[str, Any]:
    value = {"start": start, "end": end, "text": TEXT[start:end], "labels": ["HR"]}
    return {"id": "r", "from_name": "label", "to_name": "text", "type": "labels", "value": value}


@pytest.mark.parametrize("name", ["train_data.json", "train_data.jsonl.gz", "train_data.conll", "train_data"])
def test_an_export_becomes_training_data_in_the_form_of_the_name(tmp_path: Path, name: str) -> None:
    result = call("convert", "--input", REPORTS / "gold.json", "--output", tmp_path / "new" / name)
    assert result.exit_code == 0, result.output
    assert "3577" in result.output
    assert read(tmp_path / "new" / name).dataset == read(REPORTS / "gold.json").dataset


def test_the_configuration_gives_labels_their_order(tmp_path: Path) -> None:
    config = REPORTS / "label_config.xml"
    arguments = ("--input", REPORTS / "seed10.json", "--output", tmp_path / "a.conll", "--label-config", config)
    told = json.loads(call("convert", *arguments, "--json").output)
    assert told["labels"] == ["HR", "VALUE", "TIME", "EVENT", "DIAG"]
    assert told["tasks"] == told["annotations"] == {"found": 10, "kept": 10, "rejected": 0}
    assert read(tmp_path / "a.conll").dataset.hash == told["hash"]


def test_rejects_are_counted_told_and_written(tmp_path: Path) -> None:
    skipped = {"id": 8, "was_cancelled": True, "result": [region(0, 2)]}
    source = export(tmp_path, {"id": 7, "result": [region(2, 7), region(2, 4), region(5, 99)]}, skipped)
    result = call("convert", "--input", source, "--output", tmp_path / "a.json", "--rejects", tmp_path / "rejects.json")
    lines = [line.split() for line in result.output.splitlines()]
    assert ["annotations", "2", "1", "1"] in lines
    assert ["spans", "4", "1", "3"] in lines
    for reason in ("1 x skipped", "1 x overlaps another region", "1 x its offsets do not fit the text"):
        assert reason in result.output
    rejects = [Reject(**fields) for fields in json.loads((tmp_path / "rejects.json").read_text("utf-8"))]
    assert [(r.task_id, r.annotation_id, r.annotations, r.spans) for r in rejects] == [
        (1, 8, 1, 1),
        (1, 7, 0, 1),
        (1, 7, 0, 1),
    ]
    assert TEXT not in result.output


def test_nothing_usable_is_a_failure_with_the_reasons(tmp_path: Path) -> None:
    source = export(tmp_path, {"id": 8, "was_cancelled": True, "result": [region(0, 2)]})
    result = call("convert", "--input", source, "--output", tmp_path / "a.json", "--rejects", tmp_path / "r.json")
    assert result.exit_code == 1
    assert "skipped (1)" in result.output
    assert (tmp_path / "r.json").exists()
    assert not (tmp_path / "a.json").exists()


def test_a_row_that_cannot_be_read_is_told_with_its_line_by_each_command(tmp_path: Path) -> None:
    rows = [json.dumps({"text": f"{TEXT}{n}", "label": [[2, 7, "HR"]]}) for n in range(10)]
    source = tmp_path / "rows.jsonl"
    source.write_text("\n".join([*rows[:3], '{"text": "心', *rows[3:]]), encoding="utf-8")
    rejects = tmp_path / "r.json"
    done = call("convert", "--input", source, "--output", tmp_path / "a.json", "--rejects", rejects)
    assert done.exit_code == 0, done.output
    assert "line 4: it is not JSON" in done.stderr
    assert ["tasks", "11", "10", "1"] in [line.split() for line in done.stdout.splitlines()]
    assert json.loads(rejects.read_text("utf-8"))[0]["reason"].startswith("line 4: ")
    done = call("split", "--data", source, "--output", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert "line 4: it is not JSON" in done.stderr
    assert "心" not in done.stderr


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"--output": "data.parquet"}, "--format"),
        ({"--output": "exported.json"}, "different files"),
        ({"--input": "nowhere.json"}, "There is no file"),
        ({"--label-config": "exported.json"}, "not XML"),
        ({"--label-config": "nowhere.xml"}, "Cannot read"),
        ({"--output": "exported.json/a.json"}, "Cannot write"),
    ],
)
def test_a_wrong_argument_gets_one_sentence(tmp_path: Path, changed: dict[str, str], told: str) -> None:
    source = export(tmp_path, {"id": 7, "result": [region(2, 7)]})
    before = source.read_bytes()
    paths = {"--input": "exported.json", "--output": "a.json", **changed}
    result = call("convert", *(part for name, path in paths.items() for part in (name, tmp_path / path)))
    assert result.exit_code == 1
    assert told in result.output
    assert result.output.count("\n") == 1
    assert source.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["exported.json"]


def test_the_help_says_what_is_read() -> None:
    told = " ".join(call("convert", "--help").output.split())
    for form in ("JSON-MIN", "CSV", "doccano", "CLUENER", "spaCy", "Prodigy", "CoNLL", "zip"):
        assert form in told


@pytest.mark.parametrize("method", ["stratified", "template-disjoint"])
def test_split_writes_two_files_that_hold_all_reports(tmp_path: Path, method: str) -> None:
    data = REPORTS / "gold.json"
    result = call("split", "--data", data, "--output", tmp_path, "--method", method, "--seed", 3, "--json")
    told = json.loads(result.output)
    sides = {name: read(tmp_path / f"{name}.json").dataset for name in ("train", "validation")}
    merged = [*sides["train"].reports, *sides["validation"].reports]
    assert sorted(merged, key=lambda r: r.task_id) == list(read(data).dataset.reports)
    for name, dataset in sides.items():
        assert told[name]["reports"] == len(dataset.reports)
        assert told[name]["labels"]["HR"] == sum(s.label == "HR" for r in dataset.reports for s in r.spans)


def test_split_prints_the_labels_of_each_side(tmp_path: Path) -> None:
    result = call("split", "--data", REPORTS / "seed10.json", "--output", tmp_path)
    rows = {line.split()[0]: line.split()[1:] for line in result.output.splitlines() if line.split()}
    assert rows["reports"] == ["8", "2"]
    assert int(rows["DIAG"][0]) + int(rows["DIAG"][1]) == 20


def test_split_keeps_copies_on_one_side_and_says_so(tmp_path: Path) -> None:
    tasks = json.loads((REPORTS / "seed10.json").read_text("utf-8"))
    copies = [{**task, "id": 1000 + i, "data": {"text": f"{task['data']['text']} "}} for i, task in enumerate(tasks)]
    data = tmp_path / "twice.json"
    data.write_text(json.dumps(tasks + copies), "utf-8")
    result = call("split", "--data", data, "--output", tmp_path)
    assert "10 of them have the text of another report: copies are on the same side" in result.output
    train, held = (
        {report.text.strip() for report in read(tmp_path / f"{name}.json").dataset.reports}
        for name in ("train", "validation")
    )
    assert len(train | held) == 10
    assert not train & held


def test_split_does_not_overwrite_its_data(tmp_path: Path) -> None:
    data = tmp_path / "train.json"
    data.write_bytes((REPORTS / "seed10.json").read_bytes())
    result = call("split", "--data", data, "--output", tmp_path)
    assert result.exit_code == 1
    assert "overwritten" in result.output
    assert not (tmp_path / "validation.json").exists()


def test_rows_without_text_among_unlabelled_ones_are_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "pool.csv").write_text("id,text\n1,窦性\n2,\n3,室早,x\n", encoding="utf-8")
    assert read_texts(tmp_path / "pool.csv", PLAIN) == ["窦性"]
    assert "2 rows without text under data.text were left out" in capsys.readouterr().err


def test_split_needs_data_it_can_use(tmp_path: Path) -> None:
    source = export(tmp_path, {"id": 8, "was_cancelled": True, "result": [region(0, 2)]})
    result = call("split", "--data", source, "--output", tmp_path / "out")
    assert result.exit_code == 1
    assert "skipped (1)" in result.output
