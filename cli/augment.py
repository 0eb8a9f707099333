"""`ecgal augment`: variants of annotated reports, for a person to read before a network learns from them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from backend.errors import CorpusError
from cli.corpus import data_options, read_data
from cli.project import json_option, show
from trainer.augmentation import POLICIES, Augmented, variants
from trainer.corpus import Corpus
from trainer.corpus.writing import export_task, write_text
from trainer.dataset import Report


@click.command()
@data_options
@click.option("--output", required=True, type=click.Path(path_type=Path), help="Where the variants go, as JSON.")
@click.option("--policy", "policies", multiple=True, type=click.Choice(list(POLICIES)), help="Default: all of them.")
@click.option("--copies", default=1, show_default=True, type=click.IntRange(1, 100), help="Variants of each report.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="Another seed, other variants.")
@click.option("--show", "shown", default=0, type=click.IntRange(0), help="Print so many beside their originals.")
@json_option
def augment(
    data: Path,
    label_config: Path | None,
    annotators: str,
    output: Path,
    policies: tuple[str, ...],
    copies: int,
    seed: int,
    shown: int,
    as_json: bool,
) -> None:
    """Write variants of the reports as annotated tasks that Label Studio imports."""
    corpus = read_data(data, label_config, annotators)
    made = variants(corpus.dataset.reports, policies or tuple(POLICIES), copies, seed)
    write(corpus, made, data, output)
    if shown and not as_json:
        click.echo(side_by_side(corpus.dataset.reports, made[:shown]))
    show(summary(corpus, made, output), as_json, _told)


def write(corpus: Corpus, made: Sequence[Augmented], data: Path, output: Path) -> None:
    """Write the variants; raises CorpusError, also rather than replace what they were made from."""
    if output.exists() and output.samefile(data):
        raise CorpusError("The output would replace the input", output, "name another file")
    lines = [json.dumps(task, ensure_ascii=False) for task in as_tasks(corpus, made)]
    try:
        write_text(output, "[\n" + ",\n".join(lines) + "\n]\n")
    except OSError as error:
        raise CorpusError(f"Cannot write ({error.strerror or type(error).__name__})", output) from None


def as_tasks(corpus: Corpus, made: Sequence[Augmented]) -> list[dict[str, Any]]:
    """The variants as tasks, numbered above their sources; `meta` names the source and the policies."""
    first = max(report.task_id for report in corpus.dataset.reports) + 1
    return [
        {
            **export_task(replace(variant.report, task_id=number, annotation_id=number), corpus.config),
            "meta": {"source_task": variant.source_task_id, "policies": list(variant.policies)},
        }
        for number, variant in enumerate(made, start=first)
    ]


def summary(corpus: Corpus, made: Sequence[Augmented], output: Path) -> dict[str, Any]:
    """Counts, and how many variants each policy had a part in."""
    parts = Counter(name for variant in made for name in variant.policies)
    return {
        "output": str(output),
        "reports": len(corpus.dataset.reports),
        "variants": len(made),
        "policies": {name: parts[name] for name in POLICIES if parts[name]},
    }


def side_by_side(reports: Sequence[Report], made: Sequence[Augmented]) -> str:
    """Original and variant in two columns, mentions as `[text|label]`."""
    originals = {report.task_id: report for report in reports}
    table = Table(Column("original", overflow="fold"), Column("variant", overflow="fold"), show_lines=True)
    for variant in made:
        original = originals[variant.source_task_id]
        head = f"task {original.task_id}\n", f"{', '.join(variant.policies)}\n"
        table.add_row(Text(head[0] + marked(original)), Text(head[1] + marked(variant.report)))
    console = Console()
    with console.capture() as capture:
        console.print(table)
    return capture.get().rstrip("\n")


def marked(report: Report) -> str:
    """The text with its mentions marked as in the annotation guidelines; line ends as they are seen."""
    parts, end = [], 0
    for span in report.spans:
        parts += [report.text[end : span.start], f"[{report.text[span.start : span.end]}|{span.label}]"]
        end = span.end
    return "".join([*parts, report.text[end:]]).replace("\r\n", "\n")


def _told(counts: dict[str, Any]) -> str:
    parts = ", ".join(f"{name} {count}" for name, count in counts["policies"].items())
    head = f"{counts['variants']} variants of {counts['reports']} reports in {counts['output']}"
    return f"{head} ({parts})" if parts else head
