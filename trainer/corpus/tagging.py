"""The schemes of character tags: BIO, IOB1, BMES, BIOES and BILOU, told apart by the prefixes of a whole file."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from backend.errors import CorpusError
from backend.ner.spans import Span

Row = tuple[str, str, int]
"""Character, tag and number of the line."""

TAG = re.compile(r"O|[BIMESLU][-_].+", re.DOTALL)
SCHEMES = {"BIO": "BI", "BMES": "BMES", "BIOES": "BIES", "BILOU": "BILU"}


class BadLine(Exception):
    """A line that cannot be read: its number, and why."""

    def __init__(self, line: int, why: str) -> None:
        super().__init__(line, why)
        self.line = line
        self.why = why


@dataclass(frozen=True)
class TagReader:
    """Reads the spans of one file, in its scheme."""

    scheme: str
    opens_inside: bool = False
    """IOB1: I begins a span, B only one right behind a span of the same label."""

    @classmethod
    def of(cls, rows: Sequence[Row], path: Path, own: bool) -> TagReader:
        """The reader of the first scheme that has all prefixes; raises CorpusError, for our own files unless BIO."""
        used: dict[str, int] = {}
        for _, tag, place in rows:
            if tag != "O":
                used.setdefault(tag[0], place)
            fits = [name for name, prefixes in SCHEMES.items() if used.keys() <= set(prefixes)]
            if not fits or (own and fits[0] != "BIO"):
                raise CorpusError(f"Line {place} has a tag of another scheme than the lines before", path)
        return cls(fits[0] if rows else "BIO", not own and _opens_inside(rows))

    def spans(self, rows: Sequence[Row]) -> Iterator[Span]:
        """The spans of a report; raises BadLine for a contradiction."""
        start, before = 0, "O"
        for at, (_, tag, place) in enumerate([*rows, ("", "O", rows[-1][2] + 1 if rows else 0)]):
            goes_on = tag[0] in "IMEL" and before[0] in "BIM" and before[2:] == tag[2:]
            if goes_on:
                before = tag
                continue
            if tag[0] in "IMEL" and not (self.scheme == "BIO" and self.opens_inside):
                raise BadLine(place, "it goes on with a span that no B- tag began")
            if before[0] in "BIM" and self.scheme != "BIO":
                raise BadLine(place, f"it leaves a span that no {self._end}- tag ended")
            if before != "O":
                yield Span(start, at, before[2:])
            start, before = at, tag

    @property
    def _end(self) -> str:
        return "L" if self.scheme == "BILOU" else "E"


def _opens_inside(rows: Sequence[Row]) -> bool:
    """Whether the file is IOB1: no B but behind a span of the same label, in adjacent lines."""
    behind = {place: tag for _, tag, place in rows}
    begun = [behind.get(place - 1, "O")[2:] == tag[2:] for _, tag, place in rows if tag[0] == "B"]
    return all(begun)
