"""A folded copy of the text for matching: same length, so every offset is an offset of the raw text.

Reports mix full-width and half-width digits, letters and punctuation, upper and lower case. Rules match
on the folded copy and return offsets into the text as written; the text itself never changes.
"""

from __future__ import annotations

import unicodedata

# Signs that devices and input methods use for the same thing; each maps one code point to one code point.
_SIGNS = {
    "−": "-",
    "–": "-",
    "—": "-",
    "‐": "-",
    "‑": "-",
    "﹣": "-",
    "〜": "~",
    "∼": "~",
    "∶": ":",
    "º": "°",
    "˚": "°",
    "｡": "。",
    "．": ".",
    "【": "[",
    "】": "]",
    "〔": "[",
    "〕": "]",
    "®": "®",
}


class _FoldTable(dict[int, str]):
    """Code point -> folded character, filled on demand."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        folded = _SIGNS.get(char) or _fold_char(char)
        self[code] = folded
        return folded


def _fold_char(char: str) -> str:
    # Circled and superscript numbers (category No) number paragraphs or belong to units: they are not digits here.
    normal = char if unicodedata.category(char) == "No" else unicodedata.normalize("NFKC", char)
    if len(normal) != 1:
        normal = char
    lower = normal.casefold()
    return lower if len(lower) == 1 else normal


_TABLE = _FoldTable()


def fold(text: str) -> str:
    """Return the folded copy: NFKC and lower case, each only where one code point stays one.

    >>> fold("ＨＲ：７２次／分")
    'hr:72次/分'
    >>> len(fold("ﬁ①㎜ß")) == len("ﬁ①㎜ß")
    True
    """
    return text.translate(_TABLE)
