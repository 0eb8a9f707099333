"""An engine for anything that computes logits."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from backend.engine import batching
from backend.engine.model_folder import ModelFolder


class PlainEngine:
    """An Engine on a function from token ids and mask to logits; `folder` has configuration and tokenizer."""

    def __init__(self, folder: Path, precision: str, forward: batching.Forward) -> None:
        self._model = ModelFolder.read(folder)
        self._forward = forward
        self.precision = precision
        self.max_tokens, self.window = self._model.max_tokens, self._model.window

    def probabilities(self, sequences: Sequence[NDArray[np.int64]]) -> list[NDArray[np.float32]]:
        """See `Engine.probabilities`."""
        return batching.run(sequences, self._model, self._forward)
