"""Texts as rows of tokens of which some are to be guessed: what continued pre-training learns from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from backend.engine.tokenizer import TextTokenizer
from backend.ner.alignment import windows
from trainer.chunks import IGNORED, Row, padded

MASKS = ("[MASK]", "<mask>")
REPLACED, RANDOM = 0.8, 0.1
"""So many of the tokens to guess become the mask, and a random token; the rest stays, so that the encoder cannot
rely on seeing which tokens are asked for."""


@dataclass(frozen=True)
class TokenRow:
    """Token ids [n] without special tokens, and for each the number of the piece of text it belongs to [n]."""

    ids: NDArray[np.int64]
    pieces: NDArray[np.int64]


def token_rows(texts: Sequence[str], tokenizer: TextTokenizer, size: int) -> list[TokenRow]:
    """All tokens of the texts in rows of at most `size`."""
    rows = []
    for encoding in map(tokenizer.encode, texts):
        # Where a piece of text takes several tokens, the others have empty ranges: they are masked together.
        pieces = np.cumsum(encoding.offsets[:, 0] < encoding.offsets[:, 1], dtype=np.int64)
        cuts = windows(len(pieces), size, 0)
        rows += [TokenRow(encoding.input_ids[start:end], pieces[start:end]) for start, end in cuts]
    return rows


def to_read(rows: Sequence[TokenRow]) -> dict[str, list[Any]]:
    """Rows to be masked, as columns of a `datasets.Dataset`."""
    return {"ids": [r.ids for r in rows], "pieces": [r.pieces for r in rows], "length": [len(r.ids) for r in rows]}


def to_measure(rows: Sequence[Row]) -> dict[str, list[Any]]:
    """Rows that were masked once and for all, as columns of a `datasets.Dataset`."""
    return {"ids": [r.ids for r in rows], "labels": [r.tags for r in rows], "length": [len(r.ids) for r in rows]}


def mask_id(tokenizer_json: str, unknown: int) -> int:
    """The id of the mask token, or `unknown` where the vocabulary has none."""
    tokenizer = Tokenizer.from_str(tokenizer_json)
    return next((i for i in map(tokenizer.token_to_id, MASKS) if i is not None), unknown)


@dataclass
class Masker:
    """Rows of a `datasets.Dataset` -> token ids, mask and labels [rows, width], special tokens added.

    `share` of a row's pieces, at least one, is to be guessed: drawn anew each time, in a sequence that the seed
    decides. A row that has `labels` is taken as it is.
    """

    tokenizer: TextTokenizer
    mask: int
    vocabulary: int
    share: float
    seed: int
    random: np.random.Generator = field(init=False)

    def __post_init__(self) -> None:
        self.random = np.random.default_rng(self.seed)

    def __call__(self, batch: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Torch tensors under the names transformers expects."""
        import torch

        arrays = padded([self._row(row) for row in batch], self.tokenizer)
        return {name: torch.from_numpy(array) for name, array in arrays if name != "weights"}

    def _row(self, row: Mapping[str, Any]) -> Row:
        if "labels" in row:
            return Row(np.asarray(row["ids"]), np.asarray(row["labels"]))
        return self.masked(TokenRow(np.asarray(row["ids"]), np.asarray(row["pieces"])))

    def masked(self, row: TokenRow) -> Row:
        """Ids as the encoder sees them, and as labels the true ids of those to guess."""
        pieces = np.unique(row.pieces)
        wanted = self.random.choice(pieces, max(1, round(self.share * len(pieces))), replace=False)
        chosen = np.flatnonzero(np.isin(row.pieces, wanted))
        labels = np.full_like(row.ids, IGNORED)
        labels[chosen] = row.ids[chosen]
        ids, fate = row.ids.copy(), self.random.random(len(chosen))
        ids[chosen[fate < REPLACED]] = self.mask
        random = chosen[fate >= 1 - RANDOM]
        ids[random] = self.random.integers(self.vocabulary, size=len(random))
        return Row(ids, labels)
