"""The tagger: weights of a linear-chain CRF, and what it says about texts."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from backend.ner.alignment import tags_to_spans
from backend.ner.scheme import LabelScheme
from backend.ner.spans import Span
from backend.ner.uncertainty import token_entropy
from backend.rules import SpanMemory
from backend.tagging.crf import Packing, best_sequences, marginals
from backend.tagging.evidence import gather
from backend.tagging.features import BITS, CHECKSUM, TEMPLATES, feature_numbers

FILE = "tagger.npz"
"""Name of the file that holds a version's tagger."""
BATCH = 20_000
"""Characters tagged at once; one longer report is a batch of its own."""
SOURCE = "tagger"


@dataclass(frozen=True, eq=False)
class Tagged:
    """A text with the tag of each character in the best sequence [characters], and all probabilities [.., tags]."""

    text: str
    tags: NDArray[np.int64]
    probabilities: NDArray[np.float32]

    @cached_property
    def entropies(self) -> NDArray[np.float64]:
        """Token entropy of each character, 0..1."""
        return token_entropy(self.probabilities)

    @cached_property
    def offsets(self) -> NDArray[np.int64]:
        """The range of each character [characters, 2]."""
        places = np.arange(len(self.text) + 1)
        return np.stack([places[:-1], places[1:]], axis=1)


@dataclass(frozen=True, eq=False)
class Tagger:
    """Weights [features, tags] of the features numbered `numbers` (sorted), and of transitions [tags, tags]."""

    scheme: LabelScheme
    numbers: NDArray[np.int32]
    weights: NDArray[np.float32]
    transitions: NDArray[np.float64]
    iterations: int = 0

    def tag(self, texts: Sequence[str], memory: SpanMemory) -> Iterator[Tagged]:
        """What it says about each text, in order."""
        for batch in _batches(texts):
            yield from self._tag(batch, [memory] * len(batch))

    def spans(self, tagged: Tagged) -> list[Span]:
        """The spans of the best sequence, each with the mean probability of its tags as score."""
        return tags_to_spans(tagged.tags, tagged.offsets, self.scheme, tagged.probabilities, source=SOURCE)

    def scores(self, numbers: NDArray[np.int32]) -> NDArray[np.float64]:
        """Scores [tokens, tags] of tokens by the numbers of their features [tokens, templates]."""
        scores = np.zeros((len(numbers), len(self.scheme.tags)))
        for column, template in zip(numbers.T, TEMPLATES, strict=True):
            scores += self.weights[self._rows[column]] * template.scale
        return scores

    def _tag(self, texts: Sequence[str], memories: Sequence[SpanMemory]) -> Iterator[Tagged]:
        evidence = gather(texts, memories, self.scheme.labels)
        packing = Packing(evidence.lengths)
        scores = self.scores(feature_numbers(evidence))[packing.rows]
        tags = packing.unpack(best_sequences(scores, self.transitions, self.scheme, packing))
        found = packing.unpack(marginals(scores, self.transitions, self.scheme, packing).tags).astype(np.float32)
        ends = np.cumsum([0, *evidence.lengths]).tolist()
        for text, (start, end) in zip(texts, pairwise(ends), strict=True):
            yield Tagged(text, tags[start:end], found[start:end])

    @cached_property
    def _rows(self) -> NDArray[np.int32]:
        """Row of the weights for each number; the last row, of zeros, for those without a weight and for -1."""
        rows = np.full((1 << BITS) + 1, len(self.numbers), dtype=np.int32)
        rows[self.numbers] = np.arange(len(self.numbers))
        return rows

    def to_bytes(self) -> bytes:
        """The tagger as a file of NumPy arrays."""
        stream = io.BytesIO()
        labels = np.frombuffer(json.dumps(self.scheme.labels).encode(), dtype=np.uint8)
        own = {"numbers": self.numbers, "weights": self.weights, "transitions": self.transitions}
        np.savez(stream, labels=labels, features=np.array([CHECKSUM]), **own)  # type: ignore[arg-type]
        return stream.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> Tagger:
        """Read what `to_bytes` wrote; raises ValueError for anything else, also for weights of other features."""
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
                labels = tuple(json.loads(arrays["labels"].tobytes()))
                known = arrays["features"].tolist() == [CHECKSUM]
                tagger = cls(LabelScheme(labels), arrays["numbers"], arrays["weights"], arrays["transitions"])
            if not (known and tagger._fits()):
                raise ValueError
        except Exception as error:  # NumPy, zipfile, zlib and json raise a dozen kinds for bytes that are not theirs
            raise ValueError(f"not a tagger: {type(error).__name__}") from None
        return tagger

    def _fits(self) -> bool:
        """Whether labels, numbers, weights and transitions can belong to each other."""
        tags = len(self.scheme.tags)
        shapes = (self.numbers.shape, self.weights.shape, self.transitions.shape)
        steps = np.diff(np.concatenate([[-1], self.numbers, [1 << BITS]]))
        return (
            all(isinstance(label, str) for label in self.scheme.labels)
            and shapes == ((len(self.numbers),), (len(self.numbers) + 1, tags), (tags, tags))
            and bool((steps > 0).all())
        )


def _batches(texts: Sequence[str]) -> Iterator[list[str]]:
    """The texts in order, cut where BATCH characters are full."""
    batch: list[str] = []
    filled = 0
    for text in texts:
        filled += len(text)
        if batch and filled > BATCH:
            yield batch
            batch, filled = [], len(text)
        batch.append(text)
    if batch:
        yield batch
