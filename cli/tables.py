"""Answers for people: the same values as `--json`, laid out with rich."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from rich.console import Console
from rich.table import Table


def queue(rows: list[dict[str, Any]]) -> str:
    """The queue, one task a line."""
    if not rows:
        return "the queue is empty: everything is annotated, or the pool is not ranked yet (ecgal status)"
    cells = [(r["rank"], r["task_id"], f"{r['uncertainty']:.3f}", r["reason"], r["preview"]) for r in rows]
    return _table(("rank", "task", "uncertainty", "reason", "report"), cells)


def models(rows: list[dict[str, Any]]) -> str:
    """Versions, one a line; a star marks the serving one."""
    cells = [
        (
            "*" if row["serving"] else "",
            row["version"],
            row["mode"],
            row.get("reports", ""),
            _f1(row.get("f1")),
            row.get("reason", "rules without any annotation"),
        )
        for row in rows
    ]
    return _table(("", "version", "mode", "reports", "F1", "decision"), cells)


def status(fields: dict[str, Any]) -> str:
    """The state of a project on a few lines, then the last rounds."""
    lines = [f"serving   {fields['serving']}"]
    if fields["target"] != fields["serving"]:
        lines.append(f"target    {fields['target']} (serves when the pool is ranked)")
    if fields["damage"]:
        lines.append(f"damaged   {fields['damage']} (`ecgal rollback` goes back to the version before)")
    lines.append(
        f"reports   {fields['labelled']} in the last round, {fields['pool']} ranked, {fields['pending']} pending"
    )
    lines += [_job(job) for job in fields["jobs"]] or ["jobs      none"]
    for kind, failure in fields["failures"].items():
        lines.append(f"failed    {kind}: {failure['reason']} ({failure['failures']}x)")
    if fields["ranking"]:
        ranking = fields["ranking"]
        order = f"{ranking['order_equal']}/{ranking['order_checked']} places equal in Label Studio"
        lines.append(f"ranking   {ranking['version']}: {ranking['tasks']} tasks in {ranking['seconds']} s, {order}")
    rounds = [(r["round"], r["version"], r["reports"], _f1(r["f1"]), r["reason"]) for r in fields["rounds"]]
    return "\n".join([*lines, *([_table(("round", "version", "reports", "F1", "decision"), rounds)] if rounds else [])])


def _job(job: dict[str, Any]) -> str:
    progress = job["progress"]
    parts = [f"{job['kind']:<9} {job['state']}", progress.get("stage", "")]
    if "steps" in progress:
        parts.append(f"{progress['step']}/{progress['steps']}")
    if "loss" in progress:
        parts.append(f"epoch {progress['epoch']:.1f}, loss {progress['loss']:.3f}")
    if "f1" in progress:
        parts.append(f"F1 {progress['f1']:.3f}")
    if "f1_to_beat" in progress:
        parts.append(f"to beat {progress['f1_to_beat']:.3f}")
    if "eta_seconds" in progress:
        parts.append(f"ETA {timedelta(seconds=round(progress['eta_seconds']))}")
    return "  ".join(part for part in parts if part)


def _f1(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _table(names: tuple[str, ...], rows: list[tuple[Any, ...]]) -> str:
    table = Table(*names, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*(str(cell) for cell in row))
    console = Console()
    with console.capture() as capture:
        console.print(table)
    return capture.get().rstrip("\n")
