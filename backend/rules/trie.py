"""A set of strings with values, matched longest first in time bounded by the longest string."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Generic, TypeVar

Value = TypeVar("Value")

_END = ""  # no character equals it, so it cannot collide with an edge


def is_latin(char: str) -> bool:
    """Whether a folded character is a lower-case ASCII letter."""
    return "a" <= char <= "z"


def squeeze(term: str) -> str:
    """Drop the blanks and hyphens beside Latin letters, which reports write or leave out at will.

    >>> squeeze("st-t改变"), squeeze("sinus rhythm"), squeeze("a-b-c 一-二")
    ('stt改变', 'sinusrhythm', 'abc一-二')
    """
    kept = [
        char
        for i, char in enumerate(term)
        if not (char in " -" and 0 < i < len(term) - 1 and (is_latin(term[i - 1]) or is_latin(term[i + 1])))
    ]
    return "".join(kept)


class Trie(Generic[Value]):
    """Folded strings -> values. Blanks and hyphens beside Latin letters may be absent or present in the text.

    With `backward`, strings are read from their end: `longest` then walks left from a position.
    """

    def __init__(self, entries: Iterable[tuple[str, Value]], *, backward: bool = False) -> None:
        self._step = -1 if backward else 1
        self._root: dict[str, Any] = {}
        for term, value in entries:
            key = squeeze(term)
            node = self._root
            for char in reversed(key) if backward else key:
                node = node.setdefault(char, {})
            if key:
                node.setdefault(_END, value)  # the first of two equal strings wins

    def longest(self, text: str, start: int) -> tuple[int, Value] | None:
        """The longest string at `start` (exclusive end; with `backward`, strings that end before `start`).

        Returns where the match stops and its value. A match never ends inside a Latin word or a number; whether it
        starts inside one is for the caller to see (`cuts_word`).
        """
        best: tuple[int, Value] | None = None
        node, i, step = self._root, start if self._step > 0 else start - 1, self._step
        first = i
        while 0 <= i < len(text):
            child = node.get(text[i])
            if child is None:
                if i != first and _bridge(text, i, step, node):
                    i += step
                    continue
                break
            node, i = child, i + step
            if _END in node and not cuts_word(text, i if step > 0 else i + 1):
                best = (i if step > 0 else i + 1, node[_END])
        return best


def _bridge(text: str, i: int, step: int, node: dict[str, Any]) -> bool:
    """May the blank or hyphen at `i` be stepped over? One only, and only beside a Latin letter."""
    after = i + step
    if text[i] not in " -" or not 0 <= after < len(text) or text[after] not in node:
        return False
    return is_latin(text[i - step]) or is_latin(text[after])


def cuts_word(text: str, i: int) -> bool:
    """Whether a cut before position `i` goes through a Latin word or a number."""
    if not 0 < i < len(text):
        return False
    return (is_latin(text[i]) and is_latin(text[i - 1])) or (_is_digit(text[i]) and _is_digit(text[i - 1]))


def _is_digit(char: str) -> bool:
    return "0" <= char <= "9"
