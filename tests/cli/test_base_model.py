"""`ecgal base-model` as people call it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from cli.base_model import base_model
from cli.main import Commands
from trainer.base_model import BUILD, MARKER

COMMANDS: click.Group = Commands("ecgal", commands={"base-model": base_model})
PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *"窦性心律"]


@pytest.fixture
def encoder(tmp_path: Path) -> Path:
    """What is looked at before a training: configuration, tokenizer, and a file of weights."""
    folder = tmp_path / "encoder"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"model_type": "bert", "vocab_size": len(PIECES)}))
    (folder / "model.safetensors").write_bytes(b"")
    (folder / "vocab.txt").write_text("\n".join(PIECES), encoding="utf-8")
    return folder


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An ECG_HOME in which the built-in encoder counts as built."""
    base = tmp_path / "home" / "base"
    base.mkdir(parents=True)
    (base / MARKER).write_text(json.dumps(BUILD))
    (base / "model.safetensors").write_bytes(b"")
    return base.parent


def call(home: Path, *arguments: str, setting: str = "") -> Result:
    environment = {"ECG_HOME": str(home), "ECG_BASE_MODEL": setting}
    return CliRunner().invoke(COMMANDS, ["base-model", *arguments], env=environment)


def listed(home: Path, setting: str = "") -> dict[str, dict[str, Any]]:
    rows = json.loads(call(home, "list", "--json", setting=setting).stdout)
    return {row["name"]: row for row in rows}


def test_build_prints_the_folder(home: Path, encoder: Path) -> None:
    assert call(home, "build").stdout == f"{home / 'base'}\n"
    assert call(home, "build", setting=str(encoder)).stdout == f"{encoder}\n"


def test_the_bare_command_shows_what_is_in_force_and_builds_nothing(home: Path, tmp_path: Path) -> None:
    assert call(home).stdout == call(home, "show").stdout
    assert str(home / "base") in call(home).stdout
    empty = tmp_path / "empty"
    assert "not on disk: `ecgal base-model build`" in call(empty).stdout
    assert not empty.exists()


def test_the_list_marks_what_is_used_and_what_is_on_disk(home: Path, encoder: Path) -> None:
    before = listed(home)
    assert [name for name, row in before.items() if row["in_use"]] == ["built-in"]
    assert before["built-in"]["on_disk"]
    assert before["GanjinZero/UMLSBert_zh"]["licence"] == "unknown"
    assert call(home, "use", str(encoder)).stdout == f"{encoder}\n"
    after = listed(home)
    assert [name for name, row in after.items() if row["in_use"]] == [str(encoder)]
    assert after[str(encoder)]["on_disk"]
    table = call(home, "list").stdout
    assert f"* {encoder}" in table
    assert all(name in table for name in after)


def test_going_back_to_the_built_in_encoder(home: Path, encoder: Path) -> None:
    call(home, "use", str(encoder))
    assert json.loads(call(home, "show", "--json").stdout) == {
        "name": str(encoder),
        "set_by": "ecgal base-model use",
        "folder": str(encoder),
    }
    call(home, "use", "built-in")
    assert "built-in" in call(home, "show").stdout
    assert json.loads(call(home, "show", "--json").stdout)["set_by"] == "default"


def test_the_setting_wins_and_use_says_so(home: Path, encoder: Path) -> None:
    done = call(home, "use", str(encoder), setting="hfl/rbt3")
    assert done.exit_code == 0
    assert "ECG_BASE_MODEL=hfl/rbt3 is set and wins" in done.stderr
    assert json.loads(call(home, "show", "--json", setting="hfl/rbt3").stdout)["set_by"] == "ECG_BASE_MODEL"
    assert listed(home, "hfl/rbt3")["hfl/rbt3"]["in_use"]


@pytest.mark.parametrize(
    ("name", "reason"), [("/nowhere/at/all", "no folder"), ("bad name", "no folder"), ("a/b/c", "no folder")]
)
def test_a_name_that_is_nothing_is_one_sentence_and_exit_1(home: Path, name: str, reason: str) -> None:
    done = call(home, "use", name)
    assert done.exit_code == 1
    assert reason in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert json.loads(call(home, "show", "--json").stdout)["name"] == "built-in"


def test_use_needs_a_name(home: Path) -> None:
    assert call(home, "use").exit_code == 2
