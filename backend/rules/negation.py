"""Where findings do not count: negated clauses, advice, history, boilerplate, titles.

Only findings are asked about; numbers keep their own conditions (thresholds, reference ranges).
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from functools import cache

from backend.rules.fold import fold
from backend.rules.resources import table, words
from backend.rules.trie import Trie, cuts_word

# The labels that a negation takes away; readings and times stay what they are.
FINDING_LABELS = frozenset({"EVENT", "DIAG"})

_REACH = 120  # characters a scope spans at most: clauses are short, and it bounds the work
_LIST_NUMBER = r"(?<=[ \t])\(?[0-9]{1,2}[.、)](?![0-9])"
_FULL_STOP = r"(?<=[a-z\u4e00-\u9fff)])\.(?=[\s\u4e00-\u9fff]|$)"  # of English, or typed for 。; no decimal point
_AFTER_GAP = re.compile(r"(?:\([a-z0-9]{1,12}\))?[ \t]{0,4}[:=|]?[ \t]{0,4}")
# 室早、房早均未见: 均 says that the denial is of each item of the list.
_EACH = re.compile(r"(?:(?:、|及|和|或|与|以及)[^、及和或与,.:。;!?|\n\r]{1,16}){0,8}(?:均|都|皆)[ \t]?")
_LIST_GOES_ON = ("、", "及", "和", "或", "与")
_STATEMENT_END = re.compile(r"[ \t]*(?:$|[,。;!?、\n\r|)\]])|[ \t]{1,8}")


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
    return Silence.of([*_scopes(text), *boilerplate(text)])


def is_denied(text: str, silent: Silence, start: int, end: int) -> bool:
    """Whether a finding at `text[start:end]` is negated or belongs to a silent part of the report."""
    return silent.covers(start) or denied_after(text, end)


def denied_after(text: str, end: int) -> bool:
    """Whether what ends at `end` is denied by what follows: `早搏：无`, `ST-T改变(-)`, `室早、房早均未见`."""
    gap = _AFTER_GAP.match(text, end)
    starts = [gap.end() if gap else end]
    if text[starts[0] : starts[0] + 1] == "(":  # (已排除)
        starts.append(starts[0] + 1)
    each = _EACH.match(text, end)
    starts += [each.end()] if each else []
    found = (_cues().after.longest(text, start) for start in starts)
    return any(cue is not None and _STATEMENT_END.match(text, cue[0]) is not None for cue in found)


def _scopes(text: str) -> list[tuple[int, int]]:
    cues, ranges, i = _cues(), [], 0
    while i < len(text):
        found = cues.openers.longest(text, i)
        if found is None or cuts_word(text, i):
            i += 1
            continue
        end, kind = found
        if kind != "none":
            ranges.append((i if kind == "title" else end, end if kind == "title" else _scope_end(text, end, kind)))
        i = end
    return ranges


def _scope_end(text: str, start: int, kind: str) -> int:
    """End of a scope: the next clause end (headings: sentence end), or a word that opens a new statement."""
    cues = _cues()
    ends = cues.sentence_ends if kind == "heading" else cues.clause_ends
    limit = min(len(text), start + _REACH)
    end = clause_end(ends, text, start, limit)
    if kind == "negation":
        opener = cues.opens.search(text, start, end)
        end = opener.start() if opener else end
    return end


def clause_end(ends: re.Pattern[str], text: str, start: int, limit: int) -> int:
    """Where the clause from `start` on ends, `limit` at the latest; a line end within a list (、及) ends none."""
    stop = ends.search(text, start, limit)
    while stop and stop[0] in "\r\n" and text[start : stop.start()].rstrip()[-1:] in _LIST_GOES_ON:
        stop = ends.search(text, stop.end(), limit)
    return stop.start() if stop else limit


def boilerplate(text: str) -> list[tuple[int, int]]:
    """Half-open ranges of paragraphs that say nothing of this tracing: explanations, notices."""
    return [match.span() for match in _cues().boilerplate.finditer(text)]


@dataclass(frozen=True)
class _Cues:
    openers: Trie[str]
    after: Trie[bool]
    opens: re.Pattern[str]
    clause_ends: re.Pattern[str]
    sentence_ends: re.Pattern[str]
    boilerplate: re.Pattern[str]


@cache
def _cues() -> _Cues:
    data = table("context.toml")
    negation, silent = data["negation"], data["silent"]
    kinds = [
        *((fold(word), "none") for word in negation["not_negation"]),
        *((fold(word), "negation") for word in negation["before"]),
        *((fold(word), "advice") for word in silent["advice"]),
        *((fold(word) + colon, "heading") for word in silent["headings"] for colon in (":", " :")),
        *((fold(word), "title") for word in silent["titles"]),
    ]
    boilerplate = "|".join(map(re.escape, words("context.toml", "silent", "boilerplate")))
    return _Cues(
        openers=Trie(kinds),
        after=Trie((fold(word), True) for word in negation["after"]),
        opens=re.compile("|".join(map(re.escape, words("context.toml", "negation", "opens")))),
        clause_ends=re.compile(f"[{re.escape(fold(negation['ends']))}]|{_LIST_NUMBER}|{_FULL_STOP}"),
        sentence_ends=re.compile(f"[{re.escape(fold(silent['ends']))}]|{_FULL_STOP}"),
        boilerplate=re.compile(rf"(?m)^[ \t]{{0,8}}(?:{boilerplate})[^\n]*"),
    )
