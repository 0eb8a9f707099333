"""Whether a number is only a part of one: torn by a blank, a line end or a wrong sign, or with a letter in it.

`7 2次/分`, `1 254次`, `0. 1mV`, `0。1mV`, `1O0次/分`, `l20次/分`, `三百20次`. What is torn may be one number or two, so
it is left out. Two numbers are no parts of one where the number that both would make cannot be (`72 80次/分`).
About so many (`六、七十次/分`, `3、5次`, `60、70次/分`) are two parts of a range, unless 分别 deals them out.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from backend.rules.numerals import CHARACTERS

Fits = Callable[[float], bool]
"""Whether a number can be the whole of which one was torn."""

_BLANKS = r" {1,8}|[ \t]{0,4}\r?\n[ \t]{0,4}"
# Between two parts: nothing of the whole, its decimal point, or what sets off thousands.
_LEFT = re.compile(
    rf"(?<![0-9])(?P<part>[0-9]{{1,6}}(?:\.[0-9]{{1,3}})?)(?:(?P<nothing>{_BLANKS})|(?P<point>\.(?:{_BLANKS})|\.?。|\.\.(?:{_BLANKS})?)|(?P<comma>,(?:{_BLANKS})?))\Z"
)
_RIGHT = re.compile(
    rf"(?:(?P<nothing>{_BLANKS})|(?P<point>\.(?:{_BLANKS})|(?:{_BLANKS})\.|。)|(?P<comma>,(?:{_BLANKS})?))(?P<part>[0-9]{{1,6}}(?:\.[0-9]{{1,3}})?)"
)
_REACH = 24  # characters looked at on either side
# Signs that are no part of a report's notation: apostrophes between thousands, replacement and private characters.
_ODD = r"['’‘`´_·•^*?#\ufffd\ue000-\uf8ff\u2800\u3164\u115f\u1160]"
# Letters that stand for digits: between digits, and before them at the end of what is no word or lead.
_LETTER_LEFT = re.compile(
    r"[0-9][oоοqilzsbg]{1,2}\Z|(?<![a-z])(?!(?:ii|iii|avl|total|interval|sdnni)\Z)[a-z]{0,8}[oоοli]\Z"
    rf"|[0-9][oоοil]{{1,2}}[ \t]?[-~/→][ \t]?\Z|[0-9]\.?{_ODD}\Z"
)
_LETTER_RIGHT = re.compile(
    rf"(?:[ \t]?[-~/→][ \t]?)?[oоοil]{{1,2}}[0-9]|{_ODD}[0-9]|[ \t]?[十百千亿零〇○]|(?<=万)[0-9]"
)
_NUMERAL_LEFT = re.compile(rf"[{CHARACTERS}亿]\Z")
# One digit of a range before the number: 六、七十, 六至七十. The range 七十至八十 has two whole numbers.
_OR = r"[ \t]?[、,][ \t]?"
_DIGIT_LEFT = re.compile(rf"[一二两三四五六七八九](?:(?P<or>{_OR})|(?<![十百千万零].)[至到])\Z")
_TENS = re.compile(rf"[{CHARACTERS}]?[十百千万]")
_ROUND = r"(?P<part>[1-9]0{0,5})"
_ROUND_LEFT = re.compile(rf"(?<![0-9.,]){_ROUND}{_OR}\Z")
_ROUND_RIGHT = re.compile(rf"{_OR}{_ROUND}(?![0-9.,])")
_DEALT_OUT = re.compile(r"分别|依次|各|(?:最|平均).{0,8}(?:最|平均)")


def is_torn(text: str, start: int, end: int, fits: Fits, bare: bool) -> bool:
    """Whether `text[start:end]` of the folded text, a number (`bare`) or one with its unit, is a part of a number."""
    before = text[max(0, start - _REACH) : start]
    if _LETTER_LEFT.search(before) or _NUMERAL_LEFT.search(before) or _is_about(text, start, end, before, bare):
        return True
    number = re.match(r"[+-]?(?P<part>[0-9]+(?:\.[0-9]+)?)", text[start:end])
    if number is None:
        return False
    left = _LEFT.search(before)
    if left and _is_whole(left, left["part"], number["part"], fits):
        return True
    if not bare:
        return False
    if _LETTER_RIGHT.match(text, end):
        return True
    last = re.search(r"[0-9]+(?:\.[0-9]+)?$", text[start:end])
    right = _RIGHT.match(text, end)
    return bool(last and right and _is_whole(right, last[0], right["part"], fits))


def _is_about(text: str, start: int, end: int, before: str, bare: bool) -> bool:
    """Whether the number is an end of a range that is written as two digits, or two round numbers, of a list."""
    digit = _DIGIT_LEFT.search(before)
    if digit and text[start] in CHARACTERS:
        return digit["or"] is not None or _TENS.match(text, start) is not None
    number = re.match(_ROUND + r"(?![0-9.,]*[0-9])", text[start:end])
    if number is None or _DEALT_OUT.search(before):
        return False
    left, right = _ROUND_LEFT.search(before), _ROUND_RIGHT.match(text, end) if bare else None
    return (left is not None and _are_near(left["part"], number["part"])) or (
        right is not None and _are_near(number["part"], right["part"])
    )


def _are_near(low: str, high: str) -> bool:
    """3 and 5, 6 and 70, 60 and 70: leading digits that are one or two apart."""
    return 1 <= int(high[0]) - int(low[0]) <= 2 and len(low) <= len(high)


def _is_whole(gap: re.Match[str], left: str, right: str, fits: Fits) -> bool:
    """Whether two parts make a number: one behind the other, or the second behind the decimal point."""
    if gap["comma"] is not None:
        thousands = re.fullmatch(r"[0-9]{1,3}", left) and re.fullmatch(r"[0-9]{3}", right) and len(gap["comma"]) > 1
        decimal = gap["comma"] == "," and re.fullmatch(r"[0-9]", left) and re.fullmatch(r"[0-9]{1,2}", right)
        if gap["comma"] == "," and re.fullmatch(r"[0-9]{1,2}", left) and re.fullmatch(r"[0-9]{2}", right):
            return True  # 1,32: whatever was meant, it is no list of two readings that were written out
        joined = [left + right] if thousands else [f"{left}.{right}"] if decimal else []
    else:
        joined = [left + right, f"{left}.{right}"] if gap["point"] else [left + right]
    return any(fits(float(whole)) for whole in joined if whole.count(".") < 2)
