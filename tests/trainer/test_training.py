from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from backend.engine import open_engine
from backend.engine.tokenizer import TextTokenizer
from backend.errors import BaseModelError, ModelError
from backend.ner.scheme import LabelScheme
from backend.ner.spans import Span
from trainer.chunks import AnnotatedText
from trainer.export import export_openvino
from trainer.progress import Progress
from trainer.recipe import Recipe
from trainer.training import TrainingResult, fine_tune

SCHEME = LabelScheme(("HR", "DIAG"))
# A learning rate for two layers of random weights; the default one is for a pretrained encoder.
RECIPE = Recipe(steps=12, seed=1, threads=1, minutes=10, encoder_rate=5e-3, bf16=False)


def report(rate: int, diagnosis: str) -> AnnotatedText:
    text = f"心率{rate}次/分，{diagnosis}。"
    start = text.index(diagnosis)
    number = len(str(rate))
    return text, [Span(2, 2 + number + 3, "HR"), Span(start, start + len(diagnosis), "DIAG")]


REPORTS = [report(50 + i, diagnosis) for i in range(6) for diagnosis in ("窦性心律", "房颤", "左束支阻滞", "房性早搏")]


def train(
    base: Path, output: Path, recipe: Recipe = RECIPE, reports: list[AnnotatedText] = REPORTS
) -> tuple[TrainingResult, list[Progress]]:
    told: list[Progress] = []
    return fine_tune(reports, SCHEME, base, output, recipe, told.append), told


def weights(folder: Path) -> bytes:
    return (folder / "model.safetensors").read_bytes()


def test_what_was_trained_is_found_again(tiny_base: Path, tmp_path: Path) -> None:
    unseen = [report(35, "房颤"), report(42, "窦性心律")]
    result = fine_tune(
        REPORTS, SCHEME, tiny_base, tmp_path / "model", replace(RECIPE, steps=300), lambda _: None, validation=unseen
    )
    assert result.validation_f1 == pytest.approx(1.0)
    assert result.loss < 0.1


def test_the_validation_score_of_a_network_that_learned_nothing_is_low(tiny_base: Path, tmp_path: Path) -> None:
    result = fine_tune(
        REPORTS, SCHEME, tiny_base, tmp_path / "model", replace(RECIPE, steps=1), lambda _: None, validation=REPORTS
    )
    assert result.validation_f1 is not None
    assert 0 <= result.validation_f1 < 0.5


def test_without_validation_reports_there_is_no_score(tiny_base: Path, tmp_path: Path) -> None:
    result, _ = train(tiny_base, tmp_path / "model")
    assert result.validation_f1 is None
    assert result.steps == 12
    assert result.seconds > 0


def test_the_model_folder_has_all_that_serving_needs(tiny_base: Path, tmp_path: Path) -> None:
    train(tiny_base, tmp_path / "model")
    names = {path.name for path in (tmp_path / "model").iterdir()}
    assert names == {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "LICENSE"}
    config = json.loads((tmp_path / "model" / "config.json").read_text())
    assert [config["id2label"][str(i)] for i in range(5)] == list(SCHEME.tags)
    assert config["attention_probs_dropout_prob"] == 0
    assert (tmp_path / "model" / "model.safetensors").stat().st_mode & 0o044 == 0o044
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_transformers_alone_labels_the_same_characters(tiny_base: Path, tmp_path: Path) -> None:
    from transformers import pipeline

    folder, text = tmp_path / "model", "心率 120次/分，左束支阻滞。" * 9
    train(tiny_base, folder, replace(RECIPE, steps=200))
    ids = TextTokenizer.from_folder(folder).encode(text).input_ids
    assert len(ids) > RECIPE.chunk
    rows = open_engine(folder, kind="torch", precision="f32", threads=1).probabilities([ids])[0]
    ours = [(i, SCHEME.tags[tag]) for i, tag in enumerate(rows.argmax(axis=1)) if tag]
    assert [(found["start"], found["entity"]) for found in pipeline("token-classification", str(folder))(text)] == ours
    assert {tag for _, tag in ours} >= {"B-HR", "B-DIAG"}


def test_weights_are_stored_in_full_precision_after_half_precision_training(tiny_base: Path, tmp_path: Path) -> None:
    from safetensors.numpy import load_file

    train(tiny_base, tmp_path / "model", replace(RECIPE, bf16=True))
    assert {tensor.dtype for tensor in load_file(tmp_path / "model" / "model.safetensors").values()} == {
        np.dtype(np.float32)
    }


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(tiny_base: Path, tmp_path: Path) -> None:
    for name, recipe in (("a", RECIPE), ("b", RECIPE), ("c", replace(RECIPE, seed=2))):
        train(tiny_base, tmp_path / name, recipe)
    assert weights(tmp_path / "a") == weights(tmp_path / "b")
    assert weights(tmp_path / "a") != weights(tmp_path / "c")


def test_the_same_seed_gives_the_same_weights_on_two_threads_in_half_precision(tiny_base: Path, tmp_path: Path) -> None:
    recipe = replace(RECIPE, threads=2, bf16=True)
    for name in "ab":
        train(tiny_base, tmp_path / name, recipe)
    assert weights(tmp_path / "a") == weights(tmp_path / "b")


def test_progress_is_told_at_least_every_five_steps_up_to_the_last(tiny_base: Path, tmp_path: Path) -> None:
    result, told = train(tiny_base, tmp_path / "model")
    steps = [progress.step for progress in told]
    assert steps == sorted(set(steps))
    assert max(after - before for before, after in zip([0, *steps], steps, strict=False)) <= 5
    assert (told[-1].step, told[-1].steps, told[-1].eta_seconds) == (12, 12, 0)
    assert told[-1].loss == result.loss
    assert told[-1].epoch == pytest.approx(4)  # 24 rows in batches of 8
    assert all(np.isfinite(progress.loss) and progress.eta_seconds >= 0 for progress in told)


def test_the_time_limit_stops_the_training_and_keeps_the_model(tiny_base: Path, tmp_path: Path) -> None:
    result, told = train(tiny_base, tmp_path / "model", replace(RECIPE, minutes=1e-9))
    assert result.steps == 1
    assert (told[-1].step, told[-1].eta_seconds) == (1, 0)
    assert (tmp_path / "model" / "model.safetensors").exists()


def test_a_model_that_is_there_is_replaced(tiny_base: Path, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "old").write_text("")
    train(tiny_base, tmp_path / "model")
    assert not (tmp_path / "model" / "old").exists()
    assert (tmp_path / "model" / "model.safetensors").exists()


def test_a_training_that_fails_leaves_the_model_that_is_there(tiny_base: Path, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "old").write_text("")
    with pytest.raises(ValueError, match="span 0:2 TIME"):
        train(tiny_base, tmp_path / "model", reports=[("心率75", [Span(0, 2, "TIME")])])
    with pytest.raises(ModelError, match="diverged"):
        train(tiny_base, tmp_path / "model", replace(RECIPE, encoder_rate=1e35, head_rate=1e35))
    assert [path.name for path in tmp_path.rglob("*")] == ["model", "old"]


def test_reports_without_text_are_no_training_data(tiny_base: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="none of 2 reports"):
        train(tiny_base, tmp_path / "model", reports=[("", []), ("", [])])


def test_a_damaged_base_model_is_named(tiny_base: Path, tmp_path: Path) -> None:
    broken = tmp_path / "base"
    broken.mkdir()
    for name in ("config.json", "tokenizer.json"):
        (broken / name).write_bytes((tiny_base / name).read_bytes())
    (broken / "model.safetensors").write_bytes(weights(tiny_base)[:1000])
    with pytest.raises(BaseModelError, match=f"cannot be loaded: {broken}"):
        train(broken, tmp_path / "model")


def test_both_engines_serve_the_trained_model_alike(tiny_base: Path, tmp_path: Path) -> None:
    train(tiny_base, tmp_path / "model")
    export_openvino(tmp_path / "model")
    tokenizer = TextTokenizer.from_folder(tmp_path / "model")
    sequences = [tokenizer.encode(text).input_ids for text, _ in REPORTS]
    openvino, torch = (
        open_engine(tmp_path / "model", kind=kind, precision="f32", threads=1) for kind in ("openvino", "torch")
    )
    assert openvino.window == torch.window == RECIPE.chunk - 2
    assert openvino.max_tokens == torch.max_tokens == 158  # all positions of the encoder, less than twice the window
    for left, right in zip(openvino.probabilities(sequences), torch.probabilities(sequences), strict=True):
        np.testing.assert_allclose(left, right, atol=1e-5)


@pytest.mark.slow
def test_the_built_in_encoder_learns_from_a_few_reports(base_model: Path, tmp_path: Path) -> None:
    recipe = Recipe(steps=20, seed=0, threads=2, minutes=10)
    result = fine_tune(REPORTS, SCHEME, base_model, tmp_path / "model", recipe, validation=[report(123, "房颤伴早搏")])
    assert result.loss < 0.2
    assert "multilingual-e5-small" in (tmp_path / "model" / "ATTRIBUTION").read_text()
