"""What a learning does beside the preset: options, variants, unlabelled texts."""

from __future__ import annotations

from pathlib import Path

import pytest

from backend.errors import SettingsError
from backend.labelstudio.config import LabelConfig
from backend.ner.spans import Span
from backend.settings import Settings
from trainer.dataset import Report
from trainer.learning import Learner
from trainer.plan import Plan, layered, parse_options

CONFIG = LabelConfig("label", "text", "text", ("HR", "EVENT"))
REPORTS = [
    Report(i, i, f"心率{60 + i}次/分，偶发室早{i}次。", (Span(2, 7, "HR"), Span(8, 12, "EVENT"))) for i in range(1, 5)
]


def learner(plan: Plan, tmp_path: Path) -> Learner:
    return Learner(Settings(ECG_HOME=str(tmp_path)), CONFIG, tmp_path / "model", "v", lambda **_: None, plan)


def test_options_change_the_preset_and_the_rest_of_it_stays() -> None:
    settings = Settings(ECG_TRAIN_OPTIONS="layers=4 label_smoothing=0.1", ECG_SEED="7")
    plain, changed = (Plan.from_settings(s).recipe(25, settings) for s in (Settings(), settings))
    assert (changed.layers, changed.label_smoothing, changed.seed) == (4, 0.1, 7)
    assert (changed.steps, changed.batch) == (plain.steps, plain.batch)


@pytest.mark.parametrize("text", ["depth=4", "layers", "layers=", "=4"])
def test_an_option_that_is_none_is_refused_by_name(text: str) -> None:
    with pytest.raises(SettingsError, match=text):
        parse_options(text)


@pytest.mark.parametrize("text", ["start=/x", "seed=1", "threads=9", "minutes=1"])
def test_what_has_a_setting_of_its_own_is_no_option(text: str) -> None:
    with pytest.raises(SettingsError, match="Use "):
        parse_options(text)


def test_an_option_of_the_call_wins_over_the_environment() -> None:
    environment = parse_options("steps=100 layers=4")
    recipe = Plan(options=layered(environment, {"epochs": 3.0})).recipe(25, Settings())
    assert (recipe.steps, recipe.epochs, recipe.layers) == (0, 3.0, 4)


def test_an_option_out_of_range_is_refused_with_its_value() -> None:
    with pytest.raises(SettingsError, match=r"label_smoothing.*1\.5"):
        Plan(options={"label_smoothing": "1.5"}).recipe(25, Settings())


def test_a_plan_without_wishes_trains_on_the_reports_alone(tmp_path: Path) -> None:
    mixture = learner(Plan(), tmp_path).mixture(REPORTS, CONFIG.labels)
    assert [text for text, _ in mixture.reports] == [report.text for report in REPORTS]
    assert set(mixture.weights) == {1.0}


def test_variants_are_added_for_training(tmp_path: Path) -> None:
    mixture = learner(Plan(policies=("numbers",), copies=2), tmp_path).mixture(REPORTS, CONFIG.labels)
    texts = [text for text, _ in mixture.reports]
    assert texts[: len(REPORTS)] == [report.text for report in REPORTS]
    assert len(REPORTS) < len(texts) <= 3 * len(REPORTS)


def test_rules_and_memory_label_the_unlabelled_texts(tmp_path: Path) -> None:
    plan = Plan(unlabelled=["心率88次/分，偶发室早9次。"] * 2, self_training=1.0)
    mixture = learner(plan, tmp_path).mixture(REPORTS, CONFIG.labels)
    text, spans = mixture.reports[-1]
    assert text == "心率88次/分，偶发室早9次。"
    assert [(s.start, s.end, s.label) for s in spans] == [(2, 7, "HR"), (8, 12, "EVENT")]
    assert mixture.weights[-1] == 1.0


def test_labels_that_are_not_learned_are_left_out(tmp_path: Path) -> None:
    mixture = learner(Plan(), tmp_path).mixture(REPORTS, ["HR"])
    assert {span.label for _, spans in mixture.reports for span in spans} == {"HR"}
