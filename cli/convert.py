"""`ecgal convert`: exports of Label Studio as training data, and back; what is left out is told and counted."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import click

from backend.errors import CorpusError
from cli.corpus import annotators_option, check_marked, label_config_option, read_config, tell_lost
from cli.project import json_option, show
from trainer.corpus import FORMS, Corpus, Form, form_of, read, write
from trainer.corpus.model import reasons
from trainer.corpus.writing import write_text
from trainer.dataset import Annotators

FILE = click.Path(path_type=Path)
READ = (
    "Annotated reports: an export of Label Studio (JSON, JSON-MIN, CSV, TSV) or doccano, rows of CLUENER, CMeEE, CCKS, "
    "spaCy or Prodigy (JSON, JSON lines), CoNLL with a character a line, a zip or .gz of these, or what convert wrote."
)


@click.command()
@click.option("--input", "source", required=True, type=FILE, help=READ)
@click.option("--output", required=True, type=FILE, help=".json, .jsonl, .conll (.gz behind), or a dataset's folder.")
@click.option("--format", "form", type=click.Choice(FORMS), help="Form of the output, if not clear from its name.")
@click.option("--rejects", type=FILE, help="Write what was left out, with reasons, as JSON.")
@label_config_option
@annotators_option
@json_option
def convert(
    source: Path,
    output: Path,
    form: str | None,
    rejects: Path | None,
    label_config: Path | None,
    annotators: str,
    as_json: bool,
) -> None:
    """Turn annotated reports into one clean annotation each, in any form that other commands read."""
    chosen = cast(Form, form) if form else form_of(output)
    _check_places(source, output, rejects)
    corpus = read(source, read_config(label_config), cast(Annotators, annotators))
    if rejects:
        write_rejects(corpus, rejects)
    tell_lost(corpus, source)
    check_marked(corpus, source)
    write(corpus, output, chosen)
    show({"output": str(output), "format": chosen, **summary(corpus)}, as_json, _table)


def summary(corpus: Corpus) -> dict[str, Any]:
    """Labels, counts of the ledger, and the rejects by reason."""
    told = {"labels": list(corpus.config.labels), **asdict(corpus.ledger)}
    return {**told, "reasons": reasons(corpus.dataset.rejects), "hash": corpus.dataset.hash}


def write_rejects(corpus: Corpus, path: Path) -> None:
    """Write all rejects as a JSON list, in the order of the tasks."""
    rows = [json.dumps(asdict(reject), ensure_ascii=False) for reject in corpus.dataset.rejects]
    try:
        write_text(path, "[\n" + ",\n".join(rows) + "\n]\n")
    except OSError as error:
        raise CorpusError(f"Cannot write ({error.strerror or type(error).__name__})", path) from None


def _check_places(source: Path, output: Path, rejects: Path | None) -> None:
    places = [path.resolve() for path in (source, output, rejects) if path]
    if len(set(places)) < len(places):
        raise CorpusError("Input, output and rejects must be different files, not", output)


def _table(summary: dict[str, Any]) -> str:
    lines = [f"{'':<12}{'found':>8}{'kept':>8}{'rejected':>10}"]
    for name in ("tasks", "annotations", "spans"):
        tally = summary[name]
        lines.append(f"{name:<12}{tally['found']:>8}{tally['kept']:>8}{tally['rejected']:>10}")
    lines += [f"{n:>8} x {reason}" for reason, n in summary["reasons"].items()]
    ignored = ", ".join(f"{n} x {kind}" for kind, n in summary["ignored"].items())
    lines += [f"ignored: {ignored}"] if ignored else []
    labels = ", ".join(summary["labels"])
    return "\n".join([*lines, f"wrote {summary['output']} ({summary['format']}), labels {labels}"])
