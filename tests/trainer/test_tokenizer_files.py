import json
from pathlib import Path
from typing import Any

import pytest

from backend.engine.tokenizer import TextTokenizer
from tests.tokenizers import HAN, KINDS
from trainer.base_model import tokenizer_json
from trainer.fine_tuning.tokenizer_files import copy_tokenizer, write_tokenizer

TEXTS = ["", " ", "72", f"{HAN}HR 72", "心率72次/分。\r\n  心律 \t\u3000钟", "心[CLS]律</s><s>[UNK]", "心\u2581律"]
GOLD = json.loads((Path(__file__).parents[2] / "examples/ecg_reports/gold.json").read_text("utf-8"))


def by_transformers(folder: Path) -> Any:
    """The tokenizer as anybody loads it."""
    from transformers import AutoTokenizer

    (folder / "config.json").write_text(json.dumps({"model_type": "bert"}))
    return AutoTokenizer.from_pretrained(folder, local_files_only=True)


def written(text: str, folder: Path, positions: int = 512) -> Path:
    write_tokenizer(text, {"model_type": "bert", "max_position_embeddings": positions}, folder)
    return folder


def same_ids(folder: Path, texts: list[str]) -> list[bool]:
    ours, theirs = TextTokenizer.from_folder(folder), by_transformers(folder)
    return [
        [ours.cls_id, *ours.encode(text).input_ids.tolist(), ours.sep_id] == theirs(text)["input_ids"] for text in texts
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_transformers_alone_makes_the_same_tokens(kind: str, tmp_path: Path) -> None:
    assert all(same_ids(written(KINDS[kind]().to_str(), tmp_path), TEXTS))


def test_with_the_built_in_encoder_it_makes_them_of_every_report(base_model: Path, tmp_path: Path) -> None:
    reports = [task["data"]["text"] for task in GOLD]
    assert all(same_ids(written(tokenizer_json(base_model), tmp_path), [*TEXTS, *reports, "心率７２次／分Ⅲ℃㎜V4～V6"]))


def test_its_offsets_are_those_of_the_characters(base_model: Path, tmp_path: Path) -> None:
    theirs = by_transformers(written(tokenizer_json(base_model), tmp_path))
    found = theirs("心率 120次/分", return_offsets_mapping=True)["offset_mapping"]
    assert [tuple(pair) for pair in found[1:-1]] == [(i, i + 1) for i in range(9)]


@pytest.mark.parametrize("kind", KINDS)
def test_our_own_tokens_stay_as_they_were(kind: str, tmp_path: Path) -> None:
    before, after = TextTokenizer(KINDS[kind]()), TextTokenizer.from_folder(written(KINDS[kind]().to_str(), tmp_path))
    for text in [*TEXTS, "心率７２次／分Ⅲ℃㎜", "e\u0301\u200b\ufeff心"]:
        assert before.encode(text).input_ids.tolist() == after.encode(text).input_ids.tolist()


@pytest.mark.parametrize("kind", KINDS)
def test_written_again_the_files_are_the_same(kind: str, tmp_path: Path) -> None:
    first = (written(KINDS[kind]().to_str(), tmp_path) / "tokenizer.json").read_text("utf-8")
    assert (written(first, tmp_path) / "tokenizer.json").read_text("utf-8") == first


def test_the_longest_sequence_is_named(tmp_path: Path) -> None:
    assert by_transformers(written(KINDS["unigram"]().to_str(), tmp_path, 130)).model_max_length == 130


def test_the_tokenizer_of_an_older_version_is_copied_as_one_that_cuts_by_character(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    new.mkdir()
    KINDS["unigram"]().save(str(old / "tokenizer.json"))
    (old / "config.json").write_text('{"model_type": "bert", "max_position_embeddings": 64}')
    copy_tokenizer(old, new)
    assert all(same_ids(new, TEXTS))
    assert by_transformers(new).model_max_length == 64
