from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from tokenizers import Tokenizer, pre_tokenizers
from tokenizers.models import BPE
from tokenizers.normalizers import NFKC

from backend.engine import POOL_STREAMS, Engine, cores
from backend.engine.openvino import OpenVinoEngine, library
from backend.engine.tokenizer import TextTokenizer
from backend.engine.torch import TorchEngine, load_classifier
from backend.errors import ModelError
from backend.model_card import Evaluation, LabelScore, ModelCard, Score, TrainingSummary
from backend.ner.scheme import LabelScheme
from backend.ner.spans import Span
from backend.registry import CARD, MEMORY
from backend.rules import EMPTY_MEMORY
from backend.settings import Settings
from tests.cards import card
from trainer.dataset import Report
from trainer.export import example, int8, torch_int8
from trainer.export.artefacts import FORMATS, Artefact, Reduction, export, weight_bytes
from trainer.export.comparison import Candidate, compare, measure, reference
from trainer.export.onnx import EXAMPLE
from trainer.export.smaller import first_layers, prune
from trainer.offline import open_saved, read_card
from trainer.recipe import Recipe
from trainer.training import fine_tune

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
LABELS = ("HR", "DIAG")
SCHEME = LabelScheme(LABELS)
SETTINGS = Settings(threads=1, precision="f32")

F1 = Score(micro=LabelScore(precision=1, recall=1, f1=1, support=1))
CARD_OF = card(
    training=TrainingSummary(steps=1, tasks=[3]), evaluation=Evaluation(method="holdout", modes={"model": F1})
)


def report(number: int, diagnosis: str) -> Report:
    text = f"心率{50 + number}次/分，{diagnosis}。"
    start = text.index(diagnosis)
    return Report(number, number, text, (Span(2, 7, "HR"), Span(start, start + len(diagnosis), "DIAG")))


REPORTS = [report(i, ("窦性心律", "房颤", "左束支阻滞", "房性早搏")[i % 4]) for i in range(24)]


def dressed(folder: Path, labels: tuple[str, ...] = LABELS) -> Path:
    """A model folder with card and memory."""
    (folder / CARD).write_text(CARD_OF.model_copy(update={"labels": list(labels)}).model_dump_json())
    (folder / MEMORY).write_text(EMPTY_MEMORY.to_json())
    return folder


@pytest.fixture(scope="module")
def tiny_model(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two layers that have learned a little: sure of some tokens, unsure of others."""
    folder = tmp_path_factory.mktemp("tiny-model") / "model"
    recipe = Recipe(steps=60, seed=1, threads=1, minutes=10, encoder_rate=5e-3, bf16=False)
    fine_tune([(r.text, r.spans) for r in REPORTS], SCHEME, tiny_base, folder, recipe)
    return dressed(folder)


RANDOM = np.random.default_rng(0)
SEQUENCES = [RANDOM.integers(4, 40, size=n) for n in (5, 0, 126, 1, 17, 126, 5)]


def difference(left: Engine, right: Engine) -> float:
    pairs = zip(left.probabilities(SEQUENCES), right.probabilities(SEQUENCES), strict=True)
    return max(float(np.abs(a - b).max(initial=0)) for a, b in pairs)


def torch_engine(folder: Path) -> TorchEngine:
    return TorchEngine(folder, "f32", 1)


# ---- artefacts


@pytest.fixture(scope="module")
def every_format(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Artefact]:
    return export(tiny_model, CARD_OF, FORMATS, tmp_path_factory.mktemp("formats") / "out", REPORTS)


def test_every_format_is_a_whole_folder_that_computes_what_the_model_does(
    tiny_model: Path, every_format: list[Artefact]
) -> None:
    place = every_format[0].folder.parent
    assert [artefact.folder for artefact in every_format] == [place / name for name in FORMATS]
    assert [path.name for path in place.parent.iterdir()] == ["out"]
    for artefact in every_format:
        names = {path.name for path in artefact.folder.iterdir()}
        assert names > {"config.json", "tokenizer.json", CARD, MEMORY, "LICENSE"}
        exact = artefact.format in ("safetensors", "onnx", "openvino")
        moved = difference(torch_engine(tiny_model), artefact.open(SETTINGS))
        assert moved < 1e-5 if exact else 1e-5 < moved < 0.1
        card = read_card(artefact.folder)
        assert card.engine == {"engine": artefact.format}
        assert set(card.files) == names - {CARD}
        # What was measured holds for the same network only.
        assert (card.version == CARD_OF.version, card.f1) == ((True, 1.0) if exact else (False, None))


def test_weights_of_a_format_do_not_come_with_those_of_another(every_format: list[Artefact]) -> None:
    patterns = ("*.safetensors", "openvino.*", "*.onnx")
    held = {a.format: [p for p in patterns if list(a.folder.glob(p))] for a in every_format}
    assert held == {
        "safetensors": ["*.safetensors"],
        "onnx": ["*.onnx"],
        "openvino": ["openvino.*"],
        "int8": ["openvino.*"],
        "torch-int8": ["*.safetensors"],
    }
    files = [path for a in every_format for path in a.folder.iterdir() if path.is_file()]
    assert [path for path in files if path.stat().st_mode & 0o044 != 0o044] == []  # others may serve them


def test_what_serves_takes_an_artefact_for_its_engine_as_a_model_folder(every_format: list[Artefact]) -> None:
    folders = {artefact.format: artefact.folder for artefact in every_format}
    for name, engine in (("safetensors", "torch"), ("openvino", "openvino"), ("int8", "openvino")):
        saved = open_saved(folders[name], SETTINGS.model_copy(update={"engine": engine}))
        found = saved.predictor.predict([REPORTS[0].text])[0]
        assert found.version == saved.card.version
        assert set(found.spans) == set(REPORTS[0].spans)


def test_a_model_folder_computes_many_reports_in_streams(
    every_format: list[Artefact], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "backend.engine.openvino")
    folder = next(artefact.folder for artefact in every_format if artefact.format == "openvino")
    open_saved(folder, SETTINGS.model_copy(update={"threads": 2}))
    assert f"in {min(POOL_STREAMS, cores())} streams" in caplog.text


def test_an_artefact_that_is_there_is_replaced_and_others_stay(tiny_model: Path, tmp_path: Path) -> None:
    for name in ("safetensors", "mine"):
        (tmp_path / "out" / name).mkdir(parents=True)
        (tmp_path / "out" / name / "old").write_text("")
    export(tiny_model, CARD_OF, ["safetensors", "safetensors"], tmp_path / "out")
    assert (tmp_path / "out" / "mine" / "old").exists()
    assert not (tmp_path / "out" / "safetensors" / "old").exists()
    assert (tmp_path / "out" / "safetensors" / "model.safetensors").exists()


def test_when_one_format_fails_nothing_is_written(tiny_model: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="texts to calibrate on: 0 texts"):
        export(tiny_model, CARD_OF, ["safetensors", "int8"], tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_without_weights_is_named(tiny_model: Path, tmp_path: Path) -> None:
    for name in ("config.json", "tokenizer.json"):
        (tmp_path / name).write_bytes((tiny_model / name).read_bytes())
    with pytest.raises(ModelError, match=f"cannot load the model: {tmp_path}"):
        export(tmp_path, CARD_OF, ["safetensors"], tmp_path / "out")


def test_a_place_that_cannot_be_written_is_an_error(tiny_model: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ModelError, match="cannot be written"):
        export(tiny_model, CARD_OF, ["safetensors"], tmp_path / "file" / "out")


# ---- fewer layers, fewer neurons


def test_the_first_layers_are_the_model_with_the_others_taken_out(tiny_model: Path, tmp_path: Path) -> None:
    import torch

    whole = load_classifier(tiny_model)
    whole.base_model.encoder.layer = whole.base_model.encoder.layer[:1]
    ids = torch.from_numpy(SEQUENCES[2])[None]
    with torch.inference_mode():
        expected = whole(input_ids=ids).logits
        torch.testing.assert_close(first_layers(tiny_model, 1)(input_ids=ids).logits, expected)
    made = export(tiny_model, CARD_OF, ["safetensors", "openvino"], tmp_path / "out", reduction=Reduction(layers=1))
    assert difference(*(artefact.open(SETTINGS) for artefact in made)) < 1e-5
    assert difference(torch_engine(tiny_model), made[0].open(SETTINGS)) > 1e-3
    assert weight_bytes(made[0].folder) < weight_bytes(tiny_model)
    assert read_card(made[0].folder).version == "ecg-r0001-0badcafe-layers1"


def test_more_layers_than_there_are_cannot_be_kept(tiny_model: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="has 2 layers, fewer than were to be kept: 3"):
        export(tiny_model, CARD_OF, ["safetensors"], tmp_path / "out", reduction=Reduction(layers=3))


def test_neurons_that_do_nothing_are_the_ones_pruned(tiny_model: Path, tmp_path: Path) -> None:
    import torch

    network = load_classifier(tiny_model)
    idle = {0: [3, 9, 60], 1: [0, 31, 32]}
    with torch.no_grad():
        for layer, neurons in idle.items():
            network.base_model.encoder.layer[layer].output.dense.weight[:, neurons + list(range(40, 45))] = 0
    ids = torch.from_numpy(SEQUENCES[2])[None]
    with torch.inference_mode():
        expected = network(input_ids=ids).logits
    prune(network, tiny_model, 8 / 64, [(r.text, r.spans) for r in REPORTS], SCHEME)
    with torch.inference_mode():
        torch.testing.assert_close(network(input_ids=ids).logits, expected)
    shapes = [tuple(layer.output.dense.weight.shape) for layer in network.base_model.encoder.layer]
    assert shapes == [(32, 56), (32, 56)]


def test_a_pruned_model_is_smaller_and_runs_everywhere(tiny_model: Path, tmp_path: Path) -> None:
    reduction = Reduction(layers=1, prune=0.25)
    made = export(tiny_model, CARD_OF, FORMATS, tmp_path / "out", REPORTS, reduction)
    engines = [artefact.open(SETTINGS) for artefact in made]
    assert max(difference(engines[0], engine) for engine in engines[1:3]) < 1e-5
    config = json.loads((made[0].folder / "config.json").read_text())
    assert (config["intermediate_size"], config["num_hidden_layers"], config["trained_tokens"]) == (48, 1, 128)
    assert read_card(made[3].folder).version == "ecg-r0001-0badcafe-layers1-prune0.25-int8"


def test_pruning_needs_annotated_reports(tiny_model: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="Pruning needs annotated reports"):
        export(tiny_model, CARD_OF, ["safetensors"], tmp_path / "out", reduction=Reduction(prune=0.2))
    assert list(tmp_path.iterdir()) == []


def test_layers_that_are_built_otherwise_are_not_pruned(tmp_path: Path) -> None:
    from transformers import ModernBertConfig, ModernBertForTokenClassification

    config = ModernBertConfig(
        vocab_size=40, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=48, pad_token_id=0
    )
    with pytest.raises(ModelError, match="one plain feed-forward block can be pruned: ModernBert"):
        prune(ModernBertForTokenClassification(config), tmp_path, 0.2, [], SCHEME)


# ---- 8 bits


def test_openvino_in_8_bits_says_so_whatever_was_asked_for(tiny_model: Path, tmp_path: Path) -> None:
    for name in ("config.json", "tokenizer.json"):
        (tmp_path / name).write_bytes((tiny_model / name).read_bytes())
    int8.quantise(tiny_model, [r.text for r in REPORTS], tmp_path)
    opened = [OpenVinoEngine(tmp_path, precision, 1).precision for precision in ("f32", "auto")]
    assert opened == ["int8"] * 2


def test_no_layer_in_8_bits_has_a_zero_point_but_0(tiny_model: Path, tmp_path: Path) -> None:
    """OpenVINO 2026.4 compiles a kernel for each other one before a GELU, so that layers do not share theirs."""
    int8.quantise(tiny_model, [r.text for r in REPORTS], tmp_path)
    graph = library().Core().read_model(str(tmp_path / "openvino.xml"))
    steps = [node for node in graph.get_ops() if node.get_type_name() == "FakeQuantize"]
    assert len(steps) == 2 * 4 + 1, "four in each layer, one before the classifier"
    for step in steps:
        low, high = (step.input_value(place).get_node().data for place in (3, 4))
        np.testing.assert_allclose(low / high, -128 / 127, atol=1e-6)


def test_nothing_of_nncf_reports_home_or_prints(tiny_model: Path, tmp_path: Path) -> None:
    # In a process of its own: nncf reports nothing where pytest is loaded anyway.
    code = (
        "import sys; from pathlib import Path; from trainer.export.int8 import quantise\n"
        f"quantise(Path({str(tiny_model)!r}), ['心率75次/分'] * 3, Path({str(tmp_path)!r}))\n"
        "import nncf.telemetry.wrapper as wrapper\n"
        "assert sys.modules['openvino_telemetry'] is None\n"
        "assert not isinstance(wrapper.telemetry, wrapper.NNCFTelemetry), wrapper.telemetry\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert (tmp_path / "openvino.xml").exists()


def test_the_8_bit_layer_keeps_one_scale_for_each_row_and_each_token() -> None:
    import torch

    torch.manual_seed(0)
    layer = torch.nn.Linear(64, 8)
    with torch.no_grad():
        layer.weight[0] *= 1000  # one scale for the matrix would leave nothing of the other rows
    tokens = torch.randn(2, 5, 64) * torch.tensor([1.0, 1000.0, 1.0, 0.0, 1.0])[:, None]
    with torch.inference_mode():
        expected, got = layer(tokens), torch_int8.int8_linear()(layer)(tokens)
        size = layer.weight.norm(dim=1) * tokens.norm(dim=-1, keepdim=True)
    assert float(((got - expected).abs() / size.clamp_min(1e-6)).max()) < 0.01
    torch.testing.assert_close(got[:, 3], layer.bias.detach().expand(2, 8))


def test_torch_in_8_bits_is_read_without_a_pickle_and_damage_is_named(tiny_model: Path, tmp_path: Path) -> None:
    made = export(tiny_model, CARD_OF, ["torch-int8"], tmp_path / "out")[0]
    weights = made.folder / torch_int8.WEIGHTS
    assert not list(made.folder.glob("*.bin")) + list(made.folder.glob("*.pt"))
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(ModelError, match=f"8-bit model: {made.folder}"):
        made.open(SETTINGS)


# ---- the example that goes with an ONNX file


def run_example(folder: Path, texts: list[str], place: Path) -> list[list[dict[str, object]]]:
    """As somebody without this package runs it: no path to it, no environment."""
    files = []
    for i, text in enumerate(texts):
        files.append(place / f"{i}.txt")
        files[-1].write_bytes(text.encode())
    code = (
        "import runpy, sys; sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')\n"
        "assert not {'torch', 'transformers', 'backend', 'trainer', 'openvino'} & set(sys.modules)"
    )
    command = [sys.executable, "-I", "-c", code, str(folder / EXAMPLE), *map(str, files)]
    done = subprocess.run(command, cwd=place, env={}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def triples(spans: list[dict[str, object]]) -> list[tuple[object, object, object]]:
    return [(span["start"], span["end"], span["label"]) for span in spans]


def test_the_example_finds_the_same_spans_in_long_and_odd_texts(tiny_model: Path, tmp_path: Path) -> None:
    made = export(tiny_model, CARD_OF, ["onnx"], tmp_path / "out")[0]
    long = "".join(r.text for r in REPORTS * 3)
    texts = [long, "", "心率75次/分\r\n，房颤。\n", "心率\uff17\uff15次/分😀\u200b房颤", "\ufeff房颤", "X" * 127]
    predictor = reference(tiny_model, CARD_OF, LABELS, threads=1)
    expected = [[(s.start, s.end, s.label) for s in p.spans] for p in predictor.predict(texts)]
    found = run_example(made.folder, texts, tmp_path)
    assert [triples(spans) for spans in found] == expected
    assert len(expected[0]) > 50
    scores = [span.score for span in predictor.find(texts[:1])[0]]
    assert [span["score"] for span in found[0]] == pytest.approx(scores, abs=1e-4)
    assert all(span["text"] == long[span["start"] : span["end"]] for span in found[0])  # type: ignore[misc]


def test_the_example_reads_standard_input_too(tiny_model: Path, tmp_path: Path) -> None:
    made = export(tiny_model, CARD_OF, ["onnx"], tmp_path / "out")[0]
    text = REPORTS[0].text
    command = [sys.executable, "-I", str(made.folder / EXAMPLE)]
    done = subprocess.run(command, cwd=tmp_path, input=text.encode(), capture_output=True, check=True)
    assert json.loads(done.stdout) == run_example(made.folder, [text], tmp_path)[0]
    assert made.logit_difference is not None
    assert made.logit_difference < 1e-4
    assert len((made.folder / "README.md").read_text("utf-8").splitlines()) <= 12


def test_an_onnx_file_says_what_a_reader_needs_and_nothing_of_this_machine(every_format: list[Artefact]) -> None:
    import onnx

    path = next(artefact.folder for artefact in every_format if artefact.format == "onnx") / "model.onnx"
    network = onnx.load(path)
    assert {entry.key: json.loads(entry.value) for entry in network.metadata_props} == {
        "tags": list(SCHEME.tags),
        "whole": 158,
        "window": 126,
    }
    assert [(entry.domain, entry.version) for entry in network.opset_import] == [("", 18)]
    shapes = [[d.dim_param for d in i.type.tensor_type.shape.dim] for i in network.graph.input]
    assert shapes == [["batch", "sequence"]] * 2
    content = path.read_bytes()
    assert str(ROOT).encode() not in content
    assert b"site-packages" not in content


@pytest.fixture(scope="module")
def tokenizers_of_two_kinds(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """One of characters, one of bytes."""
    folder = tmp_path_factory.mktemp("bytes")
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    pieces = ["<s>", "<pad>", "</s>", "<unk>", *alphabet]
    tokenizer = Tokenizer(BPE({piece: i for i, piece in enumerate(pieces)}, [], unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.normalizer = NFKC()
    tokenizer.add_special_tokens(pieces[:4])
    tokenizer.save(str(folder / "tokenizer.json"))
    return [tiny_base, folder]


@given(text=st.text(st.characters(codec="utf-8"), max_size=40))
def test_the_example_cuts_any_text_as_the_model_was_trained(tokenizers_of_two_kinds: list[Path], text: str) -> None:
    for folder in tokenizers_of_two_kinds:
        ours, theirs = TextTokenizer.from_folder(folder).encode(text), example.Tokens(folder / "tokenizer.json")
        ids, offsets = theirs.encode(text)
        assert ids == ours.input_ids.tolist()
        assert [list(pair) for pair in offsets] == ours.offsets.tolist()


# ---- comparison


class Scrambled:
    """The probabilities of another engine, of other tokens."""

    precision = "f32"

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.max_tokens, self.window = engine.max_tokens, engine.window

    def probabilities(self, sequences: list[NDArray[np.int64]]) -> list[NDArray[np.float32]]:
        return [rows[::-1] for rows in self.engine.probabilities([s[::-1] for s in sequences])]


class Even(Scrambled):
    """Knows nothing."""

    def probabilities(self, sequences: list[NDArray[np.int64]]) -> list[NDArray[np.float32]]:
        return [np.full((len(s), 5), 0.2, dtype=np.float32) for s in sequences]


def test_a_network_that_is_worse_is_seen_in_f1_and_in_the_order_of_uncertainty(tiny_model: Path) -> None:
    predictor = reference(tiny_model, CARD_OF, LABELS, threads=1)
    engines = {"torch": predictor.engine, "scrambled": Scrambled(predictor.engine), "even": Even(predictor.engine)}
    candidates = [Candidate(name, engine, 100) for name, engine in engines.items()]
    compared = compare(predictor, REPORTS, candidates, threads=1, trained_on=TrainingSummary(tasks=[3, 4, 99]))
    same, scrambled, even = compared.rows
    assert (compared.reports, compared.spans, compared.known, compared.timed) == (24, 48, 2, 24)
    assert (same.spearman, same.max_entropy_difference, same.speedup) == (pytest.approx(1), 0, 1)
    assert same.f1 > 0.5
    assert scrambled.f1 < same.f1
    assert scrambled.spearman is not None
    assert scrambled.spearman < 0.9
    assert scrambled.max_entropy_difference >= scrambled.mean_entropy_difference > 0
    assert (even.f1, even.spearman) == (0, None)
    assert all(row.reports_per_second > 0 for row in compared.rows)


def test_rules_do_not_hide_what_a_network_lost(tiny_model: Path) -> None:
    labels = (*LABELS, "VALUE")
    predictor = reference(tiny_model, CARD_OF.model_copy(update={"mode": "merged"}), labels, threads=1)
    candidates = [Candidate("even", Even(predictor.engine), 1)]
    assert compare(predictor, REPORTS, candidates, threads=1).rows[0].f1 == 0


def test_a_version_of_rules_alone_has_no_network_to_export_or_compare(tiny_model: Path, tmp_path: Path) -> None:
    rules = CARD_OF.model_copy(update={"training": TrainingSummary()})
    with pytest.raises(ModelError, match="has no network"):
        reference(tiny_model, rules, LABELS, threads=1)
    with pytest.raises(ModelError, match="has no network"):
        export(tiny_model, rules, ["onnx"], tmp_path / "out")


# ---- the built-in encoder


@pytest.fixture(scope="module")
def real(base_model: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ModelCard, list[Report]]:
    """The built-in encoder after a few steps, its card, and the reports of the example."""
    from cli.corpus import read_data

    corpus = read_data(ROOT / "examples" / "ecg_reports" / "seed10.json", None, "latest")
    folder, reports = tmp_path_factory.mktemp("real") / "model", list(corpus.dataset.reports)
    recipe = Recipe(steps=20, seed=0, threads=1, minutes=10)
    fine_tune([(r.text, r.spans) for r in reports], LabelScheme(corpus.dataset.labels), base_model, folder, recipe)
    dressed(folder, corpus.dataset.labels)
    return folder, read_card(folder), reports


def test_the_example_finds_what_the_predictor_finds_in_the_seed_reports(
    real: tuple[Path, ModelCard, list[Report]], tmp_path: Path
) -> None:
    folder, card, reports = real
    made = export(folder, card, ["onnx"], tmp_path / "out", reports)[0]
    texts = [r.text for r in reports]
    expected = [
        [(s.start, s.end, s.label) for s in p.spans]
        for p in reference(folder, card, card.labels, threads=1).predict(texts)
    ]
    assert len(texts) == 10
    assert sum(map(len, expected)) > 30
    assert [triples(spans) for spans in run_example(made.folder, texts, tmp_path)] == expected


def test_8_bits_shrink_the_built_in_encoder_and_keep_its_order_of_uncertainty(
    real: tuple[Path, ModelCard, list[Report]], tmp_path: Path
) -> None:
    folder, card, reports = real
    made = export(folder, card, ["int8", "torch-int8"], tmp_path / "out", reports)
    first, openvino, torch = measure(folder, card, made, reports, card.labels, SETTINGS).rows
    assert (openvino.precision, torch.precision) == ("int8", "int8")
    assert openvino.bytes < first.bytes / 3
    assert torch.bytes < first.bytes * 0.65  # the embeddings of its pieces stay as they are
    for row in (openvino, torch):
        assert row.f1 > first.f1 - 0.05
        assert row.spearman is not None
        assert row.spearman > 0.9
