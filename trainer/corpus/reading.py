"""Any file of annotated reports as a corpus."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import Any

from backend.errors import CorpusError
from backend.labelstudio.config import LabelConfig
from backend.labelstudio.wire import SPAN_TYPES, task_text
from trainer.corpus import archives, conll, stored, tables
from trainer.corpus.files import content_of, decoded, json_values, text_of
from trainer.corpus.foreign import adopt
from trainer.corpus.inference import infer
from trainer.corpus.model import Corpus, Ledger, Tally
from trainer.corpus.tasks import PLAIN, Task, tasks_of
from trainer.dataset import Annotators, Report, Taken, frozen, span_count, take


def read(path: Path, config: LabelConfig | None = None, annotators: Annotators = "ground-truth") -> Corpus:
    """The annotated reports of a file or of a dataset's folder, with the rejects.

    Without a configuration it is read off the file. Predictions are never taken for annotations. Raises CorpusError
    when the file cannot be read, when its configuration is not clear, or when it holds no task.
    """
    tasks, config = _tasks(path, config)
    if not tasks:
        raise CorpusError("No tasks in", path, "give an export with annotated tasks")
    taken = [take(task, config, annotators) for task in tasks]
    reports = [one.report for one in taken if one.report]
    rejects = [reject for one in taken for reject in one.rejects]
    return Corpus(config, frozen(reports, rejects, config.labels), _ledger(tasks, taken))


def texts_of(path: Path, config: LabelConfig) -> list[str]:
    """The texts of a file of tasks, annotated or not, or of a JSON list of strings; raises CorpusError for none."""
    values = json_values(text_of(path), path)
    strings = [value for value in values if isinstance(value, str)]
    tasks = tasks_of([value for value in values if not isinstance(value, str)], config)
    texts = [*strings, *(text for task in tasks if (text := task_text(task, config)) is not None)]
    if not texts:
        raise CorpusError(f"No text under data.{config.text_key} in", path, "give tasks as Label Studio imports them")
    return texts


def _tasks(path: Path, config: LabelConfig | None) -> tuple[list[Task], LabelConfig]:
    """The tasks of a file in one shape, and the configuration they follow."""
    if not path.exists():
        raise CorpusError("There is no file", path)
    if path.is_dir():
        return _own_form(*stored.load(path), config)
    content = content_of(path)
    files = archives.members(content, path) if content.startswith(archives.ZIP) else [(path.name, content)]
    texts = [(_suffix(name), decoded(one, path)) for name, one in files]
    conlls = [text for suffix, text in texts if conll.is_conll(text, suffix)]
    if conlls and len(texts) == 1:
        return _own_form(*conll.decode(conlls[0], path), config)
    if conlls:
        raise CorpusError("Several files, some of them CoNLL, are in the archive", path, "give one of them")
    values = [value for suffix, text in texts for value in _values(text, suffix, path)]
    # The report's key, by which rows of one task are known, is told by the spans.
    config = config or (infer(tasks_of(values, None), path) if values else PLAIN)
    return tasks_of(values, config), config


def _values(text: str, suffix: str, path: Path) -> list[Any]:
    """The rows or tasks of a file."""
    if tables.is_table(text, suffix):
        return list(tables.rows_of(text, path))
    if suffix == ".ann" or re.match(r"T\d+\t\S+ \d+ \d+\t", text):
        raise CorpusError("Annotations of BRAT are not read", path, "export JSON from Label Studio")
    return adopt(json_values(text, path), path)


def _suffix(name: str) -> str:
    return PurePath(name.removesuffix(".gz")).suffix.lower()


def _own_form(
    reports: Sequence[Report], labels: tuple[str, ...], config: LabelConfig | None
) -> tuple[list[Task], LabelConfig]:
    """Reports as tasks again, so that they pass the same checks."""
    config = config or LabelConfig(PLAIN.from_name, PLAIN.to_name, PLAIN.text_key, labels)
    return tasks_of([_row(report) for report in reports], config), config


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
