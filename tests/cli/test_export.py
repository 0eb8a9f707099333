"""`ecgal export` and `ecgal distill` on files, as people call them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click import Command
from click.testing import CliRunner, Result
from tokenizers import Tokenizer
from tokenizers.models import WordPiece

from backend.errors import BackendError
from backend.ner.scheme import LabelScheme
from backend.rules import EMPTY_MEMORY
from cli.distill import distill
from cli.export import RECORD, export
from tests.cards import card
from trainer.corpus import texts_of
from trainer.corpus.tasks import PLAIN
from trainer.offline import read_card

pytestmark = pytest.mark.slow

SEED = Path(__file__).resolve().parents[2] / "examples" / "ecg_reports" / "seed10.json"
LABELS = ("HR", "VALUE", "TIME", "EVENT", "DIAG")
PIECES = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    *"窦性心律率次分钟早搏房颤室速左右束支传导阻滞正常平均0123456789,.:;，。/%",
]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two layers of random weights that say something, with a card."""
    import torch
    from transformers import BertConfig, BertForTokenClassification

    folder = tmp_path_factory.mktemp("model") / "tiny"
    torch.manual_seed(0)
    tags = dict(enumerate(LabelScheme(LABELS).tags))
    config = BertConfig(
        vocab_size=len(PIECES),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
        initializer_range=0.4,
        id2label=tags,
        label2id={tag: i for i, tag in tags.items()},
    )
    BertForTokenClassification(config).save_pretrained(folder)
    tokenizer = Tokenizer(WordPiece({piece: i for i, piece in enumerate(PIECES)}, unk_token="[UNK]"))
    tokenizer.add_special_tokens(PIECES[:4])
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "card.json").write_text(card(labels=list(LABELS)).model_dump_json())
    (folder / "memory.json").write_text(EMPTY_MEMORY.to_json())
    return folder


def run(command: Command, *arguments: object) -> Result:
    # Two processes of torch with two threads each would wait for each other.
    result = CliRunner(env={"ECG_THREADS": "1"}).invoke(command, [str(argument) for argument in arguments])
    if isinstance(result.exception, BackendError):
        raise result.exception
    return result


def test_formats_are_compared_on_the_data_and_the_table_is_kept(model: Path, tmp_path: Path) -> None:
    formats = ("--format", "onnx", "--format", "int8")
    result = run(export, "--model", model, *formats, "--data", SEED, "--output", tmp_path / "out", "--json")
    assert result.exit_code == 0, result.output
    record = json.loads(result.stdout)
    assert json.loads((tmp_path / "out" / RECORD).read_text("utf-8")) == record
    assert (record["version"], record["reports"], record["layers"], record["prune"]) == (
        "ecg-r0001-0badcafe",
        10,
        None,
        0,
    )
    rows = {row["name"]: row for row in record["rows"]}
    assert list(rows) == ["torch", "onnx", "int8"]
    assert rows["onnx"]["f1"] == rows["torch"]["f1"]
    assert rows["onnx"]["logit_difference"] < 1e-3
    assert rows["int8"]["precision"] == "int8"
    assert rows["int8"]["bytes"] > 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [RECORD, "int8", "onnx"]


def test_people_get_a_table_of_smaller_networks(model: Path, tmp_path: Path) -> None:
    smaller = ("--layers", 1, "--prune", 0.5)
    arguments = ("--model", model, "--format", "safetensors", "--data", SEED, "--output", tmp_path / "out")
    output = run(export, *arguments, *smaller).output
    lines = {line.split()[0]: line for line in output.splitlines()}
    assert {"network", "torch", "safetensors"} <= set(lines)
    assert "1.00x" in lines["torch"]
    assert "10 reports with" in output
    config = json.loads((tmp_path / "out" / "safetensors" / "config.json").read_text())
    assert (config["num_hidden_layers"], config["intermediate_size"]) == (1, 32)


def test_without_data_sizes_are_told_and_what_needs_data_is_refused(model: Path, tmp_path: Path) -> None:
    arguments = ("--model", model, "--output", tmp_path / "out", "--json")
    record = json.loads(run(export, *arguments, "--format", "openvino").stdout)
    assert [(row["name"], row["bytes"] > 0) for row in record["rows"]] == [("openvino", True)]
    assert "nothing is measured" in run(export, *arguments[:-1], "--format", "openvino").output
    for wanted in (("--format", "int8"), ("--format", "onnx", "--prune", 0.2)):
        with pytest.raises(BackendError, match="Give reports with --data"):
            run(export, *arguments, *wanted)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [RECORD, "openvino"]


@pytest.mark.parametrize("wrong", [(), ("--format", "gguf"), ("--format", "onnx", "--prune", "1.5")])
def test_a_wrong_option_is_a_usage_error(model: Path, tmp_path: Path, wrong: tuple[str, ...]) -> None:
    assert run(export, "--model", model, "--output", tmp_path / "out", *wrong).exit_code == 2
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BackendError, match="No readable model card"):
        run(export, "--model", tmp_path, "--format", "onnx", "--output", tmp_path / "out")


def test_a_student_is_distilled_and_compared_with_its_teacher(model: Path, tmp_path: Path) -> None:
    pool = tmp_path / "pool.json"
    pool.write_text(json.dumps([{"data": {"text": "心率75次/分"}}, {"data": {"text": "房颤"}}]), "utf-8")
    asked = ("--teacher", model, "--data", SEED, "--unlabelled", pool, "--layers", 1, "--steps", 3)
    result = run(distill, *asked, "--output", tmp_path / "student", "--json")
    assert result.exit_code == 0, result.output
    record = json.loads(result.stdout)
    assert (record["student"], record["steps"]) == ("ecg-r0001-0badcafe-distilled1", 3)
    assert [row["name"] for row in record["rows"]] in ([], ["teacher", "student"])
    assert "step 3 of 3" in result.stderr
    assert read_card(tmp_path / "student").version == record["student"]
    assert "distilled1: 3 steps" in run(distill, *asked, "--output", tmp_path / "again").stdout
    with pytest.raises(BackendError, match="something already"):
        run(distill, *asked, "--output", tmp_path / "student")


def test_unlabelled_texts_are_tasks_or_strings(tmp_path: Path) -> None:
    file = tmp_path / "texts.json"
    tasks = [{"id": 1, "data": {"text": "房颤"}}, "心率75次/分", {"data": {"note": "no report"}}, 7, {"text": "早搏"}]
    file.write_text(json.dumps(tasks), "utf-8")
    texts, without = texts_of(file, PLAIN)
    assert (sorted(texts), without) == (sorted(["心率75次/分", "房颤", "早搏"]), 2)
