"""Where a labelled region lies: its offsets are the datum, its text is only a rendering of the report there.

Label Studio 1.23.2 stores the text of a region that a person draws as it is displayed: a run of blanks as one, each
line end as a backslash and n (`\\r\\n` as two of them), while `start` and `end` count code points of the raw text.
Other tools store a placeholder, nothing, or normalised text. So the text refuses a region in one case only: it is not
what stands at the offsets, but does stand elsewhere in the report. Then the offsets are shifted, or the end is that of
the last character instead of the first behind it.
"""

from __future__ import annotations

import html
import re
import unicodedata
from typing import Any

from backend.ner.spans import is_blank, trimmed

Offsets = tuple[int, int]

INCLUSIVE = "its text shows an inclusive end (ends are exclusive: add 1)"

_WHOLE = re.compile(r"\s*(\d{1,9})(?:\.0+)?\s*", re.ASCII)
_ESCAPES = re.compile(r"\\[nrtfv]")
_WORD = re.compile(r"[^\W_]")


def offsets(value: dict[str, Any], text: str) -> tuple[Offsets | None, str]:
    """Half-open code-point offsets of a region without white space at its edges, and what is wrong ("" for nothing).

    They are `start` and `end`, else those of `globalOffsets`, else `startOffset` and `endOffset` where the region's
    text confirms them: those count from an element of the page. The problem says nothing of the report's text.
    """
    found = _given(value, text)
    if found is None:
        return None, "its offsets are not whole numbers"
    start, end = found
    if _is_inclusive(value.get("text"), text, start, end):
        return None, INCLUSIVE
    if not 0 <= start < end <= len(text):
        return None, f"its offsets {start}..{end} do not fit a text of {len(text)} characters"
    if _contradicts(value.get("text"), text, start, end):
        return None, f"its text is not what the report holds at {start}..{end}, but stands elsewhere in the report"
    kept = trimmed(text, start, end)
    return (kept, "") if kept[0] < kept[1] else (None, f"it covers only white space at {start}..{end}")


def agrees(value: dict[str, Any], text: str) -> bool:
    """Whether the region's text is a rendering of what `text` holds at its offsets."""
    found, mention = _given(value, text), value.get("text")
    if found is None or not isinstance(mention, str) or not 0 <= found[0] < found[1] <= len(text):
        return False
    return bool(_bare(mention)) and _bare(mention) == _bare(text[slice(*found)])


def _given(value: dict[str, Any], text: str) -> Offsets | None:
    """The offsets as they are written, in the report or not; None where there are none."""
    whole = value.get("globalOffsets")
    for place in (value, whole if isinstance(whole, dict) else {}):
        start, end = _whole(place.get("start")), _whole(place.get("end"))
        if start is not None and end is not None:
            return start, end
    start, end = _whole(value.get("startOffset")), _whole(value.get("endOffset"))
    if start is None or end is None or not agrees({"start": start, "end": end, "text": value.get("text")}, text):
        return None
    return start, end


def _whole(number: object) -> int | None:
    """The number if it is a whole one, however it is written.

    >>> [_whole(value) for value in (3, 3.0, "3", " 3.0 ", 3.5, "3.5", True, None, float("nan"), "/div[1]/text()[1]")]
    [3, 3, 3, 3, None, None, None, None, None, None]
    """
    if isinstance(number, str):
        found = _WHOLE.fullmatch(number)
        return int(found[1]) if found else None
    if isinstance(number, float):
        return int(number) if number.is_integer() else None
    return number if type(number) is int else None


def _contradicts(mention: object, text: str, start: int, end: int) -> bool:
    """Whether a region's text shows that its offsets are wrong."""
    bare = _bare(mention) if isinstance(mention, str) else ""
    return bool(_WORD.search(bare)) and bare not in _bare(text[start:end]) and bare in _bare(text)


def _is_inclusive(mention: object, text: str, start: int, end: int) -> bool:
    """Whether a region's text shows that its end is the place of its last character."""
    bare = _bare(mention) if isinstance(mention, str) and 0 <= start <= end < len(text) else ""
    return bool(_WORD.search(bare)) and bare == _bare(text[start : end + 1]) != _bare(text[start:end])


def _bare(text: str) -> str:
    """The text without what displays differ in: white space, escapes, width, case.

    >>> _bare("心率  ７２ 次") == _bare("心率 72 次"), _bare("室性\\n早搏") == _bare("室性" + chr(92) + "n早搏")
    (True, True)
    """
    folded = unicodedata.normalize("NFKC", _ESCAPES.sub("", html.unescape(text))).casefold()
    return "".join(char for char in folded if not is_blank(char))
