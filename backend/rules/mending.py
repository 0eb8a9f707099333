"""A mended copy of the text for reading, with the way back: what tore words and numbers apart is gone from it.

Other programs leave traces in report text: zero-width characters and soft hyphens, HTML entities and tags, line ends
written as escapes, lines wrapped between a number and its unit. The copy holds what a person sees; every character of
it stands for one range of the raw text, so that offsets can be told in either. Blanks between digits are not mended:
`7 2` may be one number or two.
"""

from __future__ import annotations

import html
import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from dataclasses import dataclass

from backend.rules.fold import fold

_ENTITY = re.compile(r"&(?:amp;)*(#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,30});|&nbsp(?![A-Za-z;])")
_LINE_TAG = r"</?(?:br|p|div|tr|li|ul|ol|table|tbody|h[1-6])(?:[ \t][^<>\n]{0,200})?/?>"
_CELL_TAG = r"</?(?:td|th)(?:[ \t][^<>\n]{0,200})?>"
_INLINE_TAG = r"</?(?:b|i|u|em|strong|span|font|sub|sup|small|big|label)(?:[ \t][^<>\n]{0,200})?>"
# Line ends of HL7 (\.br\), of JSON and of spreadsheets; line ends that are not \n.
_LINE_ESCAPE = (
    r"\\\.(?:br|sp)\\|\\X0[AaDd]\\|\\r\\n|\\[rn](?![A-Za-z])|_x000[AaDd]_|\r(?!\n)|[\x0b\x0c\x85\u2028\u2029]"
)
_MARKUP = re.compile(rf"(?P<line>{_LINE_TAG}|{_LINE_ESCAPE})|(?P<cell>{_CELL_TAG})|{_INLINE_TAG}", re.IGNORECASE)
# Nothing is seen of these: format and control characters, joiners, selectors of a glyph.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff"
    "\U000e0000-\U000e01ef]"
)

_LINE_END = r"[ \t]{0,40}\r?\n[ \t]{0,40}"
_UNIT = (
    r"(?:次|跳|搏|拍)[ \t]*(?:/|每分|分(?![析别]))|/[ \t]*(?:分(?![析别])|min)|(?:bpm|ppm|mets)(?![a-z])"
    r"|(?:msec|ms|mv|mmhg|mm|kpa|μv|uv)(?![a-z])|毫秒|毫伏|毫米|%|°(?!c)|[次阵对个秒](?=[ \t]*(?:[,。;、)\]|\r\n]|$))"
)
# A line end inside a reading, in the folded text: before a unit, inside a unit, beside what joins two numbers. Units
# that begin words as well (次要, 对比) count only where nothing follows them.
_WRAPPED = re.compile(
    rf"(?<![a-z0-9.,])[0-9]{{1,7}}(?:[.,][0-9]{{1,3}})?(?P<unit>{_LINE_END})(?={_UNIT})"
    rf"|[次跳搏拍](?P<per>{_LINE_END})(?=/[ \t]*(?:分(?![析别])|min))"
    rf"|[次跳搏拍][ \t]*/(?P<minute>{_LINE_END})(?=分(?![析别])|min)"
    rf"|[0-9][ \t]?[-~/→](?P<joined>{_LINE_END})(?=[0-9])|[0-9](?P<chain>{_LINE_END})(?=[~/→][ \t]?[0-9])"
)


@dataclass(frozen=True)
class Mended:
    """The mended text; `starts[i]` and `ends[i]` are the raw offsets of its character i, None where nothing changed."""

    text: str
    starts: tuple[int, ...] | None = None
    ends: tuple[int, ...] | None = None

    def raw(self, start: int, end: int) -> tuple[int, int]:
        """The raw range of a range of the mended text that is not empty."""
        if self.starts is None or self.ends is None:
            return start, end
        return self.starts[start], self.ends[end - 1]

    def within(self, start: int, end: int) -> tuple[int, int] | None:
        """The mended range of a raw range; None if nothing of it is left."""
        if self.starts is None or self.ends is None:
            return start, end
        first, last = bisect_right(self.ends, start), bisect_left(self.starts, end)
        return (first, last) if first < last else None

    def replaced(self, cuts: list[tuple[int, int, str]]) -> Mended:
        """This text with each cut (sorted, disjoint: start, end, at most one character) put in place of its range."""
        if not cuts:
            return self
        chars: list[str] = []
        starts: list[int] = []
        ends: list[int] = []
        at = 0
        for start, end, char in [*cuts, (len(self.text), len(self.text), "")]:
            chars.append(self.text[at:start])
            starts += self.starts[at:start] if self.starts else range(at, start)
            ends += self.ends[at:start] if self.ends else range(at + 1, start + 1)
            if char:
                first, last = self.raw(start, end)
                chars.append(char)
                starts.append(first)
                ends.append(last)
            at = end
        return Mended("".join(chars), tuple(starts), tuple(ends))


def mend(text: str) -> Mended:
    """The mended copy of a raw text.

    >>> mended = mend("心率：&nbsp;7\\u200b2次<br>室早")
    >>> mended.text
    '心率：\\xa072次\\n室早'
    >>> mended.raw(4, 6), mended.within(9, 12)
    ((9, 12), (4, 6))
    """
    mended = Mended(text)
    for pattern, instead in ((_ENTITY, _decoded), (_MARKUP, _blank), (_INVISIBLE, _nothing)):
        mended = mended.replaced(_cuts(pattern, instead, mended.text))
    if "\n" in mended.text:
        folded = fold(mended.text)
        mended = mended.replaced([(*match.span(match.lastgroup or 0), "") for match in _WRAPPED.finditer(folded)])
    return mended


def _cuts(
    pattern: re.Pattern[str], instead: Callable[[re.Match[str]], str | None], text: str
) -> list[tuple[int, int, str]]:
    found = ((match, instead(match)) for match in pattern.finditer(text))
    return [(*match.span(), char) for match, char in found if char is not None]


def _decoded(match: re.Match[str]) -> str | None:
    """The one character that an entity stands for; None if it is no entity, or one of several characters."""
    char = html.unescape(f"&{match[1] or 'nbsp'};")
    return char if len(char) == 1 else None


def _blank(match: re.Match[str]) -> str:
    return "\n" if match["line"] else "\t" if match["cell"] else ""


def _nothing(_: re.Match[str]) -> str:
    return ""
