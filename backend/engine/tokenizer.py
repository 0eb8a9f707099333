"""Texts to token ids with exact offsets, for any fast tokenizer of a Hugging Face folder.

The text is cut into pieces first (`backend.ner.pieces`), and each piece is looked up on its own, so that no token ever
covers an end of a span. The `tokenizers` library gives the normaliser and the vocabulary; its pre-tokenizer is left
out, because it would put a metaspace token before every piece and drop white space. Special tokens cannot come out of
a text: `[CLS]` in a report is five characters.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer
from tokenizers.pre_tokenizers import ByteLevel

from backend.errors import BaseModelError
from backend.ner.pieces import cut

_SPECIAL = {"cls": ("[CLS]", "<s>"), "sep": ("[SEP]", "</s>"), "pad": ("[PAD]", "<pad>"), "unk": ("[UNK]", "<unk>")}
METASPACE = "\u2581"
_BYTES = ByteLevel(add_prefix_space=False, use_regex=False)
_PROBE, _PROBE_BYTES = "心", "å¿ĥ"  # a character, and how byte-level vocabularies spell its bytes
_CACHED_PIECES = 1 << 16  # more than there are characters in use; a bound, because anybody may send texts


@dataclass(frozen=True)
class Encoding:
    """Token ids [n] without special tokens, and their half-open code point offsets [n, 2] in the raw text.

    Each code point, white space included, is covered by exactly one token. Where the vocabulary needs several tokens
    for a character, the others follow it with empty ranges at its end.
    """

    input_ids: NDArray[np.int64]
    offsets: NDArray[np.int64]


class TextTokenizer:
    """A `tokenizers` tokenizer used piece by piece. Safe to share between threads."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self.cls_id, self.sep_id, self.pad_id, self.unk_id = (_special_id(tokenizer, name) for name in _SPECIAL)
        space = tokenizer.token_to_id(METASPACE)
        self._space_id = self.unk_id if space is None else space
        self.byte_level = _is_byte_level(tokenizer)
        self._ids = lru_cache(maxsize=_CACHED_PIECES)(self._look_up)

    @classmethod
    def from_folder(cls, folder: Path | str) -> TextTokenizer:
        """Load `tokenizer.json` of a model folder.

        Raises BaseModelError if the file is missing, damaged, or has no begin, end, padding or unknown token.
        """
        path = Path(folder) / "tokenizer.json"
        if not path.is_file():
            raise BaseModelError("The model folder has no tokenizer.json", folder, "Save it with a fast tokenizer")
        try:
            tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises the bare class
            raise BaseModelError("The tokenizer cannot be read", path, str(error)) from error
        return cls(tokenizer)

    def encode(self, text: str) -> Encoding:
        """Token ids and offsets of the whole text, however long; no special tokens."""
        input_ids: list[int] = []
        offsets: list[tuple[int, int]] = []
        for start, end in cut(text):
            first, *others = self._ids(text[start:end])
            input_ids.append(first)
            offsets.append((start, end))
            if others:
                input_ids += others
                offsets += [(end, end)] * len(others)
        return Encoding(
            np.array(input_ids, dtype=np.int64),
            np.array(offsets, dtype=np.int64).reshape(-1, 2),
        )

    def _look_up(self, piece: str) -> tuple[int, ...]:
        """The ids of a piece, at least one.

        As the tokenizer normalises it, else in compatibility form (full-width digits, Roman numerals), else unknown.
        White space, and what the normaliser makes disappear, is the bare metaspace token if there is one.
        """
        if unicodedata.category(piece[0]) == "Cs":  # half of a surrogate pair, from broken JSON: not encodable
            return (self.unk_id,)
        ids: tuple[int, ...] = ()
        for spelling in (piece, unicodedata.normalize("NFKC", piece)):
            ids = self._tokenize(spelling)
            if ids and self.unk_id not in ids:
                return ids
        return (self.unk_id,) if ids else (self._space_id,)

    def _tokenize(self, spelling: str) -> tuple[int, ...]:
        normalizer = self._tokenizer.normalizer
        word = normalizer.normalize_str(spelling) if normalizer else spelling
        if self.byte_level:
            parts = [part for part, _ in _BYTES.pre_tokenize_str(word)]
        else:  # one by one, so that a sign for "mm" gets the tokens of m and m; normalisers put spaces around some
            parts = [part for part in word if not part.isspace() and part != METASPACE]
        return tuple(token.id for part in parts for token in self._tokenizer.model.tokenize(part))


def _special_id(tokenizer: Tokenizer, name: str) -> int:
    for token in _SPECIAL[name]:
        token_id = tokenizer.token_to_id(token)
        if token_id is not None:
            return token_id
    raise BaseModelError(
        f"The tokenizer has no {name} token",
        " or ".join(_SPECIAL[name]),
        "Choose a BERT, RoBERTa or XLM-R style base model",
    )


def _is_byte_level(tokenizer: Tokenizer) -> bool:
    pre_tokenizer = tokenizer.pre_tokenizer
    return bool(pre_tokenizer) and any(_PROBE_BYTES in part for part, _ in pre_tokenizer.pre_tokenize_str(_PROBE))
