"""Linear-chain conditional random field (Lafferty, McCallum, Pereira 2001) over many texts at once.

The tokens of all texts are packed: first the first token of every text, then every second token, and so on, the longest
text first. A step of the recursions is one matrix product over all texts that are still running, so a pool costs
little more than its longest report. Transitions that BIO forbids have no weight: every probability is that of legal
sequences only.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from backend.ner.scheme import LabelScheme

Floats = NDArray[np.float64]
Scalar = TypeVar("Scalar", bound=np.generic)


@dataclass(frozen=True)
class Packing:
    """Where the tokens of texts of these `lengths` (tokens each) stand when they are packed."""

    lengths: tuple[int, ...]

    @cached_property
    def running(self) -> NDArray[np.int64]:
        """How many texts have a token at each place: [longest text]."""
        longest = max(self.lengths, default=0)
        return np.cumsum(np.bincount(self.lengths, minlength=longest + 1)[::-1])[::-1][1:] if longest else _NONE

    @cached_property
    def steps(self) -> list[slice]:
        """The packed tokens of each place in the texts."""
        ends = np.cumsum(self.running).tolist()
        return [slice(end - count, end) for end, count in zip(ends, self.running.tolist(), strict=True)]

    @cached_property
    def rows(self) -> NDArray[np.int64]:
        """For each packed token its place among the tokens of all texts, one text after the other."""
        order = np.argsort(-np.asarray(self.lengths, dtype=np.int64), kind="stable")
        starts = np.concatenate([[0], np.cumsum(self.lengths)]).astype(np.int64)[order]
        return np.concatenate([_NONE, *(starts[:count] + place for place, count in enumerate(self.running.tolist()))])

    def unpack(self, packed: NDArray[Scalar]) -> NDArray[Scalar]:
        """Rows of packed tokens, one text after the other."""
        unpacked = np.empty_like(packed)
        unpacked[self.rows] = packed
        return unpacked


@dataclass(frozen=True, eq=False)
class Marginals:
    """What the forward and backward recursions give, packed.

    `tags` are probabilities [tokens, tags]; `ahead` and `behind` [tokens, tags] are the two sides of the probability
    of each pair of neighbouring tags (`pairs`), `log_norm` [tokens] adds up to the logarithm of the normaliser.
    """

    tags: Floats
    ahead: Floats
    behind: Floats
    log_norm: Floats


def marginals(scores: Floats, transitions: Floats, scheme: LabelScheme, packing: Packing) -> Marginals:
    """Tag probabilities of packed tokens from their scores [tokens, tags] and those of transitions [tags, tags]."""
    peaks = scores.max(axis=1, keepdims=True, initial=-np.inf)
    weights, moves = np.exp(scores - peaks), np.where(scheme.allowed, np.exp(transitions), 0.0)
    ahead, norms = _forward(weights, moves, scheme, packing)
    after, behind = np.ones_like(weights), np.zeros_like(weights)
    for here, there in zip(packing.steps[-2::-1], packing.steps[:0:-1], strict=True):
        count = there.stop - there.start
        coming = weights[there] * after[there] / norms[there, None]
        behind[here.start : here.start + count] = coming
        after[here.start : here.start + count] = coming @ moves.T
    return Marginals(ahead * after, ahead, behind, np.log(norms) + peaks[:, 0])


def _forward(weights: Floats, moves: Floats, scheme: LabelScheme, packing: Packing) -> tuple[Floats, Floats]:
    """Normalised forward probabilities [tokens, tags], and what they were divided by [tokens]."""
    ahead, norms = np.empty_like(weights), np.empty(len(weights))
    for place, here in enumerate(packing.steps):
        before = packing.steps[place - 1].start
        reached = ahead[before : before + here.stop - here.start] @ moves if place else scheme.allowed_first
        found = weights[here] * reached
        norms[here] = found.sum(axis=1)
        ahead[here] = found / norms[here, None]
    return ahead, norms


def best_sequences(scores: Floats, transitions: Floats, scheme: LabelScheme, packing: Packing) -> NDArray[np.int64]:
    """Tag ids of packed tokens: of each text the legal sequence with the highest score (Viterbi)."""
    moves = np.where(scheme.allowed, transitions, -np.inf)
    pointers = np.zeros(scores.shape, dtype=np.int16)
    best = scores.copy()
    for place, here in enumerate(packing.steps):
        if place == 0:
            best[here] += np.where(scheme.allowed_first, 0.0, -np.inf)
            continue
        before = packing.steps[place - 1].start
        paths = best[before : before + here.stop - here.start, :, None] + moves
        pointers[here] = paths.argmax(axis=1)
        best[here] += paths.max(axis=1)
    return _trace(best, pointers, packing)


def _trace(best: Floats, pointers: NDArray[np.int16], packing: Packing) -> NDArray[np.int64]:
    """Follow the pointers back from the last token of each text."""
    tags: NDArray[np.int64] = best.argmax(axis=1)  # right for last tokens, the others are overwritten
    for here, there in zip(packing.steps[-2::-1], packing.steps[:0:-1], strict=True):
        count = there.stop - there.start
        tags[here.start : here.start + count] = pointers[there][np.arange(count), tags[there]]
    return tags


_NONE: NDArray[np.int64] = np.zeros(0, dtype=np.int64)
