"""Sequences of any length to batches and back, the same for every engine.

A batch holds sequences of one length and a bounded number of tokens, so that nothing is padded. How many rows a batch
has changes no bit of a result on a CPU, but padding does: by up to 0.03 of a probability in bf16 and in 8 bits. So a
report gets the same prediction alone and among any others. Windows of long reports all have the same length, and a pool
has many reports of each: of 4,000 reports 414 batches are made, where batches of similar length were 362.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing

import numpy as np
from numpy.typing import NDArray

from backend.engine.model_folder import ModelFolder
from backend.errors import ModelError

TOKEN_BUDGET = 2048
"""Tokens of a batch, special tokens included. Larger ones were not faster on a CPU."""

Batch = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Token ids and attention mask, [rows, width] each; a mask is all ones and may be left out."""
Forward = Callable[[NDArray[np.int64], NDArray[np.int64]], NDArray[np.float32]]
"""A batch -> logits [rows, width, tags]."""


def plan(lengths: Sequence[int], budget: int = TOKEN_BUDGET) -> list[list[int]]:
    """Positions of the sequences in batches of one length, shortest first; every position once.

    A batch has at most `budget` tokens, except where one sequence alone is over it.

    >>> plan([3, 9, 4, 3], budget=9)
    [[0, 3], [2], [1]]
    """
    batches: list[list[int]] = []
    for position in np.argsort(lengths, kind="stable").tolist():
        length, last = lengths[position], batches[-1] if batches else []
        if last and lengths[last[0]] == length and length * (len(last) + 1) <= budget:
            last.append(position)
        else:
            batches.append([position])
    return batches


def pad(sequences: Sequence[NDArray[np.int64]], model: ModelFolder) -> Batch:
    """Token ids with both special tokens, and the attention mask, [rows, longest + 2] each."""
    width = max(len(sequence) for sequence in sequences) + 2
    ids = np.full((len(sequences), width), model.pad_id, dtype=np.int64)
    mask = np.zeros_like(ids)
    for row, sequence in enumerate(sequences):
        end = len(sequence) + 1
        ids[row, 0], ids[row, 1:end], ids[row, end] = model.cls_id, sequence, model.sep_id
        mask[row, : end + 1] = 1
    return ids, mask


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Probabilities over the last axis.

    >>> softmax(np.array([[0, 0]], dtype=np.float32)).tolist()
    [[0.5, 0.5]]
    """
    shifted = np.exp(logits.astype(np.float64) - logits.max(axis=-1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=-1, keepdims=True), dtype=np.float32)


def run(sequences: Sequence[NDArray[np.int64]], model: ModelFolder, forward: Forward) -> list[NDArray[np.float32]]:
    """Probabilities [n, tags] of each sequence in input order; see `Engine.probabilities`."""
    return run_all(sequences, model, lambda batches: (forward(*batch) for batch in batches))


def run_all(
    sequences: Sequence[NDArray[np.int64]],
    model: ModelFolder,
    forward: Callable[[Iterable[Batch]], Generator[NDArray[np.float32]]],
) -> list[NDArray[np.float32]]:
    """`run` by a `forward` that takes all batches and gives the logits of each in order; it is closed at last."""
    lengths = [len(sequence) for sequence in sequences]
    if max(lengths, default=0) > model.max_tokens:
        raise ModelError("A sequence is too long for the model", f"{max(lengths)} tokens, {model.max_tokens} fit")
    empty: NDArray[np.float32] = np.zeros((0, model.n_tags), dtype=np.float32)
    results = [empty for _ in sequences]
    filled = [position for position, length in enumerate(lengths) if length]
    batches = [[filled[i] for i in batch] for batch in plan([lengths[position] + 2 for position in filled])]
    padded = (pad([sequences[position] for position in batch], model) for batch in batches)
    with closing(forward(padded)) as computed:
        for batch, logits in zip(batches, computed, strict=True):
            for row, position in enumerate(batch):
                results[position] = _probabilities(logits[row, 1 : lengths[position] + 1], model)
    return results


def _probabilities(logits: NDArray[np.float32], model: ModelFolder) -> NDArray[np.float32]:
    if not np.isfinite(logits).all():
        raise ModelError("The model computes values that are not numbers", model.path, "train or promote another one")
    return softmax(logits)
