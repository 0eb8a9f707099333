"""Stated, possible or excluded: what the words around a finding make of it.

- A word of negation (context.toml, `negation`) excludes what follows up to the end of its clause or to a word that
  opens a new statement; so does 除外, unless advice stands before it in the clause: 建议...除外 excludes nothing.
- A word of doubt (考虑, 可能, 不除外 ...) makes what follows possible, up to the same end.
- Behind a finding, 可能, 待排, 不除外, ? make the one right before possible; 除外, (-), 无 exclude it.
- The word nearest before the finding decides; a word behind it decides over those before.
- History, indication, advice and boilerplate say nothing: no finding is told as denied there. A span that a network
  or a person put on history (既往房颤史, 病史：房颤) is excluded all the same: it is no finding of this tracing.
- An empty box (☐房颤) excludes its words, whatever they say; so does a count of zero.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property

from backend.parsing.layout import mentions
from backend.parsing.report import Certainty
from backend.parsing.resources import names
from backend.rules.boxes import mark_pattern, unticked
from backend.rules.fold import fold
from backend.rules.negation import Lists, Silence, boilerplate, clause_end_source, denied_after, is_history, scope_end
from backend.rules.resources import any_of, table
from backend.rules.resources import words as rule_words
from backend.rules.trie import Trie

_BEHIND = re.compile(r"[ \t]*(?:\(|,(?=[^,。;\n]{0,4}伪差))?[ \t]*(?:图形|改变|表现)?")
_STATEMENT_END = re.compile(r"[ \t]*(?:$|[,。;!?、\n\r|)\]①-⑳]|\.(?![0-9]))|[ \t]+|请|建议")
_ITEM = r"[①-⑳]|\.(?![0-9])|(?<=[ \t])\(?[0-9]{1,2}[.、)](?![0-9])"  # a new sentence, or a new item of a list
_NOT_EXCLUDED = ("除外", "排除", "excluded", "rule out")
_QUALIFIER_REACH = 16
# What opens a scope -> its kind, where they differ.
_SCOPE_OF = {"heading": "silent", "history heading": "history", "purpose": "negation", "prefix": "negation"}
# 房早为0, 室早数 0, 室早[0]次, 室早: 0/24h, 室早占0.00%, 零次房早: there was none.
_ENDED = r"(?=[ \t]*(?:$|[,。;、\n\r)|])|[ \t]+[^\s:,、。;|]{1,12}[ \t]?:)"
_ZERO = r"(?:\[[ \t]?[0零〇][ \t]?\]|\([ \t]?[0零〇][ \t]?\)|[0零〇])"
_NONE = rf"{_ZERO}[ \t]*(?:次|个|阵)?(?:/[0-9.]{{1,4}}h)?"
_NONE_OF_IT = re.compile(
    rf"[ \t]*(?:(?:总?次?数|数量)?[ \t]*(?:为|[:=])|总?次?数|数量)[ \t]*{_NONE}{_ENDED}"
    rf"|[ \t]*[:=]?[ \t]*{_ZERO}[ \t]*(?:次|个|阵|对)(?![/每])"
    r"|[ \t]*(?:负荷|占比|占)?[:=]?[ \t]*0(?:\.0{1,3})?%"
)
# Before a finding only where nothing stands before that it could count: not 室速0次 房早5次.
_NONE_BEFORE = re.compile(rf"(?:^|[,。;、\n\r(]|共|计|见|有|记录到)[ \t]*{_ZERO}[ \t]*(?:次|个|阵|对)[ \t]*的?$")
_ZERO_REACH = 16
_DEGREES = r"[一二三四ⅰ-ⅳi0-9]+[度°]及?或?以上的?"
_LIMIT_UNIT = r"(?:秒|s|ms|毫秒|次/分|阵|个)?(?:以上)?的?"


@dataclass(frozen=True)
class Certainties:
    """Answers for one folded text."""

    text: str

    def at(self, start: int, end: int) -> Certainty:
        """Certainty of the finding at `text[start:end]`."""
        if self._unticked.covers(start):
            return "excluded"
        if self._doubted_behind(end):
            return "possible"
        if self._denied_by_neighbours(start, end) or is_history(self.text, end):
            return "excluded"
        match self._scope(start):
            case "doubt":
                return "possible"
            case "negation" | "history":
                return "excluded"
        return "stated"

    def _denied_by_neighbours(self, start: int, end: int) -> bool:
        if denied_after(self.text, end) or _cues().excluding.match(self.text, end):
            return True
        none_before = _NONE_BEFORE.search(self.text[max(0, start - _ZERO_REACH) : start])
        return none_before is not None or _NONE_OF_IT.match(self.text, end) is not None

    def _doubted_behind(self, end: int) -> bool:
        """Whether a word of doubt stands right behind `end` and nothing follows that it could belong to."""
        gap = _BEHIND.match(self.text, end)
        found = _cues().after.longest(self.text, gap.end() if gap else end)
        if found is None or found[1] != "doubt":
            return False
        if self.text[gap.end() if gap else end : found[0]] == "?":
            return not denied_after(self.text, end)  # 房颤？未见: the question has its answer
        return self.text[found[0] - 1] == "?" or _STATEMENT_END.match(self.text, found[0]) is not None

    def excluded(self, start: int, end: int) -> bool:
        """Whether the report itself denies the finding: not in history, advice or boilerplate."""
        silent = self._scope(start) in ("silent", "history") or is_history(self.text, end)
        return not silent and self.at(start, end) == "excluded"

    def with_qualifier(self, start: int) -> int:
        """Start of a denied finding with the limit that belongs to it: 大于2.0秒的停搏, 二度及以上房室传导阻滞."""
        floor = max(0, start - _QUALIFIER_REACH)
        match = _cues().qualifier.search(self.text[floor:start])
        return floor + match.start() if match else start

    @property
    def may_deny(self) -> bool:
        """Whether the text has any word that can deny a finding."""
        return _cues().denying.search(self.text) is not None or mark_pattern().search(self.text) is not None

    def denials(self) -> list[tuple[int, int]]:
        """Where each word of negation stands, half-open."""
        return [(scope.cue, scope.start) for scope in self._scopes if scope.kind == "negation"]

    def _scope(self, position: int) -> str:
        i = bisect_right(self._starts, position) - 1
        # Scopes may nest (未见 ... 可能 ...): the innermost that still reaches here.
        for scope in reversed(self._scopes[max(0, i - 8) : i + 1]):
            if scope.start <= position < scope.end:
                return scope.kind
        return ""

    @cached_property
    def _unticked(self) -> Silence:
        return Silence.of(unticked(self.text))

    @cached_property
    def _starts(self) -> list[int]:
        return [scope.start for scope in self._scopes]

    @cached_property
    def _scopes(self) -> list[_Scope]:
        return list(self._opened())

    def _opened(self) -> Iterator[_Scope]:
        cues = _cues()
        unread = [(start, end, "boilerplate") for start, end in boilerplate(self.text)]
        silent = 0  # where advice, history or boilerplate ends; words of doubt and negation in there mean nothing
        for start, end, kind in sorted([*unread, *mentions(cues.openers, self.text)]):
            if kind == "boilerplate":
                scope = _Scope(start, start, end, "silent")
            elif kind == "none" or end <= silent:
                continue
            else:
                name = _SCOPE_OF.get(kind, kind)
                scope = _Scope(start, end, self._end(start, end, kind), name)
            silent = max(silent, scope.end) if scope.kind in ("silent", "history") else silent
            yield scope

    def _end(self, cue: int, start: int, kind: str) -> int:
        cues = _cues()
        if kind == "prefix":
            return start + 1
        ends = cues.sentence_ends if kind.endswith("heading") else cues.clause_ends
        return scope_end(self.text, cue, start, kind, ends, cues.opens)


@dataclass(frozen=True, slots=True)
class _Scope:
    """A half-open range in which findings are of one kind; what opens it begins at `cue`.

    The kinds: doubt, negation, history, silent.
    """

    cue: int
    start: int
    end: int
    kind: str


@dataclass(frozen=True)
class _Cues:
    openers: Trie[str]
    after: Trie[str]
    excluding: re.Pattern[str]
    denying: re.Pattern[str]
    opens: re.Pattern[str]
    clause_ends: re.Pattern[str]
    sentence_ends: re.Pattern[str]
    qualifier: re.Pattern[str]


@cache
def _cues() -> _Cues:
    context, doubt = table("context.toml"), names()["doubt"]
    negation, silent = context["negation"], context["silent"]
    doubtful = [*doubt["after"], *_not_excluded(negation)]
    after = [*((word, "none") for word in doubt["not_doubt"]), *((word, "doubt") for word in doubtful)]
    opens = set(map(fold, negation["opens"])).difference(map(fold, doubt["before"]))
    denying = [word for key in ("before", "prefixes", "after", "answers", "over") for word in negation[key]]
    limits = any_of(rule_words("patterns.toml", "thresholds", "before"))
    return _Cues(
        openers=Trie((fold(word), kind) for word, kind in _openers(negation, silent, doubt)),
        after=Trie((fold(word), kind) for word, kind in after),
        excluding=re.compile(rf"(?:{any_of(doubt['excluding'])})(?:[,。;\n\r)]|$)"),
        denying=re.compile(any_of([*denying, *doubt["excluding"]])),
        opens=re.compile(any_of(opens)),
        clause_ends=re.compile(f"{clause_end_source()}|{_ITEM}"),
        sentence_ends=re.compile(f"[{re.escape(fold(silent['ends']))}]|{_ITEM}"),
        qualifier=re.compile(rf"(?:(?:{limits})[ \t]*[0-9.]+[ \t]*{_LIMIT_UNIT}|{_DEGREES})$"),
    )


def _not_excluded(negation: Lists) -> list[str]:
    return [word for word in negation["not_negation"] if word.endswith(_NOT_EXCLUDED)]


def _openers(negation: Lists, silent: Lists, doubt: Lists) -> Iterator[tuple[str, str]]:
    """Words that open a scope, and its kind; the first of two equal words wins."""
    # 不除外, 难以排除: the rules only know that they are no negation; here they are doubt. 待排除, 需排除 are advice.
    before = [word for word in _not_excluded(negation) if not word.startswith(("需", "待"))]
    yield from ((word, "doubt") for word in (*before, *doubt["before"]))
    yield from ((word, "none") for word in (*doubt["not_doubt"], *negation["not_negation"], *silent["not_history"]))
    yield from ((word, "negation") for word in negation["before"])
    yield from ((word, "prefix") for word in negation["prefixes"])
    yield from ((word, "purpose") for word in doubt["excluding"])
    yield from ((word, "silent") for word in silent["advice"])
    yield from ((word, "history") for word in silent["history"])
    yield from ((word + colon, "heading") for word in silent["headings"] for colon in (":", " :"))
    yield from ((word + colon, "history heading") for word in silent["history_headings"] for colon in (":", " :"))
