"""Whether a finding belongs to the exercise phase of an exercise test."""

from __future__ import annotations

import re
from functools import cache

from backend.rules.resources import words

_REACH = 60  # characters of a clause looked at


class Exercise:
    """Answers for one folded text whether an ST change at a position was induced by exercise."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._is_test = _words("words").search(text) is not None

    def induced(self, start: int) -> bool:
        """True in an exercise report, unless the clause speaks of rest."""
        if not self._is_test:
            return False
        clause = re.split(r"[。;\n]", self._text[max(0, start - _REACH) : start])[-1]
        return _words("rest").search(clause) is None


@cache
def _words(key: str) -> re.Pattern[str]:
    return re.compile("|".join(map(re.escape, words("context.toml", "exercise", key))))
