"""What a measured value is called: the last known name before it (names.toml, `measurements`), else its own words.

A rate is none of these but may be one of the atria (backend.parsing.atria).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from backend.parsing.atria import canonical_rate, rate_of_atria
from backend.parsing.canonical import corrected
from backend.parsing.layout import Layout, last_clause, mentions
from backend.parsing.resources import by_synonym
from backend.rules.fold import fold
from backend.rules.resources import words as rule_words
from backend.rules.trie import Trie

_LONGEST = 20  # characters of a name that no table knows
_NO_RATE = re.compile(r"(?:[0-9. \t](?:m?s|m?v|mm|msec|sec)|毫?秒|毫[伏米]|[°%])\Z")  # amplitudes and lengths of waves
_EDGES = " \t\r:：=|()（）[]【】<>≥≤、+-·的为约达"


@dataclass(frozen=True, slots=True)
class Name:
    """`written` as the report has it (None: no words), `canonical` as it is called here (None: unknown)."""

    written: str | None
    canonical: str | None

    @property
    def parts(self) -> list[str]:
        """The names of a chain of readings: QT间期/QTc间期."""
        return self.canonical.split("/") if self.canonical else []


def name_of(layout: Layout, i: int) -> Name:
    """The name of reading `i`: in the words since the span before it, in its clause; else the table's header."""
    start = layout.spans[i].start
    rate = None if _NO_RATE.search(layout.folded, start, layout.spans[i].end) else rate_of_atria(layout, i)
    if rate is not None:
        return Name(layout.text[slice(*rate.span("name"))], canonical_rate(rate["name"]))
    floor = layout.sentence_start(start)
    if i and layout.spans[i - 1].end > floor:
        floor = layout.spans[i - 1].end
    name = _last(layout, floor, start)
    header = layout.header(layout.spans[i]) if name.canonical is None else None
    return _last(layout, *header) if header else name


def _last(layout: Layout, start: int, end: int) -> Name:
    """The name in the last clause of a range: the last known one, followed by fillers only, else its words.

    Names chained to it by / are taken in (PR/QRS/QT).
    """
    clause = last_clause(corrected(layout.folded[start:end]))
    start = end - len(clause)
    found = mentions(_names(), clause)
    if not found or not _fillers().fullmatch(clause[found[-1][1] :]):
        return Name(layout.text[start:end].strip(_EDGES)[-_LONGEST:] or None, None)
    chain = [found[-1]]
    while len(chain) < len(found):
        before = found[-len(chain) - 1]
        if clause[before[1] : chain[0][0]].strip() != "/":
            break
        chain.insert(0, before)
    written = layout.text[start + chain[0][0] : start + chain[-1][1]]
    return Name(written, "/".join(name for _, _, name in chain))


@cache
def _names() -> Trie[str]:
    return Trie((fold(written), name) for written, name in by_synonym("measurements"))


@cache
def _fillers() -> re.Pattern[str]:
    between = "|".join(map(re.escape, rule_words("patterns.toml", "names", "between")))
    return re.compile(rf"(?:{between}|[-+·]|\([^()]{{0,12}}\)|的|由|最深|最大|最低)*")
