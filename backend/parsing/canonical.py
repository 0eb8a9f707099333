"""One name for one finding: 频发室早, PVC and 室性早博 are all 室性早搏.

A finding's wording is rewritten piece by piece (names.toml, `wordings`); adjectives that do not make it another
finding are dropped. What no table knows keeps its own wording, in half-width characters.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import cache, lru_cache

from backend.parsing.resources import by_synonym, names, words
from backend.rules.fold import fold
from backend.rules.lexicon import expand
from backend.rules.resources import longest_first, table
from backend.rules.trie import Trie, cuts_word

_ROUNDS = 4  # two are enough for every term of the lexicon
_BEATS = r"(?:室性|房性|室上性|交界性)?早搏"
# What follows the beats comes before them: 室性早搏成对 -> 成对室性早搏.
_TRAILING = re.compile(rf"({_BEATS})(成对|单发|未下传)$")


@lru_cache(maxsize=4096)  # reports repeat their findings
def canonical(text: str) -> str:
    """The name of the finding that `text` words; the name of a name is itself.

    >>> canonical("频发室早"), canonical("ＰＶＣ"), canonical("房早成对"), canonical("Ⅰ°AVB")
    ('室性早搏', '室性早搏', '成对房性早搏', '一度房室传导阻滞')
    """
    for _ in range(_ROUNDS):
        name = _rewritten(text)
        if name == text:
            break
        text = name  # one rewriting can complete another wording: 结性期前收缩 -> 结性早搏 -> 交界性早搏
    return text


def corrected(folded: str) -> str:
    """The folded text with typical typing errors put right (lexicon.toml, `typos`); the length stays the same."""
    wordings = _wordings()
    return wordings.typos.sub(lambda match: wordings.corrections[match[0]], folded)


def _rewritten(text: str) -> str:
    wordings = _wordings()
    shown = _half_width(text)
    folded = corrected(fold(shown))
    start, kept = _adjectives(folded)
    parts = [kept]
    while start < len(folded):
        found = None if cuts_word(folded, start) else wordings.trie.longest(folded, start)
        if found:
            start, part = found
        else:
            # The correction of a typing error shows in the folded text only; Latin letters keep their case.
            part, start = shown[start] if folded[start].isascii() else folded[start], start + 1
        parts.append(part)
    return _TRAILING.sub(r"\2\1", "".join(parts).strip())


def _adjectives(folded: str) -> tuple[int, str]:
    """Where the adjectives before the term end, and those of them that belong to the name."""
    wordings, start, kept = _wordings(), 0, ""
    while found := wordings.modifiers.longest(folded, start):
        end, word = found
        named = wordings.trie.longest(folded, start)
        if end >= len(folded) or (named and named[0] > end):
            break  # 短阵 alone, 陈旧性心肌梗死: the name itself
        kept += "" if word in wordings.dropped else (named[1] if named else word)
        start = end
    return start, kept


def _half_width(text: str) -> str:
    """Full-width letters, digits and signs as half-width ones; the length stays the same."""
    normal = ((char, unicodedata.normalize("NFKC", char)) for char in text)
    return "".join(
        half if len(half) == 1 and unicodedata.category(char) not in ("No", "Nl") else char for char, half in normal
    )


@dataclass(frozen=True)
class _Wordings:
    trie: Trie[str]
    typos: re.Pattern[str]
    corrections: dict[str, str]
    modifiers: Trie[str]
    dropped: frozenset[str]


@cache
def _wordings() -> _Wordings:
    lexicon = table("lexicon.toml")
    corrections = {fold(wrong): fold(right) for wrong, right in lexicon["typos"].items()}
    modifiers = {fold(word) for group in lexicon["modifiers"].values() for word in group}
    entries = [
        *((fold(name), name) for name in names()["wordings"]),  # first: a name is never another one's synonym
        *((term, name) for written, name in by_synonym("wordings") for term in expand([written], lexicon["parts"])),
    ]
    return _Wordings(
        trie=Trie(entries),
        typos=re.compile("|".join(map(re.escape, longest_first(corrections)))),
        corrections=corrections,
        modifiers=Trie((word, word) for word in sorted(modifiers)),
        dropped=frozenset(words("dropped", "words")),
    )
