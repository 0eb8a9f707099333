"""Annotated tasks of Label Studio as a frozen dataset: kept + rejected = all, each reject with a reason."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from backend.labelstudio.config import LabelConfig
from backend.labelstudio.wire import LONGEST_REPORT, SPAN_TYPES, annotation_spans, is_trainable, task_text
from backend.left_out import DRAFT, NO_LOSS, NOT_SUBMITTED, SAME, SKIPPED, UNTOUCHED, kind, says_nothing
from backend.ner.spans import Span, resolve_overlaps
from backend.ranking.control import is_holdout
from backend.ranking.copies import report_key

Annotators = Literal["ground-truth", "latest", "majority"]
"""Whose annotation of a task counts: the ground truth, else the latest; the latest; the majority on each span."""

LARGEST_ID = 2**62
"""Label Studio's ids are 64-bit integers, and so are those of a stored dataset; there is room above for new ones."""


@dataclass(frozen=True)
class Report:
    """An annotated report; spans are disjoint, sorted, half-open code-point ranges of `text`.

    `precedence` is greater the more its annotation counts among those of copies; `copies` are other tasks with it.
    """

    task_id: int
    annotation_id: int
    text: str
    spans: tuple[Span, ...]
    precedence: tuple[bool, str, int] = field(default=(False, "", 0), compare=False)
    copies: tuple[int, ...] = field(default=(), compare=False)

    @property
    def tasks(self) -> tuple[int, ...]:
        """All tasks that hold this report."""
        return self.task_id, *self.copies


@dataclass(frozen=True)
class Reject:
    """What was not taken from a task, and why; no report text.

    `annotations` and `spans` say how many were lost with it, `annotation_id` which annotation was meant.
    """

    task_id: int
    reason: str
    annotation_id: int | None = None
    annotations: int = 0
    spans: int = 0


@dataclass(frozen=True)
class FrozenDataset:
    """The data of one round, in task order; `hash` changes with texts or spans."""

    labels: tuple[str, ...]
    reports: tuple[Report, ...]
    rejects: tuple[Reject, ...]
    hash: str


@dataclass(frozen=True)
class Taken:
    """What a task gave: its report, or the problem that left it without one, and everything that was not taken.

    `annotations` and `spans` count what went into the report; with the rejects they are all the task holds. A span
    that several annotators marked counts once for each of them.
    """

    report: Report | None
    rejects: tuple[Reject, ...]
    problem: str = ""
    annotations: int = 0
    spans: int = 0


def freeze(tasks: Iterable[dict[str, Any]], config: LabelConfig) -> FrozenDataset:
    """The trainable annotations of the tasks, as a round learns from them.

    Of several annotations of a task the ground truth wins, else the one updated last. Rejects are the tasks that give
    no report (no text, or only skipped annotations and drafts) and the regions that do not fit.
    """
    taken = [take(task, config) for task in tasks]
    rejects = [reject for one in taken for reject in _told(one)]
    return frozen((one.report for one in taken if one.report), rejects, config.labels)


def frozen(reports: Iterable[Report], rejects: Iterable[Reject], labels: Sequence[str]) -> FrozenDataset:
    """The reports as a dataset: in task order, with their hash."""
    ordered = sorted(reports, key=lambda report: report.task_id)
    return FrozenDataset(tuple(labels), tuple(ordered), tuple(rejects), _hash(ordered))


def split(reports: Sequence[Report], share: float) -> tuple[list[Report], list[Report]]:
    """Training and holdout reports; membership depends on the text's key alone, so copies are on one side."""
    train: list[Report] = []
    holdout: list[Report] = []
    for report in reports:
        (holdout if is_holdout(report_key(report.text), share) else train).append(report)
    return train, holdout


def take(task: dict[str, Any], config: LabelConfig, annotators: Annotators = "ground-truth") -> Taken:
    """The report a task gives, and a reject for everything else it holds."""
    task_id, annotations = int(task["id"]), task.get("annotations") or []
    text = task_text(task, config)
    if text is None:
        problem = _unusable(task, config)
        lost = Reject(task_id, problem, None, len(annotations), sum(map(span_count, annotations)))
        return Taken(None, (lost,), problem)
    rejects = [_whole(task_id, a, reason) for a in annotations if (reason := _refusal(a))]
    usable = [a for a in annotations if not _refusal(a)]
    if not usable:
        return Taken(None, tuple(rejects) or (Reject(task_id, UNTOUCHED),), NOT_SUBMITTED)
    chosen, passed = _choose(usable, annotators)
    rejects += [_whole(task_id, a, "another annotation of the task was taken") for a in passed]
    return _agreed(task_id, text, chosen, rejects, config)


def span_count(annotation: object) -> int:
    """How many labelled spans an annotation holds, right or wrong; a region with two labels counts as two."""
    result = annotation.get("result") if isinstance(annotation, dict) else None
    return sum(map(_labels_of, result)) if isinstance(result, list) else 0


def number(value: object) -> int | None:
    """The value if it can be an id in Label Studio, else None."""
    return value if type(value) is int and 0 <= value <= LARGEST_ID else None


def _told(taken: Taken) -> list[Reject]:
    """What a round tells of a task: all lost work of people, else why it gives no report."""
    work = [r for r in taken.rejects if kind(r.reason) not in NO_LOSS]
    return work or ([Reject(taken.rejects[0].task_id, taken.problem)] if taken.problem else [])


def _labels_of(region: object) -> int:
    if not isinstance(region, dict):
        return 1
    if region.get("type") not in SPAN_TYPES:
        return 0
    value = region.get("value")
    labels = value.get(region["type"]) if isinstance(value, dict) else None
    return max(1, len(labels)) if isinstance(labels, list) else 1


def _unusable(task: dict[str, Any], config: LabelConfig) -> str:
    """Why `task_text` gave nothing; a row of a file that could not be read says so itself."""
    if problem := task.get("problem"):
        return str(problem)
    reason = f"no usable text under data.{config.text_key}"
    text: object = task.get("data")
    for key in [config.text_key] if isinstance(text, dict) and config.text_key in text else config.text_key.split("."):
        text = text.get(key) if isinstance(text, dict) else None
    if not isinstance(text, str):
        return reason
    too_long = len(text) > LONGEST_REPORT
    return f"{reason}: {f'over {LONGEST_REPORT} characters' if too_long else 'not valid Unicode (a lone surrogate)'}"


def _refusal(annotation: object) -> str:
    """Why an annotation cannot be used as a whole, "" if it can."""
    if not isinstance(annotation, dict):
        return "the export holds only its number"
    if not is_trainable(annotation):
        if "answer" in annotation:  # a row of Prodigy
            return f"answered {str(annotation['answer'])[:20]}"
        return SKIPPED if annotation.get("was_cancelled") else DRAFT
    return "" if isinstance(annotation.get("result"), list) else "it has no list of regions"


def _whole(task_id: int, annotation: object, reason: str) -> Reject:
    """The reject of an annotation with all its spans."""
    found = annotation.get("id") if isinstance(annotation, dict) else annotation
    return Reject(task_id, reason, number(found), 1, span_count(annotation))


def _choose(annotations: Sequence[dict[str, Any]], annotators: Annotators) -> tuple[list[Any], list[Any]]:
    """Annotations that count, the latest last, and the others. For a majority everybody has one vote: the latest."""
    ranked = sorted(annotations, key=lambda a: _rank(a, annotators))
    if annotators != "majority":
        return ranked[-1:], ranked[:-1]
    votes = {_annotator(a, place): a for place, a in enumerate(ranked)}
    chosen = [a for a in ranked if any(a is vote for vote in votes.values())]
    return chosen, [a for a in ranked if not any(a is vote for vote in votes.values())]


def _rank(annotation: dict[str, Any], annotators: Annotators) -> tuple[bool, str, int]:
    first = annotators == "ground-truth" and bool(annotation.get("ground_truth"))
    changed = annotation.get("updated_at") or annotation.get("created_at") or ""
    return first, str(changed), number(annotation.get("id")) or 0


def _annotator(annotation: dict[str, Any], place: int) -> Hashable:
    """Who made the annotation; one that names nobody counts as somebody of its own."""
    who = annotation.get("completed_by")
    who = who.get("id", who.get("email")) if isinstance(who, dict) else who
    if who not in (None, ""):
        return "annotator", str(who)
    known = number(annotation.get("id"))
    return ("annotation", known) if known is not None else ("place", place)


def _agreed(
    task_id: int, text: str, chosen: Sequence[dict[str, Any]], rejects: list[Reject], config: LabelConfig
) -> Taken:
    """The spans that more than half of the chosen annotations hold; of overlapping ones the longest."""
    read = [_spans(task_id, annotation, text, config) for annotation in chosen]
    votes = Counter(span for spans, _ in read for span in spans)
    kept, _ = resolve_overlaps(span for span, n in votes.items() if 2 * n > len(chosen))
    lost = [*rejects, *(reject for _, unfit in read for reject in unfit)]
    for annotation, (spans, _) in zip(chosen, read, strict=True):
        for span in (span for span in spans if span not in kept):
            few = f"marked by {votes[span]} of {len(chosen)} annotators"
            reason = few if 2 * votes[span] <= len(chosen) else "overlaps another region"
            lost.append(_region(task_id, annotation, f"region at {span.start}..{span.end}: {reason}"))
    last = number(chosen[-1].get("id"))
    if says_nothing(kept, (reject.reason for reject in lost)):
        problem = "none of its regions can be placed in the report"
        return Taken(None, (*lost, Reject(task_id, problem, last, len(chosen))), problem)
    precedence = _rank(chosen[-1], "ground-truth")
    report = Report(task_id, last or 0, text, tuple(kept), precedence)
    used = sum(votes[span] for span in kept)
    return Taken(report, tuple(lost), annotations=len(chosen), spans=used)


def _spans(task_id: int, annotation: dict[str, Any], text: str, config: LabelConfig) -> tuple[list[Span], list[Reject]]:
    """The disjoint spans of an annotation, and what does not fit."""
    found: list[Span] = []
    lost: list[Reject] = []
    for region in annotation["result"]:
        spans, reasons = annotation_spans({"result": [region]}, text, config)
        found += spans
        lost += [_region(task_id, annotation, reason, _labels_of(region) - len(spans)) for reason in reasons]
    kept, dropped = resolve_overlaps(dict.fromkeys(found))
    places = [f"region at {span.start}..{span.end}: overlaps another region" for span in dropped]
    again = Counter(found) - Counter(set(found))
    places += [f"region at {span.start}..{span.end}: {SAME}" for span in again.elements()]
    return kept, [*lost, *(_region(task_id, annotation, place) for place in places)]


def _region(task_id: int, annotation: dict[str, Any], reason: str, spans: int = 1) -> Reject:
    """The reject of spans of an annotation that itself counts."""
    return Reject(task_id, reason, number(annotation.get("id")), 0, spans)


def _hash(reports: Sequence[Report]) -> str:
    """Sixteen hex digits; changing what goes in changes the version of every later round.

    Of the labels only those that occur: another labelling configuration alone teaches nothing new.
    """
    rows = [[r.task_id, r.text, [[s.start, s.end, s.label] for s in r.spans]] for r in reports]
    canonical = json.dumps(rows, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]
