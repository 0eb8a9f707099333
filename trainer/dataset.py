"""Annotated tasks of Label Studio as a frozen dataset: kept + rejected = all, each reject with a reason."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from backend.labelstudio.config import LabelConfig
from backend.labelstudio.wire import annotation_spans, is_trainable, task_text
from backend.ner.spans import Span
from backend.ranking.control import is_holdout


@dataclass(frozen=True)
class Report:
    """An annotated report; spans are disjoint, sorted, half-open code-point ranges of `text`."""

    task_id: int
    annotation_id: int
    text: str
    spans: tuple[Span, ...]


@dataclass(frozen=True)
class Reject:
    """What was not taken from a task, and why; no report text."""

    task_id: int
    reason: str


@dataclass(frozen=True)
class FrozenDataset:
    """The data of one round, in task order; `hash` changes with texts, spans or labels."""

    labels: tuple[str, ...]
    reports: tuple[Report, ...]
    rejects: tuple[Reject, ...]
    hash: str


def freeze(tasks: Iterable[dict[str, Any]], config: LabelConfig) -> FrozenDataset:
    """The trainable annotations of the tasks.

    Of several annotations of a task the ground truth wins, else the one updated last. Skipped
    annotations, drafts, tasks without text, and regions that do not fit are rejects.
    """
    reports: list[Report] = []
    rejects: list[Reject] = []
    for task in tasks:
        report, reasons = _report(task, config)
        reports += [report] if report else []
        rejects += [Reject(int(task["id"]), reason) for reason in reasons]
    reports.sort(key=lambda report: report.task_id)
    return FrozenDataset(config.labels, tuple(reports), tuple(rejects), _hash(config.labels, reports))


def split(reports: Sequence[Report], share: float) -> tuple[list[Report], list[Report]]:
    """Training and holdout reports; membership depends on the task id alone."""
    holdout = [report for report in reports if is_holdout(report.task_id, share)]
    train = [report for report in reports if not is_holdout(report.task_id, share)]
    return train, holdout


def _report(task: dict[str, Any], config: LabelConfig) -> tuple[Report | None, list[str]]:
    text = task_text(task, config)
    if text is None:
        return None, [f"no usable text under data.{config.text_key}"]
    annotations = [a for a in task.get("annotations") or [] if is_trainable(a)]
    if not annotations:
        return None, ["skipped or draft"]
    chosen = max(annotations, key=lambda a: (bool(a.get("ground_truth")), str(a.get("updated_at", "")), a.get("id", 0)))
    spans, reasons = annotation_spans(chosen, text, config)
    return Report(int(task["id"]), int(chosen.get("id", 0)), text, tuple(spans)), reasons


def _hash(labels: Sequence[str], reports: Sequence[Report]) -> str:
    """Sixteen hex digits; changing what goes in changes the version of every later round."""
    rows = [[r.task_id, r.text, [[s.start, s.end, s.label] for s in r.spans]] for r in reports]
    canonical = json.dumps([list(labels), rows], ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]
