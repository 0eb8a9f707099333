"""Copies of a report count once: what a data set says of a text that several tasks hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from backend.annotated_texts import Answer
from backend.model_card import TrainingSummary
from backend.ranking.copies import bare_spans, report_key
from trainer.dataset import FrozenDataset, Reject, Report, frozen


def once(dataset: FrozenDataset) -> FrozenDataset:
    """The dataset with one report for each text, in the task with the lowest id that says what counts.

    Of copies that were annotated differently the ground truth counts, else the annotation changed last; each of the
    others is a reject. Copies that agree are no rejects: nothing of them is lost.
    """
    reports, rejects = merged(dataset.reports)
    return frozen(reports, [*dataset.rejects, *rejects], dataset.labels)


def merged(reports: Sequence[Report]) -> tuple[list[Report], list[Reject]]:
    """One report for each text, and what other copies say differently; in the order of the reports."""
    groups: dict[int, list[Report]] = {}
    for report in reports:
        groups.setdefault(report_key(report.text), []).append(report)
    kept: list[Report] = []
    rejects: list[Reject] = []
    for group in groups.values():
        one, lost = _one(group)
        kept.append(one)
        rejects += lost
    return kept, rejects


def overlap(reports: Sequence[Report], others: Sequence[Report]) -> list[Report]:
    """Those of `reports` whose text is among `others`."""
    known = {report_key(report.text) for report in others}
    return [report for report in reports if report_key(report.text) in known]


def answers(reports: Sequence[Report]) -> list[Answer]:
    """What each report says, for its copies; of several with one text the last one counts."""
    ordered = sorted(reports, key=lambda report: (report.precedence, report.annotation_id))
    return [Answer.of(report.annotation_id, report.task_id, report.text, report.spans) for report in ordered]


def learned_by(reports: Sequence[Report], training: TrainingSummary | None) -> list[Report]:
    """Those of the reports whose text a version was trained on; by their tasks where its card names no texts."""
    if training is None:
        return []
    if training.texts:
        texts = set(training.texts)
        return [report for report in reports if report_key(report.text) in texts]
    tasks = set(training.tasks)
    return [report for report in reports if not tasks.isdisjoint(report.tasks)]


def unseen(reports: Sequence[Report], training: TrainingSummary | None) -> list[Report]:
    """Those of the reports that a version was not trained on."""
    known = {report.task_id for report in learned_by(reports, training)}
    return [report for report in reports if report.task_id not in known]


def notes(given: Sequence[Report], kept: Sequence[Report], rejects: Sequence[Reject]) -> list[str]:
    """What `merged` made of the reports, in a sentence; none without copies."""
    copies = len(given) - len(kept)
    if not copies:
        return []
    what = "reports is a copy of another" if copies == 1 else "reports are copies of others"
    differ = f"; {len(rejects)} annotated differently: the ground truth counts, else the latest" if rejects else ""
    return [f"{copies} of {len(given)} {what} (same text), and each text counts once{differ}."]


def _one(group: Sequence[Report]) -> tuple[Report, list[Reject]]:
    if len(group) == 1:
        return group[0], []
    latest = max(group, key=lambda report: (report.precedence, report.annotation_id))
    says = {report.task_id: bare_spans(report.text, report.spans) for report in group}
    agree = [report for report in group if says[report.task_id] == says[latest.task_id]]
    first = min(agree, key=lambda report: report.task_id)
    reason = f"same text as task {first.task_id}, annotated differently"
    lost = [
        Reject(report.task_id, reason, report.annotation_id, 1, len(report.spans))
        for report in group
        if says[report.task_id] != says[latest.task_id]
    ]
    others = sorted({task for report in group for task in report.tasks} - {first.task_id})
    return replace(first, copies=tuple(others)), lost
