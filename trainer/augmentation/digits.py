"""Figures written as the report writes them: full width or half width."""

from __future__ import annotations

_WIDE = str.maketrans("0123456789", "０１２３４５６７８９")
_WIDE_SIGNS = {"．": ".", "，": ","}


def written_like(figures: str, like: str) -> str:
    """Half-width figures in the width of those they replace; point and comma each in theirs.

    >>> written_like("7.5", "１０．２"), written_like("92,920", "９４,６４９"), written_like("7.5", "10.2")
    ('７．５', '９２,９２０', '7.5')
    """
    for wide, narrow in _WIDE_SIGNS.items():
        figures = figures.replace(narrow, wide) if wide in like else figures
    return figures if any(char.isascii() and char.isdigit() for char in like) else figures.translate(_WIDE)


def padded_like(number: int, like: str) -> str:
    """A whole number, padded with zeros where the one it replaces has two figures.

    >>> padded_like(3, "08"), padded_like(3, "8")
    ('03', '3')
    """
    return f"{number:0{min(len(like), 2)}d}"
