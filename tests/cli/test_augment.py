"""`ecgal augment` on files, as people call it."""

from __future__ import annotations

import json
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from cli.augment import augment
from cli.main import Commands
from trainer.corpus import read

REPORTS = Path(__file__).resolve().parents[2] / "examples" / "ecg_reports" / "seed10.json"
COMMANDS: click.Group = Commands("ecgal", commands={"augment": augment})


def call(*arguments: object) -> Result:
    return CliRunner().invoke(COMMANDS, ["augment", *(str(argument) for argument in arguments)])


def test_variants_are_tasks_that_are_read_back_with_their_spans(tmp_path: Path) -> None:
    output = tmp_path / "more.json"
    done = call("--data", REPORTS, "--output", output, "--copies", 2, "--json")
    assert done.exit_code == 0
    counts = json.loads(done.stdout)
    made = read(output)
    assert counts["variants"] == len(made.dataset.reports) == made.ledger.tasks.kept == 20
    assert made.ledger.spans.rejected == 0
    assert set(made.dataset.labels) == set(read(REPORTS).dataset.labels)


def test_every_task_names_its_source_and_the_policies(tmp_path: Path) -> None:
    call("--data", REPORTS, "--output", tmp_path / "more.json", "--policy", "surface", "--policy", "typos")
    sources = {report.task_id for report in read(REPORTS).dataset.reports}
    tasks = json.loads((tmp_path / "more.json").read_text("utf-8"))
    assert {task["meta"]["source_task"] for task in tasks} == sources
    assert not sources & {task["id"] for task in tasks}
    assert all(set(task["meta"]["policies"]) <= {"surface", "typos"} for task in tasks)
    assert all(task["meta"]["policies"] for task in tasks)


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    for name, seed in (("one", 4), ("two", 4), ("three", 5)):
        call("--data", REPORTS, "--output", tmp_path / name, "--seed", seed)
    one, two, three = ((tmp_path / name).read_bytes() for name in ("one", "two", "three"))
    assert one == two != three


def test_originals_and_variants_are_shown_side_by_side(tmp_path: Path) -> None:
    done = call("--data", REPORTS, "--output", tmp_path / "more.json", "--policy", "numbers", "--show", 1)
    report = read(REPORTS).dataset.reports[0]
    assert f"task {report.task_id}" in done.stdout
    # Columns wrap: the marks are looked for without the frame and the line breaks.
    shown = "".join(done.stdout.split()).replace("│", "")
    assert "|HR]" in shown
    assert "numbers" in shown
    assert done.stdout.splitlines()[-1].endswith(")")


def test_what_cannot_be_done_is_one_sentence_and_leaves_the_files(tmp_path: Path) -> None:
    data = tmp_path / "data.json"
    data.write_bytes(REPORTS.read_bytes())
    same = call("--data", data, "--output", data)
    assert same.exit_code == 1
    assert "would replace the input" in same.stderr
    assert data.read_bytes() == REPORTS.read_bytes()
    nowhere = call("--data", data, "--output", data / "below" / "more.json")
    assert nowhere.exit_code == 1
    assert "Cannot write" in nowhere.stderr
    assert call("--data", tmp_path / "none.json", "--output", tmp_path / "more.json").exit_code == 1
    assert [path.name for path in tmp_path.iterdir()] == ["data.json"]


@pytest.mark.parametrize("arguments", [["--policy", "nonsense"], ["--copies", "0"], ["--seed", "-1"]])
def test_wrong_options_are_usage_errors(tmp_path: Path, arguments: list[str]) -> None:
    assert call("--data", REPORTS, "--output", tmp_path / "more.json", *arguments).exit_code == 2
