"""A small tokenizer of each kind that encoders come with."""

from __future__ import annotations

from tokenizers import Tokenizer, decoders, normalizers, pre_tokenizers
from tokenizers.models import BPE, Unigram, WordPiece

HAN = "窦性心律率次分早搏钟脉℃"


def unigram() -> Tokenizer:
    """The kind of the default base model: SentencePiece unigram with metaspace."""
    pieces = ["<s>", "<pad>", "</s>", "<unk>", "\u2581", *HAN[:-1], *"0123456789/:,.abcdefghijklmnopqrstuvwxyzHRST°C"]
    pieces += ["\u2581心", "心律", "72", "HR", "😀"]
    tokenizer = Tokenizer(Unigram([(piece, -float(i)) for i, piece in enumerate(pieces)], unk_id=3))
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.add_special_tokens(["<s>", "<pad>", "</s>", "<unk>"])
    return tokenizer


def word_piece() -> Tokenizer:
    """The kind of bert-base-chinese."""
    words = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        *HAN,
        *"0123456789/:,.abcdefghijklmnopqrstuvwxyz",
        "##a",
        "72",
        "(",
        ")",
    ]
    tokenizer = Tokenizer(WordPiece({word: i for i, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.add_special_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]"])
    return tokenizer


def byte_level() -> Tokenizer:
    """The kind of RoBERTa: every character outside ASCII is several bytes, some joined."""
    words = ["<s>", "<pad>", "</s>", "<unk>", *sorted(pre_tokenizers.ByteLevel.alphabet()), "å¿", "å¿ĥ", "Ġa"]
    merges = [("å", "¿"), ("å¿", "ĥ"), ("Ġ", "a")]
    tokenizer = Tokenizer(BPE({word: i for i, word in enumerate(words)}, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.add_special_tokens(["<s>", "<pad>", "</s>", "<unk>"])
    return tokenizer


KINDS = {"unigram": unigram, "word piece": word_piece, "byte level": byte_level}
