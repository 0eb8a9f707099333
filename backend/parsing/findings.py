"""Events and diagnoses: name, certainty, times; for events how many.

- What only names the second half (成对, 二联律, 单发) gets the origin of the nearest beats before it
  (室性早搏 总73 成对1), what only names the first half (房性、室性早搏; 右束支及左前分支传导阻滞) the rest.
- Denied findings that carry no span are added as excluded (backend.parsing.denials).
- An event counted 0 is excluded.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

from backend.parsing.canonical import canonical
from backend.parsing.certainty import Certainties
from backend.parsing.counts import Counts
from backend.parsing.denials import Denial
from backend.parsing.layout import Layout
from backend.parsing.moments import Moments
from backend.parsing.report import Diagnosis, Event, Moment
from backend.parsing.resources import names
from backend.rules.resources import longest_first

_JOINED = re.compile(r"[ \t]*(?:、|及|和|与|/|,|或|伴|\+|以及|并|合并)[ \t]*")
_CONTEXT = 40  # spans looked back for the origin of 成对
_BEATS = re.compile(r"(室性|房性|室上性|交界性)?早搏")


@dataclass(frozen=True)
class Findings:
    """The findings of one report."""

    layout: Layout
    moments: Moments
    counts: Counts
    certainties: Certainties
    denials: tuple[Denial, ...]

    def events(self) -> list[Event]:
        """Events in the order of the text, the denied ones included."""
        found = [self._event(i) for i, span in enumerate(self.layout.spans) if span.label == "EVENT"]
        denied = [Event(**fields, count=None, unit=None, percent=None) for fields in self._denied("EVENT")]
        return sorted([*found, *denied], key=lambda event: event.start)

    def diagnoses(self) -> list[Diagnosis]:
        """Diagnoses in the order of the text, the denied ones included."""
        found = [Diagnosis(**self._fields(i)) for i, span in enumerate(self.layout.spans) if span.label == "DIAG"]
        denied = [Diagnosis(**fields) for fields in self._denied("DIAG")]
        return sorted([*found, *denied], key=lambda diagnosis: diagnosis.start)

    @cached_property
    def names(self) -> dict[int, str]:
        """Span index -> name of the finding, for EVENT and DIAG spans."""
        found: dict[int, str] = {}
        for i, span in enumerate(self.layout.spans):
            if span.label in ("EVENT", "DIAG"):
                found[i] = self._name(i, found)
        return found

    def _event(self, i: int) -> Event:
        fields = self._fields(i)
        count = self.counts.count(i)
        if count and count.number == 0:
            fields["certainty"] = "excluded"
        return Event(
            **fields,
            count=count.number if count else None,
            unit=count.unit if count else None,
            percent=self.counts.percent(i),
        )

    def _fields(self, i: int) -> dict[str, Any]:
        span = self.layout.spans[i]
        return {
            "text": self.layout.text[span.start : span.end],
            "start": span.start,
            "end": span.end,
            "confidence": round(span.score, 4),
            "source": span.source,
            "canonical": self.names[i],
            "certainty": self.certainties.at(span.start, span.end),
            "times": self._times(i),
        }

    def _times(self, i: int) -> tuple[Moment, ...]:
        """The time before the finding and those that follow it or its count."""
        before, count = self.moments.before(i), self.counts.count(i)
        after = [moment for j in (i, *([count.value] if count else [])) for moment in self.moments.after(j)]
        return (*([before] if before else []), *after)

    def _name(self, i: int, known: dict[int, str]) -> str:
        span = self.layout.spans[i]
        name, halves = canonical(self.layout.text[span.start : span.end]), _halves()
        if name in halves.pairing or name in halves.runs:
            return self._paired(name, i, known)
        if name in halves.origins:
            return name + self._noun_of_next(i)
        if name in halves.bundles:
            return name + str(names()["elliptical"]["block"])
        return name

    def _paired(self, name: str, i: int, known: dict[int, str]) -> str:
        """成对 after 室性早搏 is 成对室性早搏, 二联律 is 室性早搏二联律, 短阵 is 室性心动过速."""
        origin = ""
        for j in range(i - 1, max(-1, i - 1 - _CONTEXT), -1):
            if match := _BEATS.search(known.get(j, "")):
                origin = match[1] or ""
                break
        if name in _halves().runs:
            return origin + str(names()["elliptical"]["run"])
        beats = origin + str(names()["elliptical"]["beat"])
        return beats + name if name.endswith("联律") else name + beats

    def _noun_of_next(self, i: int) -> str:
        """What 房性 in 房性、室性早搏 lacks; 早搏 when nothing joined to it tells."""
        spans, beat = self.layout.spans, str(names()["elliptical"]["beat"])
        if i + 1 < len(spans) and spans[i + 1].label == "EVENT" and _JOINED.fullmatch(self.layout.gap(i, i + 1)):
            following = canonical(self.layout.text[spans[i + 1].start : spans[i + 1].end])
            match = re.search(f"(?:{'|'.join(longest_first(_halves().origins))})(.+)", following)
            return match[1] if match else beat
        return beat

    def _denied(self, label: str) -> Iterator[dict[str, Any]]:
        for denial in self.denials:
            if denial.label == label:
                yield {
                    "text": self.layout.text[denial.start : denial.end],
                    "start": denial.start,
                    "end": denial.end,
                    "confidence": denial.score,
                    "source": "lexicon:denied",
                    "canonical": denial.name,
                    "certainty": "excluded",
                    "times": (),
                }


@dataclass(frozen=True)
class _Halves:
    pairing: frozenset[str]
    runs: frozenset[str]
    origins: frozenset[str]
    bundles: frozenset[str]


@cache
def _halves() -> _Halves:
    halves = names()["elliptical"]
    return _Halves(*(frozenset(halves[key]) for key in ("pairing", "runs", "origins", "bundles")))
