from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from backend.errors import BaseModelError, ModelError
from backend.ner.scheme import LabelScheme
from backend.ner.spans import Span
from trainer import base_model as base_models
from trainer.pretraining import MARKER, Pretraining, adaptation, pretrain
from trainer.progress import Progress
from trainer.recipe import Recipe
from trainer.training import fine_tune

pytestmark = pytest.mark.slow

POOL = Path(__file__).resolve().parents[2] / "examples" / "ecg_reports" / "unlabelled.json"
TEXTS = [f"心率{rate}次/分，{finding}。" for rate in range(60, 80) for finding in ("窦性心律", "房颤", "左束支阻滞")]
OPTIONS = Pretraining(seed=1, threads=1, minutes=10, steps=40, rate=5e-3, bf16=False)


def weights(folder: Path) -> dict[str, Any]:
    return dict(load_file(folder / "model.safetensors"))


def run(base: Path, cache: Path, options: Pretraining = OPTIONS, texts: list[str] = TEXTS) -> tuple[Path, int]:
    """The adapted folder, and how often progress was told."""
    told: list[Progress] = []
    return pretrain(texts, base, cache, options, told.append), len(told)


@pytest.fixture(scope="module")
def adapted(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run(tiny_base, tmp_path_factory.mktemp("cache"))[0]


def test_the_masked_tokens_of_texts_that_were_not_read_are_guessed_better(adapted: Path) -> None:
    done = adaptation(adapted)
    assert done.loss_after < done.loss_before - 0.5
    assert (done.texts, done.steps) == (60, 40)
    assert done.seconds > 0


def test_the_adapted_folder_is_a_base_model(tiny_base: Path, adapted: Path, tmp_path: Path) -> None:
    base_models.check(adapted)
    assert {path.name for path in adapted.iterdir()} == {
        *("LICENSE", "config.json", "model.safetensors", "tokenizer.json", MARKER)
    }
    before, after = weights(tiny_base), weights(adapted)
    assert before.keys() == after.keys()
    assert all(not np.array_equal(after[name], tensor) for name, tensor in before.items() if "layer." in name)
    scheme, reports = LabelScheme(("HR",)), [("心率75", [Span(2, 4, "HR")])] * 4
    recipe = Recipe(steps=1, seed=0, threads=1, minutes=1)
    fine_tune(reports, scheme, adapted, tmp_path / "model", recipe)
    start = weights(tmp_path / "model")["bert.encoder.layer.0.attention.self.query.weight"]
    np.testing.assert_allclose(start, after["encoder.layer.0.attention.self.query.weight"], atol=1e-2)


def test_the_second_call_finds_what_the_first_one_made(tiny_base: Path, tmp_path: Path) -> None:
    short = replace(OPTIONS, steps=2)
    first, told = run(tiny_base, tmp_path, short)
    made = (first / "model.safetensors").stat().st_mtime_ns
    assert told > 0
    # The same texts in another order, twice, with blank ones between, and on more threads.
    again, told = run(tiny_base, tmp_path, replace(short, threads=2), [*reversed(TEXTS), "", *TEXTS, " "])
    assert (again, told) == (first, 0)
    assert (again / "model.safetensors").stat().st_mtime_ns == made


def test_other_texts_options_or_weights_are_another_folder(tiny_base: Path, adapted: Path, tmp_path: Path) -> None:
    short = replace(OPTIONS, steps=1)
    folders = [
        run(tiny_base, tmp_path, short)[0],
        run(tiny_base, tmp_path, short, TEXTS[1:])[0],
        run(tiny_base, tmp_path, replace(short, seed=2))[0],
        run(adapted, tmp_path, short)[0],
    ]
    assert len(set(folders)) == 4
    assert {path.name for path in tmp_path.iterdir() if not path.name.startswith(".")} == {f.name for f in folders}


def test_the_same_texts_and_seed_give_the_same_weights(tiny_base: Path, tmp_path: Path) -> None:
    short = replace(OPTIONS, steps=3)
    one, two = (run(tiny_base, tmp_path / name, short)[0] for name in "ab")
    assert (one / "model.safetensors").read_bytes() == (two / "model.safetensors").read_bytes()


def test_the_time_limit_ends_it_and_what_was_learned_is_kept(tiny_base: Path, tmp_path: Path) -> None:
    folder, _ = run(tiny_base, tmp_path, replace(OPTIONS, minutes=1e-9))
    assert adaptation(folder).steps == 1


def test_a_folder_that_was_not_finished_is_made_again(tiny_base: Path, tmp_path: Path) -> None:
    short = replace(OPTIONS, steps=1)
    folder, _ = run(tiny_base, tmp_path, short)
    (folder / MARKER).unlink()
    with pytest.raises(BaseModelError, match="not made by pre-training"):
        adaptation(folder)
    assert run(tiny_base, tmp_path, short) == (folder, 1)
    assert adaptation(folder).steps == 1


def test_a_failure_leaves_nothing_behind(tiny_base: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="diverged"):
        run(tiny_base, tmp_path, replace(OPTIONS, rate=1e35))
    (tmp_path / "empty").mkdir()
    with pytest.raises(BaseModelError):
        run(tmp_path / "empty", tmp_path)
    assert [path.name for path in tmp_path.iterdir() if not path.name.startswith(".adapted")] == ["empty"]
    assert not list(tmp_path.glob("*/model.safetensors"))


@pytest.mark.parametrize("texts", [[], ["心率75"], ["心率75", "心率75", " "]])
def test_a_single_text_is_not_enough(tiny_base: Path, tmp_path: Path, texts: list[str]) -> None:
    with pytest.raises(ValueError, match="at least 2 different texts"):
        run(tiny_base, tmp_path, texts=texts)


def test_the_built_in_encoder_learns_the_wording_of_reports(base_model: Path, tmp_path: Path) -> None:
    texts = [task["data"]["text"] for task in json.loads(POOL.read_text())][:100]
    options = Pretraining(seed=0, threads=1, minutes=10, steps=20, batch=4, chunk=64)
    folder = pretrain(texts, base_model, tmp_path, options)
    done = adaptation(folder)
    assert done.loss_before > 9  # no better than any of 24,449 tokens: ln 24,449 = 10.1
    assert done.loss_after < 6
    assert "multilingual-e5-small" in (folder / "ATTRIBUTION").read_text()
