"""The same report again: equal texts apart from white space and the width of characters.

Zero-width and other format characters count as white space. Numbers, case and punctuation tell reports apart, unlike
in `templates`: 72 and 73 beats per minute are two reports of one template.
"""

from __future__ import annotations

import hashlib
import unicodedata
from bisect import bisect_left
from collections.abc import Iterable

from backend.ner.spans import Span

_WIDTHS = ("<wide>", "<narrow>")


class _Bare(dict[int, str]):
    """Code point -> the character in its usual width, "" for white space; filled on demand."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        kind, _, plain = unicodedata.decomposition(char).partition(" ")
        bare = chr(int(plain, 16)) if kind in _WIDTHS else char
        self[code] = bare = "" if bare.isspace() or unicodedata.category(bare) == "Cf" else bare
        return bare


_TABLE = _Bare()


def report_key(text: str) -> int:
    """64 bits that all copies of a report share, and other reports do not; the same in every process.

    >>> report_key("心率72次/分") == report_key(" 心率 ７２\\u200b次／分\\n") != report_key("心率73次/分")
    True
    """
    bare = text.translate(_TABLE).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(bare, digest_size=8).digest(), "big")


def bare_spans(text: str, spans: Iterable[Span]) -> tuple[Span, ...]:
    """The spans as ranges of the text without white space, which are the same in all copies; empty ones go."""
    kept = _kept(text)
    found = ((bisect_left(kept, span.start), bisect_left(kept, span.end), span.label) for span in spans)
    return tuple(Span(start, end, label) for start, end, label in found if start < end)


def spans_in(text: str, bare: Iterable[Span], source: str = "") -> tuple[Span, ...]:
    """What `bare_spans` gave for a copy, as ranges of this text; white space at the edges is left out.

    >>> spans_in("心率 ７２ 次／分", bare_spans("心率72次/分", [Span(2, 7, "HR")]))
    (Span(start=3, end=9, label='HR', score=1.0, source=''),)
    """
    kept = _kept(text)
    return tuple(Span(kept[s.start], kept[s.end - 1] + 1, s.label, 1.0, source) for s in bare if s.end <= len(kept))


def _kept(text: str) -> list[int]:
    return [place for place, char in enumerate(text) if _TABLE[ord(char)]]
