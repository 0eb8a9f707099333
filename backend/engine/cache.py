"""What an engine has computed, kept: identical sequences are computed once, in one call and from call to call.

An annotator opens the report that the ranking has just read, a window of a long report does not change when another
one is asked for: both are answered without the network.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from backend.engine import Engine

KEPT_BYTES = 16 << 20
"""Kept by one engine: about 3,000 reports of 120 tokens and 11 tags."""
ENTRY_BYTES = 300
"""What an entry takes beside its probabilities."""


class CachedEngine:
    """An Engine in front of another one, of one model; what was used longest ago is dropped first."""

    def __init__(self, engine: Engine, kept_bytes: int = KEPT_BYTES) -> None:
        self.precision = engine.precision
        self.max_tokens, self.window = engine.max_tokens, engine.window
        self._engine = engine
        self._limit = kept_bytes
        self._held = 0
        self._kept: OrderedDict[bytes, NDArray[np.float32]] = OrderedDict()

    def probabilities(self, sequences: Sequence[NDArray[np.int64]]) -> list[NDArray[np.float32]]:
        """See `Engine.probabilities`; the arrays are shared and may only be read."""
        keys = [_key(sequence) for sequence in sequences]
        missing = {key: sequence for key, sequence in zip(keys, sequences, strict=True) if key not in self._kept}
        computed = dict(zip(missing, self._engine.probabilities(list(missing.values())), strict=True))
        # Taken before anything is dropped: one call may hold more than is kept.
        found = [computed[key] if key in computed else self._kept[key] for key in keys]
        for key, rows in zip(keys, found, strict=True):
            self._keep(key, rows)
        return found

    def _keep(self, key: bytes, rows: NDArray[np.float32]) -> None:
        if key not in self._kept:
            rows.flags.writeable = False
            self._kept[key] = rows
            self._held += rows.nbytes + ENTRY_BYTES
        self._kept.move_to_end(key)
        while self._held > self._limit:
            self._held -= self._kept.popitem(last=False)[1].nbytes + ENTRY_BYTES


def _key(sequence: NDArray[np.int64]) -> bytes:
    return blake2b(np.ascontiguousarray(sequence, dtype=np.int64).tobytes(), digest_size=16).digest()
