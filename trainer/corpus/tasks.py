"""The task shapes of Label Studio's exports as one: `{"id", "data", "annotations", "predictions"}`, each id once.

Shapes: JSON and snapshots (`annotations`, before 1.0 `completions`; drafts beside them), JSON-MIN (flat: the regions
under the name of their control, one row for each annotation), and `{"task_id", "text", "spans"}`, which
`ecgal convert` writes as JSON lines.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from backend.labelstudio.config import LabelConfig
from trainer.dataset import number

Task = dict[str, Any]

PLAIN = LabelConfig("label", "text", "text", ())
"""The names used where a file has none, and its labels."""

# Columns of a JSON-MIN row that are no data of the task (label-studio-sdk 2.1.2).
_ROW_FIELDS = {"id", "annotator", "annotation_id", "created_at", "updated_at", "lead_time", "agreement"}


def tasks_of(values: Iterable[Any], config: LabelConfig | None) -> list[Task]:
    """Every value as a task, in file order; what is no task becomes one without data, so that it is rejected later.

    Tasks without a usable id get the next numbers above the largest. Tasks with the same id and data are one task
    (an annotation each in JSON-MIN); with other data, the later one gets a number of its own.
    """
    tasks = [_task(value, config or PLAIN) for value in values]
    ids = [task["id"] for task in tasks if task["id"] is not None]
    free = max(ids, default=0) + 1
    known: dict[int, Task] = {}
    kept = []
    for task in tasks:
        same = known.get(task["id"]) if task["id"] is not None else None
        if same is not None and same["data"] == task["data"]:
            same["annotations"] += task["annotations"]
            same["predictions"] += task["predictions"]
            continue
        if task["id"] is None or same is not None:
            task["id"], free = free, free + 1
        known[task["id"]] = task
        kept.append(task)
    return kept


def region(start: Any, end: Any, label: Any, config: LabelConfig = PLAIN) -> dict[str, Any]:
    """A labelled span as Label Studio stores it, without id and text."""
    value = {"start": start, "end": end, "labels": [label]}
    return {"from_name": config.from_name, "to_name": config.to_name, "type": "labels", "value": value}


def _task(value: Any, config: LabelConfig) -> Task:
    if not isinstance(value, dict):
        return {"id": None, "data": None, "annotations": [], "predictions": []}
    if isinstance(value.get("data"), dict):
        return _export_task(value)
    return _span_row(value, config) if _is_span_row(value) else _flat_row(value, config)


def _export_task(value: dict[str, Any]) -> Task:
    annotations = [*_listed(value.get("annotations")), *map(_completion, _listed(value.get("completions")))]
    annotations += [_draft(draft) for draft in _listed(value.get("drafts"))]
    predictions = list(_listed(value.get("predictions")))
    return {"id": _id(value), "data": value["data"], "annotations": annotations, "predictions": predictions}


def _completion(annotation: Any) -> Any:
    """An annotation as Label Studio before 1.0 called its fields."""
    if not isinstance(annotation, dict):
        return annotation
    old = {"was_cancelled": bool(annotation.get("skipped")), "ground_truth": bool(annotation.get("honeypot"))}
    return {**old, **annotation}


def _draft(draft: Any) -> dict[str, Any]:
    """Marked as one: `is_trainable` knows drafts by this key."""
    return {**(draft if isinstance(draft, dict) else {"id": draft}), "was_postponed": False}


def _is_span_row(row: dict[str, Any]) -> bool:
    """Whether the row is one of ours; spans with a list of labels are those of a JSON-MIN control of this name."""
    spans = row.get("spans")
    named = isinstance(spans, list) and not any(isinstance(span, dict) and "labels" in span for span in spans)
    return named and isinstance(row.get("text"), str)


def _span_row(row: dict[str, Any], config: LabelConfig) -> Task:
    fields = [span if isinstance(span, dict) else {} for span in row["spans"]]
    result = [region(span.get("start"), span.get("end"), span.get("label"), config) for span in fields]
    data = {config.text_key: row["text"]}
    annotation = {"id": row.get("annotation_id"), "result": result}
    return {"id": number(row.get("task_id")), "data": data, "annotations": [annotation], "predictions": []}


def _flat_row(row: dict[str, Any], config: LabelConfig) -> Task:
    controls = {name: value for name, value in row.items() if _is_regions(value)}
    data = {name: value for name, value in row.items() if name not in controls and name not in _ROW_FIELDS}
    annotation = {
        "id": row.get("annotation_id"),
        "completed_by": row.get("annotator"),
        "updated_at": row.get("updated_at"),
        "result": [_flat_region(name, value, config) for name, values in controls.items() for value in values],
    }
    return {"id": _id(row), "data": data, "annotations": [annotation], "predictions": []}


def _is_regions(value: Any) -> bool:
    """Whether a column of a row holds regions of a text, right or wrong ones."""
    return isinstance(value, list) and any(isinstance(v, dict) and ("labels" in v or "start" in v) for v in value)


def _flat_region(name: str, value: dict[str, Any], config: LabelConfig) -> dict[str, Any]:
    return {"from_name": name, "to_name": config.to_name, "type": "labels", "value": value}


def _listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else ()


def _id(value: dict[str, Any]) -> int | None:
    return number(value.get("id"))
