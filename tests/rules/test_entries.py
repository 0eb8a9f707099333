"""Each entry of the lexicon on its own is found, whole and under its label; each typo is read as what was meant."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from backend.rules import propose

LEXICON: dict[str, Any] = tomllib.loads(
    (Path(__file__).resolve().parents[2] / "backend" / "rules" / "lexicon.toml").read_text("utf-8")
)
LABELS = ("HR", "VALUE", "TIME", "EVENT", "DIAG")
PART = re.compile(r"\{(\w+)(\??)\}")


def spelled(term: str) -> str:
    """The term with the first entry of each part that it needs, and none of those it may have."""
    while PART.search(term):
        term = PART.sub(lambda m: "" if m[2] else LEXICON["parts"][m[1]][0], term)
    return term


FREE = [family for family in LEXICON["family"] if not {"needs_after", "not_after"} & family.keys()]
ENTRIES = [(family, spelled(term)) for family in FREE for term in family["terms"]]


@pytest.mark.parametrize(("family", "term"), ENTRIES, ids=[f"{f['name']}:{t}" for f, t in ENTRIES])
def test_the_entry_is_found_whole_under_its_label(family: dict[str, Any], term: str) -> None:
    text = f"心电图：{term}"
    found = [(text[s.start : s.end], s.label) for s in propose(text, LABELS)]
    assert any(term == said and label in ("EVENT", "DIAG") for said, label in found), found
    if "event_with" not in family and "event_after" not in family and not family.get("event_in_exercise"):
        assert (term, family["label"]) in found


def spellings(term: str) -> Iterator[str]:
    """The term with each entry of each of its parts, one part at a time."""
    yield spelled(term)
    for match in PART.finditer(term):
        for entry in LEXICON["parts"][match[1]]:
            yield spelled(term[: match.start()] + entry + term[match.end() :])


@pytest.mark.parametrize(("wrong", "right"), LEXICON["typos"].items())
def test_a_finding_with_the_typo_is_the_same_finding(wrong: str, right: str) -> None:
    meant = (
        said for family in LEXICON["family"] for term in family["terms"] for said in spellings(term) if right in said
    )
    said = next((said for said in meant if (0, len(said)) in ranges(said)), None)
    assert said, f"no entry has {right}: the typo is of no use"
    assert ranges(said.replace(right, wrong)) == ranges(said)


def ranges(text: str) -> set[tuple[int, int]]:
    return {(span.start, span.end) for span in propose(text, LABELS)}
