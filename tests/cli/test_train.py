"""`ecgal train`, then what people do with the folder: evaluate, errors."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli.main import main

REPORTS = Path(__file__).resolve().parents[2] / "examples" / "ecg_reports"
SEED = str(REPORTS / "seed10.json")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments), catch_exceptions=False)


@pytest.fixture
def home(tmp_path: Path, base_model: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ECG_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ECG_BASE_MODEL", str(base_model))
    monkeypatch.setenv("ECG_THREADS", "1")
    return tmp_path


@pytest.mark.slow
def test_a_trained_folder_can_be_evaluated_and_analysed(home: Path) -> None:
    model = str(home / "model")
    data, held = (str(shortened(home, *part)) for part in (("data.json", slice(7)), ("held.json", slice(7, 10))))
    trained = run("train", "--data", data, "--output", model, "--steps", "8", "--validation", held, "--json")
    assert "stage 2 of 4, training" in trained.stderr
    assert trained.exit_code == 0, trained.output
    card = json.loads(trained.stdout)
    assert card["training"]["steps"] == 8
    assert card["evaluation"]["method"] == "holdout"
    assert set(card["evaluation"]["modes"]) == {"rules", "model", "merged"}
    best = max(score["micro"]["f1"] for score in card["evaluation"]["modes"].values())
    assert card["evaluation"]["modes"][card["mode"]]["micro"]["f1"] == best

    evaluated = run("evaluate", "--model", model, "--data", SEED, "--mode", "all", "--json")
    assert evaluated.exit_code == 0, evaluated.output
    assert json.loads(evaluated.stdout)["served"] == card["mode"]
    assert run("errors", "--model", model, "--data", SEED).exit_code == 0
    again = run("train", "--data", SEED, "--output", model)
    assert again.exit_code == 1
    assert "something already" in again.stderr


@pytest.mark.slow
def test_a_few_reports_are_judged_by_cross_validation_with_every_wish_at_once(home: Path) -> None:
    few = home / "few.json"
    few.write_text(json.dumps(json.loads(Path(SEED).read_text("utf-8"))[:4], ensure_ascii=False), "utf-8")
    wishes = ("--augment", "1", "--policy", "numbers", "--unlabelled", SEED, "--self-training", "0.5")
    options = ("--steps", "4", "--layers", "2", "--option", "label_smoothing=0.1", "--seed", "5", "--json")
    trained = run("train", "--data", str(few), "--output", str(home / "model"), *wishes, *options)
    assert trained.exit_code == 0, trained.output
    card = json.loads(trained.stdout)
    assert card["seed"] == 5
    assert card["evaluation"]["method"] == "cross-validation"
    assert len(card["evaluation"]["tasks"]) == 4
    assert json.loads((home / "model" / "config.json").read_text())["num_hidden_layers"] == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--option", "depth=3"), "depth=3"),
        (("--epochs", "-1"), "epochs"),
        (("--base-model", "/nowhere/at/all"), "/nowhere/at/all"),
        (("--unlabelled", "/nowhere.json", "--pretrain"), "/nowhere.json"),
    ],
)
def test_what_cannot_be_used_is_named_and_leaves_nothing(home: Path, arguments: tuple[str, ...], words: str) -> None:
    refused = run("train", "--data", SEED, "--output", str(home / "model"), *arguments)
    assert refused.exit_code == 1
    assert words in refused.stderr
    assert "Traceback" not in refused.output
    assert not [path for path in home.iterdir() if "model" in path.name]


def test_self_training_without_texts_is_a_usage_error(home: Path) -> None:
    refused = run("train", "--data", SEED, "--output", str(home / "model"), "--self-training", "1")
    assert refused.exit_code == 2
    assert "--unlabelled" in refused.stderr


def test_one_report_is_too_few(home: Path) -> None:
    one = home / "one.json"
    one.write_text(json.dumps(json.loads(Path(SEED).read_text("utf-8"))[:1], ensure_ascii=False), "utf-8")
    refused = run("train", "--data", str(one), "--output", str(home / "model"))
    assert refused.exit_code == 1
    assert "Too few annotated reports" in refused.stderr


def shortened(folder: Path, name: str, tasks: slice, unlabelled: int = 0) -> Path:
    """Some of the ten reports, the first so many without their spans."""
    chosen = json.loads(Path(SEED).read_text("utf-8"))[tasks]
    for task in chosen[:unlabelled]:
        task["annotations"][0]["result"] = []
    (folder / name).write_text(json.dumps(chosen, ensure_ascii=False), "utf-8")
    return folder / name


@pytest.mark.slow
def test_reports_of_which_one_alone_has_spans_are_learned(home: Path) -> None:
    data = shortened(home, "one.json", slice(6), unlabelled=5)
    made = run("train", "--data", str(data), "--output", str(home / "model"), "--steps", "2", "--json")
    assert made.exit_code == 0, made.output
    card = json.loads(made.stdout)
    assert list(card["evaluation"]["modes"]) == ["rules"]
    assert len(card["evaluation"]["tasks"]) == 6


@pytest.mark.slow
def test_two_reports_are_enough_also_with_patience(home: Path) -> None:
    data = shortened(home, "two.json", slice(2))
    made = run("train", "--data", str(data), "--output", str(home / "model"), "--steps", "2", "--patience", "2")
    assert made.exit_code == 0, made.output


@pytest.mark.slow
def test_a_model_to_start_from_must_not_know_what_judges(home: Path) -> None:
    first, options = str(home / "first"), ("--steps", "2", "--json")
    data, held = (str(shortened(home, *part)) for part in (("data.json", slice(8)), ("held.json", slice(8, 10))))
    assert run("train", "--data", data, "--output", first, *options).exit_code == 0
    alone = run("train", "--data", data, "--output", str(home / "second"), "--start", first, *options)
    assert alone.exit_code == 1
    assert "--validation" in alone.stderr
    judged = run(
        "train", "--data", data, "--output", str(home / "second"), "--start", first, "--validation", held, *options
    )
    assert judged.exit_code == 0, judged.output
    assert json.loads((home / "second" / "card.json").read_text("utf-8"))["dataset"]["holdout_tasks"] == []


@pytest.mark.slow
def test_a_label_that_only_the_validation_has_counts_as_missed(home: Path) -> None:
    data = shortened(home, "train.json", slice(4))
    tasks = json.loads(data.read_text("utf-8"))
    for task in tasks:
        regions = task["annotations"][0]["result"]
        task["annotations"][0]["result"] = [r for r in regions if r["value"]["labels"] != ["TIME"]]
    data.write_text(json.dumps(tasks, ensure_ascii=False), "utf-8")
    model = str(home / "model")
    held = str(shortened(home, "held.json", slice(4, 10)))
    made = run("train", "--data", str(data), "--validation", held, "--output", model, "--steps", "2", "--json")
    assert made.exit_code == 0, made.output
    score = json.loads(made.stdout)["evaluation"]["modes"]["model"]
    assert score["by_label"]["TIME"]["support"] == 9
