"""The report as spans in a row, with the words between them: what every relation is read from.

A *sentence* ends at 。;!?, a full stop, a circled number or a line end, a *clause* also at a comma. A *cell* is a
stretch of a line between bars, tabs or two blanks, in a line without any of these between single blanks.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from backend.ner.spans import Span
from backend.rules import plausibility
from backend.rules.fold import fold
from backend.rules.readings import mask
from backend.rules.trie import Trie, cuts_word

STRUCTURED = frozenset({"HR", "VALUE", "TIME", "EVENT", "DIAG"})
REACH = 60  # characters that a relation spans at most, sentences being short; bounds the work

_SENTENCE_END = re.compile(r"[。;!?\n①-⑳]|\.(?![0-9])(?<!max\.)(?<!min\.)")
_CLAUSE_END = re.compile(r"[,。;!?\n|]")
_COLUMN_GAP = re.compile(r"[ ]*[|\t][ \t|]*|[ ]{2,}")
_FEWEST_CELLS = 3
_TALLEST_TABLE = 40  # lines below its header


@dataclass(frozen=True)
class Layout:
    """A report and its structured spans, sorted by start. Offsets are those of the text; `folded` has its length."""

    text: str
    spans: tuple[Span, ...]
    folded: str = field(init=False)
    # What has been worked out about lines, so that every span of a line need not do it again.
    _rows: dict[int, list[tuple[int, int]]] = field(init=False, repr=False, compare=False, default_factory=dict)
    _headers: dict[int, int | None] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "folded", fold(self.text))

    @classmethod
    def of(cls, text: str, spans: Sequence[Span]) -> Layout:
        """The layout of the spans with a structured label."""
        return cls(text, tuple(sorted(span for span in spans if span.label in STRUCTURED)))

    def gap(self, left: int, right: int) -> str:
        """Folded text between span `left` and span `right`, by index."""
        return self.folded[self.spans[left].end : self.spans[right].start]

    def sentence_start(self, position: int) -> int:
        """Where the sentence that holds `position` begins, REACH characters back at most."""
        floor = max(0, position - REACH)
        i = bisect_right(self._sentence_ends, position)
        return max(floor, self._sentence_ends[i - 1]) if i else floor

    def same_sentence(self, left: int, right: int) -> bool:
        """Whether no sentence ends between two positions, and no more than REACH characters lie there."""
        if right - left > REACH:
            return False
        return bisect_right(self._sentence_ends, left) == bisect_right(self._sentence_ends, right)

    def line_start(self, position: int) -> int:
        """Where the line that holds `position` begins."""
        return self._lines[bisect_right(self._lines, position) - 1]

    def line_end(self, position: int) -> int:
        """Where the line that holds `position` ends, without its line break."""
        i = bisect_right(self._lines, position)
        return self._lines[i] - 1 if i < len(self._lines) else len(self.folded)

    def header(self, span: Span) -> tuple[int, int] | None:
        """The cell of a table's header above `span`: the nearest line above with as many cells and no digit."""
        row = bisect_right(self._lines, span.start) - 1
        above = self._header_row(row)
        if above is None:
            return None
        cells = self._cells(row)
        column = bisect_right(cells, (span.start, len(self.text))) - 1
        return self._cells(above)[column] if column >= 0 and span.start < cells[column][1] else None

    def index_from(self, position: int) -> int:
        """Index of the first span that starts at or after `position`."""
        return bisect_left(self._starts, position)

    def _header_row(self, row: int) -> int | None:
        """The line above that is the header of the table that line `row` belongs to."""
        if row not in self._headers:
            self._headers[row] = self._find_header(row)
        return self._headers[row]

    def _find_header(self, row: int) -> int | None:
        size = len(self._cells(row))
        if size < _FEWEST_CELLS:
            return None
        for above in range(row - 1, max(-1, row - 1 - _TALLEST_TABLE), -1):
            headers = self._cells(above)
            if len(headers) != size:
                return None
            if not any(char.isdigit() for start, end in headers[1:] for char in self.folded[start:end]):
                return above
        return None

    def _cells(self, row: int) -> list[tuple[int, int]]:
        """Cells of a line, half-open; by blanks if nothing else sets them apart."""
        if row not in self._rows:
            self._rows[row] = self._cut(row)
        return self._rows[row]

    def _cut(self, row: int) -> list[tuple[int, int]]:
        start = self._lines[row]
        end = self._lines[row + 1] - 1 if row + 1 < len(self._lines) else len(self.folded)
        line = self.folded[start:end].rstrip("\r |\t")
        offset = len(line) - len(line.lstrip(" |\t"))
        cuts = [match.span() for match in _COLUMN_GAP.finditer(line, offset)]
        if not cuts:
            cuts = [match.span() for match in re.finditer(" ", line[offset:])]
            cuts = [(left + offset, right + offset) for left, right in cuts]
        edges = [offset, *(edge for cut in cuts for edge in cut), len(line)]
        return [(start + left, start + right) for left, right in zip(edges[::2], edges[1::2], strict=True)]

    @cached_property
    def masked(self) -> str:
        """The folded text without the digits that are part of no reading: of times, leads, ids and list numbers."""
        parts, at = [], 0
        for span in self.spans:
            if span.label == "TIME" and span.start >= at:
                parts += [self.folded[at : span.start], "\x00" * (span.end - span.start)]
                at = span.end
        return mask("".join([*parts, self.folded[at:]]))

    @cached_property
    def most_beats(self) -> float:
        """How many beats the recording can hold (backend.rules.plausibility)."""
        return plausibility.most_beats(self.folded)

    @cached_property
    def _sentence_ends(self) -> list[int]:
        return [match.end() for match in _SENTENCE_END.finditer(self.folded)]

    @cached_property
    def _lines(self) -> list[int]:
        return [0, *(match.end() for match in re.finditer(r"\n", self.folded))]

    @cached_property
    def _starts(self) -> list[int]:
        return [span.start for span in self.spans]


def last_clause(words: str) -> str:
    """What stands after the last clause end."""
    return _CLAUSE_END.split(words)[-1]


def mentions(trie: Trie[str], words: str) -> list[tuple[int, int, str]]:
    """All strings of the trie in the folded words, leftmost and longest: start, end, value."""
    found, i = [], 0
    while i < len(words):
        match = None if cuts_word(words, i) else trie.longest(words, i)
        if match is None:
            i += 1
            continue
        found.append((i, *match))
        i = match[0]
    return found
