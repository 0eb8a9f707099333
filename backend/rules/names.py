"""The name before a number: whether it makes the number a rate, another value, or none; and of what interval it is."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TypeVar

from backend.rules import plausibility
from backend.rules.fold import fold
from backend.rules.number_patterns import patterns
from backend.rules.resources import table, words
from backend.rules.trie import Trie

Value = TypeVar("Value")

# What a number turns out to be.
RATE, VALUE, LASTING = "rate", "value", "duration"
FOREIGN = "foreign"  # of another organ or of the equipment: no reading

REACH = 40  # characters before a number that may explain it


def name_before(text: str, start: int) -> str | None:
    """RATE, VALUE or FOREIGN if a name of that kind stands before the number, words like 约 stepped over."""
    return _before(text, start, _names().known)


def is_of_heart(text: str, start: int) -> bool:
    """Whether the name before the number is that of a rate of the heart as a whole, and not of f waves or a run."""
    return _before(text, start, _names().heart) is not None


def interval_before(text: str, start: int) -> plausibility.Range | None:
    """What the interval named before the number can be, in ms; None without such a name."""
    return _before(text, start, _names().intervals)


def _before(text: str, start: int, names: Trie[Value]) -> Value | None:
    between = _names().between
    floor = max(0, start - REACH)
    i = start
    while True:
        found = names.longest(text, i)
        if found is not None and found[0] >= floor:
            return found[1]
        bracket = patterns().unit_in_brackets.search(text[max(floor, i - 14) : i])
        step = between.longest(text, i)
        if bracket:
            i -= len(bracket[0])
        elif step is not None and step[0] >= floor:
            i = step[0]
        else:
            return None


@dataclass(frozen=True)
class _Names:
    known: Trie[str]
    heart: Trie[str]
    intervals: Trie[plausibility.Range]
    between: Trie[str]


@cache
def _names() -> _Names:
    names = table("patterns.toml")["names"]
    known = [(fold(word), kind) for kind in (FOREIGN, RATE, VALUE) for word in names[kind]]
    heart = words("patterns.toml", "plausible", "heart")
    between = [(fold(word), word) for word in names["between"]]
    return _Names(
        known=Trie(known, backward=True),
        heart=Trie(((word, word) for word in heart), backward=True),
        intervals=Trie(plausibility.intervals().items(), backward=True),
        between=Trie(between, backward=True),
    )
