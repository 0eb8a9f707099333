"""The tokenizer of a trained model as files with which transformers alone cuts a text as this package does.

A network that learned one token for each character is another one on the tokens that the base model's own rules make
(`120` as one token): whoever loads the folder with `transformers.pipeline` would get other spans, without a warning.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer
from tokenizers.processors import TemplateProcessing

from backend.engine.model_folder import most_tokens
from backend.engine.tokenizer import METASPACE, TextTokenizer

TOKENIZER = "tokenizer.json"
TOKENIZER_CONFIG = "tokenizer_config.json"

SPLIT = {"type": "Split", "pattern": {"Regex": r"[\s\S]"}, "behavior": "Isolated", "invert": False}
"""Every code point by itself."""
SINGLY = {"type": "Replace", "pattern": {"Regex": r"\s"}, "content": " "}
SPACES = {"type": "Replace", "pattern": {"Regex": " "}, "content": METASPACE}
"""White space, each character of it the bare metaspace token, or unknown where the vocabulary has none."""
COMPATIBLE = {"type": "NFKC"}
"""What SentencePiece's own table of spellings leaves out, as the sign between V2 and V4 in full width."""
BYTES = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}


def write_tokenizer(text: str, config: dict[str, Any], folder: Path) -> None:
    """Write `tokenizer.json`, made of the text of another one, and `tokenizer_config.json` into `folder`.

    `config` is that of the encoder: transformers cuts off what is longer than it has positions. What comes out differs
    from `TextTokenizer` only for a character that the vocabulary knows in its compatibility form alone, or together
    with combining marks. The same text gives the same files, also when it was written by this function.
    """
    reads = TextTokenizer(Tokenizer.from_str(text))
    tokenizer = Tokenizer.from_str(json.dumps(_cut_by_character(json.loads(text), reads.byte_level)))
    begin, end, pad, unknown = (
        tokenizer.id_to_token(i) for i in (reads.cls_id, reads.sep_id, reads.pad_id, reads.unk_id)
    )
    special = [(begin, reads.cls_id), (end, reads.sep_id)]
    tokenizer.post_processor = TemplateProcessing(f"{begin} $A {end}", f"{begin} $A {end} $B {end}", special)
    (folder / TOKENIZER).write_text(tokenizer.to_str(pretty=True), encoding="utf-8")
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": most_tokens(config) + 2,
        "split_special_tokens": True,  # "[CLS]" in a report is five characters
        "cls_token": begin,
        "sep_token": end,
        "pad_token": pad,
        "unk_token": unknown,
    }
    (folder / TOKENIZER_CONFIG).write_text(json.dumps(settings, ensure_ascii=False, indent=1), encoding="utf-8")


def copy_tokenizer(source: Path, folder: Path) -> None:
    """The tokenizer of one model folder into another one; in folders of older versions it is the base model's."""
    config = json.loads((source / "config.json").read_text("utf-8"))
    write_tokenizer((source / TOKENIZER).read_text("utf-8"), config, folder)


def _cut_by_character(tokenizer: dict[str, Any], byte_level: bool) -> dict[str, Any]:
    """A parsed tokenizer.json with these rules in place of its own; vocabulary and spelling stay."""
    given = tokenizer.get("normalizer")
    steps = given["normalizers"] if given and given["type"] == "Sequence" else [given] if given else []
    spelling = [_by_itself(step) for step in steps if step["type"] not in ("Replace", "NFKC")]
    if any(step["type"] in ("Precompiled", "NFKC") for step in steps):
        spelling.append(COMPATIBLE)
    cut: dict[str, Any] = {"type": "Sequence", "pretokenizers": [SPLIT, BYTES]} if byte_level else SPLIT
    if not byte_level:
        spelling = [SINGLY, *spelling, SPACES]
    normalizer = {"type": "Sequence", "normalizers": spelling} if spelling else None
    return {**tokenizer, "normalizer": normalizer, "pre_tokenizer": cut}


def _by_itself(step: dict[str, Any]) -> dict[str, Any]:
    """BERT's rules put spaces around Chinese characters, which would be tokens here."""
    return {**step, "handle_chinese_chars": False} if step["type"] == "BertNormalizer" else step
