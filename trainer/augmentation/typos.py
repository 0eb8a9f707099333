"""Gentle noise: typical wrong characters anywhere, dropped or doubled ones outside mentions."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from random import Random

from backend.rules.resources import table
from trainer.augmentation.material import Material, some
from trainer.augmentation.segments import Segment, Segments

SHARE = 0.1
"""Share of the mentions, and of the stretches of plain text, that get one wrong character; one at least."""

# Characters that input methods and character recognition take for one another, besides the lexicon's typing errors.
_CONFUSED = {
    "窦": "窭",
    "律": "侓",
    "缓": "绥",
    "频": "濒",
    "偶": "隅",
    "阵": "陈",
    "颤": "颜",
    "搏": "博",
    "异": "导",
    "导": "异",
    "滞": "带",
    "继": "断",
    "肥": "胞",
    "联": "朕",
    "报": "板",
    "请": "清",
    "检": "捡",
    "临": "监",
    "床": "庆",
    "结": "洁",
    "示": "事",
}
_LEAST_PLAIN = 6
"""Characters a stretch of plain text must have before one is dropped or doubled."""
_HAN = re.compile(r"[㐀-鿿]")
_KEPT = frozenset("未无不非否没除外排可疑")
"""Negation and doubt decide what is labelled: these are never dropped or doubled."""


def typos(segments: Segments, _material: Material, rng: Random) -> Segments:
    """Put one wrong, dropped or doubled character into some of the segments."""
    open_to = [i for i, segment in enumerate(segments) if _variants(segment)]
    changed = {i: rng.choice(_variants(segments[i])) for i in some(rng, open_to, SHARE)}
    return tuple(replace(segment, text=changed[i]) if i in changed else segment for i, segment in enumerate(segments))


def _variants(segment: Segment) -> list[str]:
    """Every text that one slip makes of the segment."""
    return [*_confused(segment.text), *(_slipped(segment.text) if not segment.label else ())]


def _confused(text: str) -> list[str]:
    pattern, wrong = _errors()
    return [
        text[: match.start()] + error + text[match.end() :]
        for match in pattern.finditer(text)
        for error in wrong[match[0]]
    ]


def _slipped(text: str) -> list[str]:
    """One Han character dropped or doubled."""
    if len(text) < _LEAST_PLAIN:
        return []
    places = [i for i, char in enumerate(text) if _HAN.match(char) and char not in _KEPT]
    return [text[:i] + text[i + 1 :] for i in places] + [text[: i + 1] + text[i:] for i in places]


@cache
def _errors() -> tuple[re.Pattern[str], dict[str, list[str]]]:
    """Pattern of what is mistyped, the longest first, and the ways to mistype it."""
    wrong = {right: [error] for right, error in _CONFUSED.items()}
    for error, right in table("lexicon.toml")["typos"].items():
        wrong.setdefault(right, []).append(error)
    longest = sorted(wrong, key=lambda word: (-len(word), word))
    return re.compile("|".join(map(re.escape, longest))), wrong
