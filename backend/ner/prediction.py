"""What a predictor says about one report."""

from __future__ import annotations

from dataclasses import dataclass

from backend.ner.spans import Span


@dataclass(frozen=True, slots=True)
class Prediction:
    """Disjoint sorted spans, uncertainty and priority (both 0..1, high = ask) and the version that made it.

    `uncertainty` is the mean normalised token entropy over all tokens. `priority` decides the order in
    which reports are asked for; it equals `uncertainty` except for the control share (backend.ranking).
    """

    spans: tuple[Span, ...]
    uncertainty: float
    priority: float
    version: str
