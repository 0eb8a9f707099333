"""Check boxes of forms: which words an empty box takes away (☐房颤, 房扑 ×, 房颤：☐有 ☑无).

A box belongs to the words on one of its sides. Which one, the blanks beside it tell, else the end of its line: a line
that ends with a box has its boxes behind the words. The signs are data (context.toml, `boxes`). Folded text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from backend.rules.fold import fold
from backend.rules.resources import table

_REACH = 40  # characters of the words of a box at most
_IN_NUMBERS = frozenset("×○")  # 3×室早, 二○次: no box beside a number
_BULLETS, _CHOSEN = "○◯", "●◉"
_NUMERALS = "0-9零〇○一二三四五六七八九十百千万"
_GAP = 4  # blanks between a colon and a box
# One piece of the words of a box. A blank between Han characters ends them, and so does a mark of punctuation.
_PIECE = r"(?:\([^()\n]{1,16}\)|[^\s,。;!?|:()]|(?<=[a-z0-9])[ \t](?=[^\s|])|(?<=[^\s|:])[ \t](?=[a-z0-9(]))"
_AFTER = re.compile(rf"[ \t]*\|?[ \t]*({_PIECE}{{1,{_REACH}}})")
_BEFORE = re.compile(rf"({_PIECE}{{1,{_REACH}}})[ \t]*[:=|(]?[ \t]*\Z")
_LINE_REST = re.compile(r"[ \t|,。;]*(?:[\r\n]|\Z)")


@dataclass(frozen=True, slots=True)
class _Box:
    """A box and its words, half-open."""

    start: int
    end: int
    ticked: bool
    words: tuple[int, int]

    @property
    def edge(self) -> int:
        """Where the box or its words begin."""
        return min(self.start, self.words[0])


def unticked(text: str) -> list[tuple[int, int]]:
    """Half-open ranges of the words that the boxes of the folded text deny."""
    ranges: list[tuple[int, int]] = []
    subject: tuple[int, int] | None = None
    previous: _Box | None = None
    for box in _boxes(text):
        said = text[slice(*box.words)].strip()
        if said in _words().present or said in _words().absent:
            # 房颤：☐有 ☑无: what the choice is about stands before its first option.
            goes_on = previous is not None and not text[max(previous.end, previous.words[1]) : box.edge].strip(" \t/,")
            if subject is None or not goes_on:
                subject = _words_before(text, previous.end if previous else 0, box.edge)
            if subject and box.ticked == (said in _words().absent):
                ranges.append(subject)
        else:
            subject = None
            ranges += [] if box.ticked else [box.words]
        previous = box
    return ranges


def _boxes(text: str) -> Iterator[_Box]:
    radio = any(sign in text for sign in _CHOSEN)
    marks = [mark for mark in mark_pattern().finditer(text) if radio or mark[0] not in _BULLETS]
    trailing = _trailing_lines(text, marks)
    for i, mark in enumerate(marks):
        floor = marks[i - 1].end() if i else 0
        ceiling = marks[i + 1].start() if i + 1 < len(marks) else len(text)
        before, after = _words_before(text, floor, mark.start()), _AFTER.match(text, mark.end(), ceiling)
        behind = after is None or (before is not None and _is_behind(text, mark, after, trailing[i]))
        words = before if behind else after and after.span(1)
        inside = mark[0].strip("[]() \t")
        yield _Box(*mark.span(), inside != "" and inside not in _words().unticked, words or (mark.end(), mark.end()))


def _words_before(text: str, floor: int, end: int) -> tuple[int, int] | None:
    found = _BEFORE.search(text, max(floor, end - _REACH), end)
    return found.span(1) if found else None


def _is_behind(text: str, mark: re.Match[str], after: re.Match[str], line_trails: bool) -> bool:
    """Whether a box between two words belongs to the one before it."""
    touches_before, touches_after = text[mark.start() - 1] not in " \t|:=", text[mark.end()] not in " \t|"
    if text[max(0, mark.start() - _GAP) : mark.start()].rstrip().endswith(":"):
        # 房颤：□ 房扑：√, but 诊断：□房颤 √房扑
        return line_trails or text[after.end() : after.end() + 1] == ":"
    return touches_before if touches_before != touches_after else line_trails


def _trailing_lines(text: str, marks: list[re.Match[str]]) -> list[bool]:
    """For each box: whether its line ends with a box."""
    trailing = [_LINE_REST.match(text, mark.end()) is not None for mark in marks]
    for i in range(len(marks) - 2, -1, -1):
        if "\n" not in text[marks[i].end() : marks[i + 1].start()]:
            trailing[i] = trailing[i + 1]
    return trailing


@dataclass(frozen=True)
class _Words:
    unticked: frozenset[str]
    present: frozenset[str]
    absent: frozenset[str]


@cache
def _words() -> _Words:
    boxes = table("context.toml")["boxes"]
    return _Words(*(frozenset(map(fold, boxes[key])) for key in ("unticked", "present", "absent")))


@cache
def mark_pattern() -> re.Pattern[str]:
    """What a box looks like in the folded text, ticked or not."""
    boxes = table("context.toml")["boxes"]
    signs = set(map(fold, (*boxes["unticked"], *boxes["ticked"])))
    plain, numeric = (re.escape("".join(sorted(some))) for some in (signs - _IN_NUMBERS, signs & _IN_NUMBERS))
    inside = rf"[ \t]{{0,6}}(?:[{plain}{numeric}xv][ \t]{{0,6}})?"
    alone = rf"(?<![{_NUMERALS}])(?<![0-9][ \t])[{numeric}](?![ \t]?[0-9])"
    return re.compile(rf"\[{inside}\]|\({inside}\)|[{plain}]|{alone}")
