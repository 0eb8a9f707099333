"""Rounds of a project on real reports with a tiny network: what the gate and the calibration leave in the card."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from redis import Redis

from backend.labelstudio.config import parse_label_config
from backend.model_card import Decision, ModelCard
from backend.predictor import ModelPredictor, TaggerPredictor, load_predictor
from backend.settings import Settings
from cli.evaluate import evaluate
from trainer.dataset import freeze, split
from trainer.parts import WorkerParts
from trainer.rounds import Round

REPORTS = Path(__file__).resolve().parents[2] / "examples" / "ecg_reports"
CONFIG = parse_label_config((REPORTS / "label_config.xml").read_text("utf-8"))
TASKS = json.loads((REPORTS / "gold.json").read_text("utf-8"))


@pytest.fixture
def parts(redis: Redis, valkey_socket: Path, tiny_base: Path, tmp_path: Path) -> WorkerParts:
    values = {
        "home": tmp_path,
        "redis_url_setting": f"unix://{valkey_socket}",
        "base_model": str(tiny_base),
        "label_studio_url": "http://127.0.0.1:1",
        "label_studio_token": "never used",
        "engine": "torch",
        "precision": "f32",
        "threads": 1,
        "train_steps": 8,
        "deep": "always",
    }
    return WorkerParts.open(Settings.model_validate(values))


def learn(parts: WorkerParts, number: int, reports: int) -> ModelCard:
    """A round on the first so many reports, published, and serving if it was promoted."""
    dataset = freeze(TASKS[:reports], CONFIG)
    version = f"ecg-r{number:04d}-{number:08x}"
    folder = parts.registry.new_folder("1")
    running = Round(parts, "1", number, parts.client("1"))
    return running.conclude(running.learn(CONFIG, dataset, version, folder))


@pytest.mark.slow
def test_rounds_are_judged_on_the_holdout_and_the_card_says_how(
    parts: WorkerParts, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = learn(parts, 1, 60)
    holdout = split(freeze(TASKS[:60], CONFIG).reports, parts.settings.holdout_share)[1]
    assert first.decision.serving == "rules-1"
    assert first.decision.reports == len(holdout) >= 10
    assert first.evaluation.modes[first.mode].micro.f1 == max(s.micro.f1 for s in first.evaluation.modes.values())
    assert first.calibration.tokens == sum(len(report.text) for report in holdout)
    assert first.calibration.ece_after is not None

    folder = parts.registry.model_folder("1", first.version)
    served = load_predictor(folder, first, CONFIG.labels, parts.settings)
    assert isinstance(served, TaggerPredictor), "a network with random weights beats nothing"
    loaded = load_predictor(folder, first.model_copy(update={"mode": "model"}), CONFIG.labels, parts.settings)
    assert isinstance(loaded, ModelPredictor)
    assert loaded.temperature == first.calibration.temperature != 1.0

    monkeypatch.setenv("ECG_ENGINE", "torch")
    arguments = ["--data", REPORTS / "gold.json", "--model", folder, "--mode", "all", "--json"]
    told = json.loads(CliRunner().invoke(evaluate, [str(argument) for argument in arguments]).output)
    assert set(told["modes"]) == {"tagger", "rules"}
    assert (told["version"], told["served"]) == (first.version, first.mode)
    assert f"The model was trained on {60 - len(holdout)} of the 250 reports (same text)" in " ".join(told["notes"])

    assert first.decision.promote, "span memory makes it better than bare rules, or equal"
    second = learn(parts, 2, 80)
    decision, ours, theirs = second.decision, second.evaluation.candidate_compared, second.evaluation.serving_compared
    assert decision.serving == first.version
    assert decision.reports > first.decision.reports
    assert decision.difference is not None
    if decision.interval is None:
        assert "alike in all reports" in decision.reason
    else:
        assert decision.interval[0] <= decision.difference <= decision.interval[1]
    assert ours is not None
    assert theirs is not None
    assert decision.difference == pytest.approx(ours.micro.f1 - theirs.micro.f1, abs=1e-5)


@pytest.mark.slow
def test_a_small_project_is_judged_by_folds_and_calibrated_by_them(parts: WorkerParts) -> None:
    card = learn(parts, 1, 16)
    assert card.evaluation.method == "cross-validation"
    assert card.decision.reports == 16, "the rules were trained on none of them"
    assert card.calibration.tokens == sum(len(task["data"]["text"]) for task in TASKS[:16])
    assert card.decision.promote
    again = learn(parts, 2, 18)
    assert (again.decision.state, again.decision.reports) == ("too few reports", 2)
    assert again.decision.difference == pytest.approx((again.f1 or 0) - (card.f1 or 0), abs=1e-5)


def test_without_a_network_there_is_nothing_to_calibrate(parts: WorkerParts) -> None:
    card = learn(parts, 1, 5)
    assert (card.training.steps, card.calibration.temperature, card.calibration.note) == (0, 1.0, "no network")


def test_decisions_of_older_cards_are_read() -> None:
    old = Decision.model_validate_json('{"promote": true, "reason": "because", "serving": "rules-1"}')
    assert (old.state, old.interval, old.labels_lost, old.debt) == (None, None, [], 0.0)
