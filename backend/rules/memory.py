"""Strings that annotators labelled, remembered as proposals for other reports."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from backend.ner.spans import Span, trimmed
from backend.rules.fold import fold
from backend.rules.negation import FINDING_LABELS, is_denied, silence
from backend.rules.trie import Trie, cuts_word

# A string is proposed when annotators labelled at least this share of its occurrences. Held-out F1 of memory alone,
# built from 10 / 50 / 150 reports: on the composed ECG pool (EVENT + DIAG) 44.8 / 82.4 / 93.4 at 0.8, within 0.1 of
# that for every share from 0.5 to 0.95; on the public resume corpus, from 1000 reports,
# 53.9 at 0.5, 57.2 at 0.8, 56.3 at 0.95.
MIN_SHARE = 0.8
_MIN_LENGTH = 2
# At least one letter or Han character: numbers belong to the patterns.
_WORD = re.compile(r"[^\W\d_]")
_FORMAT = 1


@dataclass(frozen=True)
class SpanMemory:
    """Folded string -> how often it was labelled (per label) and how often it stood there unlabelled."""

    labelled: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    unlabelled: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def from_reports(
        cls, reports: Iterable[tuple[str, Sequence[Span]]], known: Mapping[str, Mapping[str, int]] | None = None
    ) -> SpanMemory:
        """Count over annotated reports; strings of `known` (as in `labelled`) count against as well.

        White space at the edges of a span is no part of its string. Neither way count occurrences that touch a
        labelled span, and unlabelled findings (EVENT, DIAG) that are negated: `find`'s caller drops those anyway, they
        say nothing against the string.
        """
        folded = [(fold(text), sorted(spans)) for text, spans in reports]
        labelled: dict[str, Counter[str]] = {}
        for text, spans in folded:
            for span in spans:
                said = text[slice(*trimmed(text, span.start, span.end))]
                if len(said) >= _MIN_LENGTH and _WORD.search(said):
                    labelled.setdefault(said, Counter())[span.label] += 1
        sought: dict[str, Mapping[str, int]] = {**(known or {}), **labelled}
        matcher = Trie((said, said) for said in sorted(sought))
        findings = {said for said, counts in sought.items() if FINDING_LABELS.intersection(counts)}
        unlabelled: Counter[str] = Counter()
        for text, spans in folded:
            unlabelled.update(_left_out(text, spans, matcher, findings))
        return cls({said: dict(counts) for said, counts in labelled.items()}, dict(unlabelled))

    def extended(self, reports: Iterable[tuple[str, Sequence[Span]]]) -> SpanMemory:
        """This memory and what further reports say for and against its strings and their own.

        >>> SpanMemory({"ab": {"X": 1}}).extended([("ab ab cd", [Span(6, 8, "X")])])
        SpanMemory(labelled={'ab': {'X': 1}, 'cd': {'X': 1}}, unlabelled={'ab': 2})
        """
        return self + SpanMemory.from_reports(reports, self.labelled)

    def __add__(self, other: SpanMemory) -> SpanMemory:
        """Both counts added up."""
        labelled = {said: Counter(counts) for said, counts in self.labelled.items()}
        for said, counts in other.labelled.items():
            labelled.setdefault(said, Counter()).update(counts)
        unlabelled = Counter(self.unlabelled)
        unlabelled.update(other.unlabelled)
        return SpanMemory({said: dict(counts) for said, counts in labelled.items()}, dict(unlabelled))

    def beyond(self, other: SpanMemory) -> SpanMemory:
        """The strings that `other` has never seen labelled, with their counts."""
        return SpanMemory(
            {said: counts for said, counts in self.labelled.items() if said not in other.labelled},
            {said: count for said, count in self.unlabelled.items() if said not in other.labelled},
        )

    def find(self, text: str, labels: frozenset[str]) -> list[Span]:
        """Remembered strings in the folded text: disjoint, sorted, leftmost and longest, one of `labels` each."""
        found = []
        for start, end, said in _occurrences(self._matcher, text):
            label, share = self._proposals[said]
            if label in labels:
                found.append(Span(start, end, label, score=share, source="memory"))
        return found

    def to_json(self) -> str:
        """Canonical JSON: sorted keys, the same memory always gives the same bytes."""
        content = {
            "format": _FORMAT,
            "labelled": {said: dict(counts) for said, counts in self.labelled.items()},
            "unlabelled": dict(self.unlabelled),
        }
        return json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, content: str) -> SpanMemory:
        """Read what `to_json` wrote; ValueError if it is of another format."""
        stored = json.loads(content)
        if not isinstance(stored, dict) or stored.get("format") != _FORMAT:
            raise ValueError(f"span memory must have format {_FORMAT}")
        return cls(stored["labelled"], stored["unlabelled"])

    @cached_property
    def _proposals(self) -> dict[str, tuple[str, float]]:
        """String -> majority label and its smoothed share, for the strings worth proposing."""
        proposals = {}
        for said, counts in self.labelled.items():
            label, times = max(counts.items(), key=lambda item: (item[1], item[0]))
            total = sum(counts.values()) + self.unlabelled.get(said, 0)
            if times / total >= MIN_SHARE:
                proposals[said] = (label, (times + 1) / (total + 2))
        return proposals

    @cached_property
    def _matcher(self) -> Trie[str]:
        return Trie((said, said) for said in sorted(self._proposals))


def _left_out(text: str, spans: Sequence[Span], matcher: Trie[str], findings: set[str]) -> Iterator[str]:
    """The remembered strings that stand in an annotated report without a label."""
    taken, silent = _taken(len(text), spans), silence(text)
    for start, end, said in _occurrences(matcher, text):
        if not any(taken[start:end]) and not (said in findings and is_denied(text, silent, start, end)):
            yield said


def _taken(length: int, spans: Sequence[Span]) -> bytearray:
    taken = bytearray(length)
    for span in spans:
        taken[span.start : span.end] = b"\x01" * (min(span.end, length) - span.start)
    return taken


def _occurrences(matcher: Trie[str], text: str) -> Iterator[tuple[int, int, str]]:
    i = 0
    while i < len(text):
        found = matcher.longest(text, i)
        if found is None or cuts_word(text, i):
            i += 1
            continue
        yield i, found[0], found[1]
        i = found[0]


EMPTY_MEMORY = SpanMemory()
