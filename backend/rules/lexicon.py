"""Findings by lexicon and composition: modifiers + term, read from lexicon.toml."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import product

from backend.rules.fold import fold
from backend.rules.resources import longest_first, table
from backend.rules.trie import Trie, cuts_word, squeeze

_MAX_MODIFIERS = 4  # keeps the work per finding bounded on pathological texts
_LEAD = re.compile(r"(?:^|[^a-z])(?:av[rlf]|i{1,3})$")
_GUARD_REACH = 12  # characters before a term that `not_after` may look at


@dataclass(frozen=True, slots=True)
class Family:
    """One group of findings and the conditions under which its terms count."""

    name: str
    label: str
    score: float
    needs_after: re.Pattern[str] | None
    not_before: re.Pattern[str] | None
    not_after: re.Pattern[str] | None
    event_after: re.Pattern[str] | None
    event_with: frozenset[str]
    event_in_exercise: bool

    def admits(self, text: str, start: int, end: int) -> bool:
        """Whether the surroundings allow `text[start:end]` to be a finding of this family."""
        if self.needs_after and not self.needs_after.match(text, end):
            return False
        if self.not_before and self.not_before.match(text, end):
            return False
        return not (self.not_after and self.not_after.search(text[max(0, start - _GUARD_REACH) : start]))


@dataclass(frozen=True, slots=True)
class Finding:
    """A finding in the folded text, modifiers included; `label` already decided."""

    start: int
    end: int
    label: str
    family: Family
    term_start: int


def find(text: str) -> list[Finding]:
    """Findings of the folded text, sorted and disjoint, leftmost and longest; negation is not looked at."""
    lexicon = _lexicon()
    corrected = lexicon.correct(text)
    findings: list[Finding] = []
    floor = i = 0
    while i < len(corrected):
        matched = lexicon.match(corrected, i)
        if matched is None:
            i += 1
            continue
        end, family = matched
        if findings and findings[-1].end == i and lexicon.is_modifier(corrected, findings[-1]):
            floor = findings.pop().start  # 成对 + 室早: what looked like a finding modifies this one
        start, modifiers = lexicon.extend_left(corrected, i, floor)
        findings.append(Finding(start, end, _label(corrected, end, family, modifiers), family, i))
        floor = i = end
    return findings


def refuses(text: str, start: int, end: int) -> bool:
    """Whether `text[start:end]` is a term of the lexicon that its surroundings rule out here (最[慢心室率]55次/分)."""
    families = _lexicon().exact.get(squeeze(text[start:end]), ())
    return bool(families) and not any(family.admits(text, start, end) for family in families)


def _label(text: str, end: int, family: Family, modifiers: list[str]) -> str:
    """DIAG becomes EVENT where a modifier or what follows says that it comes and goes."""
    if family.event_with.intersection(modifiers) or (family.event_after and family.event_after.match(text, end)):
        return "EVENT"
    return family.label


@dataclass(frozen=True, slots=True)
class _Lexicon:
    typos: re.Pattern[str]
    corrections: dict[str, str]
    terms: Trie[tuple[Family, ...]]
    exact: dict[str, tuple[Family, ...]]
    modifiers: Trie[str]

    def correct(self, text: str) -> str:
        """The text with typical typing errors put right; the length stays the same."""
        return self.typos.sub(lambda match: self.corrections[match[0]], text)

    def match(self, text: str, start: int) -> tuple[int, Family] | None:
        """The longest admitted term at `start`: its end and family."""
        found = self.terms.longest(text, start)
        if found is None or _inside_word(text, start):
            return None
        end, families = found
        return next(((end, family) for family in families if family.admits(text, start, end)), None)

    def is_modifier(self, text: str, finding: Finding) -> bool:
        """Whether the last word of a finding is a modifier (单发, 成对), so that it may belong to the next finding."""
        last = self.modifiers.longest(text, finding.end)
        return last is not None and last[0] == finding.term_start

    def extend_left(self, text: str, start: int, floor: int) -> tuple[int, list[str]]:
        """Take in the modifiers directly before `start`, not beyond `floor`."""
        taken: list[str] = []
        while len(taken) < _MAX_MODIFIERS:
            found = self.modifiers.longest(text, start)
            if found is None or found[0] < floor:
                break
            start, modifier = found
            taken.append(modifier)
        return start, taken


def _inside_word(text: str, i: int) -> bool:
    """Whether position `i` lies inside a Latin word; a lead directly before (aVL T波倒置) is a word of its own."""
    return cuts_word(text, i) and _LEAD.search(text[max(0, i - 4) : i]) is None


@cache
def _lexicon() -> _Lexicon:
    data = table("lexicon.toml")
    corrections = {fold(wrong): fold(right) for wrong, right in data["typos"].items()}
    by_term: dict[str, tuple[Family, ...]] = {}
    for entry in data["family"]:
        family = _family(entry)
        for term in expand(entry["terms"], data["parts"]):
            key = squeeze(term)
            by_term[key] = (*by_term.get(key, ()), family)
    modifiers = {fold(word) for group in data["modifiers"].values() for word in group}
    return _Lexicon(
        typos=re.compile("|".join(map(re.escape, longest_first(corrections)))),
        corrections=corrections,
        terms=Trie(by_term.items()),
        exact=by_term,
        modifiers=Trie(((word, word) for word in sorted(modifiers)), backward=True),
    )


def _family(entry: dict[str, object]) -> Family:
    def pattern(key: str, template: str = "(?:{})") -> re.Pattern[str] | None:
        source = entry.get(key)
        return re.compile(template.format(source)) if source else None

    transient = entry.get("event_with", ())
    return Family(
        name=str(entry["name"]),
        label=str(entry["label"]),
        score=float(str(entry["score"])),
        needs_after=pattern("needs_after"),
        not_before=pattern("not_before"),
        not_after=pattern("not_after", "(?:{})$"),
        event_after=pattern("event_after"),
        event_with=frozenset(fold(str(word)) for word in transient) if isinstance(transient, list) else frozenset(),
        event_in_exercise=bool(entry.get("event_in_exercise", False)),
    )


def expand(terms: list[str], parts: dict[str, list[str]]) -> Iterator[str]:
    """Write out the `{part}` and `{part?}` of terms, folded.

    >>> list(expand(["{site}早搏{x?}"], {"site": ["房性", "室性"], "x": ["成对"]}))
    ['房性早搏成对', '房性早搏', '室性早搏成对', '室性早搏']
    """
    for term in terms:
        pieces = re.split(r"\{(\w+\??)\}", term)
        choices = [[piece] if i % 2 == 0 else _choice(piece, parts) for i, piece in enumerate(pieces)]
        for chosen in product(*choices):
            yield fold("".join(chosen))


def _choice(name: str, parts: dict[str, list[str]]) -> list[str]:
    return [*parts[name[:-1]], ""] if name.endswith("?") else parts[name]
