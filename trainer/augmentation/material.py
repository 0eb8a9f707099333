"""What policies may draw on: the mentions and clauses of the given reports, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import TypeVar

from trainer.augmentation.segments import Segments, cut
from trainer.dataset import Report

Item = TypeVar("Item")

_WORD = re.compile(r"[^\W\d_]")
_DIGIT = re.compile(r"\d")


@dataclass(frozen=True)
class Material:
    """The given reports as segments, the pairs of characters of each, and their mentions by label.

    `vocabulary` holds mentions that are words (no digits: numbers have their own policies) and that carry one
    label wherever they are labelled, so that a swap can never contradict what annotators decided.
    """

    reports: tuple[Segments, ...]
    pairs: tuple[frozenset[str], ...]
    vocabulary: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(cls, reports: Iterable[Report]) -> Material:
        """Collect from annotated reports; the same reports in any order give the same vocabulary."""
        segmented = tuple(cut(report.text, report.spans) for report in reports)
        labels: dict[str, set[str]] = {}
        for segment in (segment for segments in segmented for segment in segments if segment.label):
            labels.setdefault(segment.text, set()).add(segment.label)
        vocabulary: dict[str, list[str]] = {}
        for said in sorted(labels):
            if len(labels[said]) == 1 and is_word(said):
                vocabulary.setdefault(next(iter(labels[said])), []).append(said)
        return cls(
            segmented, tuple(map(pairs, segmented)), {label: tuple(words) for label, words in vocabulary.items()}
        )


Policy = Callable[[Segments, Material, Random], Segments]
"""Segments in, segments out; what does not apply comes back as it is. All chance comes from the generator."""


def pairs(segments: Segments) -> frozenset[str]:
    """The pairs of neighbouring characters, all digits being the same: what two reports of a kind have in common.

    >>> sorted(pairs(cut("心率72", [])))
    ['00', '心率', '率0']
    """
    text = _DIGIT.sub("0", "".join(segment.text for segment in segments))
    return frozenset(text[i : i + 2] for i in range(len(text) - 1))


def is_word(said: str) -> bool:
    """Whether a mention is named by words alone.

    >>> is_word("窦性心律"), is_word("72次/分"), is_word("２度")
    (True, False, False)
    """
    return _WORD.search(said) is not None and _DIGIT.search(said) is None


def some(rng: Random, items: Sequence[Item], share: float) -> list[Item]:
    """Each item with probability `share`, but at least one of them if there is any; in order.

    >>> some(Random(1), [], 0.5), len(some(Random(1), ["a", "b"], 0.0))
    ([], 1)
    """
    taken = [item for item in items if rng.random() < share]
    return taken or ([rng.choice(items)] if items else [])
