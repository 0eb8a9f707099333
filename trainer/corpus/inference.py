"""The labelling configuration that tasks follow, read off the tasks. What is not clear raises and names the choices."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from backend.errors import CorpusError
from backend.labelstudio.config import LabelConfig
from backend.labelstudio.regions import agrees, offsets
from backend.labelstudio.wire import SPAN_TYPES
from trainer.corpus.tasks import Task

DEEPEST = 8
"""How many objects inside each other a report is looked for."""

HINT = "pass --label-config with the project's labelling configuration"


def infer(tasks: Sequence[Task], path: Path) -> LabelConfig | None:
    """The one control, the one text and the labels of the tasks, None when nothing is marked; raises CorpusError.

    Labels are in alphabetical order (by code point), so that the order of the tasks does not matter.
    """
    if not any(_strings(task["data"]) for task in tasks):
        raise CorpusError("No task has any text in", path, "give an export of Label Studio with the tasks' data")
    marked = [(task, region) for task in tasks for region in _regions(task)]
    regions = [(task, region) for task, region in marked if region["type"] == SPAN_TYPES[0]]
    pairs = Counter((str(region.get("from_name")), str(region.get("to_name"))) for _, region in regions)
    if not pairs and marked:
        types = ", ".join(sorted({region["type"] for _, region in marked}))
        raise CorpusError(
            f"No span of a Text tag, only {types} in", path, "spans of HyperText and Paragraphs are not read"
        )
    if not pairs:
        return None
    if len(pairs) > 1:
        choices = ", ".join(f"{name} on {target} ({n})" for (name, target), n in pairs.most_common())
        raise CorpusError(f"Spans of several controls in {path}", choices, HINT)
    ((from_name, to_name),) = pairs
    labels = {label for _, region in regions for label in _labels(region)}
    if not labels:
        raise CorpusError("No span has a label in", path, HINT)
    return LabelConfig(from_name, to_name, _text_key(tasks, regions, to_name, path), tuple(sorted(labels)))


def _regions(task: Task) -> Iterator[dict[str, Any]]:
    for annotation in task["annotations"]:
        result = annotation.get("result") if isinstance(annotation, dict) else None
        for region in result if isinstance(result, list) else ():
            if isinstance(region, dict) and region.get("type") in SPAN_TYPES and isinstance(region.get("value"), dict):
                yield region


def _labels(region: dict[str, Any]) -> list[str]:
    """The region's labels that can be one; those of `Span` are not empty."""
    labels = region["value"].get("labels")
    return [label for label in labels if _is_label(label)] if isinstance(labels, list) else []


def _is_label(label: object) -> bool:
    return isinstance(label, str) and bool(label.strip()) and label.encode(errors="replace").decode() == label


def _text_key(tasks: Sequence[Task], regions: Iterable[tuple[Task, dict[str, Any]]], name: str, path: Path) -> str:
    """The data key of the report: the only one, else the one in which most spans stand, else the text's name.

    A span stands where its text is what the offsets hold; where no text says anything, where its offsets fit.
    """
    keys = Counter(key for task in tasks for key in _strings(task["data"]))
    if len(keys) == 1:
        return next(iter(keys))
    places = [(key, region["value"], text) for task, region in regions for key, text in _strings(task["data"]).items()]
    votes = Counter(key for key, value, text in places if agrees(value, text))
    votes = votes or Counter(key for key, value, text in places if offsets(value, text)[0])
    best = [key for key, n in votes.items() if n == max(votes.values())]
    named = [key for key in (name, "text") if key in (best or keys)]
    if len(best) == 1 or named:
        return best[0] if len(best) == 1 else named[0]
    raise CorpusError(f"Several keys of the tasks in {path} may hold the report", ", ".join(sorted(keys)), HINT)


def _strings(data: object, prefix: str = "") -> dict[str, str]:
    """Dotted path -> text of every string in the data."""
    found: dict[str, str] = {}
    for key, value in data.items() if isinstance(data, dict) else ():
        if isinstance(value, str):
            found[f"{prefix}{key}"] = value
        elif prefix.count(".") < DEEPEST:
            found |= _strings(value, f"{prefix}{key}.")
    return found
