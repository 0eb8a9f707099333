"""The text of an RTF document, as Word shows it finally; what is not read is named.

striprtf turns RTF into text, but reads hidden, struck-out and deleted text as if it were shown, and binary data as
text. So they are taken out before. Terms are those of the RTF specification 1.9.1.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from striprtf.striprtf import destinations, rtf_to_text, specialchars

from backend.errors import BadRequest
from backend.parsing import symbols
from backend.parsing.word import HIDDEN, STRUCK, Reading

_TOKEN = re.compile(
    rb"\\(?P<word>[a-zA-Z]{1,32})(?P<number>-?\d{1,10})? ?|(?P<line>[\r\n]+)|(?P<group>[{}])"
    rb"|(?P<pair>[\x81-\xfe][\x40-\xfe])|\\'[0-9a-fA-F]{2}|\\[^a-zA-Z]|[^\\{}\r\n\x81-\xfe]+|[\s\S]"
)
"""`pair`: a character of two bytes as it stands, whose second byte may look like a brace or a backslash."""
_LEFT_OUT = {"v": HIDDEN, "strike": STRUCK, "striked": STRUCK, "deleted": ""}
"""Property of characters -> what its text is called; tracked deletions are no part of the document."""
_CHARACTERS = {"u", *(word for word in specialchars if word.isalpha())} - {"row", "cell", "nestcell", "sect", "page"}
"""Words that are characters of a text. The cells of a table keep their places, whatever is hidden in them."""
_ENDS = (b"\\par", b"\\")
"""Ends of paragraphs, the second with a line end behind: they go with hidden and deleted text, not with struck-out."""
_NAMED = {
    "pict": "picture", "header": "page header", "footer": "page footer", "footnote": "footnotes",
    "object": "embedded object", "annotation": "comments", "shptxt": "text box",
}  # fmt: skip
"""Destination -> what is left out with it."""
_MOJIBAKE = re.compile(r"[\u0080-\u00ff]{4}")
"""Two Chinese characters whose bytes were taken for a Western code page; no word of a report has four such letters."""


def read(data: bytes) -> Reading:
    """The text of a document; raises BadRequest for one that is damaged or does not say how its text is encoded."""
    scan = _Scan(data)
    shown = scan.shown()
    if "upr" in scan.words:  # striprtf drops both forms
        raise _refusal("RTF with alternative text")
    try:
        text = rtf_to_text(shown.decode("latin-1"), errors="strict").replace("\xad", "")  # type: ignore[no-untyped-call]  # striprtf has no annotations
    except Exception as error:
        raise _damage(type(error).__name__) from None
    if _MOJIBAKE.search(text):
        raise _refusal("RTF that does not say how its text is encoded")
    named = {_NAMED[word] for word in scan.words & _NAMED.keys()}
    return Reading(text, tuple(sorted(scan.left_out | named)))


def _refusal(what: str) -> BadRequest:
    return BadRequest("This kind of document cannot be read", what, "save it as .docx")


def _damage(why: str) -> BadRequest:
    return BadRequest("The RTF document is damaged", why, "save it as .docx")


def _plain(token: bytes) -> str:
    """The text of a token; none of a control word."""
    if token.startswith(b"\\'"):
        return chr(int(token[2:], 16))
    return "" if token.startswith(b"\\") else token.decode("latin-1")


class _Group(NamedTuple):
    """What holds up to the end of a group.

    Properties of its characters and their font; whether it is no text of the document, and whether the table of fonts.
    """

    properties: frozenset[str] = frozenset()
    aside: bool = False
    in_fonts: bool = False
    font: int = -1


class _Scan:
    """One pass over a document."""

    def __init__(self, data: bytes) -> None:
        self.words: set[str] = set()
        self.left_out: set[str] = set()
        self._data = data
        self._group = _Group()
        self._symbolic: dict[int, str] = {}  # fonts of signs, by number
        self._stands_in = False  # the next text is what stands in for a character before it
        self._outer: list[_Group] = []

    def shown(self) -> bytes:
        """The document without binary data and without text that Word does not show; raises BadRequest."""
        pieces: list[bytes] = []
        place = 0
        while found := _TOKEN.match(self._data, place):
            place = found.end()
            if found["word"] == b"bin":
                place += self._binary(int(found["number"] or 0))
            else:
                pieces.append(self._piece(found))
        if self._outer or place > len(self._data):  # striprtf leaves out what it has begun
            raise _damage("it ends too early")
        return b"".join(pieces)

    def _binary(self, size: int) -> int:
        """The bytes of binary data, which in a picture or an object are named by that."""
        if size > 0 and not self._group.aside:
            self.left_out.add("binary data")
        return max(size, 0)

    def _piece(self, found: re.Match[bytes]) -> bytes:
        """The token as it is read on: nothing of a text that is not shown."""
        whole, word = found[0], (found["word"] or b"").decode()
        if found["group"]:
            self._nest(whole)
        elif whole == b"\\*":
            self._group = self._group._replace(aside=True)
        elif word and word not in _CHARACTERS:
            self._control(word, found["number"])
        elif not found["line"] and not self._is_shown(whole, word):
            return b""
        elif self._group.aside:
            self._named(whole)
        elif self._group.font in self._symbolic:
            return self._sign(found)
        return b"\\'%02x\\'%02x" % tuple(whole) if found["pair"] else whole

    def _is_shown(self, whole: bytes, word: str) -> bool:
        hiding = self._group.properties
        if whole.strip() in _ENDS:
            hiding = hiding - {"strike", "striked"}
        if not hiding or self._group.aside:
            return True
        if word in ("", "u") and whole.strip() and "deleted" not in hiding:
            self.left_out |= {_LEFT_OUT[name] for name in hiding}
        return False

    def _nest(self, brace: bytes) -> None:
        self._stands_in = False
        if brace == b"{":
            self._outer.append(self._group)
        elif self._outer:
            self._group = self._outer.pop()

    def _named(self, text: bytes) -> None:
        """A font that shows signs, or a sign as the instruction of a field, whose result Word leaves empty."""
        name = text.decode("latin-1").strip(" ;")
        if self._group.in_fonts and symbols.is_symbolic(name):
            self._symbolic[self._group.font] = name
        if name.startswith("SYMBOL "):
            self.left_out.add(symbols.UNREAD)

    def _sign(self, found: re.Match[bytes]) -> bytes:
        """What a font of signs shows for the token."""
        whole, stands_in = found[0], self._stands_in
        self._stands_in = found["word"] == b"u"
        text = chr(int(found["number"] or 0) & 0xFFFF) if self._stands_in else _plain(whole)
        if stands_in or not text.strip():
            return whole
        said, known = symbols.read(self._symbolic[self._group.font], text)
        if not known:
            self.left_out.add(symbols.UNREAD)
        form = b"\\u%d " if self._stands_in else b"{\\uc1\\u%d ?}"
        return b"".join(form % ord(char) for char in said)

    def _control(self, word: str, number: bytes | None) -> None:
        self.words.add(word)
        on = number != b"0"
        if word == "f":
            self._group = self._group._replace(font=int(number or 0))
        elif word == "fonttbl":
            self._group = self._group._replace(in_fonts=True)
        if word in destinations:
            self._group = self._group._replace(aside=True)
        elif word == "plain":
            self._group = self._group._replace(properties=frozenset(), font=-1)
        elif word in _LEFT_OUT:
            rest = self._group.properties - {word}
            self._group = self._group._replace(properties=rest | {word} if on else rest)
