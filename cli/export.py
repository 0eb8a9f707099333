"""`ecgal export`: a trained model in other forms, and what each of them costs on annotated reports."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import click
from rich.console import Console
from rich.table import Table

from backend.files import write_atomic
from backend.settings import Settings
from cli.corpus import annotators_option, label_config_option, read_data
from cli.project import json_option, show
from trainer.export.artefacts import FORMATS, Format, Reduction
from trainer.export.artefacts import export as export_model
from trainer.export.comparison import measure
from trainer.offline import read_card

FOLDER = click.Path(path_type=Path, file_okay=False)
RECORD = "export.json"
COLUMNS = (
    "network", "computes in", "bytes", "F1", "Spearman", "mean dH", "max dH", "reports/s", "speed", "max dlogit",
)  # fmt: skip
"""dH: difference of a report's uncertainty from the first row's; Spearman: of their order."""
WIDTH = 120


@click.command()
@click.option("--model", required=True, type=FOLDER, help="Model folder.")
@click.option("--format", "formats", required=True, multiple=True, type=click.Choice(FORMATS), help="May be repeated.")
@click.option("--data", type=click.Path(path_type=Path), help="Annotated reports to calibrate on and to compare by.")
@label_config_option
@annotators_option
@click.option("--prune", default=0.0, type=click.FloatRange(0, 0.95), help="Share of feed-forward neurons to take out.")
@click.option("--layers", default=0, type=click.IntRange(0), help="Layers to keep, from below; 0: all.")
@click.option("--output", required=True, type=FOLDER, help="Gets a folder for each format, and export.json.")
@json_option
def export(
    model: Path,
    formats: tuple[str, ...],
    data: Path | None,
    label_config: Path | None,
    annotators: str,
    prune: float,
    layers: int,
    output: Path,
    as_json: bool,
) -> None:
    """Write a model in other forms, and compare size, F1, uncertainty and speed on the same reports."""
    settings, card = Settings.from_env(), read_card(model)
    corpus = read_data(data, label_config, annotators) if data else None
    reports = corpus.dataset.reports if corpus else ()
    click.echo(f"writing {', '.join(dict.fromkeys(formats))}", err=True)
    made = export_model(model, card, cast(Sequence[Format], formats), output, reports, Reduction(layers, prune))
    record: dict[str, Any] = {"layers": layers or None, "prune": prune}
    if corpus:
        click.echo(f"comparing on {len(reports)} reports", err=True)
        record |= measure(model, card, made, reports, corpus.dataset.labels, settings).to_json()
    else:
        record |= {"version": card.version, "rows": [artefact.to_json() for artefact in made]}
    write_atomic(output / RECORD, json.dumps(record, ensure_ascii=False, indent=1))
    show(record, as_json, table)


def table(record: dict[str, Any]) -> str:
    """The rows, and below them what they were measured on."""
    grid = Table(*COLUMNS, box=None, pad_edge=False)
    for row in record["rows"]:
        grid.add_row(*_cells(row))
    console = Console(width=WIDTH)
    with console.capture() as capture:
        console.print(grid)
    return "\n".join([capture.get().rstrip("\n"), *_notes(record)])


def _cells(row: dict[str, Any]) -> list[str]:
    forms = {
        "name": "{}",
        "precision": "{}",
        "bytes": "{:,}",
        "f1": "{:.3f}",
        "spearman": "{:.4f}",
        "mean_entropy_difference": "{:.4f}",
        "max_entropy_difference": "{:.4f}",
        "reports_per_second": "{:.1f}",
        "speedup": "{:.2f}x",
        "logit_difference": "{:.1e}",
    }
    return ["" if row.get(name) is None else form.format(row[name]) for name, form in forms.items()]


def _notes(record: dict[str, Any]) -> list[str]:
    if "reports" not in record:
        return ["without --data nothing is measured"]
    notes = [
        f"{record['version']} on {record['reports']} reports with {record['spans']} spans, network alone;"
        f" speed on {record['timed']} of them, {record['threads']} threads"
    ]
    if record["known"]:
        notes.append(f"note: {record['known']} reports are among those that the model was trained on: F1 flatters")
    return notes
