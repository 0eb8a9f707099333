"""Which encoder is in force, and how that is changed."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from backend.errors import BaseModelError
from backend.settings import Settings
from trainer.base_model import BUILT_IN, CHOICE, HUB_ID, choose, name, resolve
from trainer.base_models import KNOWN

ROOT = Path(__file__).resolve().parents[2]
HUB_NAME = "someone/tiny"


def settings(home: Path, base_model: object = "") -> Settings:
    return Settings(home=home, base_model=str(base_model))


def python(script: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The script in a process of its own: the hub's client reads its environment once, when it is imported."""
    head = (
        "from pathlib import Path; from backend.settings import Settings; from trainer.base_model import *\n"
        "from trainer.base_model import name, choose, on_disk, resolve\n"
    )
    return subprocess.run(
        [sys.executable, "-c", head + script], capture_output=True, text=True, cwd=ROOT, env=environment, timeout=300
    )


def cached(base: Path, hub_home: Path) -> None:
    """The files of an encoder where the hub's client keeps what it fetched."""
    revision = "0" * 40
    repository = hub_home / "hub" / f"models--{HUB_NAME.replace('/', '--')}"
    shutil.copytree(base, repository / "snapshots" / revision)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(revision)


def test_nothing_chosen_is_the_built_in_one(tmp_path: Path) -> None:
    assert name(settings(tmp_path)) == BUILT_IN


def test_a_chosen_folder_counts_at_once(tiny_base: Path, tmp_path: Path) -> None:
    home = settings(tmp_path / "home")
    assert choose(home, str(tiny_base)) == tiny_base
    assert name(home) == str(tiny_base)
    assert resolve(home) == tiny_base


def test_a_relative_folder_is_remembered_by_where_it_is(
    tiny_base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tiny_base.parent)
    choose(settings(tmp_path), tiny_base.name)
    monkeypatch.chdir(tmp_path)
    assert resolve(settings(tmp_path)) == tiny_base


def test_the_setting_wins(tiny_base: Path, tmp_path: Path) -> None:
    choose(settings(tmp_path), str(tiny_base))
    assert name(settings(tmp_path, "hfl/rbt3")) == "hfl/rbt3"


def test_built_in_goes_back(tiny_base: Path, base_model: Path, tmp_path: Path) -> None:
    (tmp_path / "base").symlink_to(base_model)
    choose(settings(tmp_path), str(tiny_base))
    assert choose(settings(tmp_path), BUILT_IN) == tmp_path / "base"
    assert name(settings(tmp_path)) == BUILT_IN
    assert resolve(settings(tmp_path)) == tmp_path / "base"


@pytest.mark.parametrize(
    ("config", "reason"),
    [({"model_type": "gpt2"}, "no masked-language encoder"), ({"model_type": "bert", "is_decoder": True}, "a decoder")],
)
def test_a_choice_that_cannot_be_used_changes_nothing(
    config: dict[str, object], reason: str, tiny_base: Path, tmp_path: Path
) -> None:
    home, unusable = tmp_path / "home", tmp_path / "unusable"
    unusable.mkdir()
    (unusable / "config.json").write_text(json.dumps(config))
    choose(settings(home), str(tiny_base))
    with pytest.raises(BaseModelError, match=reason):
        choose(settings(home), str(unusable))
    assert name(settings(home)) == str(tiny_base)
    assert [path.name for path in home.iterdir()] == [CHOICE]


def test_an_encoder_without_a_fast_tokenizer_is_refused(tiny_base: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_base, tmp_path / "bare")
    (tmp_path / "bare" / "tokenizer.json").unlink()
    with pytest.raises(BaseModelError, match="tokenizer"):
        choose(settings(tmp_path), str(tmp_path / "bare"))
    assert not (tmp_path / CHOICE).exists()


def test_a_choice_that_cannot_be_read_or_written_is_named(tiny_base: Path, tmp_path: Path) -> None:
    (tmp_path / CHOICE).write_bytes(b"\xff")
    with pytest.raises(BaseModelError, match=CHOICE):
        name(settings(tmp_path))
    (tmp_path / "file").write_text("")
    with pytest.raises(BaseModelError, match="cannot be written"):
        choose(settings(tmp_path / "file"), str(tiny_base))


def test_a_fetched_encoder_is_used_without_asking_the_hub(tiny_base: Path, tmp_path: Path) -> None:
    cached(tiny_base, tmp_path / "hub")
    script = f"home = Settings(home=Path({str(tmp_path)!r}))\nchoose(home, {HUB_NAME!r})\nprint(name(home))"
    # Nothing listens there: asking would be an error.
    done = python(script, HF_HOME=str(tmp_path / "hub"), HF_ENDPOINT="http://127.0.0.1:9")
    assert done.stdout.split() == [HUB_NAME], done.stderr


def test_an_unreachable_hub_is_explained_and_changes_nothing(tmp_path: Path) -> None:
    script = f"choose(Settings(home=Path({str(tmp_path / 'home')!r})), {HUB_NAME!r})"
    done = python(script, HF_HOME=str(tmp_path), HF_ENDPOINT="http://127.0.0.1:9")
    assert f"BaseModelError: The hub does not give the base model: {HUB_NAME}" in done.stderr.splitlines()[-1]
    assert not (tmp_path / "home").exists()


@pytest.mark.slow
def test_a_hub_that_accepts_and_says_nothing_is_given_up(tmp_path: Path) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        done = python(f"resolve(Settings(base_model={HUB_NAME!r}))", HF_HOME=str(tmp_path), HF_ENDPOINT=endpoint)
    assert "The hub does not give the base model" in done.stderr.splitlines()[-1]


def test_what_is_listed_can_be_asked_for_and_the_built_in_one_is_described_as_it_is(base_model: Path) -> None:
    names = [model.name for model in KNOWN]
    assert len(set(names)) == len(names)
    assert all(HUB_ID.fullmatch(known) for known in names)
    config, weights = json.loads((base_model / "config.json").read_text()), base_model / "model.safetensors"
    built_in = KNOWN[0]
    assert built_in.name == BUILT_IN
    assert (built_in.layers, built_in.width) == (config["num_hidden_layers"], config["hidden_size"])
    assert built_in.megabytes == round(weights.stat().st_size / 1e6)
    assert built_in.parameters == round(weights.stat().st_size / 4e6)
