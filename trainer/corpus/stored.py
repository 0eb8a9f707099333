"""Reports as a `datasets.Dataset` in a folder: columns task_id, annotation_id, text, tokens, ner_tags.

`tokens` are the characters and `ner_tags` their BIO tags as a ClassLabel, which carries the labels in their order:
what the usual token classification scripts read.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from backend.errors import CorpusError
from backend.ner.alignment import spans_to_tags, tags_to_spans
from backend.ner.scheme import LabelScheme
from trainer.corpus.conll import characters
from trainer.dataset import Report

STATE = "state.json"
"""The file by which a folder is known as a stored dataset."""


def save(reports: Sequence[Report], labels: Sequence[str], folder: Path) -> None:
    """Write the reports into a folder that is not there yet."""
    from datasets import (  # type: ignore[import-untyped]
        ClassLabel,
        Dataset,
        Features,
        List,
        Value,
        disable_progress_bars,
    )

    disable_progress_bars()
    scheme = LabelScheme(tuple(labels))
    features = Features(
        {
            "task_id": Value("int64"),
            "annotation_id": Value("int64"),
            "text": Value("string"),
            "tokens": List(Value("string")),
            "ner_tags": List(ClassLabel(names=list(scheme.tags))),
        }
    )
    dataset = Dataset.from_list([_row(report, scheme) for report in reports], features=features)
    dataset.save_to_disk(folder)


def load(folder: Path) -> tuple[list[Report], tuple[str, ...]]:
    """Reports and labels of a folder that `save` wrote, or of any with these tokens and tags; raises CorpusError."""
    from datasets import load_from_disk

    if (folder / "dataset_dict.json").exists():
        splits = ", ".join(sorted(child.name for child in folder.iterdir() if child.is_dir()))
        raise CorpusError("A folder of several datasets", folder, f"give one of its splits: {splits}")
    if not (folder / STATE).exists():
        raise CorpusError("No dataset in the folder", folder, "give a file, or a folder that `ecgal convert` wrote")
    try:
        dataset = load_from_disk(str(folder))
        names = dataset.features["ner_tags"].feature.names
        return _reports(dataset, tuple(names)), tuple(dict.fromkeys(name[2:] for name in names if name != "O"))
    except CorpusError:
        raise
    except Exception as error:  # pyarrow and datasets raise what they like for a damaged folder
        what = f"Not a dataset with tokens and ner_tags ({type(error).__name__})"
        raise CorpusError(what, folder, "give a folder that `ecgal convert` wrote") from None


def _row(report: Report, scheme: LabelScheme) -> dict[str, Any]:
    tags = spans_to_tags(report.spans, characters(report.text), scheme)
    return {
        "task_id": report.task_id,
        "annotation_id": report.annotation_id,
        "text": report.text,
        "tokens": list(report.text),
        "ner_tags": tags.tolist(),
    }


def _reports(dataset: Iterable[dict[str, Any]], names: tuple[str, ...]) -> list[Report]:
    scheme = LabelScheme(tuple(dict.fromkeys(name[2:] for name in names if name != "O")))
    ids = {tag: i for i, tag in enumerate(scheme.tags)}
    own = np.array([ids[name] for name in names], dtype=np.int64)
    reports = []
    for place, row in enumerate(dataset, start=1):
        text = "".join(row["tokens"])
        if len(text) != len(row["tokens"]):
            raise CorpusError("Tokens must be single characters, unlike those of row", place)
        spans = tags_to_spans(own[row["ner_tags"]], characters(text), scheme)
        reports.append(Report(row.get("task_id", place), row.get("annotation_id", 0), text, tuple(spans)))
    return reports
