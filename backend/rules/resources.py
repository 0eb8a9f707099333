"""The rule data files, read once: lexicon.toml, patterns.toml, context.toml."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from functools import cache
from importlib import resources
from typing import Any

from backend.rules.fold import fold


@cache
def table(name: str) -> dict[str, Any]:
    """The parsed data file `name` of this package."""
    return tomllib.loads(resources.files("backend.rules").joinpath(name).read_text(encoding="utf-8"))


def words(name: str, section: str, key: str) -> list[str]:
    """The folded word list `section.key` of a data file, longest first."""
    return longest_first(fold(word) for word in table(name)[section][key])


def longest_first(strings: Iterable[str]) -> list[str]:
    """Distinct strings, the longest first, so that an alternation of them matches greedily."""
    return sorted(set(strings), key=lambda word: (-len(word), word))


def any_of(strings: Iterable[str]) -> str:
    """Regular expression of any of the strings, folded, the longest first."""
    return "|".join(map(re.escape, longest_first(map(fold, strings))))
