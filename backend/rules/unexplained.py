"""How much of a report the rules leave unexplained: the uncertainty of a report when there is no model."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache

from backend.ner.spans import Span
from backend.rules.fold import fold
from backend.rules.mending import mend
from backend.rules.resources import words

_COUNTED = re.compile(r"[0-9a-z\u2160-\u217f\u3400-\u9fff]")


def uncertainty(text: str, spans: Iterable[Span]) -> float:
    """Share of the report's digits, Latin letters and Han characters that nothing explains, 0..1.

    A character of a neutral word (context.toml, [neutral]) counts 0, one inside a span 1 - the span's score,
    any other 1. 0.0 for a text without such characters. Deterministic.

    >>> uncertainty("", [])
    0.0
    """
    mended = mend(text)
    folded = fold(mended.text)
    open_share = [1.0] * len(folded)
    for match in _neutral().finditer(folded):
        open_share[match.start() : match.end()] = [0.0] * (match.end() - match.start())
    for span in spans:
        start, end = mended.within(span.start, span.end) or (0, 0)
        open_share[start:end] = [min(share, 1.0 - span.score) for share in open_share[start:end]]
    counted = [match.start() for match in _COUNTED.finditer(folded)]
    return min(1.0, max(0.0, sum(open_share[i] for i in counted) / len(counted))) if counted else 0.0


@cache
def _neutral() -> re.Pattern[str]:
    terms = words("context.toml", "neutral", "words")
    latin = [word for word in terms if word.isascii()]
    other = [word for word in terms if not word.isascii()]
    return re.compile(rf"(?<![a-z])(?:{'|'.join(map(re.escape, latin))})(?![a-z0-9])|{'|'.join(map(re.escape, other))}")
