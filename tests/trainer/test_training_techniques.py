"""Each technique of a recipe, through a whole fine-tuning of the tiny encoder."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file

from backend.engine.torch import load_classifier
from backend.errors import BaseModelError, SettingsError
from backend.ner.scheme import LabelScheme
from backend.ner.spans import Span
from trainer.chunks import AnnotatedText
from trainer.progress import Progress
from trainer.recipe import Recipe, customized
from trainer.training import TrainingResult, fine_tune

pytestmark = pytest.mark.slow

SCHEME = LabelScheme(("HR", "DIAG"))
# A learning rate for two layers of random weights; the default one is for a pretrained encoder.
RECIPE = Recipe(steps=12, seed=1, threads=1, minutes=10, encoder_rate=5e-3, bf16=False)
STILL = replace(RECIPE, steps=1, encoder_rate=1e-30, head_rate=1e-30)
"""One step that changes nothing."""


def report(rate: int, diagnosis: str, labels: tuple[str, str] = ("HR", "DIAG")) -> AnnotatedText:
    text = f"心率{rate}次/分，{diagnosis}。"
    start = text.index(diagnosis)
    number = len(str(rate))
    return text, [Span(2, 2 + number + 3, labels[0]), Span(start, start + len(diagnosis), labels[1])]


DIAGNOSES = ("窦性心律", "房颤", "左束支阻滞", "房性早搏")
REPORTS = [report(50 + i, diagnosis) for i in range(6) for diagnosis in DIAGNOSES]
SWAPPED = [report(50 + i, diagnosis, ("DIAG", "HR")) for i in range(6) for diagnosis in DIAGNOSES]
WITHOUT_SPANS: list[AnnotatedText] = [(text, []) for text, _ in REPORTS[:2]]
"""As validation reports these give F1 0, whatever is predicted."""


def train(base: Path, output: Path, recipe: Recipe, **more: Any) -> TrainingResult:
    return fine_tune(more.pop("reports", REPORTS), more.pop("scheme", SCHEME), base, output, recipe, **more)


def weights(folder: Path) -> dict[str, NDArray[Any]]:
    return load_file(folder / "model.safetensors")


def same(left: dict[str, NDArray[Any]], right: dict[str, NDArray[Any]], tolerance: float = 0.0) -> bool:
    assert left.keys() == right.keys()
    return all(np.abs(left[name] - right[name]).max() <= tolerance for name in left)


@pytest.fixture(scope="module")
def trained(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that labels the reports rightly."""
    folder = tmp_path_factory.mktemp("trained") / "model"
    result = train(tiny_base, folder, replace(RECIPE, steps=150), validation=REPORTS)
    assert result.validation_f1 == 1
    return folder


def f1(model: Path, output: Path, reports: list[AnnotatedText]) -> float:
    """What the model makes of the reports."""
    result = train(model, output, replace(STILL, start=model), validation=reports)
    assert result.validation_f1 is not None
    return result.validation_f1


# ---- steps and batches


def test_epochs_are_passes_over_the_rows(tiny_base: Path, tmp_path: Path) -> None:
    told: list[Progress] = []
    result = train(tiny_base, tmp_path / "model", customized(RECIPE, epochs=2), on_progress=told.append)
    assert result.steps == 6  # 24 rows in batches of 8
    assert told[-1].epoch == pytest.approx(2)


def test_two_batches_of_four_make_a_step_like_one_of_eight(tiny_base: Path, tmp_path: Path) -> None:
    # The reports have different lengths: a mean of two means would not be the mean.
    plain = replace(RECIPE, hidden_dropout=0.0, head_dropout=0.0, steps=6)
    for name, options in (("8", {}), ("2x4", {"batch": 4, "accumulation": 2}), ("4", {"batch": 4})):
        train(tiny_base, tmp_path / name, replace(plain, **options))
    assert same(weights(tmp_path / "8"), weights(tmp_path / "2x4"), 1e-4)
    assert not same(weights(tmp_path / "8"), weights(tmp_path / "4"), 1e-2)


# ---- the loss


@pytest.mark.parametrize(
    "options",
    [
        {"class_weights": "inverse-sqrt"},
        {"focal_gamma": 2.0},
        {"label_smoothing": 0.2},
        {"hidden_dropout": 0.3},
        {"head_dropout": 0.3},
        {"layer_decay": 0.5},
        {"weight_decay": 0.5},
    ],
)
def test_every_option_reaches_the_training(tiny_base: Path, tmp_path: Path, options: dict[str, Any]) -> None:
    short = replace(RECIPE, steps=3)
    train(tiny_base, tmp_path / "without", short)
    train(tiny_base, tmp_path / "with", replace(short, **options))
    assert not same(weights(tmp_path / "without"), weights(tmp_path / "with"), 1e-6)


def test_of_contradicting_reports_the_heavier_ones_are_learned(tiny_base: Path, tmp_path: Path) -> None:
    recipe = replace(RECIPE, steps=150)
    both = [*REPORTS, *SWAPPED]
    for first, second, learned in ((1.0, 0.01, REPORTS), (0.01, 1.0, SWAPPED)):
        chosen = [first] * len(REPORTS) + [second] * len(SWAPPED)
        result = train(tiny_base, tmp_path / "m", recipe, reports=both, weights=chosen, validation=learned)
        assert result.validation_f1 is not None
        assert result.validation_f1 > 0.9


def test_a_weight_for_each_report_is_needed(tiny_base: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="24 reports need as many weights above 0, got 2"):
        train(tiny_base, tmp_path / "m", RECIPE, weights=[1.0, 1.0])


# ---- the network


def test_truncated_depth_keeps_the_lowest_layers(tiny_base: Path, tmp_path: Path) -> None:
    train(tiny_base, tmp_path / "m", replace(STILL, layers=1))
    assert json.loads((tmp_path / "m" / "config.json").read_text())["num_hidden_layers"] == 1
    kept, base = weights(tmp_path / "m"), weights(tiny_base)
    layers = {name.removeprefix("bert.") for name in kept if ".layer." in name}
    assert layers == {name for name in base if ".layer.0." in name}
    for name in layers:
        np.testing.assert_array_equal(kept[f"bert.{name}"], base[name])
    assert len(load_classifier(tmp_path / "m").bert.encoder.layer) == 1


@pytest.mark.parametrize(
    ("options", "message"), [({"layers": 3}, "layers .*: 3. It has 2"), ({"chunk": 161}, "160 fit")]
)
def test_what_the_encoder_has_not_is_refused(
    tiny_base: Path, tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(SettingsError, match=message):
        train(tiny_base, tmp_path / "m", replace(RECIPE, **options))
    assert not list(tmp_path.iterdir())


def test_adapters_are_merged_into_the_weights(tiny_base: Path, tmp_path: Path) -> None:
    result = train(tiny_base, tmp_path / "m", replace(RECIPE, steps=100, lora_rank=2), validation=REPORTS)
    assert result.validation_f1 is not None
    assert result.validation_f1 > 0.5
    train(tiny_base, tmp_path / "full", STILL)
    merged, base = weights(tmp_path / "m"), weights(tiny_base)
    assert merged.keys() == weights(tmp_path / "full").keys()
    assert f1(tmp_path / "m", tmp_path / "again", REPORTS) == result.validation_f1
    for name, matrix in base.items():
        change = merged[f"bert.{name}"] - matrix
        if ".layer." in name and matrix.ndim == 2:
            singular = np.linalg.svd(change, compute_uv=False)
            assert singular[1] > 1e-4 > singular[2], name
        else:
            assert not change.any(), name


# ---- warm start


def test_a_warm_start_takes_over_everything_when_the_tags_are_the_same(
    tiny_base: Path, trained: Path, tmp_path: Path
) -> None:
    result = train(tiny_base, tmp_path / "m", replace(STILL, start=trained), validation=REPORTS)
    assert result.validation_f1 == 1
    assert same(weights(tmp_path / "m"), weights(trained), 1e-6)
    assert (tmp_path / "m" / "LICENSE").exists()


def test_a_warm_start_takes_over_the_rows_of_tags_that_both_know(
    tiny_base: Path, trained: Path, tmp_path: Path
) -> None:
    other = LabelScheme(("DIAG", "VALUE", "HR"))
    train(tiny_base, tmp_path / "m", replace(STILL, start=trained), scheme=other)
    old, new = weights(trained), weights(tmp_path / "m")
    for i, tag in enumerate(other.tags):
        if tag in SCHEME.tags:
            row = SCHEME.tags.index(tag)
            np.testing.assert_allclose(new["classifier.weight"][i], old["classifier.weight"][row], atol=1e-6)
            np.testing.assert_allclose(new["classifier.bias"][i], old["classifier.bias"][row], atol=1e-6)
        else:
            assert 0 < np.abs(new["classifier.weight"][i]).max() < 0.2
            assert np.abs(new["classifier.bias"][i]).max() < 1e-6


def test_as_many_other_tags_take_over_no_row_by_its_number(tiny_base: Path, trained: Path, tmp_path: Path) -> None:
    other = LabelScheme(("DIAG", "HR"))
    train(tiny_base, tmp_path / "m", replace(STILL, start=trained), scheme=other)
    assert (
        train(tiny_base, tmp_path / "n", replace(STILL, start=trained), scheme=other, validation=REPORTS).validation_f1
        == 1
    )
    np.testing.assert_allclose(
        weights(tmp_path / "m")["classifier.weight"], weights(trained)["classifier.weight"][[0, 3, 4, 1, 2]], atol=1e-6
    )


def test_a_base_model_is_nothing_to_start_from(tiny_base: Path, tmp_path: Path) -> None:
    with pytest.raises(BaseModelError, match="No trained model to start from"):
        train(tiny_base, tmp_path / "m", replace(RECIPE, start=tiny_base))


# ---- which weights are kept


def test_early_stopping_keeps_the_best_and_not_the_last(tiny_base: Path, trained: Path, tmp_path: Path) -> None:
    # Unlearns what it knew, so that the first evaluation is the best.
    recipe = replace(RECIPE, steps=100, start=trained, evaluate_every=5, patience=3)
    told: list[Progress] = []
    result = train(tiny_base, tmp_path / "m", recipe, reports=SWAPPED, validation=REPORTS, on_progress=told.append)
    scores = [score for _, score in result.evaluations]
    assert [step for step, _ in result.evaluations] == [*range(5, result.steps + 1, 5)]
    assert result.steps < 100
    assert scores[-1] < max(scores) == result.validation_f1
    assert f1(tmp_path / "m", tmp_path / "again", REPORTS) == result.validation_f1
    assert (told[-1].step, told[-1].eta_seconds) == (result.steps, 0)


def test_the_average_is_the_mean_of_the_weights_at_the_last_evaluations(tiny_base: Path, tmp_path: Path) -> None:
    # F1 is always 0: with patience n the training stops at the evaluation n + 1, on the same way as any other.
    results = {}
    for patience, average in ((1, 0), (2, 0), (2, 2)):
        recipe = replace(RECIPE, evaluate_every=2, patience=patience, average=average)
        results[patience, average] = train(
            tiny_base, tmp_path / f"{patience}{average}", recipe, validation=WITHOUT_SPANS
        )
    assert [result.steps for result in results.values()] == [4, 6, 6]
    fourth, sixth, averaged = (weights(tmp_path / name) for name in ("10", "20", "22"))
    assert same(averaged, {name: (fourth[name] + sixth[name]) / 2 for name in sixth}, 1e-6)
    assert not same(averaged, sixth, 1e-3)


def test_an_average_needs_no_validation_reports(tiny_base: Path, tmp_path: Path) -> None:
    for average in (0, 1, 3):
        result = train(tiny_base, tmp_path / str(average), replace(RECIPE, average=average))
        assert (result.validation_f1, result.evaluations, result.steps) == (None, (), 12)
    assert same(weights(tmp_path / "0"), weights(tmp_path / "1"))
    assert not same(weights(tmp_path / "0"), weights(tmp_path / "3"), 1e-4)


def test_the_last_step_is_evaluated_and_so_is_the_one_the_time_limit_stops_at(tiny_base: Path, tmp_path: Path) -> None:
    recipe = replace(RECIPE, evaluate_every=5, average=2)
    result = train(tiny_base, tmp_path / "m", recipe, validation=REPORTS)
    assert [step for step, _ in result.evaluations] == [5, 10, 12]
    result = train(tiny_base, tmp_path / "m", replace(recipe, minutes=1e-9), validation=REPORTS)
    assert [step for step, _ in result.evaluations] == [1]


def test_patience_without_validation_reports_is_refused(tiny_base: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="patience needs validation reports: 3"):
        train(tiny_base, tmp_path / "m", replace(RECIPE, patience=3))


# ---- all together


EVERYTHING = customized(
    RECIPE,
    epochs=3,
    batch=4,
    accumulation=2,
    layers=1,
    lora_rank=4,
    layer_decay=0.9,
    class_weights="inverse-sqrt",
    focal_gamma=1,
    label_smoothing=0.1,
    hidden_dropout=0.2,
    evaluate_every=2,
    patience=3,
    average=2,
    bf16=True,
)


def test_with_every_technique_the_same_seed_gives_the_same_weights(
    tiny_base: Path, trained: Path, tmp_path: Path
) -> None:
    recipe = replace(EVERYTHING, start=trained)
    chosen = [1.0, 0.5] * 12
    for name, variant in (("a", recipe), ("b", recipe), ("c", replace(recipe, seed=2))):
        train(tiny_base, tmp_path / name, variant, validation=REPORTS[:3], weights=chosen)
    assert same(weights(tmp_path / "a"), weights(tmp_path / "b"))
    assert not same(weights(tmp_path / "a"), weights(tmp_path / "c"))


def test_the_built_in_encoder_learns_with_adapters_in_three_layers(base_model: Path, tmp_path: Path) -> None:
    recipe = Recipe(steps=25, seed=0, threads=1, minutes=10, layers=3, lora_rank=16, encoder_rate=2e-3)
    result = fine_tune(REPORTS, SCHEME, base_model, tmp_path / "m", recipe, validation=[report(123, "房颤伴早搏")])
    assert result.loss < 0.3
    merged, base = weights(tmp_path / "m"), weights(base_model)
    name = "encoder.layer.2.intermediate.dense.weight"
    assert 0 < np.linalg.matrix_rank(merged[f"bert.{name}"] - base[name], tol=1e-3) <= 16
    np.testing.assert_array_equal(
        merged["bert.embeddings.word_embeddings.weight"], base["embeddings.word_embeddings.weight"]
    )
