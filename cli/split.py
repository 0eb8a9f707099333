"""`ecgal split`: annotated reports as a training and a validation file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from backend.errors import CorpusError
from cli.corpus import data_options, read_data
from cli.project import json_option, show
from trainer.copies import merged
from trainer.corpus import Corpus, write
from trainer.corpus.splits import stratified, template_disjoint
from trainer.dataset import Report, frozen

METHODS = {"stratified": stratified, "template-disjoint": template_disjoint}


@click.command()
@data_options
@click.option("--output", required=True, type=click.Path(path_type=Path), help="Folder for the two files.")
@click.option("--method", type=click.Choice(list(METHODS)), default="stratified", show_default=True)
@click.option("--share", type=click.FloatRange(0, 1, min_open=True, max_open=True), default=0.2, show_default=True)
@click.option("--seed", type=int, default=0, show_default=True)
@json_option
def split(
    data: Path,
    label_config: Path | None,
    annotators: str,
    output: Path,
    method: str,
    share: float,
    seed: int,
    as_json: bool,
) -> None:
    """Write train.json and validation.json; template-disjoint keeps near-duplicates on one side."""
    corpus = read_data(data, label_config, annotators)
    train, validation = METHODS[method](corpus.dataset.reports, share, seed)
    sides = {"train": train, "validation": validation}
    files = {name: output / f"{name}.json" for name in sides}
    if data.resolve() in [file.resolve() for file in files.values()]:
        raise CorpusError("The data would be overwritten", data, "name another --output")
    for name, reports in sides.items():
        write(part(corpus, reports), files[name])
    counts = {name: count(corpus, reports) for name, reports in sides.items()}
    copies = len(corpus.dataset.reports) - len(merged(corpus.dataset.reports)[0])
    show({"output": str(output), "method": method, "seed": seed, "copies": copies, **counts}, as_json, _table)


def part(corpus: Corpus, reports: Sequence[Report]) -> Corpus:
    """Some reports of a corpus, with its configuration."""
    return Corpus(corpus.config, frozen(reports, (), corpus.config.labels))


def count(corpus: Corpus, reports: Sequence[Report]) -> dict[str, Any]:
    """Reports, characters, and spans of each label."""
    spans = Counter(span.label for report in reports for span in report.spans)
    labels = {label: spans[label] for label in corpus.config.labels}
    return {"reports": len(reports), "characters": sum(len(report.text) for report in reports), "labels": labels}


def _table(counts: dict[str, Any]) -> str:
    train, validation = counts["train"], counts["validation"]
    rows = [(name, train[name], validation[name]) for name in ("reports", "characters")]
    rows += [(label, n, validation["labels"][label]) for label, n in train["labels"].items()]
    lines = [f"{'':<20}{'train':>10}{'validation':>12}", *(f"{name:<20}{t:>10}{v:>12}" for name, t, v in rows)]
    if copies := counts["copies"]:
        lines.append(f"{copies} of them have the text of another report: copies are on the same side")
    return "\n".join([*lines, f"wrote train.json and validation.json into {counts['output']}"])
