"""The data file of this package, read once: names.toml."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from functools import cache
from importlib import resources
from typing import Any

from backend.rules import resources as rules
from backend.rules.fold import fold


@cache
def names() -> dict[str, Any]:
    """The parsed names.toml."""
    return tomllib.loads(resources.files("backend.parsing").joinpath("names.toml").read_text(encoding="utf-8"))


def words(section: str, key: str) -> list[str]:
    """The folded word list `section.key` of names.toml, longest first."""
    return rules.longest_first(fold(word) for word in names()[section][key])


def by_synonym(section: str, key_itself: bool = True) -> Iterable[tuple[str, str]]:
    """(what is written, what it is called) of a section that lists the synonyms of each name."""
    for name, synonyms in names()[section].items():
        for synonym in (name, *synonyms) if key_itself else synonyms:
            yield synonym, name
