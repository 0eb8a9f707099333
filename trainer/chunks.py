"""Annotated reports as rows of token ids and tags, and rows as padded batches.

A training row is a whole report; which part of a long one is seen is drawn anew each time it is batched.
So a report of 2,600 characters counts as at most three rows an epoch, where cutting it up would give 20 rows
and let a single report outweigh all others.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.engine.tokenizer import TextTokenizer
from backend.ner.alignment import spans_to_tags, windows
from backend.ner.scheme import LabelScheme
from backend.ner.spans import Span

AnnotatedText = tuple[str, Sequence[Span]]

IGNORED = -100
"""Tag of special and padding tokens: torch's cross-entropy leaves it out."""


@dataclass(frozen=True)
class Row:
    """Token ids [n] without special tokens, their tags [n], and how much each of them counts."""

    ids: NDArray[np.int64]
    tags: NDArray[np.int64]
    weight: float = 1.0


def rows(
    reports: Sequence[AnnotatedText], tokenizer: TextTokenizer, scheme: LabelScheme, weights: Sequence[float] = ()
) -> list[Row]:
    """One row per report that has any token, in order, with the report's weight, by default 1.

    Raises ValueError naming a span that tags cannot express, and unless there is a weight above 0 for each report.
    """
    weights = weights or [1.0] * len(reports)
    if len(weights) != len(reports) or not all(0 < weight < math.inf for weight in weights):
        raise ValueError(f"{len(reports)} reports need as many weights above 0, got {len(weights)}")
    encoded = [(tokenizer.encode(text), spans, weight) for (text, spans), weight in zip(reports, weights, strict=True)]
    return [
        Row(e.input_ids, spans_to_tags(spans, e.offsets, scheme), weight)
        for e, spans, weight in encoded
        if len(e.input_ids)
    ]


def repeated(whole: Sequence[Row], size: int, at_most: int) -> list[Row]:
    """Each row as often as `size` tokens fit into it (rounded up), but no more than `at_most` times."""
    return [row for row in whole for _ in range(min(-(-len(row.ids) // size), at_most))]


def cut(whole: Sequence[Row], size: int) -> list[Row]:
    """All rows in parts of at most `size` tokens that do not overlap unless a last part would be short."""
    parts = [(row, part) for row in whole for part in windows(len(row.ids), size, 0)]
    return [Row(row.ids[start:end], row.tags[start:end], row.weight) for row, (start, end) in parts]


def columns(table: Sequence[Row], size: int) -> dict[str, list[Any]]:
    """The rows as columns of a `datasets.Dataset`; `length` is what a row takes in a batch."""
    return {
        "ids": [row.ids for row in table],
        "tags": [row.tags for row in table],
        "weight": [row.weight for row in table],
        "length": [min(len(row.ids), size) for row in table],
    }


def padded(batch: Sequence[Row], tokenizer: TextTokenizer) -> list[tuple[str, NDArray[Any]]]:
    """Token ids, mask and labels [rows, width] with special and padding tokens, and weights [rows], by name."""
    width = max(len(row.ids) for row in batch) + 2
    ids = np.full((len(batch), width), tokenizer.pad_id, dtype=np.int64)
    mask, labels = np.zeros_like(ids), np.full_like(ids, IGNORED)
    for i, row in enumerate(batch):
        end = len(row.ids) + 1
        ids[i, 0], ids[i, 1:end], ids[i, end] = tokenizer.cls_id, row.ids, tokenizer.sep_id
        mask[i, : end + 1], labels[i, 1:end] = 1, row.tags
    weights = np.array([row.weight for row in batch], dtype=np.float32)
    return [("input_ids", ids), ("attention_mask", mask), ("labels", labels), ("weights", weights)]


@dataclass
class Collator:
    """Rows of a `datasets.Dataset` -> token ids, mask and labels [rows, width], special tokens added; weights [rows].

    Of a row longer than `size` tokens a random window is taken; the seed decides the sequence of windows.
    """

    tokenizer: TextTokenizer
    size: int
    seed: int
    random: np.random.Generator = field(init=False)

    def __post_init__(self) -> None:
        self.random = np.random.default_rng(self.seed)

    def __call__(self, batch: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Torch tensors under the names transformers expects, and `weights`."""
        import torch

        arrays = padded([self._window(row) for row in batch], self.tokenizer)
        return {name: torch.from_numpy(array) for name, array in arrays}

    def _window(self, row: Mapping[str, Any]) -> Row:
        ids, tags = np.asarray(row["ids"]), np.asarray(row["tags"])
        start = int(self.random.integers(max(len(ids) - self.size, 0) + 1))
        return Row(ids[start : start + self.size], tags[start : start + self.size], row["weight"])
