"""Reports put together anew: clauses replaced by clauses of similar reports with the same labels in the same order.

Clauses end at punctuation or a line end outside mentions and brackets. Clauses without a mention stay where they
are: a negation in one (未见异常Q波，早搏) may reach into the next, which must then not be parted from it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from random import Random

from trainer.augmentation.material import Material, pairs, some
from trainer.augmentation.segments import Segment, Segments, cut, join

SHARE = 0.4
"""Share of the clauses with mentions that are replaced, where another report has a fitting one."""
CANDIDATES, DONORS = 30, 5
"""Reports that are looked at for each variant, and how many of the most similar may give clauses."""
LEAST_SIMILAR = 0.1
"""Jaccard similarity of character pairs below which a report is of another kind."""

_END = re.compile(r"[，,；;。\n]")
_NUMBERED = re.compile(r"[\s】\]]*(?:[0-9０-９①-⑳一二三四五六七八九十]{1,2}[.、)）．,，])?\s*")
_OPEN, _CLOSE = "（([【", "）)]】"


@dataclass(frozen=True, slots=True)
class Clause:
    """`lead` (numbering, blanks) and `tail` (the sign that ends it) belong to the place, `body` to the content."""

    lead: str
    body: Segments
    tail: str

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of its mentions, in order."""
        return tuple(segment.label for segment in self.body if segment.label)


def clauses(segments: Segments, material: Material, rng: Random) -> Segments:
    """Replace some clauses, each by another one; the report keeps its numbering, punctuation and other clauses."""
    own = clauses_of(segments)
    said = {clause.body for clause in own}
    others = _by_labels(_similar(segments, material, rng))
    fitting = {labels: sorted(found - said, key=_text) for labels, found in others.items()}
    bodies = [clause.body for clause in own]
    for i in some(rng, [i for i, clause in enumerate(own) if fitting.get(clause.labels)], SHARE):
        donors = fitting[own[i].labels]
        if donors:
            bodies[i] = donors.pop(rng.randrange(len(donors)))
    parts = ((Segment(clause.lead), *body, Segment(clause.tail)) for clause, body in zip(own, bodies, strict=True))
    return cut(*join(list(chain.from_iterable(parts))))  # plain text that a place and its content share is one again


def clauses_of(segments: Segments) -> list[Clause]:
    """The report as clauses; put together they are the report again."""
    found: list[Clause] = []
    body: list[Segment] = []
    for piece, ends in _pieces(segments):
        if ends:
            found.append(_clause(body, piece.text))
            body = []
        elif piece.text:
            body.append(piece)
    return [*found, _clause(body, "")] if body else found


def _pieces(segments: Segments) -> Iterator[tuple[Segment, bool]]:
    """Mentions, stretches of plain text, and the signs that end clauses (True); plain text may be empty."""
    depth = 0
    for segment in segments:
        start = 0
        for i, char in enumerate("" if segment.label else segment.text):
            depth = max(0, depth + (char in _OPEN) - (char in _CLOSE))
            if depth == 0 and _END.match(char) and not _between_figures(segment.text, i):
                yield Segment(segment.text[start:i]), False
                yield Segment(char), True
                start = i + 1
        yield Segment(segment.text[start:], segment.label), False


def _between_figures(text: str, i: int) -> bool:
    """Whether a sign joins letters or figures: 94,649 and V1,V2."""
    return 0 < i < len(text) - 1 and text[i - 1].isalnum() and text[i + 1].isalnum() and text[i - 1].isascii()


def _clause(body: Sequence[Segment], sign: str) -> Clause:
    """The clause of these segments; numbering and blanks at its ends, and the sign, go to the place."""
    lead, tail, inner = "", sign, list(body)
    if inner and not inner[0].label:
        lead = (_NUMBERED.match(inner[0].text) or [""])[0]
        inner[0] = Segment(inner[0].text[len(lead) :])
    if inner and not inner[-1].label:
        kept = inner[-1].text.rstrip()
        tail = inner[-1].text[len(kept) :] + sign
        inner[-1] = Segment(kept)
    return Clause(lead, tuple(segment for segment in inner if segment.text), tail)


def _similar(segments: Segments, material: Material, rng: Random) -> list[Segments]:
    """The most similar of some other reports, the most similar first."""
    places = rng.sample(range(len(material.reports)), min(CANDIDATES, len(material.reports)))
    own = pairs(segments)
    scored = [(_jaccard(own, material.pairs[i]), i) for i in places if material.reports[i] != segments]
    best = sorted(((score, i) for score, i in scored if score >= LEAST_SIMILAR), reverse=True)
    return [material.reports[i] for _, i in best[:DONORS]]


def _jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    return len(one & other) / max(len(one | other), 1)


def _by_labels(reports: Sequence[Segments]) -> dict[tuple[str, ...], set[Segments]]:
    """The clauses with mentions, by their labels in order."""
    fitting: dict[tuple[str, ...], set[Segments]] = {}
    for clause in chain.from_iterable(clauses_of(report) for report in reports):
        if clause.labels:
            fitting.setdefault(clause.labels, set()).add(clause.body)
    return fitting


def _text(segments: Segments) -> str:
    return "".join(segment.text for segment in segments)
