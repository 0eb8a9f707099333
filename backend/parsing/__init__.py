"""From a report and the spans of any predictor to structured data.

    raw_offsets   from the raw text to its mended copy, which is what is structured, and back
    layout        spans in a row, sentences, clauses, cells
    canonical     one name for one finding                     names.toml
    quantities    numbers, ranges, units
    credibility   numbers that cannot be what their span says
    moments       clock times and what they belong to
    rates         heart rates with their kind
    atria         rates of the atria, which are no heart rates
    naming        names of measured values                     names.toml
    counts        which value counts which event
    measurements  measured values
    certainty     stated, possible, excluded
    denials       denied findings that carry no span
    findings      events and diagnoses
    report        the result
    formats       JSON and CSV
    documents     text of txt, docx, csv and JSON lines

Pure: no I/O but reading names.toml and the data of backend.rules, once. Only the labels HR, VALUE, TIME, EVENT and
DIAG have a structure; spans of other labels are passed through.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from backend.ner.spans import Span
from backend.parsing import denials
from backend.parsing.atria import as_values
from backend.parsing.certainty import Certainties
from backend.parsing.counts import Counts
from backend.parsing.findings import Findings
from backend.parsing.layout import STRUCTURED, Layout
from backend.parsing.measurements import Measurements
from backend.parsing.moments import Moments
from backend.parsing.rates import Rates
from backend.parsing.raw_offsets import in_mended, in_raw
from backend.parsing.report import LabelledSpan, StructuredReport
from backend.rules.mending import mend

__all__ = ["StructuredReport", "parse", "parse_texts"]


class Predictor(Protocol):
    """Anything that finds spans: the part of backend.predictor.Predictor that is needed here."""

    @property
    def version(self) -> str:
        """Names it."""

    def find(self, texts: Sequence[str]) -> list[list[Span]]:
        """The spans of each text, in order."""


def parse(text: str, spans: Sequence[Span], version: str, labels: Collection[str] = STRUCTURED) -> StructuredReport:
    """Structure what the spans found in `text`; `version` names the predictor that found them.

    `labels` are the project's: denied findings are looked up in the text only for those of them that mean findings
    (EVENT, DIAG). The order of the spans does not matter. Raises ValueError for a span outside the text.
    """
    mended = mend(text)
    layout = as_values(Layout.of(mended.text, in_mended(mended, text, spans)))
    moments, counts, certainties = Moments(layout), Counts(layout), Certainties(layout.folded)
    denied = tuple(denials.find(mended.text, certainties, layout.spans, labels))
    findings = Findings(layout, moments, counts, certainties, denied)
    return StructuredReport(
        version=version,
        heart_rates=tuple(in_raw(mended, text, rate) for rate in Rates(layout, moments)),
        measurements=tuple(
            in_raw(mended, text, value) for value in Measurements(layout, moments, counts, findings.names)
        ),
        events=tuple(in_raw(mended, text, event) for event in findings.events()),
        diagnoses=tuple(in_raw(mended, text, diagnosis) for diagnosis in findings.diagnoses()),
        spans=tuple(_passed_on(text, span) for span in sorted(spans)),
    )


def parse_texts(
    predictor: Predictor, texts: Sequence[str], labels: Collection[str] = STRUCTURED
) -> list[StructuredReport]:
    """One structured report per text, in order; all texts go to the predictor at once. `labels` as in `parse`."""
    return [
        parse(text, spans, predictor.version, labels) for text, spans in zip(texts, predictor.find(texts), strict=True)
    ]


def _passed_on(text: str, span: Span) -> LabelledSpan:
    return LabelledSpan(
        start=span.start,
        end=span.end,
        label=span.label,
        text=text[span.start : span.end],
        confidence=round(span.score, 4),
        source=span.source,
    )
