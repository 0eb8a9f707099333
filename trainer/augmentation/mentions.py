"""Mentions replaced by others of the same label, or rewritten with a synonym of the ECG lexicon."""

from __future__ import annotations

import re
import tomllib
from dataclasses import replace
from functools import cache
from importlib import resources
from random import Random

from trainer.augmentation.material import Material, is_word, some
from trainer.augmentation.segments import Segment, Segments

SHARE = 0.3
"""Share of a report's mentions that are replaced."""
SYNONYM_SHARE = 0.5
"""Share of the replacements that are synonyms, where the mention has one."""


def mentions(segments: Segments, material: Material, rng: Random) -> Segments:
    """Replace some of the mentions that are words or have synonyms; the label stays."""
    open_to = [i for i, segment in enumerate(segments) if any(_others(segment, material))]
    replaced = {i: _another(segments[i], material, rng) for i in some(rng, open_to, SHARE)}
    return tuple(replaced.get(i, segment) for i, segment in enumerate(segments))


def synonyms(said: str) -> list[str]:
    """The mention with one of its terms rewritten, in every way the lexicon's synonyms allow.

    >>> synonyms("频发室早")[:2]
    ['频发室性早搏', '频发室性期前收缩']
    """
    pattern, groups = _groups()
    return [
        said[: match.start()] + other + said[match.end() :]
        for match in pattern.finditer(said)
        for other in groups[match[0]]
        if other != match[0]
    ]


def _others(segment: Segment, material: Material) -> tuple[list[str], list[str]]:
    """Other mentions of the label, and synonyms; both empty for plain text."""
    if not segment.label:
        return [], []
    words = material.vocabulary.get(segment.label, ()) if is_word(segment.text) else ()
    return [word for word in words if word != segment.text], synonyms(segment.text)


def _another(segment: Segment, material: Material, rng: Random) -> Segment:
    same_label, rewritten = _others(segment, material)
    rewrite = rewritten and (not same_label or rng.random() < SYNONYM_SHARE)
    return replace(segment, text=rng.choice(rewritten if rewrite else same_label))


@cache
def _groups() -> tuple[re.Pattern[str], dict[str, list[str]]]:
    """Pattern of every term that has synonyms, the longest first, and its group."""
    content = tomllib.loads(resources.files("trainer.augmentation").joinpath("synonyms.toml").read_text("utf-8"))
    groups: dict[str, list[str]] = {word: group for group in content["groups"] for word in group}
    terms = "|".join(map(re.escape, sorted(groups, key=lambda word: (-len(word), word))))
    return re.compile(rf"(?<![A-Za-z])(?:{terms})(?![A-Za-z])"), groups
