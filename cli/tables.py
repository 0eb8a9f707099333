"""Answers for people: the same values as `--json`, laid out with rich."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from rich.console import Console
from rich.table import Table

from backend.errors import CONNECT
from backend.job_queue import ended_by

SCORES = ("precision", "recall", "f1")
LINKS = 5
"""Links to tasks below a line."""


def queue(rows: list[dict[str, Any]]) -> str:
    """The queue, one task a line."""
    if not rows:
        return "the queue is empty: everything is annotated, or the pool is not ranked yet (ecgal status)"
    cells = [(r["rank"], r["task_id"], _uncertainty(r["uncertainty"]), r["reason"], r["preview"]) for r in rows]
    return _table(("rank", "task", "uncertainty", "reason", "report"), cells)


def place(found: dict[str, Any]) -> str:
    """Where one task stands."""
    if found["rank"] is None:
        return f"task {found['task_id']} is not in the queue: it is annotated or skipped, or not ranked yet"
    return f"task {found['task_id']} is number {found['rank']} of {found['of']}"


def models(rows: list[dict[str, Any]]) -> str:
    """Versions, one a line, a star marks the serving one; then who holds one, and what the newest did not use."""
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
    newest = next((row["left_out"] for row in rows if row["round"]), None)
    told = [f"{row['version']} {_held(row['held'])}" for row in rows if row["held"]]
    told += [f"not used in the newest: {row['sentence']}" for row in newest["reasons"]] if newest else []
    return "\n".join([_table(("", "version", "mode", "reports", "F1", "decision"), cells), *told])


def status(fields: dict[str, Any]) -> str:
    """The state of a project on a few lines, then the last rounds."""
    lines = [f"serving   {fields['serving']}"]
    if fields["target"] != fields["serving"]:
        lines.append(f"target    {fields['target']} (serves when the pool is ranked)")
    if fields["hold"]:
        hold = fields["hold"]
        lines.append(_held(hold).replace("held ", "held      ", 1))
        if hold["candidate"]:
            lines.append(f"          {hold['candidate']} would have been promoted")
    if fields["damage"]:
        lines.append(f"damaged   {fields['damage']} (`ecgal rollback` goes back to the version before)")
    if fields["ended"]:
        lines.append(f"ended     {fields['ended']} (`{CONNECT} {fields['project']}` takes it up)")
    if fields["label_config_fault"]:
        lines.append(f"labels    {fields['label_config_fault']} Nothing is predicted until that is mended.")
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
    lines += left_out(fields["left_out"])
    rounds = [(r["round"], r["version"], r["reports"], _f1(r["f1"]), r["reason"]) for r in fields["rounds"]]
    return "\n".join([*lines, *([_table(("round", "version", "reports", "F1", "decision"), rounds)] if rounds else [])])


def left_out(found: dict[str, Any]) -> list[str]:
    """What the newest round did not use, a line for each reason and under it where to look; then who did not submit."""
    lines = []
    for row in found["reasons"]:
        lines += [f"not used  {row['sentence']}", *(f"          {url}" for url in row["urls"][:LINKS])]
        more = len(row["urls"]) - LINKS
        lines += [f"          and {more} more with --json"] if more > 0 else []
    skipped = found["not_submitted"]
    return [*lines, f"skipped   {skipped} {'task' if skipped == 1 else 'tasks'} (or drafts only)"] if skipped else lines


def evaluation(report: dict[str, Any]) -> str:
    """Scores of each mode by label and by group of reports, then calibration, speed and notes."""
    head = f"{report['version']} on {report['reports']} reports, {report['spans']} spans"
    blocks = [head + (f" ({report['rejects']} rejects: `ecgal convert --rejects`)" if report["rejects"] else "")]
    for mode, scores in report["modes"].items():
        blocks += [
            f"\n{mode}{', as it serves' if mode == report['served'] else ''}",
            _labels(scores),
            "",
            _groups(scores),
        ]
    calibration, speed = report["calibration"], report["speed"]
    if calibration:
        blocks.append(
            f"\ncalibration error {calibration['ece_before']:.3f}, {calibration['ece_after']:.3f} at temperature"
            f" {calibration['temperature']:.2f} ({calibration['tokens']} tokens)"
        )
    rates = f"{speed['reports_per_second']:.1f} reports/s, {speed['characters_per_second']:.0f} characters/s"
    return "\n".join([*blocks, f"speed {rates}", *(f"note: {note}" for note in report["notes"])])


def trained(card: dict[str, Any]) -> str:
    """What was trained, how each mode did, and what serves."""
    training, evaluation = card["training"], card["evaluation"]
    rows = [
        (mode + (" *" if mode == card["mode"] else ""), *(_f1(score["micro"][name]) for name in SCORES))
        for mode, score in evaluation["modes"].items()
    ]
    return "\n".join(
        [
            f"{card['output']}: {card['version']}, {training['steps']} steps in {training['seconds']:.0f} s",
            f"judged on {len(evaluation['tasks'])} reports ({evaluation['method']}), * serves",
            _table(("mode", *SCORES), rows),
            *card["left_out"],
        ]
    )


def _labels(scores: dict[str, Any]) -> str:
    strict, relaxed = scores["strict"], scores["relaxed"]
    rows = [_rates(label, row, relaxed["by_label"][label]) for label, row in strict["by_label"].items()]
    rows.append(_rates("all (micro)", strict["micro"], relaxed["micro"]))
    spread = _spread(strict["macro_interval"])
    rows.append(("mean (macro)", "", "", _f1(strict["macro_f1"]), spread, _f1(relaxed["macro_f1"]), ""))
    rows.append(("mean report", "", "", _f1(scores["mean_report_f1"]), "", "", ""))
    return _table(("label", "precision", "recall", "F1", "95 % interval", "relaxed F1", "spans"), rows)


def _rates(name: str, strict: dict[str, Any], relaxed: dict[str, Any]) -> tuple[Any, ...]:
    ratios = (f"{strict[key]:.3f}" for key in ("precision", "recall", "f1"))
    return (name, *ratios, _spread(strict["interval"]), _f1(relaxed["f1"]), strict["gold"])


def _groups(scores: dict[str, Any]) -> str:
    groups = [*scores["by_length"].items(), *scores["by_kind"].items()]
    rows = [
        (name, g["reports"], g["strict"]["gold"], _f1(g["strict"]["f1"]), _spread(g["strict"]["interval"]),
         _f1(g["relaxed"]["f1"]))
        for name, g in groups
    ]  # fmt: skip
    return _table(("characters or kind", "reports", "spans", "F1", "95 % interval", "relaxed F1"), rows)


def _spread(interval: list[float] | None) -> str:
    return f"{interval[0]:.3f} to {interval[1]:.3f}" if interval and interval[0] != interval[1] else ""


def _held(hold: dict[str, Any]) -> str:
    return f"held since {hold['since']} by {hold['by']}: {hold['reason']} (`ecgal resume` ends it)"


def _job(job: dict[str, Any]) -> str:
    progress = job["progress"]
    stage = progress.get("stage", "")
    if "stages" in progress:
        stage += f" (stage {progress['stage_number']} of {progress['stages']})"
    parts = [f"{job['kind']:<9} {job['state']}", stage]
    if job["signal"]:
        parts.append(f"once more, its process was ended{ended_by(job['signal'])}")
    if job["behind"]:
        parts.append(_behind(job["kind"], job["behind"]))
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


def _behind(kind: str, behind: dict[str, Any]) -> str:
    what = "round" if kind == "retrain" else "ranking"
    more = f" and {behind['jobs'] - 1} more" if behind["jobs"] > 1 else ""
    eta = "" if behind["eta_seconds"] is None else f", about {timedelta(seconds=round(behind['eta_seconds']))} left"
    return f"behind {what} {behind['number']} of project {behind['project']}{eta}{more}"


def _uncertainty(value: float | None) -> str:
    """Three digits, or a dash where a rebuilt ranking does not know it."""
    return "–" if value is None else f"{value:.3f}"


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
