"""Do gold spans survive text -> tokens -> tags -> spans? What is lost here, no training can win back.

    python -m benchmarks.round_trip [--data FOLDER] [--tokenizer FOLDER] [--json]

Reads every `.json` and `.json.gz` file under the folder that holds Label Studio export tasks. Overlapping spans, which
tags cannot express, are resolved as in training, and the dropped ones counted.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np

from backend.engine.tokenizer import TextTokenizer
from backend.ner.alignment import spans_to_tags, tags_to_spans
from backend.ner.pieces import cut
from backend.ner.scheme import LabelScheme
from backend.ner.spans import Span, resolve_overlaps


@dataclass
class Row:
    """One corpus file: spans are those annotated, rejects those dropped for overlap, exact those that came back."""

    corpus: str
    tasks: int = 0
    spans: int = 0
    rejects: int = 0
    exact: int = 0
    characters: int = 0
    tokens: int = 0

    @property
    def exact_percent(self) -> float:
        """Share of the spans that are not rejects that came back exactly, 0..100."""
        kept = self.spans - self.rejects
        return 100 * self.exact / kept if kept else 100.0

    @property
    def tokens_per_character(self) -> float:
        """How much longer (above 1) or shorter the sequence is than the text."""
        return self.tokens / self.characters if self.characters else 0.0


def corpora(folder: Path) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Name and annotated tasks of each file of export tasks below the folder."""
    for path in sorted([*folder.rglob("*.json"), *folder.rglob("*.json.gz")]):
        raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        content = json.loads(raw)
        if isinstance(content, list):
            tasks = [task for task in content if isinstance(task, dict) and "annotations" in task]
            if tasks:
                yield path.relative_to(folder).as_posix().split(".json")[0], tasks


def gold_spans(task: dict[str, Any]) -> list[Span]:
    """All labelled regions of a task, as its annotations give them."""
    regions = [region["value"] for annotation in task["annotations"] for region in annotation["result"]]
    return [Span(v["start"], v["end"], label) for v in regions for label in v.get("labels", ())]


def measure(corpus: str, tasks: list[dict[str, Any]], tokenizer: TextTokenizer | None) -> Row:
    """Send every task of a corpus there and back."""
    row = Row(corpus)
    scheme = LabelScheme(tuple(sorted({span.label for task in tasks for span in gold_spans(task)})))
    for task in tasks:
        text, spans = task["data"]["text"], gold_spans(task)
        kept, dropped = resolve_overlaps(spans)
        offsets = tokenizer.encode(text).offsets if tokenizer else np.array(cut(text), dtype=np.int64).reshape(-1, 2)
        try:
            back = tags_to_spans(spans_to_tags(kept, offsets, scheme), offsets, scheme)
        except ValueError:
            back = []
        row.tasks += 1
        row.spans += len(spans)
        row.rejects += len(dropped)
        row.exact += len(set(kept) & set(back))
        row.characters += len(text)
        row.tokens += len(offsets)
    return row


def table(rows: list[Row]) -> str:
    """The rows for people."""
    lines = [f"{'corpus':<28}{'tasks':>8}{'spans':>8}{'rejects':>9}{'exact %':>9}{'tokens/char':>13}"]
    lines += [
        f"{r.corpus:<28}{r.tasks:>8}{r.spans:>8}{r.rejects:>9}{r.exact_percent:>9.2f}{r.tokens_per_character:>13.4f}"
        for r in rows
    ]
    return "\n".join(lines)


@click.command()
@click.option(
    "--data",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=Path("examples"),
    show_default=True,
    help="Folder with corpora.",
)
@click.option(
    "--tokenizer",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Model folder with a tokenizer.json; without it the pieces themselves are measured.",
)
@click.option("--json", "as_json", is_flag=True, help="A JSON list instead of a table.")
def main(data: Path, tokenizer: Path | None, as_json: bool) -> None:
    """Count the gold spans that come back exactly; exit 1 if any does not."""
    loaded = TextTokenizer.from_folder(tokenizer) if tokenizer else None
    rows = [measure(corpus, tasks, loaded) for corpus, tasks in corpora(data)]
    fields = [
        {**asdict(row), "exact_percent": row.exact_percent, "tokens_per_character": row.tokens_per_character}
        for row in rows
    ]
    click.echo(json.dumps(fields, ensure_ascii=False) if as_json else table(rows))
    if any(row.exact_percent < 100 for row in rows):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
