from collections.abc import Callable

import pytest

from backend.parsing import StructuredReport, parse
from backend.rules import propose

LABELS = ("HR", "VALUE", "TIME", "EVENT", "DIAG")


@pytest.fixture
def structured() -> Callable[[str], StructuredReport]:
    """The structured report from the spans that the rules find."""
    return lambda text: parse(text, propose(text, LABELS), "rules-1")


@pytest.fixture
def rates(structured) -> Callable[[str], list[tuple]]:
    """(value or range, kind, time) of each heart rate."""

    def read(text: str) -> list[tuple]:
        found = structured(text).heart_rates
        return [(r.value or (r.low, r.high), r.kind, r.time and r.time.text) for r in found]

    return read


@pytest.fixture
def counts(structured) -> Callable[[str], list[tuple]]:
    """(name, count) of each event."""
    return lambda text: [(event.canonical, event.count) for event in structured(text).events]


@pytest.fixture
def certainties(structured) -> Callable[[str], dict[str, str]]:
    """Name of each finding -> its certainty."""

    def read(text: str) -> dict[str, str]:
        report = structured(text)
        return {finding.canonical: finding.certainty for finding in (*report.events, *report.diagnoses)}

    return read
