"""What errors have in common: the strings they are made of, and patterns that ignore numbers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from backend.error_analysis import ErrorKind, Pattern, Shape, SpanError, StringErrors
from trainer.error_analysis.cases import skeleton

KEPT = 200
"""Rows kept of each list, the most frequent ones."""
_LONGEST = 24
"""Characters of a pattern's text; what is longer is cut."""

Change = Literal["", "left off", "taken in"]
Side = Literal["", "left", "right"]


class _String(NamedTuple):
    kind: ErrorKind
    label: str
    text: str
    change: Change = ""
    side: Side = ""


class _Pattern(NamedTuple):
    kind: ErrorKind
    shape: Shape
    gold: str
    predicted: str
    text: str


def frequent_strings(errors: Sequence[SpanError]) -> list[StringErrors]:
    """Strings of errors, the most frequent first.

    A boundary counts by what it leaves off or takes in, at each end on its own.
    """
    tasks: defaultdict[_String, list[int]] = defaultdict(list)
    for error in errors:
        for string in _strings(error):
            tasks[string].append(error.task_id)
    rows = [StringErrors(**key._asdict(), count=len(ids), tasks=sorted(set(ids))) for key, ids in tasks.items()]
    return sorted(rows, key=lambda row: (-row.count, row.kind, row.label, row.text, row.side))[:KEPT]


def frequent_patterns(errors: Sequence[SpanError]) -> list[Pattern]:
    """Patterns of errors, the most frequent first."""
    tasks: defaultdict[_Pattern, list[int]] = defaultdict(list)
    for error in errors:
        tasks[_pattern(error)].append(error.task_id)
    rows = [Pattern(**key._asdict(), count=len(ids), tasks=sorted(set(ids))) for key, ids in tasks.items()]
    return sorted(rows, key=lambda row: (-row.count, row.kind, row.gold, row.predicted, row.shape, row.text))[:KEPT]


def _strings(error: SpanError) -> Iterator[_String]:
    mention = error.mentions[0]
    if error.kind != "boundary":
        yield _String(error.kind, mention.label, mention.text)
        return
    if error.left:
        yield _String("boundary", mention.label, error.left_text, _change(error.left), "left")
    if error.right:
        yield _String("boundary", mention.label, error.right_text, _change(error.right), "right")


def _pattern(error: SpanError) -> _Pattern:
    gold, predicted = (mention.label if mention else "" for mention in (error.gold, error.predicted))
    return _Pattern(error.kind, error.shape, gold, predicted, _text(error))


def _text(error: SpanError) -> str:
    """What makes the pattern besides labels and shape; "" where nothing is quoted."""
    if error.kind != "boundary" or not error.text:
        return _cut(skeleton(error.mentions[0].text))
    return f"{_signed(error.left, error.left_text)}…{_signed(error.right, error.right_text)}"


def _signed(characters: int, text: str) -> str:
    if not characters:
        return ""
    return ("+" if characters > 0 else "-") + _cut(skeleton(text))


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}⋯"


def _change(characters: int) -> Change:
    return "taken in" if characters > 0 else "left off"
