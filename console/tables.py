"""Answers of the backend as rows for tables, as key figures, and as CSV. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from backend.parsing.formats import csv_head, csv_rows
from console.sentences import interval
from console.words import Words

Row = dict[str, Any]
KINDS = ("mean", "fastest", "slowest")
FIGURES = 8
"""Key figures shown at most: two rows of four."""


@dataclass(frozen=True)
class Figure:
    """A number to show in large letters; `note` is what stands under it."""

    name: str
    value: str
    note: str = ""


def key_figures(report: Row, say: Words) -> list[Figure]:
    """Rates of the recording by kind, then counted events, then named measurements; FIGURES at most."""
    rates = [rate for kind in KINDS for rate in report["heart_rates"] if rate["kind"] == kind and not rate["of"]][:4]
    counted = [event for event in report["events"] if event["count"] is not None or event["percent"] is not None]
    measured = [m for m in report["measurements"] if m["canonical"] and not m["of"] and amount(m)]
    figures = [Figure(say(f"kind.{rate['kind']}"), _with_unit(rate), _clock(rate["time"])) for rate in rates]
    figures += [Figure(event["canonical"], _event_amount(event), _times(event["times"])) for event in counted]
    figures += [Figure(m["canonical"], _with_unit(m) if m["unit"] else m["text"], _clock(m["time"])) for m in measured]
    return list(dict.fromkeys(figures))[:FIGURES]


def diagnoses(report: Row, say: Words) -> list[Row]:
    """One row per diagnosis."""
    return [
        _row(say, name=d["canonical"], certainty=say(f"certainty.{d['certainty']}"), **_found(d, say))
        for d in report["diagnoses"]
    ]


def events(report: Row, say: Words) -> list[Row]:
    """One row per event."""
    return [
        _row(
            say,
            name=event["canonical"],
            certainty=say(f"certainty.{event['certainty']}"),
            count=event["count"],
            unit=event["unit"] or "",
            percent=event["percent"],
            time=_times(event["times"]),
            **_found(event, say),
        )
        for event in report["events"]
    ]


def heart_rates(report: Row, say: Words) -> list[Row]:
    """One row per rate."""
    return [
        _row(
            say,
            kind=say(f"kind.{r['kind']}"),
            value=amount(r),
            unit=r["unit"],
            of=r["of"] or "",
            time=_clock(r["time"]),
            **_found(r, say),
        )
        for r in report["heart_rates"]
    ]


def measurements(report: Row, say: Words) -> list[Row]:
    """One row per measurement."""
    return [
        _row(
            say,
            name=m["canonical"] or m["name"] or "",
            value=amount(m) or m["text"],
            unit=m["unit"] or "",
            of=m["of"] or "",
            time=_clock(m["time"]),
            **_found(m, say),
        )
        for m in report["measurements"]
    ]


def amount(item: Row) -> str:
    """A value or a range as text; "" where there is none.

    >>> amount({"value": 103450, "low": None, "high": None}), amount({"value": None, "low": 0.5, "high": 1})
    ('103,450', '0.5–1')
    """
    if item["value"] is not None:
        return f"{item['value']:,}"
    ends = [f"{end:,}" for end in (item["low"], item["high"]) if end is not None]
    return "–".join(ends)


def queue_csv(rows: Iterable[Row]) -> bytes:
    """The queue as CSV for Excel: UTF-8 with byte order mark; a cell that would be a formula gets an apostrophe."""
    columns = ("rank", "task_id", "priority", "uncertainty", "reason", "url", "preview")
    return csv_head(columns) + csv_rows([row[column] for column in columns] for row in rows)


def history(models: Iterable[Row], say: Words) -> list[Row]:
    """Rounds as rows, newest first, the rules left out."""
    return [
        {
            say("training.round"): model["round"],
            say("training.version"): model["version"],
            say("training.created"): model["created"],
            say("training.reports"): model["reports"],
            say("training.mode"): say.said(model["mode"]),
            "F1": model["f1"],
            say("training.gain"): _gain(model),
            say("training.decision"): _decision(model, say),
            say("training.why"): say.decision(model),
        }
        for model in models
        if model["round"]
    ]


def inconsistencies(rows: Iterable[Row], say: Words) -> list[Row]:
    """Strings with all the ways in which they are annotated."""
    return [
        {
            say("column.text"): row["text"],
            say("errors.uses"): "，".join(
                f"{use['label'] or say('errors.nothing')} ({use['count']})" for use in row["uses"]
            ),
        }
        for row in rows
    ]


def _row(say: Words, **cells: Any) -> Row:
    return {say(f"column.{name}"): cell for name, cell in cells.items()}


def _found(item: Row, say: Words) -> Row:
    return {"text": item["text"], "confidence": item["confidence"], "source": say.source(item["source"])}


def _with_unit(item: Row) -> str:
    return f"{amount(item)} {item['unit'] or ''}".strip()


def _event_amount(event: Row) -> str:
    parts = [] if event["count"] is None else [f"{event['count']:,} {event['unit'] or ''}".strip()]
    return " · ".join(parts + ([] if event["percent"] is None else [f"{event['percent']} %"]))


def _clock(moment: Mapping[str, Any] | None) -> str:
    return str(moment["clock"] or moment["text"]) if moment else ""


def _times(moments: Sequence[Mapping[str, Any]]) -> str:
    return "，".join(_clock(moment) for moment in moments)


def _gain(model: Row) -> str:
    if model["difference"] is None:
        return ""
    spread = interval(model["interval"])
    ends = f" ({spread[0]:+.3f} … {spread[1]:+.3f})" if spread else ""
    return f"{model['difference']:+.3f}{ends}"


def _decision(model: Row, say: Words) -> str:
    taken = say("training.promoted") if model["promoted"] else say("training.kept")
    return f"{taken} · {say.said(model['state'])}" if model["state"] else taken
