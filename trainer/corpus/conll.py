"""Reports as character CoNLL: one character, a tab and its BIO tag on a line, an empty line behind each report.

    # labels = HR TIME
    # task_id = 11 annotation_id = 12
    心<TAB>B-HR
    率<TAB>I-HR
    \\u{20}<TAB>O

A character that cannot be seen (white space, controls, unassigned) and the backslash are written as `\\u{hex}`, in tags
too, so that every text comes back exactly. Comment lines start with `# `; the character # does not, a tab follows it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from backend.errors import CorpusError
from backend.ner.alignment import spans_to_tags, tags_to_spans
from backend.ner.scheme import LabelScheme
from backend.ner.spans import Span
from trainer.dataset import Report

ESCAPE = re.compile(r"\\u\{([0-9a-f]{1,6})\}")
IDS = re.compile(r"# task_id = (\d{1,19}) annotation_id = (\d{1,19})")
LABELS = "# labels = "
SECRET = ("Z", "C")
"""Unicode categories that nobody sees: separators and controls."""


def escape(text: str) -> str:
    r"""The text without any white space or control character.

    >>> escape("72 次\n")
    '72\\u{20}次\\u{a}'
    """
    return "".join(f"\\u{{{ord(c):x}}}" if c == "\\" or unicodedata.category(c)[0] in SECRET else c for c in text)


def unescape(text: str) -> str:
    r"""The inverse of `escape`.

    >>> unescape("72\\u{20}次")
    '72 次'
    """
    return ESCAPE.sub(lambda found: chr(int(found[1], 16)), text)


def encode(reports: Iterable[Report], labels: Sequence[str]) -> Iterator[str]:
    """The lines of a file."""
    scheme = LabelScheme(tuple(labels))
    yield LABELS + " ".join(map(escape, labels))
    for report in reports:
        yield f"# task_id = {report.task_id} annotation_id = {report.annotation_id}"
        tags = spans_to_tags(report.spans, characters(report.text), scheme)
        yield from (f"{escape(c)}\t{escape(scheme.tags[tag])}" for c, tag in zip(report.text, tags, strict=True))
        yield ""


def characters(text: str) -> NDArray[np.int64]:
    """The offsets of a text whose tokens are its characters: [n, 2]."""
    starts = np.arange(len(text), dtype=np.int64)
    return np.stack([starts, starts + 1], axis=1)


def decode(text: str, path: Path) -> tuple[list[Report], tuple[str, ...]]:
    """Reports and labels of a file, also of one without comments; raises CorpusError that names the line."""
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    blocks = list(_blocks(lines))
    named = [tuple(map(unescape, line[len(LABELS) :].split())) for line in lines if line.startswith(LABELS)]
    rows = [[_row(line, place, path) for place, line in block if not line.startswith("# ")] for block in blocks]
    used = {tag[2:] for block in rows for _, tag, _ in block if tag != "O"}
    labels = tuple(dict.fromkeys([*(named[0] if named else ()), *sorted(used)]))
    ids = [next((found for _, line in block if (found := IDS.fullmatch(line))), None) for block in blocks]
    free = max((int(found[1]) for found in ids if found), default=0) + 1
    reports = []
    for block, found in zip(rows, ids, strict=True):
        task_id, annotation_id = (int(found[1]), int(found[2])) if found else (free, 0)
        free += not found
        reports.append(_report(block, task_id, annotation_id, LabelScheme(labels), path))
    return reports, labels


def _blocks(lines: Sequence[str]) -> Iterator[list[tuple[int, str]]]:
    """Numbered lines of each report: between empty lines, with its ids or at least one character."""
    block: list[tuple[int, str]] = []
    for place, line in enumerate([*lines, ""], start=1):
        if line:
            block.append((place, line))
            continue
        if any(IDS.fullmatch(line) or not line.startswith("# ") for _, line in block):
            yield block
        block = []


def _row(line: str, place: int, path: Path) -> tuple[str, str, int]:
    """Character, tag and number of a line."""
    written, _, tag = line.partition("\t") if "\t" in line else line.rpartition(" ")
    character, tag = unescape(written), unescape(tag)
    if len(character) != 1:
        raise CorpusError(f"Line {place} does not hold one character and its tag", path)
    if tag != "O" and (tag[:2] not in ("B-", "I-") or len(tag) < 3):
        raise CorpusError(f"Line {place} has a tag that is not O, B-label or I-label", path)
    return character, tag, place


def _report(
    rows: Sequence[tuple[str, str, int]], task_id: int, annotation_id: int, scheme: LabelScheme, path: Path
) -> Report:
    before = "O"
    for _, tag, place in rows:
        if tag.startswith("I-") and before[2:] != tag[2:]:
            raise CorpusError(f"Line {place} goes on with a span that no B- tag began", path)
        before = tag
    text = "".join(character for character, _, _ in rows)
    ids = {tag: i for i, tag in enumerate(scheme.tags)}
    tags = np.array([ids[tag] for _, tag, _ in rows], dtype=np.int64)
    spans: list[Span] = tags_to_spans(tags, characters(text), scheme)
    return Report(task_id, annotation_id, text, tuple(spans))
