"""What operators see of a project: queue, status, versions.

The same answers for HTTP and for `ecgal`. Numbers come from Redis and the registry, never from Label
Studio: an answer takes milliseconds.
"""

from __future__ import annotations

from typing import Any

from backend import left_out
from backend.error_analysis import ErrorAnalysis, ErrorKind, SpanError, Suspect, read_analysis
from backend.errors import CONNECT, BadRequest, NotFound
from backend.job_queue import JobView, Kind
from backend.model_card import ModelCard
from backend.parts import Parts
from backend.registry import RULES_VERSION

ROUNDS_SHOWN = 10
LINKS = 20
"""Tasks of one reason that an answer links to."""
KINDS: tuple[Kind, ...] = ("retrain", "rank")
_FIGURES = {
    "version", "labels", "annotated", "texts", "summary", "confusion", "by_label", "by_source", "by_report_kind",
    "suggestions",
}  # fmt: skip
"""What an answer about errors holds of the analysis whatever is asked for."""


def projects(parts: Parts) -> list[dict[str, Any]]:
    """Projects that Label Studio has called for, by number; `url` is "" before `ecgal connect`."""
    return [
        {"project": name, "serving": parts.registry.serving(name), "url": _project_url(parts, name)}
        for name in parts.registry.projects()
    ]


def known(parts: Parts, project: str) -> str:
    """The project, if Label Studio ever named it; raises NotFound."""
    if project not in parts.registry.projects():
        raise NotFound("No such project", project, f"Label Studio has not called for it yet: `{CONNECT} {project}`")
    return project


def queue(parts: Parts, project: str, top: int) -> list[dict[str, Any]]:
    """The `top` tasks to annotate next, highest priority first; rank starts at 1."""
    version = parts.registry.serving(known(parts, project))
    base = _label_studio_url(parts, project)
    return [
        {
            "rank": rank,
            "task_id": row.task_id,
            "priority": row.priority,
            "uncertainty": row.uncertainty,
            "reason": row.reason,
            "url": _task_url(base, project, row.task_id),
            "preview": row.preview,
        }
        for rank, row in enumerate(parts.index.top(project, version, top), start=1)
    ]


def place(parts: Parts, project: str, task_id: int) -> dict[str, Any]:
    """Where the task stands in the queue, of how many; rank None: it is annotated, or the pool is not ranked yet."""
    version = parts.registry.serving(known(parts, project))
    rank = parts.index.rank(project, version, task_id)
    return {"task_id": task_id, "rank": rank, "of": parts.index.count(project, version)}


def status(parts: Parts, project: str) -> dict[str, Any]:
    """Versions, counts, jobs that wait or run, the last rounds; `labelled` counts reports of the last round."""
    registry = parts.registry
    serving = registry.serving(known(parts, project))
    cards = registry.versions(project, ROUNDS_SHOWN)
    ranking, pending = registry.ranking(project), parts.queue.pending(project)
    return {
        "project": project,
        "serving": serving,
        "target": registry.target(project),
        "hold": hold.model_dump() if (hold := registry.hold(project)) else None,
        "damage": registry.damage(project, serving),
        "ended": registry.ended(project),
        "label_config_fault": registry.label_config_fault(project),
        "labelled": cards[0].dataset.reports if cards else 0,
        "pending": pending.annotations,
        "changes": pending.count,
        "pool": parts.index.count(project, serving),
        "jobs": [job for kind in KINDS for job in _jobs(parts, project, kind)],
        "failures": {kind: failure for kind in KINDS if (failure := parts.queue.failure(project, kind))},
        "outcomes": {kind: outcome for kind in KINDS if (outcome := parts.queue.outcome(project, kind))},
        "ranking": ranking.model_dump(exclude={"distribution", "earlier"}) if ranking and ranking.finished else None,
        "left_out": left_out_of(parts, project),
        "rounds": [_round(card) for card in cards],
    }


def left_out_of(parts: Parts, project: str) -> dict[str, Any]:
    """What the newest round did not use of what people annotated, by reason, with links to the first tasks of each.

    `regions` and `annotations` count, `tasks` are all of them; `not_submitted` counts tasks with nothing but skipped
    annotations and drafts, of which nobody is warned.
    """
    reading, base = left_out.newest(parts.registry, project), _label_studio_url(parts, project)
    told = left_out.to_json(reading.rejects)
    for row in told["reasons"]:
        row["urls"] = [url for task in row["tasks"][:LINKS] if (url := _task_url(base, project, task))]
    return {"round": reading.round, **told}


def models(parts: Parts, project: str) -> list[dict[str, Any]]:
    """All versions newest first, the rules last, each with its scores and whether it serves.

    `usable`: it can be promoted. `interval` is that of `difference`, the F1 gained over `compared_with` on
    `compared_reports` reports, `f1_interval` that of `f1`; `labels_lost` and `debt` are those of the decision.
    `override`: the person's choice that went before the gate's. `held`: the hold, at the version that it keeps.
    `left_out`: what the version's round did not use of what people annotated.
    """
    registry = parts.registry
    serving = registry.serving(known(parts, project))
    cards = registry.versions(project)
    trained = [_model(card, serving, usable=registry.exists(project, card.version)) for card in cards]
    rules = {"version": RULES_VERSION, "round": 0, "mode": "rules", "serving": serving == RULES_VERSION, "usable": True}
    target, hold = registry.target(project), registry.hold(project)
    held = hold.model_dump() if hold else None
    return [{**row, "held": held if row["version"] == target else None} for row in (*trained, rules)]


def errors(parts: Parts, project: str, kind: ErrorKind | None, label: str | None, limit: int) -> dict[str, Any]:
    """The error analysis of the serving version; raises NotFound when it has none, BadRequest for an unknown label.

    Strings, patterns and errors are those of the kind and label asked for (all by default), at most `limit` of each;
    `total` counts the errors that match. The figures are always those of all errors.
    """
    analysis = analysis_of(parts, project)
    wanted = None if label is None else _known_label(analysis, label)
    found = [e for e in analysis.errors if kind in (None, e.kind) and (wanted is None or wanted in e.labels)]
    strings = [s for s in analysis.strings if kind in (None, s.kind) and wanted in (None, s.label)]
    patterns = [p for p in analysis.patterns if kind in (None, p.kind) and wanted in (None, p.gold, p.predicted)]
    base = _label_studio_url(parts, project)
    figures = analysis.model_dump(include=_FIGURES)
    return {
        **figures,
        "total": len(found),
        "strings": [row.model_dump() for row in strings[:limit]],
        "patterns": [row.model_dump() for row in patterns[:limit]],
        "errors": [_linked(error, base, project) for error in found[:limit]],
    }


def suspects(parts: Parts, project: str, label: str | None, limit: int) -> dict[str, Any]:
    """Gold annotations that look wrong, strongest first, at most `limit`; `label` is the annotated or expected one.

    Raises NotFound when the serving version has no error analysis, BadRequest for an unknown label.
    """
    analysis = analysis_of(parts, project)
    wanted = None if label is None else _known_label(analysis, label)
    found = [s for s in analysis.suspects if wanted in (None, s.label, s.expected)]
    base = _label_studio_url(parts, project)
    return {
        "version": analysis.version,
        "total": len(found),
        "suspects": [_linked(suspect, base, project) for suspect in found[:limit]],
        "inconsistencies": [row.model_dump() for row in analysis.inconsistencies[:limit]],
    }


def analysis_of(parts: Parts, project: str) -> ErrorAnalysis:
    """The stored error analysis of the serving version; raises NotFound, ModelError."""
    version = parts.registry.serving(known(parts, project))
    return read_analysis(parts.registry.model_folder(project, version))


def _known_label(analysis: ErrorAnalysis, label: str) -> str:
    if label not in analysis.labels:
        raise BadRequest("No such label", label[:64], f"the labels are {', '.join(analysis.labels)}")
    return label


def _linked(row: SpanError | Suspect, base: str, project: str) -> dict[str, Any]:
    """The row with the address of its task in Label Studio, "" when that is not known."""
    return {**row.model_dump(), "url": _task_url(base, project, row.task_id)}


def _task_url(base: str, project: str, task: int) -> str:
    return f"{base}/projects/{project}/data?task={task}" if base else ""


def _project_url(parts: Parts, project: str) -> str:
    base = _label_studio_url(parts, project)
    return f"{base}/projects/{project}/data" if base else ""


def _label_studio_url(parts: Parts, project: str) -> str:
    connection = parts.registry.connection(project)
    return (parts.settings.label_studio_url or (connection.url if connection else "")).rstrip("/")


def _jobs(parts: Parts, project: str, kind: Kind) -> list[dict[str, Any]]:
    """Jobs of one kind; the running one carries what it published last (step, counts, ETA in seconds)."""
    progress = parts.queue.progress(project, kind)
    jobs = parts.queue.jobs(project, kind)
    return [
        {
            "id": job.id,
            "kind": job.kind,
            "state": job.state,
            "signal": job.signal,
            "progress": progress if job.state == "started" else {},
            "behind": None if job.state == "started" else _behind(parts, job),
        }
        for job in jobs
    ]


def _behind(parts: Parts, job: JobView) -> dict[str, Any] | None:
    """What a waiting job waits for: the first of so many `jobs`, with its time left; None when it is next."""
    ahead = parts.queue.ahead(job)
    if not ahead:
        return None
    _, project, number = ahead[0].split("-")[:3]
    eta = parts.queue.progress(project, job.kind).get("eta_seconds")
    return {"id": ahead[0], "project": project, "number": int(number), "jobs": len(ahead), "eta_seconds": eta}


def _round(card: ModelCard) -> dict[str, Any]:
    return {
        "round": card.round,
        "version": card.version,
        "created": card.created,
        "reports": card.dataset.reports,
        "mode": card.mode,
        "f1": card.f1,
        "f1_by_mode": {mode: score.micro.f1 for mode, score in card.evaluation.modes.items()},
        "promoted": card.decision.promote,
        "reason": card.decision.reason,
    }


def _model(card: ModelCard, serving: str, *, usable: bool) -> dict[str, Any]:
    score = card.evaluation.modes.get(card.mode)
    return {
        **_round(card),
        "method": card.evaluation.method,
        "state": card.decision.state,
        "compared_with": card.decision.serving,
        "difference": card.decision.difference,
        "interval": card.decision.interval,
        "compared_reports": card.decision.reports,
        "labels_lost": card.decision.labels_lost,
        "debt": card.decision.debt,
        "override": card.decision.override.model_dump() if card.decision.override else None,
        "f1_interval": card.evaluation.interval,
        "usable": usable,
        "base_model": card.base_model,
        "serving": card.version == serving,
        "scores": score.model_dump() if score else None,
        "left_out": left_out.to_json(card.dataset.rejects),
    }
