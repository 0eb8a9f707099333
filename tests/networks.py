"""A network that is real in all but what it knows: small, random weights, the files of both engines."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tokenizers import Tokenizer
from tokenizers.models import WordPiece

from backend.ner.scheme import LabelScheme
from trainer.export import export_openvino


def write_network(folder: Path, labels: Sequence[str], characters: str, *, openvino: bool = True) -> Path:
    """Two layers of width 32 and one piece per character; the same arguments give the same probabilities."""
    import torch
    from transformers import BertConfig, BertForTokenClassification

    tags = LabelScheme(tuple(labels)).tags
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *dict.fromkeys(characters)]
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(pieces),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
        initializer_range=0.4,  # wide enough for probabilities that differ from 1 / tags
        id2label=dict(enumerate(tags)),
        label2id={tag: i for i, tag in enumerate(tags)},
    )
    BertForTokenClassification(config).save_pretrained(folder)
    tokenizer = Tokenizer(WordPiece({piece: i for i, piece in enumerate(pieces)}, unk_token="[UNK]"))
    tokenizer.add_special_tokens(pieces[:4])
    tokenizer.save(str(folder / "tokenizer.json"))
    if openvino:
        export_openvino(folder)
    return folder
