"""Numbers that were not measured: thresholds and reference ranges."""

from __future__ import annotations

import re

from backend.rules.names import REACH
from backend.rules.number_patterns import patterns
from backend.rules.numerals import CHARACTERS

_HEADING_REACH = 120  # characters of a sentence or a bracket that may begin with 正常值:
_BLOCK_REACH = 300  # characters of the lines below one that says 参考值 alone
_RANGE = re.compile(r"[0-9][^0-9]*?(?:-|~|→)[^0-9]*[0-9]")
_OTHER_END = re.compile(rf"(?:[0-9.]+|[{CHARACTERS}]+)[^0-9,。;\n()]{{0,4}}?[至到][ \t]*约?\Z")
_TO = re.compile(r"[ \t]*[至到]")


def is_limit(text: str, start: int, end: int) -> bool:
    """Whether the number `text[start:end]` of the folded text is a threshold or part of a reference range."""
    before = text[max(0, start - 8) : start]
    if patterns().limit_before.search(before) or patterns().limit_after.match(text, end):
        return True
    return is_reference(text, start, end)


def is_reference(text: str, start: int, end: int) -> bool:
    """Whether the number is part of a reference range.

    It is behind 参考值, 正常值 and the like in its clause, or in a bracket that begins so. A range is so, too, right
    behind 正常, in a bracket behind 正常值, in a sentence that begins with 正常: and below a line 参考值. What is
    called normal (心率正常，72次/分) was measured.
    """
    scope = re.split(r"[。;\n]", text[max(0, start - _HEADING_REACH) : start])[-1]
    bracket = re.search(r"[(\[][^()\[\]]*\Z", scope)
    if patterns().reference.search(re.split(r"[,。;\n()]", scope[-REACH:])[-1]):
        return True
    if bracket and patterns().reference.match(bracket[0].lstrip("([ \t")):
        return True
    other = _OTHER_END.search(scope)
    if not (other or _RANGE.search(text, start, end) or _TO.match(text, end)):
        return False
    if bracket and patterns().reference_end.search(scope[: bracket.start()]):
        return True
    scope = scope[: other.start()] if other else scope
    if patterns().normal_before.search(scope) or _is_below_heading(text, start):
        return True
    return patterns().normal_heading.match(bracket[0][1:] if bracket else scope) is not None


def _is_below_heading(text: str, start: int) -> bool:
    """Whether a line above, none between being empty, is nothing but 参考值: or the like."""
    for line in reversed(text[max(0, start - _BLOCK_REACH) : start].split("\n")[:-1]):
        if not line.strip():
            return False
        if patterns().reference_line.fullmatch(line):
            return True
    return False
