"""Where findings do not count: negated clauses, advice, history, boilerplate, titles.

Only findings are asked about; numbers keep their own conditions (thresholds, reference ranges).
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from backend.rules import boxes
from backend.rules.fold import fold
from backend.rules.resources import any_of, table, words
from backend.rules.trie import Trie, cuts_word

# The labels that a negation takes away; readings and times stay what they are.
FINDING_LABELS = frozenset({"EVENT", "DIAG"})
Lists = Mapping[str, list[str]]

_REACH = 120  # characters a scope spans at most: clauses are short, and it bounds the work
_LIST_NUMBER = r"(?<=[ \t])\(?[0-9]{1,2}[.、)](?![0-9])"
_FULL_STOP = r"(?<=[a-z\u4e00-\u9fff)])\.(?=[\s\u4e00-\u9fff]|$)"  # of English, or typed for 。; no decimal point
_SEPARATOR = r":(?:[ \t]{0,4}\r?\n)?|[=|]|-{1,2}(?=[ \t])"
_ASIDE = r"(?:\([a-z0-9]{1,12}\))?(?:[ \t]{0,4}\?)?"  # 房颤(AF)：无, 房颤？未见
_AFTER_GAP = re.compile(rf"{_ASIDE}(?P<set_apart>[ \t]{{0,4}}(?:{_SEPARATOR}|[为系是])?[ \t]{{0,4}})")
_LIST_GOES_ON = ("、", "及", "和", "或", "与")
_FIELD = r"[ \t](?=[\u4e00-\u9fff][^\s:,、。;|]{0,11}[ \t]?:(?![0-9]))"  # 房颤：无 房扑：有
_END = r"[ \t]*(?:$|[,。;!?、\n\r|)\]]|\.(?![0-9]))"
_STATEMENT_END = re.compile(rf"{_END}|[ \t]{{1,8}}")
_ANSWER_END = re.compile(rf"{_END}|[ \t]{{2,8}}|\t|{_FIELD}")
_HISTORY_TOLD = r"(?<!既往)(?<!既往病)史[ \t]"  # 既往房颤史 室早3次
_LASTING_REACH = 40  # characters of the longest finding that no list denies


@dataclass(frozen=True)
class Silence:
    """Half-open ranges of the folded text, sorted by start, in which no finding is labelled."""

    starts: tuple[int, ...]
    reach: tuple[int, ...]  # reach[i]: the farthest end among ranges 0..i

    @classmethod
    def of(cls, ranges: list[tuple[int, int]]) -> Silence:
        """Index the ranges for lookups."""
        reach: list[int] = []
        for _, end in sorted(ranges):
            reach.append(max(end, reach[-1] if reach else 0))
        return cls(tuple(start for start, _ in sorted(ranges)), tuple(reach))

    def covers(self, position: int) -> bool:
        """Whether `position` lies in one of the ranges."""
        i = bisect_right(self.starts, position)
        return i > 0 and self.reach[i - 1] > position


def silence(text: str) -> Silence:
    """All ranges of the folded text whose findings must not be labelled."""
    return Silence.of([*_scopes(text), *boilerplate(text), *boxes.unticked(text)])


def is_denied(text: str, silent: Silence, start: int, end: int) -> bool:
    """Whether a finding at `text[start:end]` is negated or belongs to a silent part of the report."""
    return silent.covers(start) or denied_after(text, end) or is_history(text, end)


def denied_after(text: str, end: int) -> bool:
    """Whether what ends at `end` is denied by what follows: `早搏：无`, `ST-T改变(-)`, `室早、房早未见`, `AF: no`."""
    return any(_denied_right_after(text, place) for place in _ends(text, end))


def is_history(text: str, end: int) -> bool:
    """Whether what ends at `end`, or the list that it begins, is called history: 房颤史, 房颤、室早病史."""
    return any(_cues().history_after.match(text, place) for place in _ends(text, end))


def _ends(text: str, end: int) -> list[int]:
    """Where a finding ends and, unless it is one that no denial of others touches, where the list ends after it."""
    listed = _cues().listed.match(text, end)
    if listed is None or listed.end() == end or _cues().lasting.search(text[max(0, end - _LASTING_REACH) : end]):
        return [end]
    return [end, listed.end()]


def _denied_right_after(text: str, end: int) -> bool:
    gap = _AFTER_GAP.match(text, end)
    starts = [(gap.end(), bool(gap["set_apart"])) if gap else (end, False)]
    if text[starts[0][0] : starts[0][0] + 1] in ("(", "["):  # (已排除)
        starts.append((starts[0][0] + 1, True))
    for start, set_apart in starts:
        cue, answer = _cues().after.longest(text, start), _cues().answers.longest(text, start)
        if cue is not None and (cue[1] == "over" or _STATEMENT_END.match(text, cue[0])):
            return True
        if set_apart and answer is not None and _ANSWER_END.match(text, answer[0]):
            return True
    return False


def _scopes(text: str) -> list[tuple[int, int]]:
    cues, ranges, i = _cues(), [], 0
    while i < len(text):
        found = cues.openers.longest(text, i)
        if found is None or cuts_word(text, i):
            i += 1
            continue
        end, kind = found
        if kind != "none":
            ranges.append((i, end) if kind == "title" else (end, _scope_end(text, i, end, kind)))
        i = end
    return ranges


def _scope_end(text: str, cue: int, start: int, kind: str) -> int:
    """End of a scope: the next clause end (headings: sentence end), or a word that opens a new statement."""
    cues = _cues()
    if kind == "prefix":
        return start + 1
    ends = cues.sentence_ends if kind == "heading" else cues.clause_ends
    return scope_end(text, cue, start, kind, ends, cues.opens)


def scope_end(text: str, cue: int, start: int, kind: str, ends: re.Pattern[str], opens: re.Pattern[str]) -> int:
    """Where the scope ends that the cue `text[cue:start]` opens: at one of `ends`, or at a word that takes over.

    A line end within a list (、及) ends none, nor does one right behind a negation: 未见⏎室性早搏.
    """
    limit = min(len(text), start + _REACH)
    stop = ends.search(text, start, limit)
    while stop and stop[0] in "\r\n" and _goes_on(text, cue, start, stop.start(), kind):
        stop = ends.search(text, stop.end(), limit)
    end = stop.start() if stop else limit
    takes_over = {"negation": opens, "doubt": opens, "history": _cues().present}.get(kind)
    opener = takes_over.search(text, start, end) if takes_over else None
    return opener.start() if opener else end


def _goes_on(text: str, cue: int, start: int, end: int, kind: str) -> bool:
    """Whether a scope goes on behind the line end at `end`: in a list, or where nothing is denied so far."""
    said = text[start:end].strip(" \t\r\n:")
    if said[-1:] in _LIST_GOES_ON and said:
        return True
    if kind != "negation" or (said and said not in _cues().unfinished):
        return False
    # 室早：未见⏎房早3次: the answer about what stands before it, on its line or on the line above.
    before = text[max(0, cue - _REACH) : cue].rstrip(" \t")
    return not before.strip() or before.rstrip()[-1] in ",。;.!?、" or before.endswith(_cues().leads_in)


def boilerplate(text: str) -> list[tuple[int, int]]:
    """Half-open ranges of paragraphs that say nothing of this tracing: explanations, notices."""
    return [match.span() for match in _cues().boilerplate.finditer(text)]


@dataclass(frozen=True)
class _Cues:
    openers: Trie[str]
    after: Trie[str]
    answers: Trie[bool]
    history_after: re.Pattern[str]
    listed: re.Pattern[str]
    lasting: re.Pattern[str]
    leads_in: tuple[str, ...]
    unfinished: frozenset[str]
    present: re.Pattern[str]
    opens: re.Pattern[str]
    clause_ends: re.Pattern[str]
    sentence_ends: re.Pattern[str]
    boilerplate: re.Pattern[str]


@cache
def _cues() -> _Cues:
    negation, silent = table("context.toml")["negation"], table("context.toml")["silent"]
    after = [*((word, "over") for word in negation["over"]), *((word, "denied") for word in negation["after"])]
    boilerplate = "|".join(map(re.escape, words("context.toml", "silent", "boilerplate")))
    return _Cues(
        openers=Trie(_openers(negation, silent)),
        after=Trie((fold(word), kind) for word, kind in after),
        answers=Trie((fold(word), True) for word in negation["answers"]),
        history_after=re.compile(rf"(?<![烟酒族术药敏育婚])(?:{any_of(silent['history_after'])})"),
        listed=re.compile(_list_source(negation, silent)),
        lasting=re.compile(rf"(?:{any_of(negation['lasting'])})$"),
        leads_in=tuple(map(fold, negation["leads_in"])),
        unfinished=frozenset(map(fold, negation["unfinished"])),
        present=re.compile(rf"{any_of(silent['present'])}|{_HISTORY_TOLD}"),
        opens=re.compile(any_of(negation["opens"])),
        clause_ends=re.compile(f"{clause_end_source()}|{_LIST_NUMBER}|{_FULL_STOP}"),
        sentence_ends=re.compile(f"[{re.escape(fold(silent['ends']))}]|{_FULL_STOP}"),
        boilerplate=re.compile(rf"(?m)^[ \t]{{0,8}}(?:{boilerplate})[^\n]*"),
    )


def _openers(negation: Lists, silent: Lists) -> Iterator[tuple[str, str]]:
    """Words that open a scope, and its kind; the first of two equal words wins."""
    headings = [*silent["headings"], *silent["history_headings"]]
    yield from ((fold(word), "none") for word in (*negation["not_negation"], *silent["not_history"]))
    yield from ((fold(word), "negation") for word in negation["before"])
    yield from ((fold(word), "prefix") for word in negation["prefixes"])
    yield from ((fold(word), "advice") for word in silent["advice"])
    yield from ((fold(word), "history") for word in silent["history"])
    yield from ((fold(word) + colon, "heading") for word in headings for colon in (":", " :"))
    yield from ((fold(word), "title") for word in silent["titles"])


def _list_source(negation: Lists, silent: Lists) -> str:
    """The rest of a list behind its first item: 、房早及室速; a word of negation or of a new statement ends it."""
    ends = [*negation["before"], *negation["after"], *negation["opens"], *negation["over"], *silent["history_after"]]
    han = any_of(word for word in (*ends, "均", "都", "皆", "亦", "也", "有") if not word.isascii())
    latin = any_of(word for word in ends if word.isascii() and word.isalpha())
    stop = rf"{han}|(?<![a-z])(?:{latin}|and|or)(?![a-z])|{boxes.mark_pattern().pattern}"
    char = r"[^、及和或与/,.:。;!?|\s0-9()\[\]]|[0-9](?=[度°型相])|(?<=[a-z])[ ](?=[a-z])"
    joint = r"[ \t]?(?:以及|[、及和或与/])[ \t]?|[ \t](?:and|or)[ \t]"
    return rf"(?:(?:{joint})(?:(?!{stop})(?:{char})){{1,32}}){{0,12}}(?:[ \t]?,?[ \t]?(?:均|都|皆|亦|也))?[ \t]?"


def clause_end_source() -> str:
    """Regular expression of what ends a clause in the folded text, whoever reads it: punctuation, a field, a box."""
    ends = fold(table("context.toml")["negation"]["ends"])
    return f"[{re.escape(ends)}]|{_FIELD}|{boxes.mark_pattern().pattern}"
