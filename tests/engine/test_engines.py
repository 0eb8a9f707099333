from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from backend.engine import Engine, Kind, Precision, cores, open_engine
from backend.engine.batching import TOKEN_BUDGET
from backend.engine.openvino import ATTENTION, FULL_ATTENTION, MASK, MODEL_FILE, OpenVinoEngine, library, read_graph
from backend.errors import ModelError
from trainer.export import export_openvino

ROOT = Path(__file__).resolve().parents[2]
KINDS: tuple[Kind, ...] = ("openvino", "torch")

RANDOM = np.random.default_rng(0)
SEQUENCES = [RANDOM.integers(4, 100, size=n) for n in (5, 0, 62, 1, 17, 62, 5, *range(1, 40))]


def opened(folder: Path, kind: Kind, precision: Precision = "f32") -> Engine:
    return open_engine(folder, kind=kind, precision=precision, threads=1)


def largest_difference(left: list[NDArray[np.float32]], right: list[NDArray[np.float32]]) -> float:
    return max(float(np.abs(a - b).max(initial=0)) for a, b in zip(left, right, strict=True))


@pytest.mark.parametrize("kind", KINDS)
def test_each_sequence_gets_its_own_rows_in_input_order(tiny_model: Path, kind: Kind) -> None:
    engine = opened(tiny_model, kind)
    together = engine.probabilities(SEQUENCES)
    assert [rows.shape for rows in together] == [(len(sequence), 5) for sequence in SEQUENCES]
    alone = [engine.probabilities([sequence])[0] for sequence in SEQUENCES]
    assert largest_difference(together, alone) < 1e-5
    for rows in together:
        np.testing.assert_allclose(rows.sum(axis=1), 1, atol=1e-6)


def test_a_result_is_not_overwritten_by_the_next_call(tiny_model: Path) -> None:
    engine = opened(tiny_model, "openvino")
    first = engine.probabilities(SEQUENCES[:1])[0]
    kept = first.copy()
    engine.probabilities([SEQUENCES[0][::-1]])
    np.testing.assert_array_equal(first, kept)


def test_the_engines_agree_in_full_precision(tiny_model: Path) -> None:
    left, right = (opened(tiny_model, kind).probabilities(SEQUENCES) for kind in KINDS)
    assert largest_difference(left, right) < 1e-5
    assert max(float(rows.max(initial=0)) for rows in left) > 0.5  # the network says something


@pytest.mark.parametrize("model_type", [*sorted(FULL_ATTENTION), "modernbert"])
def test_every_kind_of_model_computes_what_torch_does(tiny_model: Path, tmp_path: Path, model_type: str) -> None:
    import torch
    from transformers import AutoConfig, AutoModelForTokenClassification

    torch.manual_seed(0)
    config = AutoConfig.for_model(
        model_type,
        vocab_size=100,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_labels=5,
        intermediate_size=64,
        max_position_embeddings=66,
        initializer_range=0.4,
        pad_token_id=0,
        local_attention=8,
        global_attn_every_n_layers=2,  # modernbert: its mask says more than padding
    )
    AutoModelForTokenClassification.from_config(config).save_pretrained(tmp_path)
    shutil.copy(tiny_model / "tokenizer.json", tmp_path)
    export_openvino(tmp_path)
    left, right = (opened(tmp_path, kind).probabilities(SEQUENCES) for kind in KINDS)
    assert largest_difference(left, right) < 1e-4


@pytest.mark.parametrize(("model_type", "names"), [("bert", ["input_ids"]), ("modernbert", ["input_ids", MASK])])
def test_only_a_mask_that_says_nothing_is_left_out(tiny_model: Path, model_type: str, names: list[str]) -> None:
    graph = read_graph(library().Core(), tiny_model / MODEL_FILE, model_type)
    assert sorted(entry.get_any_name() for entry in graph.inputs) == sorted(names)
    kinds = {node.get_type_name() for node in graph.get_ordered_ops()}
    assert (ATTENTION in kinds) == (MASK in names)


@pytest.mark.parametrize("kind", KINDS)
def test_half_precision_is_near_full_precision(tiny_model: Path, kind: Kind) -> None:
    half = opened(tiny_model, kind, "bf16")
    difference = largest_difference(half.probabilities(SEQUENCES), opened(tiny_model, kind).probabilities(SEQUENCES))
    assert difference < 0.05
    assert (difference > 0) == (half.precision == "bf16")


@pytest.mark.parametrize("precision", ["f32", "auto"])
def test_streams_change_no_bit(tiny_model: Path, precision: Precision) -> None:
    one, two = (
        open_engine(tiny_model, kind="openvino", precision=precision, threads=2, streams=streams) for streams in (1, 2)
    )
    # Several batches of one shape, too.
    sequences = [*SEQUENCES, *RANDOM.integers(4, 100, size=(5 * TOKEN_BUDGET // 62, 60))]
    for left, right in zip(one.probabilities(sequences), two.probabilities(sequences), strict=True):
        np.testing.assert_array_equal(left, right)


def test_logits_are_not_overwritten_by_a_later_batch(tiny_model: Path) -> None:
    engine = open_engine(tiny_model, kind="openvino", precision="f32", threads=2, streams=2)
    assert isinstance(engine, OpenVinoEngine)
    batches = [(ids, np.ones_like(ids)) for ids in RANDOM.integers(4, 100, size=(6, 8, 20))]
    alone = [next(engine._forward([batch])) for batch in batches]
    np.testing.assert_array_equal(list(engine._forward(batches)), alone)


@pytest.mark.parametrize(("threads", "streams", "computed"), [(2, 2, 2), (2, 1, 1), (1, 2, 1), (3, 2, 1)])
def test_streams_share_threads_and_cores_evenly_or_there_is_one(
    tiny_model: Path, caplog: pytest.LogCaptureFixture, threads: int, streams: int, computed: int
) -> None:
    caplog.set_level("INFO", "backend.engine.openvino")
    open_engine(tiny_model, kind="openvino", precision="f32", threads=threads, streams=streams)
    assert f"in {min(computed, cores())} streams" in caplog.text


@pytest.mark.parametrize("kind", KINDS)
def test_auto_is_half_precision_where_the_processor_has_it(tiny_model: Path, kind: Kind) -> None:
    import torch

    features = torch.cpu.get_capabilities()
    native = torch.cuda.is_available() if kind == "torch" else False
    expected = "bf16" if native or features.get("avx512_bf16") or features.get("amx_bf16") else "f32"
    assert opened(tiny_model, kind, "auto").precision == expected
    assert opened(tiny_model, kind, "f32").precision == "f32"


@pytest.mark.parametrize("kind", KINDS)
def test_the_window_is_told_and_kept(tiny_model: Path, kind: Kind) -> None:
    engine = opened(tiny_model, kind)
    assert engine.max_tokens == 62
    with pytest.raises(ModelError, match="63 tokens, 62 fit"):
        engine.probabilities([np.full(63, 5)])


@pytest.mark.parametrize("kind", KINDS)
def test_no_sequences_give_no_results(tiny_model: Path, kind: Kind) -> None:
    assert opened(tiny_model, kind).probabilities([]) == []


# ---- what can be wrong with a folder


@pytest.mark.parametrize(
    ("kind", "name"),
    [(kind, name) for kind in KINDS for name in ("config.json", "tokenizer.json")]
    + [("openvino", "openvino.xml"), ("openvino", "openvino.bin"), ("torch", "model.safetensors")],
)
@pytest.mark.parametrize("damage", ["missing", "cut short"])
def test_a_missing_or_damaged_file_is_a_model_error(model_copy: Path, kind: Kind, name: str, damage: str) -> None:
    content = (model_copy / name).read_bytes()
    (model_copy / name).unlink()
    if damage == "cut short":
        (model_copy / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(ModelError, match=str(model_copy)):
        opened(model_copy, kind)


def test_a_model_that_was_not_exported_says_what_to_do(model_copy: Path) -> None:
    (model_copy / "openvino.xml").unlink()
    with pytest.raises(ModelError, match=r"has no openvino\.xml.*Export the model"):
        opened(model_copy, "openvino")


def test_an_encoder_without_a_head_is_refused(model_copy: Path) -> None:
    from safetensors.numpy import load_file, save_file

    tensors = load_file(model_copy / "model.safetensors")
    kept = {name: tensor for name, tensor in tensors.items() if not name.startswith("classifier")}
    save_file(kept, model_copy / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"has no: classifier\.bias, classifier\.weight"):
        opened(model_copy, "torch")


def test_an_engine_answers_after_a_call_that_failed(model_copy: Path) -> None:
    from safetensors.numpy import load_file, save_file

    tensors = load_file(model_copy / "model.safetensors")
    name = next(name for name in tensors if name.endswith("word_embeddings.weight"))
    tensors[name][7] = np.nan
    save_file(tensors, model_copy / "model.safetensors", metadata={"format": "pt"})
    export_openvino(model_copy)
    engine = open_engine(model_copy, kind="openvino", precision="f32", threads=2, streams=2)
    sound = [np.full(length, 5) for length in range(1, 40)]
    for _ in range(3):
        with pytest.raises(ModelError, match="not numbers"):
            engine.probabilities([np.full(3, 7), *sound])
        assert [len(rows) for rows in engine.probabilities(sound)] == list(range(1, 40))


def test_an_engine_answers_after_a_batch_that_could_not_be_computed(model_copy: Path) -> None:
    config = json.loads((model_copy / "config.json").read_text("utf-8"))
    positions = config["max_position_embeddings"]
    (model_copy / "config.json").write_text(json.dumps(config | {"max_position_embeddings": 8 * positions}), "utf-8")
    engine = open_engine(model_copy, kind="openvino", precision="f32", threads=2, streams=2)
    sound = [np.full(length, 5) for length in range(1, 40)]
    for _ in range(3):
        with pytest.raises(ModelError, match="cannot compute"):
            engine.probabilities([*sound, np.full(2 * positions, 5), np.full(3 * positions, 5)])
        assert [len(rows) for rows in engine.probabilities(sound)] == list(range(1, 40))


@pytest.mark.parametrize("kind", KINDS)
def test_weights_that_are_no_numbers_are_found_when_they_are_used(model_copy: Path, kind: Kind) -> None:
    from safetensors.numpy import load_file, save_file

    tensors = load_file(model_copy / "model.safetensors")
    tensors["classifier.weight"] = np.full_like(tensors["classifier.weight"], np.nan)
    save_file(tensors, model_copy / "model.safetensors", metadata={"format": "pt"})
    export_openvino(model_copy)
    with pytest.raises(ModelError, match="not numbers"):
        opened(model_copy, kind).probabilities(SEQUENCES)


def test_an_export_that_fails_leaves_the_folder(model_copy: Path) -> None:
    (model_copy / "model.safetensors").write_bytes(b"")
    before = {path.name: path.read_bytes() for path in model_copy.iterdir()}
    with pytest.raises(ModelError, match=str(model_copy)):
        export_openvino(model_copy)
    assert {path.name: path.read_bytes() for path in model_copy.iterdir()} == before


def test_a_second_export_is_served_at_once(model_copy: Path) -> None:
    from safetensors.numpy import load_file, save_file

    opened(model_copy, "openvino").probabilities(SEQUENCES)
    tensors = load_file(model_copy / "model.safetensors")
    tensors["classifier.weight"] = tensors["classifier.weight"][::-1].copy()
    save_file(tensors, model_copy / "model.safetensors", metadata={"format": "pt"})
    export_openvino(model_copy)
    left, right = (opened(model_copy, kind).probabilities(SEQUENCES) for kind in KINDS)
    assert largest_difference(left, right) < 1e-5


# ---- what is imported, and what is sent


def test_openvino_serves_without_torch_and_without_telemetry(tiny_model: Path) -> None:
    script = """
import json, socket, sys
from pathlib import Path
import numpy as np

class Forbidden(socket.socket):
    def connect(self, address):
        raise AssertionError(address)

socket.socket = Forbidden
from backend.engine import open_engine
before = sorted(sys.modules)
open_engine(Path(sys.argv[1]), kind="openvino", precision="auto", threads=1).probabilities([np.array([5, 6])])
loaded = [name for name in sys.modules if name.split(".")[0] in ("torch", "transformers", "datasets", "trainer")]
telemetry = [name for name, module in sys.modules.items() if module and name.startswith("openvino_telemetry")]
print(json.dumps([loaded, telemetry, "openvino" in before]))
"""
    command = [sys.executable, "-c", script, str(tiny_model)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
    assert json.loads(done.stdout) == [[], [], False]
