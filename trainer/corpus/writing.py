"""A corpus as a file or folder that `read` and others can read; written aside, then renamed."""

from __future__ import annotations

import gzip
import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal, get_args

from backend.errors import CorpusError
from backend.labelstudio.config import LabelConfig
from trainer.corpus import conll, stored
from trainer.corpus.model import Corpus
from trainer.corpus.tasks import region
from trainer.dataset import Report

Form = Literal["label-studio", "json-lines", "conll", "dataset"]

FORMS: tuple[Form, ...] = get_args(Form)

SUFFIXES: dict[str, Form] = {
    ".json": "label-studio",
    ".jsonl": "json-lines",
    ".ndjson": "json-lines",
    ".conll": "conll",
    ".bio": "conll",
    "": "dataset",
}
"""What the name of an output says about its form; `.gz` behind it compresses a file."""


def form_of(path: Path) -> Form:
    """The form that the name stands for; raises CorpusError for any other name."""
    suffix = Path(path.name.removesuffix(".gz")).suffix
    if suffix not in SUFFIXES:
        known = ", ".join(name or "none for a dataset's folder" for name in SUFFIXES)
        raise CorpusError("The output's form is not clear from its name", path, f"pass --format, or use {known}")
    return SUFFIXES[suffix]


def write(corpus: Corpus, path: Path, form: Form | None = None) -> Path:
    """Write the corpus's reports in this form, by default the one of the name; returns the path.

    An existing file or stored dataset is replaced. Raises CorpusError when the place cannot be written.
    """
    form = form or form_of(path)
    try:
        _write_folder(corpus, path) if form == "dataset" else _write_file(corpus, path, form)
    except OSError as error:
        raise CorpusError(f"Cannot write ({error.strerror or type(error).__name__})", path) from None
    return path


def write_text(path: Path, text: str) -> None:
    """Write a file whole or not at all; a name that ends in .gz is compressed."""
    content = text.encode("utf-8", errors="backslashreplace")
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}-") as aside:
        new = Path(aside) / path.name
        new.write_bytes(gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)
        new.replace(path)


def _write_file(corpus: Corpus, path: Path, form: Form) -> None:
    lines: dict[str, Callable[[Corpus], Iterator[str]]] = {
        "label-studio": _export,
        "json-lines": _json_lines,
        "conll": lambda c: conll.encode(c.dataset.reports, c.config.labels),
    }
    write_text(path, "".join(f"{line}\n" for line in lines[form](corpus)))


def _write_folder(corpus: Corpus, path: Path) -> None:
    if path.exists() and not (path / stored.STATE).exists() and (path.is_file() or any(path.iterdir())):
        raise CorpusError("The output is there already and no dataset", path, "name a new folder")
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}-") as aside:
        new = Path(aside) / "new"
        stored.save(corpus.dataset.reports, corpus.config.labels, new)
        if path.exists():
            path.rename(Path(aside) / "old")
        new.rename(path)


def _export(corpus: Corpus) -> Iterator[str]:
    tasks = [json.dumps(export_task(report, corpus.config), ensure_ascii=False) for report in corpus.dataset.reports]
    yield "[\n" + ",\n".join(tasks) + "\n]"


def export_task(report: Report, config: LabelConfig) -> dict[str, Any]:
    """The report as an annotated task that Label Studio imports."""
    result = []
    for place, span in enumerate(report.spans):
        fields = region(span.start, span.end, span.label, config)
        fields["value"]["text"] = report.text[span.start : span.end]
        result.append({"id": f"{report.task_id}-{place}", **fields})
    data: Any = report.text
    for key in reversed(config.text_key.split(".")):
        data = {key: data}
    annotation = {"id": report.annotation_id, "was_cancelled": False, "result": result}
    return {"id": report.task_id, "data": data, "annotations": [annotation]}


def _json_lines(corpus: Corpus) -> Iterator[str]:
    for report in corpus.dataset.reports:
        spans = [{"start": s.start, "end": s.end, "label": s.label} for s in report.spans]
        row = {"task_id": report.task_id, "annotation_id": report.annotation_id, "text": report.text, "spans": spans}
        yield json.dumps(row, ensure_ascii=False)
