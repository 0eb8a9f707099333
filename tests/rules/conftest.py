import re
from collections.abc import Callable

import pytest

from backend.ner.spans import Span
from backend.rules import propose

LABELS = ("HR", "VALUE", "TIME", "EVENT", "DIAG")
_MARK = re.compile(r"\[([^\[\]|]+)\|(HR|VALUE|TIME|EVENT|DIAG)\]")


@pytest.fixture
def unmark() -> Callable[[str], tuple[str, list[Span]]]:
    """Reads `心率[72次/分|HR]` into the raw text and its spans."""

    def read(marked: str) -> tuple[str, list[Span]]:
        raw, spans, at = "", [], 0
        for match in _MARK.finditer(marked):
            raw += marked[at : match.start()]
            spans.append(Span(len(raw), len(raw) + len(match[1]), match[2]))
            raw, at = raw + match[1], match.end()
        return raw + marked[at:], spans

    return read


@pytest.fixture
def mark() -> Callable[[str, list[Span]], str]:
    """The inverse of `unmark`: failures read like the expectation."""

    def write(text: str, spans: list[Span]) -> str:
        for span in sorted(spans, reverse=True):
            text = f"{text[: span.start]}[{text[span.start : span.end]}|{span.label}]{text[span.end :]}"
        return text

    return write


@pytest.fixture
def proposes(unmark, mark) -> Callable[[str], None]:
    """Asserts that the rules mark exactly what is marked."""

    def check(marked: str) -> None:
        raw, _ = unmark(marked)
        assert mark(raw, propose(raw, LABELS)) == marked

    return check
