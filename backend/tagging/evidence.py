"""What rules, span memory and a word list say about texts, as columns of ids that features are made of.

All are evidence and none decides: the tagger learns from annotated reports how far to trust each rule and memory, with
which label. So rules help under any label set: `rate` proposes HR, and where that is called 心率, it is learned.
"""

from __future__ import annotations

import re
import unicodedata
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import rjieba
from numpy.typing import NDArray

from backend.ner.spans import Span
from backend.rules import LABELS, SpanMemory, propose
from backend.rules.fold import fold
from backend.rules.negation import silence

Ids = NDArray[np.uint32]
NONE = 0
"""The id of what is not there: no proposal, or a place beyond the ends of the text."""
SHARES = 4
"""Steps in which memory tells how often a string was labelled where it stood."""
KEPT = 1 << 16
"""Words whose ids are kept: reports bring new numbers and names for as long as a process lives."""
KINDS = ["digit", "blank", "latin", "han", "stop", "comma", "bracket", "sign", "other"]
"""Kinds of characters; the id of a kind is its place here, from 1."""
_DIGITS = re.compile("[0-9]")
_MARKS = {".。": "stop", ",，;；、:：": "comma", '()（）[]【】"“”': "bracket", "-~/%°+": "sign"}
_PLACES = {"single": 1, "begin": 2, "middle": 3, "end": 4}


@dataclass(frozen=True, eq=False)
class Evidence:
    """Ids of the code points of texts, one text after the other: name of a column -> [code points].

    characters   the folded character, each digit as 0; `kinds` what kind it is of
    rules        the tag that the rules propose (`tag_id`), `rule_names` by which rule; `denied` where findings are not
                 labelled
    memory       the tag that span memory proposes, `shares` how often its string was labelled where it stood
    words        the word of a character, `parts_of_speech` and the character's `places` in it; `words_before` and
                 `words_after`, `parts_before` and `parts_after` those of its neighbours
    """

    lengths: tuple[int, ...]
    columns: dict[str, Ids]


def gather(texts: Sequence[str], memories: Sequence[SpanMemory], labels: Iterable[str]) -> Evidence:
    """The evidence on each text with its own memory: in training one that was made without the text."""
    folded, known = [fold(text) for text in texts], frozenset(labels)
    proposed = [propose(text, LABELS) for text in texts]
    remembered = [memory.find(text, known) for text, memory in zip(folded, memories, strict=True)]
    rules, rule_names = _painted(folded, proposed, lambda span: named(span.source))
    memory, shares = _painted(folded, remembered, lambda span: share_id(span.score))
    columns = {"rules": rules, "rule_names": rule_names, "denied": _denied(folded), "memory": memory, "shares": shares}
    return Evidence(tuple(map(len, texts)), columns | _characters(folded) | _words(folded))


@lru_cache(maxsize=KEPT)
def named(name: str) -> int:
    """The id of a name, the same in every process."""
    return zlib.crc32(name.encode())


def tag_id(label: str, first: bool) -> int:
    """The id of a proposed tag: B of the label at the first character of a span, else I."""
    return named(f"{'B' if first else 'I'}-{label}")


def share_id(share: float) -> int:
    """The id of a share of 0..1."""
    return 1 + int(share * SHARES)


def _painted(texts: Sequence[str], spans: Sequence[Sequence[Span]], name: Callable[[Span], int]) -> tuple[Ids, Ids]:
    """Columns of the tags that the spans give, and of what `name` says of each span."""
    tags = np.zeros(sum(map(len, texts)), dtype=np.uint32)
    names, at = np.zeros_like(tags), 0
    for text, found in zip(texts, spans, strict=True):
        for span in found:
            tags[at + span.start : at + span.end] = tag_id(span.label, first=False)
            tags[at + span.start] = tag_id(span.label, first=True)
            names[at + span.start : at + span.end] = name(span)
        at += len(text)
    return tags, names


def _denied(texts: Sequence[str]) -> Ids:
    """1 where a negation, advice or boilerplate keeps findings from being labelled."""
    denied, at = np.zeros(sum(map(len, texts)), dtype=np.uint32), 0
    for text in texts:
        silent = silence(text)
        for start, end in zip(silent.starts, silent.reach, strict=True):
            denied[at + start : at + end] = 1
        at += len(text)
    return denied


def _characters(texts: Sequence[str]) -> dict[str, Ids]:
    """Characters and their kinds."""
    joined = _DIGITS.sub("0", "".join(texts))
    codes = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    distinct, places = np.unique(codes, return_inverse=True)
    kinds = np.array([_kind(chr(code)) for code in distinct.tolist()], dtype=np.uint32)
    return {"characters": codes, "kinds": kinds[places] if len(codes) else codes}


def _kind(char: str) -> int:
    mark = next((kind for marks, kind in _MARKS.items() if char in marks), None)
    if mark is None:
        category = unicodedata.category(char)
        blank, letter = category[0] in "ZC", "a" <= char <= "z"
        mark = "digit" if char == "0" else "blank" if blank else "latin" if letter else ""
        mark = mark or ("han" if "\u3400" <= char <= "\u9fff" else "other")
    return 1 + KINDS.index(mark)


def _words(texts: Sequence[str]) -> dict[str, Ids]:
    """The words that the dictionary of jieba cuts the texts into, and their neighbours."""
    cut = [rjieba.cut(text, False) for text in texts]
    words = [word for one in cut for word in one]
    lengths = np.array([len(word) for word in words], dtype=np.int64)
    names = np.array([named(word) for word in words], dtype=np.uint32)
    parts = np.array([_part_of_speech(word) for word in words], dtype=np.uint32)
    counts = [len(one) for one in cut]
    columns = {"words": names, "parts_of_speech": parts}
    for name, column in (("words", names), ("parts", parts)):
        columns |= {f"{name}_before": _neighbours(column, counts, 1), f"{name}_after": _neighbours(column, counts, -1)}
    places = np.concatenate([np.zeros(0, np.uint32), *(_places(length) for length in lengths.tolist())])
    return {name: np.repeat(column, lengths) for name, column in columns.items()} | {"places": places}


@lru_cache(maxsize=64)
def _places(length: int) -> Ids:
    """Where each character of a word stands in it."""
    inner = ["middle"] * (length - 2)
    names = ["single"] if length == 1 else ["begin", *inner, "end"]
    return np.array([_PLACES[name] for name in names], dtype=np.uint32)


@lru_cache(maxsize=KEPT)
def _part_of_speech(word: str) -> int:
    return named(rjieba.tag(word, False)[0][1])


def _neighbours(column: Ids, counts: Sequence[int], shift: int) -> Ids:
    """The id of the word before (shift 1) or after (-1) each word, NONE at the ends of a text."""
    moved = np.roll(column, shift)
    ends = np.cumsum([0, *counts])
    edge = ends[:-1] if shift == 1 else ends[1:] - 1
    moved[edge[np.asarray(counts) > 0]] = NONE
    return moved
