"""Findings that the report denies: 未见房颤, 除外心肌梗死, 无ST-T改变, ST段无明显偏移, 无ST段抬高、压低.

Annotation guidelines leave them without a span, so they are looked up in the lexicon of the rules.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from backend.ner.spans import Span
from backend.parsing.canonical import canonical
from backend.parsing.certainty import Certainties
from backend.parsing.resources import words
from backend.rules import lexicon
from backend.rules.fold import fold
from backend.rules.negation import FINDING_LABELS

_SUBJECT_REACH = 12  # characters before a negation that its subject may take
_SHAPES = re.compile(r"[^,。;\n\r]{2,16}")
_QUALITY = r"(?:明显|显著|明确|确切|动态)*"
_SHAPE = re.compile(rf"{_QUALITY}([^、及或和与/]{{2,6}})[、及或和与/]?")
# What joins a further shape to a finding; group 1 ends where the name of the shape begins, its blank included.
_NEXT_SHAPE = re.compile(rf"([ \t]?[、及或和与/][ \t]?{_QUALITY}|[ \t](?:or|and)(?=[ \t]))[ \t]?")
_AMOUNT = re.compile(r"[ \t]*[0-9]")
_LONGEST_SHAPE = 12  # characters


@dataclass(frozen=True, slots=True)
class Denial:
    """A denied finding: offsets, the label that it would have, its name, the precision of its family (0..1)."""

    start: int
    end: int
    label: str
    name: str
    score: float


def find(text: str, certainties: Certainties, spans: Sequence[Span], labels: Collection[str]) -> list[Denial]:
    """Denied findings with a label of `labels` that no span touches, sorted.

    A limit (大于2.0秒的停搏) is part of the name.
    """
    if not certainties.may_deny or FINDING_LABELS.isdisjoint(labels):
        return []
    taken = bytearray(len(text))
    for span in spans:
        taken[span.start : span.end] = b"\x01" * (span.end - span.start)
    denials = [*_named(text, certainties), *_discontinuous(text, certainties)]
    free = (denial for denial in denials if denial.label in labels and not any(taken[denial.start : denial.end]))
    return sorted(free, key=lambda denial: (denial.start, denial.end))


def _named(text: str, certainties: Certainties) -> Iterator[Denial]:
    for finding in lexicon.find(certainties.text):
        if certainties.excluded(finding.start, finding.end):
            start = certainties.with_qualifier(finding.start)
            name = text[start : finding.start] + canonical(text[finding.start : finding.end])
            yield Denial(start, finding.end, finding.label, name, finding.family.score)
            yield from _further_shapes(text, certainties, finding)


def _further_shapes(text: str, certainties: Certainties, finding: lexicon.Finding) -> Iterator[Denial]:
    """压低 in 无ST段抬高、压低: what else the wave of a denied finding does not do."""
    folded, end = certainties.text, finding.end
    wave = _waves().search(folded, finding.start, finding.end)
    while wave and (joint := _NEXT_SHAPE.match(folded, end)):
        start = joint.end()
        found = lexicon.find(wave[0] + folded[joint.end(1) : start + _LONGEST_SHAPE])
        end = joint.end(1) + found[0].end - len(wave[0]) if found and found[0].start == 0 else 0
        of_its_own = any(other.start == 0 for other in lexicon.find(folded[start : start + _LONGEST_SHAPE]))
        if of_its_own or end <= start or _AMOUNT.match(folded, end) or not certainties.excluded(start, end):
            return
        name = canonical(text[slice(*wave.span())] + text[joint.end(1) : end])
        yield Denial(start, end, found[0].label, name, found[0].family.score)


def _discontinuous(text: str, certainties: Certainties) -> Iterator[Denial]:
    """ST段 + 未见 + 明显 + 压低, where ST段压低 is a finding."""
    folded = certainties.text
    for cue, end in certainties.denials():
        subject = _subjects().search(folded[max(0, cue - _SUBJECT_REACH) : cue])
        shapes = _SHAPES.match(folded, end)
        if subject and shapes:
            start = cue - len(subject[0])
            wave = text[start : start + len(subject[1])]
            for shape in _SHAPE.finditer(folded, end, shapes.end()):
                said = wave + text[shape.start(1) : shape.end(1)]
                found = lexicon.find(fold(said))
                if len(found) == 1 and (found[0].start, found[0].end) == (0, len(said)):
                    yield Denial(start, shape.end(1), found[0].label, canonical(said), found[0].family.score)


@cache
def _subjects() -> re.Pattern[str]:
    return re.compile(rf"({_waves().pattern})(?:形态|均|亦|也)?$")


@cache
def _waves() -> re.Pattern[str]:
    waves = "|".join(map(re.escape, words("discontinuous", "subjects")))
    return re.compile(rf"(?<![a-z])(?:{waves})")
