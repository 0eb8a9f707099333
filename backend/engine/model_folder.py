"""What an engine has to know of a model folder beside the weights: special tokens, tags, window."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backend.engine.tokenizer import TextTokenizer
from backend.errors import BackendError, ModelError

LONGEST = 512
"""Positions used at most, special tokens included, whatever the model could do."""

TRAINED_TOKENS = "trained_tokens"
"""Entry of `config.json`, written by `trainer.training`: longest sequence in training, special tokens included."""

WHOLE = 1.5
"""How many times the longest sequence of training a sequence may have that is computed whole.

So that fewer reports are computed twice, in two windows that overlap. docs/inference.md has the measurement.
"""

OFFSET_POSITIONS = frozenset({"roberta", "xlm-roberta", "xlm-roberta-xl", "camembert", "roberta-prelayernorm"})
"""Kinds of model that number positions from the padding id + 1 on: 514 positions take 512 tokens."""


@dataclass(frozen=True)
class ModelFolder:
    """Kind of model as transformers names it, special token ids and number of tags.

    Tokens without special ones: `max_tokens` a sequence has at most, `window` each of those that a longer text is cut
    into.
    """

    path: Path
    model_type: str
    cls_id: int
    sep_id: int
    pad_id: int
    n_tags: int
    max_tokens: int
    window: int

    @classmethod
    def read(cls, path: Path) -> ModelFolder:
        """Read `config.json` and `tokenizer.json`; raises ModelError naming the folder."""
        try:
            config = json.loads((path / "config.json").read_text(encoding="utf-8"))
            tokenizer = TextTokenizer.from_folder(path)
            n_tags, model_type = len(config["id2label"]), str(config.get("model_type"))
        except (OSError, ValueError, KeyError, BackendError) as error:
            raise ModelError("The model folder cannot be read", path, f"{type(error).__name__}: {error}") from error
        special = (tokenizer.cls_id, tokenizer.sep_id, tokenizer.pad_id)
        return cls(path, model_type, *special, n_tags, *usable_tokens(config))


def usable_tokens(config: dict[str, Any]) -> tuple[int, int]:
    """Tokens between the two special ones: those of a sequence at most, and those of a window of a longer text.

    Models trained on chunks of 128 tokens lost 2 to 5 F1 in windows of 256 tokens, and 8 to 11 in 512.

    >>> usable_tokens({"model_type": "bert", "max_position_embeddings": 512})
    (510, 510)
    >>> usable_tokens({"model_type": "bert", "max_position_embeddings": 512, "trained_tokens": 128})
    (189, 126)
    """
    most = most_tokens(config)
    window = min(most, int(config.get(TRAINED_TOKENS) or LONGEST) - 2)
    return min(most, int(WHOLE * window)), window


def most_tokens(config: dict[str, Any]) -> int:
    """Tokens between the two special ones that the model has positions for.

    >>> most_tokens({"model_type": "bert", "max_position_embeddings": 512})
    510
    >>> most_tokens({"model_type": "xlm-roberta", "max_position_embeddings": 514, "pad_token_id": 1})
    510
    """
    positions = int(config.get("max_position_embeddings") or LONGEST)
    if config.get("model_type") in OFFSET_POSITIONS:
        positions -= int(config.get("pad_token_id") or 0) + 1
    return min(positions, LONGEST) - 2
