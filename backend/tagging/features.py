"""The features of each token: what stands there and around it, hashed to a number (Weinberger et al. 2009).

A feature is a template and the ids that its columns of evidence have around the token. Its number is a hash, so that no
vocabulary has to be kept or searched; features that share one of the 2^22 numbers share a weight, which with a hundred
thousand features happens to two in a hundred. Each template has a scale: the regulariser makes a weight on a large
scale cheap, so evidence is learned from few reports and single characters from many.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from backend.tagging.evidence import NONE, Evidence, Ids, named

BITS = 22
"""Features are numbers below 2 to this power."""
TEXT, WORD, AROUND, CONTEXT = 0.3, 0.5, 0.5, 0.5
PROPOSAL, NAMED, KIND = 0.3, 2.0, 1.0

Part = tuple[str, int]
"""A column, and which token's id is meant: 0 this one's, -1 that of the one before."""


@dataclass(frozen=True)
class Template:
    """Which ids make a feature. `given`: only where this column says something at the token."""

    scale: float
    parts: tuple[Part, ...]
    given: str = ""

    @cached_property
    def seed(self) -> int:
        """What tells the features of this template from those of others with the same ids."""
        return named(repr((self.parts, self.given)))


def _windows(column: str, length: int, first: int, last: int, scale: float) -> Iterator[Template]:
    """Templates of `length` neighbouring ids of a column, from those beginning at `first` to those at `last`."""
    for start in range(first, last + 1):
        yield Template(scale, tuple((column, start + i) for i in range(length)))


RULE = Template(NAMED, (("rules", 0), ("rule_names", 0)), "rules")
MEMORY = Template(2.0, (("memory", 0), ("shares", 0)), "memory")
KIND_HERE = Template(KIND, (("kinds", 0),))
ALWAYS = Template(1.0, ())
HERE = ("rules", 0)

TEMPLATES: tuple[Template, ...] = (
    RULE,
    MEMORY,
    KIND_HERE,
    ALWAYS,
    # characters and what kind they are of
    *_windows("characters", 1, -3, 3, TEXT),
    *_windows("characters", 2, -3, 2, TEXT),
    *_windows("characters", 3, -3, 1, TEXT),
    *(Template(TEXT, (("kinds", place),)) for place in (-1, 1)),
    *(Template(TEXT, tuple(("kinds", i) for i in range(-reach, reach + 1))) for reach in (1, 2, 3)),
    # what stands before and behind the run of characters of one kind: a number's name and unit
    *(
        Template(TEXT, (("kinds", 0), *parts))
        for parts in (
            (("before", 0), ("before_that", 0)),
            (("after", 0), ("after_that", 0)),
            (("before", 0), ("after", 0)),
            (("run_lengths", 0), ("run_places", 0)),
        )
    ),
    # words
    *(
        Template(WORD, (*parts, ("places", 0)))
        for parts in (
            (("words", 0),),
            (),
            (("parts_of_speech", 0),),
            (("words_before", 0),),
            (("words_after", 0),),
            (("parts_before", 0), ("parts_of_speech", 0)),
            (("parts_of_speech", 0), ("parts_after", 0)),
        )
    ),
    Template(WORD, (("parts_before", 0), ("parts_of_speech", 0), ("parts_after", 0))),
    # rules
    Template(PROPOSAL, (HERE,)),
    *(Template(AROUND, (("rules", place),)) for place in (-2, -1, 1, 2)),
    Template(AROUND, (HERE, ("rules", 1))),
    Template(AROUND, (("rules", -1), HERE)),
    *(Template(CONTEXT, (HERE, ("characters", place))) for place in (-1, 0, 1)),
    Template(CONTEXT, (("rules", 1), ("rule_names", 0), ("characters", 1)), "rules"),
    Template(AROUND, (("denied", 0),), "denied"),
    # memory
    *(Template(AROUND, (("memory", place),), "memory") for place in (-2, -1, 1, 2)),
    Template(1.0, (HERE, ("memory", 0)), "memory"),
    Template(CONTEXT, (("memory", 0), ("characters", 0)), "memory"),
    Template(CONTEXT, (("memory", 0), ("denied", 0)), "memory"),
)


CHECKSUM = named(repr((BITS, TEMPLATES)))
"""Changes with the features: weights of other ones mean nothing here."""


def feature_numbers(evidence: Evidence) -> NDArray[np.int32]:
    """The feature that each template gives each token: [tokens, templates]; -1 where a template says nothing."""
    columns = _Columns(evidence)
    numbers = np.empty((sum(evidence.lengths), len(TEMPLATES)), dtype=np.int32)
    for place, template in enumerate(TEMPLATES):
        numbers[:, place] = hashed(template, [columns.at(*part) for part in template.parts], len(numbers))
        if template.given:
            numbers[columns.at(template.given, 0) == NONE, place] = -1
    return numbers


def hashed(template: Template, ids: Sequence[Ids], tokens: int) -> NDArray[np.int32]:
    """The number of the template's feature with these ids: [tokens]."""
    found: Ids = np.full(tokens, template.seed, dtype=np.uint32)
    for column in ids:
        # The steps of MurmurHash3 (Appleby, public domain).
        mixed = column * np.uint32(0xCC9E2D51)
        found = found ^ ((mixed << np.uint32(15)) | (mixed >> np.uint32(17))) * np.uint32(0x1B873593)
        found = ((found << np.uint32(13)) | (found >> np.uint32(19))) * np.uint32(5) + np.uint32(0xE6546B64)
    found ^= found >> np.uint32(16)
    found *= np.uint32(0x85EBCA6B)
    found ^= found >> np.uint32(13)
    found *= np.uint32(0xC2B2AE35)
    found ^= found >> np.uint32(16)
    return (found >> np.uint32(32 - BITS)).astype(np.int32)


def feature_number(template: Template, ids: Sequence[int]) -> int:
    """The number of one feature."""
    return int(hashed(template, [np.array([value], dtype=np.uint32) for value in ids], 1)[0])


class _Columns:
    """The columns of evidence, shifted within each text, and those of the runs of one kind."""

    def __init__(self, evidence: Evidence) -> None:
        lengths = np.asarray(evidence.lengths, dtype=np.int64)
        ends = np.cumsum(lengths)
        self._first, self._end = np.repeat(ends - lengths, lengths), np.repeat(ends, lengths)
        self._places = np.arange(len(self._first), dtype=np.int64)
        self._columns = evidence.columns | self._runs(evidence.columns)
        self._known: dict[Part, Ids] = {}

    def at(self, column: str, shift: int) -> Ids:
        """The ids that the column has `shift` tokens further in the same text, NONE beyond its ends."""
        if (column, shift) not in self._known:
            self._known[column, shift] = self._moved(self._columns[column], self._places + shift)
        return self._known[column, shift]

    def _moved(self, ids: Ids, places: NDArray[np.int64]) -> Ids:
        inside = (places >= self._first) & (places < self._end)
        moved = ids[np.clip(places, 0, max(len(ids) - 1, 0))] if len(ids) else ids.copy()
        moved[~inside] = NONE
        return moved

    def _runs(self, columns: dict[str, Ids]) -> dict[str, Ids]:
        """Around each run of characters of one kind, a decimal point within a number included."""
        characters = columns["characters"]
        kinds = np.where(characters == ord("."), 1, columns["kinds"])
        begins = np.ones(len(kinds), dtype=bool)
        begins[1:] = (kinds[1:] != kinds[:-1]) | (self._first[1:] != self._first[:-1])
        starts = np.flatnonzero(begins)
        run = np.cumsum(begins) - 1
        ends = np.append(starts[1:], len(kinds))
        start, end = (starts[run], ends[run]) if len(kinds) else (self._places, self._places)
        return {
            "before": self._moved(characters, start - 1),
            "before_that": self._moved(characters, start - 2),
            "after": self._moved(characters, end),
            "after_that": self._moved(characters, end + 1),
            "run_lengths": np.minimum(end - start, 4).astype(np.uint32),
            "run_places": np.minimum(self._places - start, 3).astype(np.uint32),
        }
