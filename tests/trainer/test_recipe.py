from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from backend.errors import SettingsError
from trainer.recipe import Recipe, customized, preset_for, recipe_for

FEW = recipe_for(10, seed=0, threads=1, minutes=1)


def test_steps_grow_with_the_reports_and_stay_within_what_was_measured() -> None:
    steps = [recipe_for(n, seed=0, threads=1, minutes=1).steps for n in range(1, 1000)]
    assert steps == sorted(steps)
    assert (steps[0], steps[9], steps[24], steps[49], steps[99], steps[249]) == (60, 60, 80, 150, 150, 250)


def test_many_reports_are_all_seen_equally_often() -> None:
    a_thousand, ten_thousand = (recipe_for(n, seed=0, threads=1, minutes=1) for n in (1000, 10_000))
    assert a_thousand.steps_for(1000) == recipe_for(999, seed=0, threads=1, minutes=1).steps
    assert ten_thousand.steps_for(10_000) == 10 * a_thousand.steps_for(1000)
    assert 2 <= ten_thousand.steps_for(10_000) * ten_thousand.batch / 10_000 <= 5


def test_steps_that_were_asked_for_win() -> None:
    assert recipe_for(10, steps=7, seed=0, threads=1, minutes=1).steps == 7
    assert recipe_for(5000, steps=7, seed=0, threads=1, minutes=1).steps_for(5000) == 7


def test_a_preset_can_be_asked_for() -> None:
    assert preset_for(10) == "tiny"
    assert recipe_for(10, seed=0, threads=1, minutes=1, preset="large").epochs == 4


def test_a_wide_encoder_takes_a_smaller_learning_rate_unless_only_adapters_learn() -> None:
    assert (FEW.encoder_rate_for(384), FEW.encoder_rate_for(768)) == (5e-4, 5e-5)
    assert replace(FEW, encoder_rate=1e-3).encoder_rate_for(768) == 1e-3
    assert replace(FEW, lora_rank=8).encoder_rate_for(768) == 5e-4


def test_epochs_and_steps_replace_each_other() -> None:
    by_epochs = customized(FEW, epochs=2.5, steps=None)
    assert (by_epochs.steps, by_epochs.epochs) == (0, 2.5)
    assert by_epochs.steps_for(32) == 10
    assert customized(by_epochs, batch=4, accumulation=2).steps_for(32) == 10
    assert customized(by_epochs, steps=3).steps_for(32) == 3
    assert customized(FEW, epochs=0.001).steps_for(32) == 1


@given(rows=st.integers(1, 100_000), batch=st.integers(1, 64), accumulation=st.integers(1, 8))
def test_an_epoch_sees_every_row(rows: int, batch: int, accumulation: int) -> None:
    steps = customized(FEW, epochs=1, batch=batch, accumulation=accumulation).steps_for(rows)
    assert (steps - 1) * batch * accumulation < rows <= steps * batch * accumulation


def test_a_training_is_evaluated_ten_times_unless_the_recipe_says_how_often() -> None:
    assert [FEW.interval(steps) for steps in (3, 60, 155)] == [1, 6, 15]
    assert customized(FEW, evaluate_every=7).interval(60) == 7


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("steps", -1),
        ("epochs", float("nan")),
        ("epochs", 1001),
        ("batch", 0),
        ("accumulation", 0),
        ("chunk", 513),
        ("encoder_rate", -1e-4),
        ("head_rate", 0),
        ("layer_decay", 1.1),
        ("warmup_share", 1),
        ("weight_decay", 2),
        ("betas", (0.9, 1.0)),
        ("hidden_dropout", 1),
        ("head_dropout", -0.1),
        ("label_smoothing", 1),
        ("class_weights", "balanced"),
        ("focal_gamma", -1),
        ("layers", -1),
        ("lora_rank", -1),
        ("patience", -1),
        ("average", 51),
        ("threads", 0),
        ("minutes", 0),
        ("learning_speed", 3),
    ],
)
def test_a_value_out_of_range_is_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(SettingsError, match=name) as caught:
        customized(FEW, **{name: value})
    assert str(value if name != "betas" else 1.0) in str(caught.value)


def test_a_recipe_needs_steps_or_epochs_and_not_both() -> None:
    for both in ({"steps": 3, "epochs": 3}, {"steps": 0, "epochs": 0}):
        with pytest.raises(SettingsError, match="one of steps"):
            customized(FEW, **both)
    with pytest.raises(ValidationError, match="one of steps"):
        Recipe(seed=0, threads=1, minutes=1)


def test_impossible_settings_are_no_recipe() -> None:
    with pytest.raises(SettingsError, match="threads"):
        recipe_for(10, seed=0, threads=0, minutes=1)
