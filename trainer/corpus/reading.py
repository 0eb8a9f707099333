"""Any file of annotated reports as a corpus."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path, PurePath
from typing import Any, NamedTuple

from backend.errors import CorpusError
from backend.labelstudio.config import LabelConfig
from backend.labelstudio.wire import SPAN_TYPES, task_text
from trainer.corpus import archives, conll, stored, tables
from trainer.corpus.files import HINT, Lost, content_of, decoded, json_values
from trainer.corpus.foreign import adopt, rows_of
from trainer.corpus.inference import infer
from trainer.corpus.model import Corpus, Ledger, Tally, nothing_marked
from trainer.corpus.tasks import PLAIN, Task, tasks_of
from trainer.dataset import Annotators, Report, Taken, frozen, span_count, take


def read(path: Path, config: LabelConfig | None = None, annotators: Annotators = "ground-truth") -> Corpus:
    """The annotated reports of a file or of a dataset's folder, with the rejects.

    Without a configuration it is read off the file. Predictions are never taken for annotations. A row or line that
    cannot be read is a reject. Raises CorpusError when the file cannot be read, when its configuration is not clear, or
    when it holds no task.
    """
    values, labels = _values(path, adopt)
    _check_readable(values, path)
    if labels is not None:
        config = config or LabelConfig(PLAIN.from_name, PLAIN.to_name, PLAIN.text_key, labels)
    # The report's key, by which rows of one task are known, is told by the spans.
    known = config or infer(tasks_of(values, None), path)
    tasks = tasks_of(values, known or PLAIN)
    taken = [take(task, known or PLAIN, annotators) for task in tasks]
    reports = [one.report for one in taken if one.report]
    rejects = [reject for one in taken for reject in one.rejects]
    corpus = Corpus(known or PLAIN, frozen(reports, rejects, (known or PLAIN).labels), _ledger(tasks, taken))
    if known is None:
        raise nothing_marked(corpus, path)
    return corpus


class Texts(NamedTuple):
    """The texts of a file, and how many of its rows have none."""

    texts: list[str]
    without: int


def texts_of(path: Path, config: LabelConfig) -> Texts:
    """The texts of a file that `read` takes, annotated or not, or of a list of strings; raises CorpusError for none."""
    values, _ = _values(path, list)
    _check_readable(values, path)
    tasks = tasks_of([value for value in values if not isinstance(value, str)], config)
    found = [*(value for value in values if isinstance(value, str)), *(task_text(task, config) for task in tasks)]
    texts = [text for text in found if text and text.strip()]
    if not texts:
        hint = "give tasks as Label Studio imports them; --label-config names the key of another project's reports"
        raise CorpusError(f"No text under data.{config.text_key} in", path, hint)
    return Texts(texts, len(found) - len(texts))


def _values(path: Path, form: Callable[[Sequence[Any]], list[Any]]) -> tuple[list[Any], tuple[str, ...] | None]:
    """The rows or tasks of a place, a `Lost` for each that cannot be read; the labels, of a form that names them.

    `form` is what becomes of the rows of a file that names none.
    """
    if not path.exists():
        raise CorpusError("There is no file", path)
    if path.is_dir():
        reports, labels = stored.load(path)
        return [_row(report) for report in reports], labels
    content = content_of(path)
    if not content.startswith(archives.ZIP):
        return _of_file(decoded(content, path), path, form)
    files = [(path / name, name, one) for name, one in archives.members(content, path)]
    found = [(name, *_of_file(decoded(one, place), place, form)) for place, name, one in files]
    if len(found) > 1 and any(labels is not None for _, _, labels in found):
        raise CorpusError("Several files, some of them CoNLL, are in the archive", path, "give one of them")
    return [_placed(value, name) for name, values, _ in found for value in values], found[0][2]


def _of_file(
    text: str, path: Path, form: Callable[[Sequence[Any]], list[Any]]
) -> tuple[list[Any], tuple[str, ...] | None]:
    suffix = _suffix(path.name)
    if not conll.is_conll(text, suffix):
        return form(_rows(text, suffix, path)), None
    found, labels = conll.decode(text, path)
    return [one if isinstance(one, Lost) else _row(one) for one in found], labels


def _placed(value: Any, name: str) -> Any:
    return replace(value, place=f"{name}, {value.place}") if isinstance(value, Lost) else value


def _rows(text: str, suffix: str, path: Path) -> list[Any]:
    """The rows or tasks of a file."""
    if tables.is_table(text, suffix):
        return list(tables.rows_of(text))
    if suffix == ".ann" or re.match(r"T\d+\t\S+ \d+ \d+\t", text):
        raise CorpusError("Annotations of BRAT are not read", path, HINT)
    return rows_of(json_values(text, path))


def _check_readable(values: Sequence[Any], path: Path) -> None:
    """Raise CorpusError for a file without any row, or in which each row is lost, for the reason of the first."""
    if not values:
        raise CorpusError("No tasks in", path, "give an export with annotated tasks")
    if isinstance(values[0], Lost) and all(isinstance(value, Lost) for value in values):
        raise CorpusError(f"No row can be read ({values[0].place}: {values[0].why})", path, HINT)


def _suffix(name: str) -> str:
    return PurePath(name.removesuffix(".gz")).suffix.lower()


def _row(report: Report) -> dict[str, Any]:
    spans = [{"start": span.start, "end": span.end, "label": span.label} for span in report.spans]
    return {"task_id": report.task_id, "annotation_id": report.annotation_id, "text": report.text, "spans": spans}


def _ledger(tasks: Sequence[Task], taken: Sequence[Taken]) -> Ledger:
    """What was found is counted in the tasks, what became of it in what they gave."""
    rejects = [reject for one in taken for reject in one.rejects]
    annotations = [annotation for task in tasks for annotation in task["annotations"]]
    kept = sum(one.report is not None for one in taken)
    return Ledger(
        tasks=Tally(len(tasks), kept, sum(bool(one.problem) for one in taken)),
        annotations=Tally(len(annotations), sum(one.annotations for one in taken), sum(r.annotations for r in rejects)),
        spans=Tally(sum(map(span_count, annotations)), sum(one.spans for one in taken), sum(r.spans for r in rejects)),
        ignored=_ignored(tasks),
    )


def _ignored(tasks: Sequence[Task]) -> dict[str, int]:
    """Predictions, and the results of annotations that are no labelled spans, by their type."""
    counts = Counter({"prediction": sum(len(task["predictions"]) for task in tasks)})
    for task in tasks:
        for annotation in task["annotations"]:
            result = annotation.get("result") if isinstance(annotation, dict) else None
            results = result if isinstance(result, list) else []
            counts.update(
                str(one.get("type")) for one in results if isinstance(one, dict) and one.get("type") not in SPAN_TYPES
            )
    return {kind: n for kind, n in sorted(counts.items()) if n}
