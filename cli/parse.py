"""`ecgal parse`: reports in files, or from standard input, as structured data."""

from __future__ import annotations

import codecs
import io
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from backend import overview
from backend.batches import Item, Parsed, documents, holds_several, parse_items, slices, to_csv
from backend.errors import BackendError, BadRequest
from backend.parsing.documents import COLUMN
from backend.parsing.layout import STRUCTURED
from backend.parsing.report import StructuredReport
from backend.predictor import Predictor, RulesPredictor
from backend.registry import RULES_VERSION
from backend.serving import Serving
from backend.settings import Settings
from cli.project import parts
from trainer.offline import open_saved

STDIN = "-"
KINDS = ("txt", "docx", "csv", "jsonl")
FORMATS = ("table", "json", "csv", "ndjson")
FOLDER = click.Path(path_type=Path, file_okay=False)
FILE = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--model", type=FOLDER, help="Model folder that parses; without it and --project the rules do.")
@click.option("--project", type=click.IntRange(1), help="Project whose serving version parses.")
@click.option("--format", "form", type=click.Choice(FORMATS), default="table", show_default=True)
@click.option("--json", "form", flag_value="json", help="The same as --format json.")
@click.option("--output", type=FILE, help="File to write, replaced when it is there; default: standard output.")
@click.option("--column", default=COLUMN, show_default=True, help="Column of a CSV file, key of a JSON line.")
@click.option("--kind", type=click.Choice(KINDS), help="What the files are, for names that do not tell; - is txt.")
def parse(
    files: Sequence[str],
    model: Path | None,
    project: int | None,
    form: str,
    output: Path | None,
    column: str,
    kind: str | None,
) -> None:
    """Parse reports (.txt, .docx, .rtf, .csv, .jsonl, - for standard input) into structured data."""
    if model and project:
        raise click.UsageError("Which of the two? Give --model or --project.")
    read = [_read(file, column, kind) for file in files]
    predictor, labels = _predictor(model, project)
    items = list(chain.from_iterable(read))
    reported = _Reported()
    pieces = slices(items, lambda item: item.size)
    results = reported.through(parsed for piece in pieces for parsed in parse_items(predictor, labels, piece))
    with _opened(output) as write:
        for piece in _encoded(results, form, _is_single(files, kind)):
            write(piece)
        if reported.failed == len(items):
            sys.exit(1)  # within: the output stays as it was
    if reported.failed:
        sys.exit(1)


class _Reported:
    """Tells every failure, and what was left out, on standard error as it passes, and counts the failures."""

    def __init__(self) -> None:
        self.failed = 0

    def through(self, results: Iterator[Parsed]) -> Iterator[Parsed]:
        for parsed in results:
            if isinstance(parsed.outcome, BackendError):
                self.failed += 1
                click.echo(f"{parsed.id}: {parsed.outcome}", err=True)
            elif parsed.left_out:
                click.echo(f"{parsed.id}: not read: {', '.join(parsed.left_out)}", err=True)
            yield parsed


def _suffix(file: str, kind: str | None) -> str:
    """What the file is, where its name does not tell."""
    return f".{kind}" if kind else ".txt" if file == STDIN else ""


def _is_single(files: Sequence[str], kind: str | None) -> bool:
    """Whether the answer is one report and no list, as that of POST /api/parse for the same document."""
    return len(files) == 1 and not holds_several(files[0], _suffix(files[0], kind))


def _read(file: str, column: str, kind: str | None) -> list[Item]:
    """The reports of a file; one that cannot be read is an error in its place."""
    name = "stdin" if file == STDIN else file
    try:
        data = sys.stdin.buffer.read() if file == STDIN else Path(file).read_bytes()
        return documents(data, name, column, _suffix(file, kind))
    except OSError as error:
        return [Item(name, None, BadRequest("The file cannot be read", error.strerror or "", "check its name"))]
    except BackendError as error:
        return [Item(name, None, error)]


def _predictor(model: Path | None, project: int | None) -> tuple[Predictor, Sequence[str]]:
    """Who parses, and the labels it knows; raises BackendError."""
    if model:
        saved = open_saved(model, Settings.from_env())
        return saved.predictor, saved.card.labels
    if project:
        opened = parts()
        serving = Serving(opened.settings, opened.registry, opened.live, opened.annotated)
        labels = serving.config(overview.known(opened, str(project)), "").labels
        return serving.predictor(str(project), labels), labels
    return RulesPredictor(RULES_VERSION, tuple(sorted(STRUCTURED))), sorted(STRUCTURED)


def _encoded(results: Iterator[Parsed], form: str, single: bool) -> Iterator[bytes]:
    """The results in the form asked for, piece by piece; `single`: one JSON report instead of a list."""
    if form == "csv":
        yield from to_csv(results)
    elif form == "ndjson":
        yield from (f"{parsed.to_json()}\n".encode() for parsed in results)
    elif form == "table":
        yield from (_table(parsed).encode() for parsed in results)
    elif single:
        yield from (f"{p.report_json()}\n".encode() for p in results if isinstance(p.outcome, StructuredReport))
    else:
        yield b"["
        yield from (f"{',' if place else ''}\n{parsed.to_json()}".encode() for place, parsed in enumerate(results))
        yield b"\n]\n"


def _table(parsed: Parsed) -> str:
    """One report for people, nothing for one that failed."""
    if not isinstance(parsed.outcome, StructuredReport):
        return ""
    table = Table("item", "name", "text", "value", "kind", "time")
    for kind, item in parsed.outcome.items():
        fields = item.model_dump()
        moments = fields.get("times") or [moment for moment in (fields.get("time"),) if moment]
        numbers = [fields[name] for name in ("value", "count", "low", "high") if fields.get(name) is not None]
        value = f"{'–'.join(map(str, numbers))} {fields.get('unit') or ''}".strip() if numbers else ""
        name = fields.get("canonical") or fields.get("name") or fields.get("of") or ""
        said = str(fields.get("kind") or fields.get("certainty") or "")
        table.add_row(kind, name, item.text, value, said, " ".join(moment["text"] for moment in moments))
    shown = io.StringIO()
    # Reports may hold brackets and colons that are no markup.
    Console(file=shown, width=120, markup=False, emoji=False, highlight=False).print(table)
    return f"{parsed.id} ({parsed.outcome.version})\n{shown.getvalue()}"


@contextmanager
def _opened(output: Path | None) -> Iterator[Callable[[bytes], object]]:
    """Writes to standard output, or to the file: aside, there when it is complete. Raises BackendError."""
    if output is None:
        yield _print
        return
    try:
        handle, aside = tempfile.mkstemp(prefix=f".{output.name}-", dir=output.parent)
    except OSError as error:
        raise BackendError("The file cannot be written", output, error.strerror or "") from None
    try:
        with os.fdopen(handle, "wb") as file:
            yield file.write
        Path(aside).replace(output)
    finally:
        Path(aside).unlink(missing_ok=True)


def _print(piece: bytes) -> None:
    """Write UTF-8 to standard output in the encoding of that, without a byte order mark where it is another one."""
    # Like click, we take ASCII for a terminal that is not set up.
    is_utf8 = codecs.lookup(sys.stdout.encoding).name in ("utf-8", "ascii")
    click.echo(piece if is_utf8 else piece.decode("utf-8-sig"), nl=False)
