"""What a wrong tag costs: cross-entropy of tokens, smoothed, focused and weighted on demand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.chunks import IGNORED, Row
from trainer.recipe import Recipe


@dataclass(frozen=True)
class TokenLoss:
    """A loss for Trainer, of logits [rows, width, tags], tag ids [rows, width] and a weight for each row [rows].

    Each token costs its row's weight times its tag's times (1 - p) to the power of `gamma` times cross-entropy with
    label smoothing, p being the probability of its tag. `tag_weights` empty: all 1.
    """

    smoothing: float
    gamma: float
    tag_weights: NDArray[np.float32]

    @classmethod
    def of(cls, recipe: Recipe, rows: Sequence[Row], n_tags: int) -> TokenLoss:
        """The recipe's loss for these training rows."""
        weighted = recipe.class_weights == "inverse-sqrt"
        weights = inverse_sqrt_weights(rows, n_tags) if weighted else np.zeros(0, dtype=np.float32)
        return cls(recipe.label_smoothing, recipe.focal_gamma, weights)

    def __call__(self, logits: Any, tags: Any, row_weights: Any, n_tokens: Any = None) -> Any:
        """The sum over the tokens divided by `n_tokens`, by default their number.

        The batches of one step are given the number of all their tokens, so that they add up to one large batch.
        """
        import torch

        real = tags != IGNORED
        costs = self.costs(logits[real].float(), tags[real]) * row_weights[:, None].expand(tags.shape)[real]
        return costs.sum() / (real.sum() if n_tokens is None else torch.as_tensor(n_tokens).sum())

    def costs(self, logits: Any, tags: Any) -> Any:
        """Cost of each token [n], rows not weighted, for logits [n, tags] and tag ids [n]."""
        import torch
        from torch.nn.functional import cross_entropy

        costs = cross_entropy(logits, tags, reduction="none", label_smoothing=self.smoothing)
        if self.gamma:
            right = logits.softmax(-1).gather(-1, tags[:, None]).squeeze(-1)
            costs = costs * (1 - right) ** self.gamma
        if len(self.tag_weights):
            costs = costs * torch.from_numpy(self.tag_weights).to(costs.device)[tags]
        return costs


def inverse_sqrt_weights(rows: Sequence[Row], n_tags: int) -> NDArray[np.float32]:
    """A weight [tags] for each tag, one over the square root of how often it occurs; 1 on average over all tokens.

    A tag that does not occur weighs 1: nothing depends on it.
    """
    counts = np.bincount(np.concatenate([row.tags for row in rows]), minlength=n_tags)
    weights = np.where(counts, 1 / np.sqrt(np.maximum(counts, 1)), 0.0)
    weights *= counts.sum() / (weights * counts).sum()
    return np.where(counts, weights, 1.0).astype(np.float32)
