"""Characters of symbol fonts: the signs of Symbol that reports use, the boxes and ticks of Wingdings.

Such a font shows another sign than its code says: a `þ` in Wingdings is a ticked box.
"""

from __future__ import annotations

UNREAD = "a symbol of a special font"
"""What is left out where the sign is not known."""
_UNKNOWN = "\ufffd"
_PRIVATE = range(0xF000, 0xF100)
"""Where Word keeps the codes of these fonts."""
_WINGDINGS = dict(zip((0x6F, 0xA8, 0xFB, 0xFC, 0xFD, 0xFE), "□□✗✓☒☑", strict=True))
_WINGDINGS_2 = dict(zip((0x4F, 0x50, 0x52, 0x54, 0xA3), "✗✓☑☒□", strict=True))
_SYMBOL = dict(
    zip((0xA3, 0xAD, 0xAE, 0xAF, 0xB0, 0xB1, 0xB3, 0xB4, 0xB8, 0xB9, 0xBB, 0x6D), "≤↑→↓°±≥×÷≠≈μ", strict=True)
)
_SYMBOL |= {code: chr(code) for code in b"0123456789%()+,./:;<=>[]"}
_FONTS = {"symbol": _SYMBOL, "wingdings": _WINGDINGS, "wingdings 2": _WINGDINGS_2, "wingdings 3": {}}


def is_symbolic(font: str) -> bool:
    """Whether the font shows signs instead of characters."""
    return font.casefold() in _FONTS


def read(font: str, text: str) -> tuple[str, bool]:
    """The signs that the font shows for a text, and whether all of them are known.

    Without such a font only the private codes are signs; which ones, nobody can say.
    """
    shown = [_shown(font, char) for char in text]
    return "".join(char or _UNKNOWN for char in shown), None not in shown


def _shown(font: str, char: str) -> str | None:
    code = ord(char)
    if code not in _PRIVATE and (char.isspace() or code > 0xFF or not is_symbolic(font)):
        return char
    return _FONTS.get(font.casefold(), {}).get(code & 0xFF)
