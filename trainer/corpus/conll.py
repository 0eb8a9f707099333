"""Reports as character CoNLL: one character, a tab and its BIO tag on a line, an empty line behind each report.

    # labels = HR TIME
    # task_id = 11 annotation_id = 12
    心<TAB>B-HR
    率<TAB>I-HR
    \\u{20}<TAB>O

A character that cannot be seen (white space, controls, unassigned) and the backslash are written as `\\u{hex}`, in tags
too, so that every text comes back exactly. Comment lines start with `# `; the character # does not, a tab follows it.
Files of others have a blank or a tab between the columns, no escapes, and any scheme of `trainer.corpus.tagging`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from backend.errors import CorpusError
from backend.ner.alignment import spans_to_tags
from backend.ner.scheme import LabelScheme
from trainer.corpus.files import Lost
from trainer.corpus.tagging import TAG, BadLine, Row, TagReader
from trainer.dataset import Report

ESCAPE = re.compile(r"\\u\{([0-9a-f]{1,6})\}")
IDS = re.compile(r"# task_id = (\d{1,19}) annotation_id = (\d{1,19})")
LABELS = "# labels = "
SUFFIXES = (".conll", ".bio", ".bmes", ".bioes")
DOCUMENT = "-DOCSTART-"
TAGGED = re.compile(r"^.?[ \t](O|[BIMESLU][-_]\S+)\r?$|-X- _ \S+\r?$")
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


def is_conll(text: str, suffix: str) -> bool:
    """Whether the text is CoNLL: by its name, or because each of its first lines ends in a tag."""
    lines = [line for line in text[:2000].split("\n", 20)[:8] if line.strip()]
    tagged = len(lines) > 1 and all(TAGGED.search(line) or line.startswith(DOCUMENT) for line in lines)
    return text.startswith(LABELS) or suffix in SUFFIXES or tagged


def decode(text: str, path: Path) -> tuple[list[Report | Lost], tuple[str, ...]]:
    """Reports and labels of a file, also of one without comments; a bad line costs its report.

    Raises CorpusError for tags of several schemes and for the CoNLL 2003 export of Label Studio.
    """
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    lines = ["" if line.startswith(DOCUMENT) else line for line in lines]
    if foreign := next((place for place, line in enumerate(lines, start=1) if " -X- " in line), 0):
        what = f"The CoNLL 2003 export of Label Studio (line {foreign}) is cut at blanks and cannot be read"
        raise CorpusError(what, path, "export JSON from Label Studio")
    own = text.startswith(LABELS)
    blocks = list(_blocks(lines))
    named = [tuple(map(unescape, line[len(LABELS) :].split())) for line in lines if line.startswith(LABELS)]
    rows = [_rows(block, own) for block in blocks]
    tagged = [row for block in rows if not isinstance(block, Lost) for row in block]
    tags = TagReader.of(tagged, path, own)
    labels = tuple(dict.fromkeys([*(named[0] if named else ()), *sorted({tag[2:] for _, tag, _ in tagged} - {""})]))
    ids = [next((found for _, line in block if (found := IDS.fullmatch(line))), None) for block in blocks]
    free = max((int(found[1]) for found in ids if found), default=0) + 1
    reports: list[Report | Lost] = []
    for block, found in zip(rows, ids, strict=True):
        task_id, annotation_id = (int(found[1]), int(found[2])) if found else (free, 0)
        free += not found
        reports.append(block if isinstance(block, Lost) else _report(task_id, annotation_id, block, tags))
    return reports, labels


def _report(task_id: int, annotation_id: int, rows: Sequence[Row], tags: TagReader) -> Report | Lost:
    characters = "".join(character for character, _, _ in rows)
    try:
        return Report(task_id, annotation_id, characters, tuple(tags.spans(rows)))
    except BadLine as error:
        return Lost(f"line {error.line}", error.why)


def _rows(block: Sequence[tuple[int, str]], own: bool) -> list[Row] | Lost:
    try:
        return [_row(line, place, own) for place, line in block if not _is_comment(line)]
    except BadLine as error:
        return Lost(f"line {error.line}", error.why)


def _blocks(lines: Sequence[str]) -> Iterator[list[tuple[int, str]]]:
    """Numbered lines of each report: between empty lines, with its ids or at least one character."""
    block: list[tuple[int, str]] = []
    for place, line in enumerate([*lines, ""], start=1):
        if line:
            block.append((place, line))
            continue
        if any(IDS.fullmatch(line) or not _is_comment(line) for _, line in block):
            yield block
        block = []


def _is_comment(line: str) -> bool:
    """Whether the line is one of ours; in files with a blank between the columns, # can be a character."""
    return line.startswith("# ") and not TAG.fullmatch(line[2:])


def _row(line: str, place: int, own: bool) -> Row:
    """Character, tag and number of a line; in files of others, columns between the two are passed over."""
    separator = "\t" if own or "\t" in line else " "
    written, _, tag = line.partition(separator) if own else line.rpartition(separator)
    if own:
        character, tag = unescape(written), unescape(tag)
    else:
        character, tag = written.split(separator)[0] or " ", tag.strip()
    if len(character) != 1 or (not own and line == tag):
        raise BadLine(place, "it does not hold one character and its tag")
    if not TAG.fullmatch(tag) or any("\ud800" <= sign <= "\udfff" for sign in tag):
        raise BadLine(place, "its tag is not O, B-label or I-label, or one of BMES or BIOES")
    return character, tag, place
