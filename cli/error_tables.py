"""An error analysis for people in a terminal: figures, then what is most frequent, then what to do next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from backend.error_analysis import ErrorAnalysis, Mention, SpanError

TASKS_SHOWN = 6
WIDTH = 120
"""Columns where the output is no terminal: Chinese is two columns wide, and rows should stay on one line."""


def tables(analysis: ErrorAnalysis, top: int) -> str:
    """The whole analysis; lists have at most `top` rows."""
    parts = [
        _summary(analysis),
        _by_label(analysis),
        _confusion(analysis),
        _by_source(analysis),
        _patterns(analysis, top),
        _strings(analysis, top),
        _reports(analysis, top),
        _errors(analysis, top),
        _suspects(analysis, top),
        _suggestions(analysis),
    ]
    return "\n\n".join(part for part in parts if part)


def _summary(analysis: ErrorAnalysis) -> str:
    s = analysis.summary
    kinds = ", ".join(f"{count} {kind}" for kind, count in s.kinds.items() if count) or "no errors"
    lines = [
        f"{analysis.version or 'predictions'}: {s.faulty} of {s.reports} reports with errors",
        f"F1 {s.f1:.3f}  precision {s.precision:.3f}  recall {s.recall:.3f}  "
        f"{s.correct} right of {s.gold} gold and {s.predicted} predicted spans",
        f"errors: {kinds}",
    ]
    return "\n".join(lines)


def _by_label(analysis: ErrorAnalysis) -> str:
    names = ("label", "F1", "P", "R", "gold", "right", "missed", "spurious", "too long", "too short", "shifted")
    rows = [
        (
            *(row.label, f"{row.f1:.3f}", f"{row.precision:.3f}", f"{row.recall:.3f}", row.gold, row.correct),
            *(row.missed, row.spurious, row.too_long, row.too_short, row.shifted),
            *(row.wrong_label, row.wrong_label_and_boundary, row.taken_for),
        )
        for row in analysis.by_label
    ]
    return _table("By label", (*names, "wrong label", "both wrong", "taken for it"), rows)


def _confusion(analysis: ErrorAnalysis) -> str:
    names = [*analysis.labels, "none"]
    rows = [(name, *counts) for name, counts in zip(names, analysis.confusion.counts, strict=True)]
    return _table(
        "Confusion: gold in rows, predicted in columns; the diagonal includes wrong boundaries", ("", *names), rows
    )


def _by_source(analysis: ErrorAnalysis) -> str:
    names = ("source", "predicted", "precision", "spurious", "boundary", "wrong label", "both wrong")
    rows = [
        (
            *(row.source or "-", row.predicted, f"{row.precision:.3f}"),
            *(row.spurious, row.boundary, row.wrong_label, row.wrong_label_and_boundary),
        )
        for row in analysis.by_source
        if row.correct < row.predicted
    ]
    return _table("By source, those with errors", names, rows)


def _patterns(analysis: ErrorAnalysis, top: int) -> str:
    rows = [
        (p.count, f"{p.kind} {p.shape}", p.gold or "-", p.predicted or "-", p.text, _tasks(p.tasks))
        for p in analysis.patterns[:top]
    ]
    title = "Patterns: # a number, … the mention, + taken in, - left off"
    return _table(title, ("count", "error", "gold", "predicted", "text", "tasks"), rows)


def _strings(analysis: ErrorAnalysis, top: int) -> str:
    rows = [(s.count, f"{s.kind} {s.change}", s.label, s.text, s.side, _tasks(s.tasks)) for s in analysis.strings[:top]]
    return _table("Strings as written", ("count", "error", "label", "string", "at the", "tasks"), rows)


def _reports(analysis: ErrorAnalysis, top: int) -> str:
    rows = [(r.task_id, r.kind, r.characters, r.gold, r.correct, r.errors) for r in analysis.reports[:top]]
    return _table("Reports with most errors", ("task", "kind", "characters", "gold", "right", "errors"), rows)


def _errors(analysis: ErrorAnalysis, top: int) -> str:
    rows = [
        (e.task_id, f"{e.kind} {e.shape}", _mention(e.gold), _mention(e.predicted), _ends(e))
        for e in analysis.errors[:top]
    ]
    left = len(analysis.errors) - len(rows)
    title = "Errors by task and offset" + (f", {left} more with --top, --json or --html" if left else "")
    return _table(title, ("task", "error", "gold", "predicted", "left / right"), rows)


def _suspects(analysis: ErrorAnalysis, top: int) -> str:
    rows = [(f"{s.strength:.2f}", s.task_id, f"{s.start}-{s.end}", s.text, s.reason) for s in analysis.suspects[:top]]
    return _table("Suspect annotations", ("strength", "task", "range", "text", "why"), rows)


def _suggestions(analysis: ErrorAnalysis) -> str:
    lines = [
        f"- {s.kind} {_cell(s.target)}: {s.reason}{f' (tasks {_tasks(s.tasks)})' if s.tasks else ''}"
        for s in analysis.suggestions
    ]
    return "\n".join(["What to annotate or decide next", *lines]) if lines else ""


def _mention(mention: Mention | None) -> str:
    return f"{mention.label} {mention.start}-{mention.end} {mention.text}".rstrip() if mention else "-"


def _ends(error: SpanError) -> str:
    return f"{error.left:+d} / {error.right:+d}" if error.shape else ""


def _tasks(ids: Sequence[int]) -> str:
    more = len(ids) - TASKS_SHOWN
    return ", ".join(map(str, ids[:TASKS_SHOWN])) + (f" +{more}" if more > 0 else "")


def _table(title: str, names: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> str:
    """The table below its title; "" without rows."""
    if not rows:
        return ""
    table = Table(*names, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*(_cell(cell) for cell in row))
    console = Console(markup=False, highlight=False)
    if not console.is_terminal:
        console.width = WIDTH
    with console.capture() as capture:
        console.print(table)
    lines = (line.rstrip() for line in capture.get().splitlines())
    return "\n".join([title, *lines])


def _cell(value: object) -> str:
    """One line that a terminal shows as it is: mentions may hold line breaks and control characters."""
    return " ".join("".join(c if c.isprintable() else " " for c in str(value)).split())
