"""The task shapes of Label Studio's exports as one: `{"id", "data", "annotations", "predictions"}`, each id once.

Shapes: JSON and snapshots (`annotations`, before 1.0 `completions`; drafts beside them), JSON-MIN (flat: the regions
under the name of their control, one row for each annotation), and `{"task_id", "text", "spans"}`, which
`ecgal convert` writes as JSON lines; Prodigy writes the same with an `answer`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from backend.labelstudio.config import LabelConfig
from backend.labelstudio.wire import task_text
from trainer.corpus.files import Lost
from trainer.dataset import number

Task = dict[str, Any]

PLAIN = LabelConfig("label", "text", "text", ())
"""The names used where a file has none, and its labels."""

OTHER_VALUES = {"choices", "rating", "number", "datetime", "taxonomy"}
"""What a region's value holds that stands under the name of a control for regions, other than Labels."""

MENTIONS = ("mention", "text", "entity", "word")
"""Under what a span has the text that it covers, of whatever tool."""

ROW_FIELDS = {"id", "annotator", "annotation_id", "created_at", "updated_at", "lead_time", "agreement"}
"""Columns of a JSON-MIN row that are no data of the task (label-studio-sdk 2.1.2)."""


def tasks_of(values: Iterable[Any], config: LabelConfig | None) -> list[Task]:
    """Every value as a task, in file order; what is no task becomes one without data, so that it is rejected later.

    A `Lost` row has its reason under `problem`.

    Tasks without a usable id get the next numbers above the largest. Tasks with the same id and report are one task
    (an annotation each in JSON-MIN, where choices stand among the data); with another report, the later one gets a
    number of its own.
    """
    config = config or PLAIN
    tasks = [_task(value, config) for value in values]
    ids = [task["id"] for task in tasks if task["id"] is not None]
    free = max(ids, default=0) + 1
    known: dict[int, Task] = {}
    kept = []
    for task in tasks:
        same = known.get(task["id"]) if task["id"] is not None else None
        if same is not None and _are_same(same, task, config):
            same["annotations"] += task["annotations"]
            same["predictions"] += task["predictions"]
            continue
        if task["id"] is None or same is not None:
            task["id"], free = free, free + 1
        known[task["id"]] = task
        kept.append(task)
    return kept


def _are_same(one: Task, other: Task, config: LabelConfig) -> bool:
    text = task_text(one, config)
    return one["data"] == other["data"] or (text is not None and text == task_text(other, config))


def region(start: Any, end: Any, label: Any, config: LabelConfig = PLAIN) -> dict[str, Any]:
    """A labelled span as Label Studio stores it, without id and text."""
    value = {"start": start, "end": end, "labels": [label]}
    return {"from_name": config.from_name, "to_name": config.to_name, "type": "labels", "value": value}


def _task(value: Any, config: LabelConfig) -> Task:
    if isinstance(value, Lost):
        problem = f"{value.place}: {value.why}"
        return {"id": None, "data": None, "annotations": [], "predictions": [], "problem": problem}
    if not isinstance(value, dict):
        return {"id": None, "data": None, "annotations": [], "predictions": []}
    if isinstance(value.get("data"), dict):
        return _export_task(value)
    return _span_row(value, config) if is_span_row(value) else _flat_row(value, config)


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


def is_span_row(row: dict[str, Any]) -> bool:
    """Whether the row is one of ours or of Prodigy; spans with a list of labels are of a JSON-MIN control so called."""
    spans = row.get("spans")
    named = isinstance(spans, list) and all(
        isinstance(span, dict) and "start" in span and "labels" not in span for span in spans
    )
    return named and isinstance(row.get("text"), str) and not row.get("entities")


def is_flat_row(row: dict[str, Any]) -> bool:
    """Whether the row is one of JSON-MIN: with the columns that Label Studio writes, or with regions of Labels."""
    return "annotation_id" in row or any(_is_regions(value) and _has_labels(value) for value in row.values())


def _span_row(row: dict[str, Any], config: LabelConfig) -> Task:
    fields = [span if isinstance(span, dict) else {} for span in row["spans"]]
    result = [region(span.get("start"), span.get("end"), span.get("label"), config) for span in fields]
    for marked, span in zip(result, fields, strict=True):
        marked["value"]["text"] = next((span[key] for key in MENTIONS if key in span), None)
    data = {config.text_key: row["text"]}
    result += [{"type": "relation"}] * len(_listed(row.get("relations")))
    # Prodigy keeps what the annotator accepted, rejected and ignored in one file.
    refused = row.get("answer") not in (None, "accept")
    annotation = {"id": row.get("annotation_id"), "was_cancelled": refused, "result": result}
    annotation |= {"answer": row["answer"]} if refused else {}
    return {"id": number(row.get("task_id")), "data": data, "annotations": [annotation], "predictions": []}


def _flat_row(row: dict[str, Any], config: LabelConfig) -> Task:
    listed = {name: value for name, value in row.items() if _is_regions(value)}
    controls = {name: value for name, value in listed.items() if not _is_other_control(value)}
    data = {name: value for name, value in row.items() if name not in listed and name not in ROW_FIELDS}
    task: Task = {"id": _id(row), "data": data, "annotations": [], "predictions": []}
    if row.get("annotation_id") is None and not controls:
        return task
    result = [_flat_region(name, value, config) for name, values in controls.items() for value in values]
    result += [{"type": "other control"} for name in listed if name not in controls for _ in listed[name]]
    annotation = {
        "id": row.get("annotation_id"),
        "completed_by": row.get("annotator"),
        "updated_at": row.get("updated_at"),
        "result": result,
    }
    return {**task, "annotations": [annotation]}


def _is_regions(value: Any) -> bool:
    """Whether a column of a row holds regions of a text, right or wrong ones."""
    return isinstance(value, list) and any(isinstance(v, dict) and ("labels" in v or "start" in v) for v in value)


def _has_labels(values: list[Any]) -> bool:
    return any(isinstance(value, dict) and "labels" in value for value in values)


def _is_other_control(values: list[Any]) -> bool:
    """Whether the regions are those of a text area, choices or the like for each region: what was said of a span."""
    known = [value for value in values if isinstance(value, dict)]
    return not _has_labels(values) and any(isinstance(v.get("text"), list) or OTHER_VALUES & v.keys() for v in known)


def _flat_region(name: str, value: dict[str, Any], config: LabelConfig) -> dict[str, Any]:
    return {"from_name": name, "to_name": config.to_name, "type": "labels", "value": value}


def _listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else ()


def _id(value: dict[str, Any]) -> int | None:
    return number(value.get("id"))
