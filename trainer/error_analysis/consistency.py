"""Strings that annotators labelled in more than one way, and the places that are outvoted.

Not every inconsistency is a mistake: context may decide. Hence the votes are told with each place.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from backend.error_analysis import Inconsistency, Suspect, Use
from backend.ner.spans import Span
from backend.rules.fold import fold
from backend.rules.negation import is_denied, silence
from backend.rules.trie import Trie, cuts_word
from trainer.dataset import Report
from trainer.error_analysis.cases import CONTEXT, skeleton

UNLABELLED = ""
_MIN_LENGTH = 2
"""Shorter strings stand in too many words to say anything."""
_LETTER = re.compile(r"[^\W\d_]")
_LEAST_VOTES = 3
_LEAST_SHARE = 0.75
"""A use of a string outvotes the others with that many places and that share of them."""


@dataclass(frozen=True)
class Place:
    """One occurrence of a string: its report, its range, how it is labelled."""

    report: Report
    start: int
    end: int
    label: str


def inconsistent(reports: Sequence[Report]) -> dict[str, list[Place]]:
    """Strings with more than one use, with all their places.

    Labelled are spans of exactly that string, unlabelled are places that touch no span. Findings that are negated do
    not count as unlabelled. A string with a number is compared with its number as `#`, and only where it is labelled:
    whether a number is meant depends on what stands around it.
    """
    places: defaultdict[str, list[Place]] = defaultdict(list)
    for report in reports:
        for span in report.spans:
            if string := _string(report.text[span.start : span.end]):
                places[string].append(Place(report, span.start, span.end, span.label))
    strings = Trie((string, string) for string in sorted(places) if "#" not in string)
    for report in reports:
        for start, end, string in _unlabelled(report, strings):
            places[string].append(Place(report, start, end, UNLABELLED))
    return {string: found for string, found in places.items() if len({place.label for place in found}) > 1}


def as_inconsistencies(found: dict[str, list[Place]]) -> list[Inconsistency]:
    """The strings with their uses; those whose second use is most frequent come first."""
    rows = [Inconsistency(text=string, uses=_uses(places)) for string, places in found.items()]
    return sorted(rows, key=lambda row: (-row.uses[1].count, -row.uses[0].count, row.text))


def outvoted(found: dict[str, list[Place]]) -> list[Suspect]:
    """The places whose label the other places of the string outvote, in no order."""
    suspects = []
    for places in found.values():
        label, votes = Counter(place.label for place in places).most_common(1)[0]
        if votes >= _LEAST_VOTES and votes / len(places) >= _LEAST_SHARE:
            reason = f"{says(label)} in {votes} of {len(places)} places with the same string, here "
            strength = round((votes + 1) / (len(places) + 2), 4)
            suspects += [_suspect(p, label, strength, reason + says(p.label)) for p in places if p.label != label]
    return suspects


def says(label: str) -> str:
    """The label in a sentence."""
    return label or "no label"


def _string(text: str) -> str:
    string = skeleton(text)
    return string if len(string) >= _MIN_LENGTH and _LETTER.search(string) else ""


def _unlabelled(report: Report, strings: Trie[str]) -> Iterator[tuple[int, int, str]]:
    text = fold(report.text)
    silent, taken = silence(text), _taken(report.spans, len(text))
    at = 0
    while at < len(text):
        match = None if taken[at] or cuts_word(text, at) else strings.longest(text, at)
        if match is None:
            at += 1
            continue
        end, string = match
        if not any(taken[at:end]) and not is_denied(text, silent, at, end):
            yield at, end, string
        at = end


def _taken(spans: Sequence[Span], length: int) -> bytearray:
    taken = bytearray(length)
    for span in spans:
        taken[span.start : span.end] = b"\x01" * (span.end - span.start)
    return taken


def _uses(places: Sequence[Place]) -> list[Use]:
    counts = Counter(place.label for place in places)
    tasks = {label: sorted({p.report.task_id for p in places if p.label == label}) for label in counts}
    rows = [Use(label=label, count=count, tasks=tasks[label]) for label, count in counts.items()]
    return sorted(rows, key=lambda use: (-use.count, use.label))


def _suspect(place: Place, expected: str, strength: float, reason: str) -> Suspect:
    text = place.report.text
    return Suspect(
        task_id=place.report.task_id,
        start=place.start,
        end=place.end,
        label=place.label,
        expected=expected,
        text=text[place.start : place.end],
        before=text[max(0, place.start - CONTEXT) : place.start],
        after=text[place.end : place.end + CONTEXT],
        strength=strength,
        reason=reason,
    )
