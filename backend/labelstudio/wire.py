"""Label Studio's JSON: what it sends, what it is sent, and nothing else.

The formats are those of Label Studio 1.23.2, recorded in `tests/captures/`. Label Studio stores what it
is sent without checking (unknown labels, wild offsets), and a malformed score blocks its labelling
stream: so everything is checked here, on the way out and on the way in. Nothing in here does I/O, and
no reason or error carries report text. The access token and host name in a setup body are never read.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from backend.errors import BadRequest
from backend.labelstudio.config import LabelConfig
from backend.labelstudio.regions import offsets
from backend.ner.spans import Span, resolve_overlaps

JsonObject = dict[str, Any]

WEBHOOK_ACTIONS = (
    "ANNOTATION_CREATED",
    "ANNOTATIONS_CREATED",
    "ANNOTATION_UPDATED",
    "ANNOTATIONS_DELETED",
    "TASKS_CREATED",
    "TASKS_DELETED",
    "PROJECT_UPDATED",
)
"""The actions a project's webhook subscribes to."""

START_TRAINING = "START_TRAINING"
"""Sent to /webhook as well, but over the ML channel: with basic auth instead of the webhook's headers."""

SPAN_TYPES = ("labels", "hypertextlabels", "paragraphlabels")
"""Types of regions that mark a part of a text; those of a Text tag are of the first."""

LONGEST_REPORT = 20_000
"""Characters; the longest report of the example corpus has 2,632, a second of computing per 1,000 to 2,000."""

_PROJECT = re.compile(r"(\d{1,18})(\.\d+)?", re.ASCII)


class PredictionLike(Protocol):
    """What a predictor says of one report; `backend.ner.prediction.Prediction` is one."""

    @property
    def spans(self) -> Sequence[Span]: ...  # noqa: D102
    @property
    def uncertainty(self) -> float: ...  # noqa: D102
    @property
    def version(self) -> str: ...  # noqa: D102


@dataclass(frozen=True)
class SetupRequest:
    """Body of /setup; `project_id` is "" when Label Studio names none."""

    project_id: str
    label_config: str


@dataclass(frozen=True)
class PredictRequest:
    """Body of /predict; tasks are as sent, each may be malformed."""

    project_id: str
    label_config: str
    tasks: list[Any]


@dataclass(frozen=True)
class Hook:
    """Body of /webhook. Ids are in the order sent, each once; deleted annotations come without task ids.

    `label_config` is the project's present configuration, None when the body holds no project.
    """

    action: str
    project_id: str
    annotation_ids: tuple[int, ...] = ()
    task_ids: tuple[int, ...] = ()
    label_config: str | None = None

    @property
    def starts_training(self) -> bool:
        """Whether somebody asked for a round, as the "Start training" button does."""
        return self.action == START_TRAINING


def project_id(project_field: object) -> str:
    """The project's number as text; "" for anything else, so that it is safe as a folder's name.

    Label Studio sends `<id>.<created timestamp>` on /setup and /predict.

    >>> project_id("1.1795465700"), project_id(7), project_id(None), project_id("../7")
    ('1', '7', '', '')
    """
    found = _PROJECT.fullmatch(str(project_field))
    return found[1] if found else ""


def parse_setup(body: object) -> SetupRequest:
    """Read a /setup body; raises BadRequest when it is not an object."""
    fields = _object(body, "setup")
    return SetupRequest(project_id(fields.get("project")), _string(fields.get("schema")))


def parse_predict(body: object) -> PredictRequest:
    """Read a /predict body; raises BadRequest when it is not an object with a list of tasks."""
    fields = _object(body, "predict")
    tasks = fields.get("tasks")
    if not isinstance(tasks, list):
        raise BadRequest("A predict body needs a list", "tasks", 'send {"tasks": [...], "label_config": "<View>..."}')
    return PredictRequest(project_id(fields.get("project")), _string(fields.get("label_config")), tasks)


def parse_webhook(body: object) -> Hook:
    """Read a webhook body; unknown actions are kept. Raises BadRequest without object or action."""
    fields = _object(body, "webhook")
    action = fields.get("action")
    if not isinstance(action, str) or not action:
        raise BadRequest("A webhook body needs a string", "action", 'send {"action": "ANNOTATION_CREATED", ...}')
    annotations = [*_objects(fields.get("annotation")), *_objects(fields.get("annotations"))]
    tasks = [*_objects(fields.get("task")), *_objects(fields.get("tasks"))]
    project = fields.get("project")
    config = project.get("label_config") if isinstance(project, dict) else None
    return Hook(
        action=action,
        project_id=project_id(project.get("id") if isinstance(project, dict) else project),
        annotation_ids=_ids(annotation.get("id") for annotation in annotations),
        task_ids=_ids([*(task.get("id") for task in tasks), *(annotation.get("task") for annotation in annotations)]),
        label_config=config if isinstance(config, str) else None,
    )


def task_text(task: object, config: LabelConfig) -> str | None:
    """The task's report, unchanged; None when the data holds no usable text under the configured key.

    Text that is not valid Unicode (a lone surrogate) is None as well: it could never be answered as JSON. So is
    text over LONGEST_REPORT: it is no report, and computing it would keep everybody else waiting.
    """
    data = task.get("data") if isinstance(task, dict) else None
    text = _value(data, config.text_key)
    return text if isinstance(text, str) and len(text) <= LONGEST_REPORT and _is_unicode(text) else None


def prediction_json(
    prediction: PredictionLike, text: str, config: LabelConfig, priority: float | None = None
) -> JsonObject:
    """The prediction as Label Studio stores it; `priority` (0..1) defaults to the uncertainty.

    Label Studio serves the lowest score first: score = 1 - priority. Spans that do not fit text or
    configuration are left out, because Label Studio would store them.
    """
    rank = prediction.uncertainty if priority is None else priority
    return {
        "result": [_region(span, text, config) for span in sorted(set(prediction.spans)) if _fits(span, text, config)],
        "score": _unit(1.0 - rank, 12),
        "model_version": prediction.version,
    }


def empty_prediction(version: str) -> JsonObject:
    """What a task gets that cannot be predicted: no regions, and asked first.

    >>> empty_prediction("rules-1")
    {'result': [], 'score': 0.0, 'model_version': 'rules-1'}
    """
    return {"result": [], "score": 0.0, "model_version": version}


def is_trainable(annotation: object) -> bool:
    """Whether somebody submitted this annotation: neither skipped (its regions are prefilled) nor a draft."""
    if not isinstance(annotation, dict):
        return False
    is_draft = "was_postponed" in annotation
    return not annotation.get("was_cancelled") and not is_draft


def annotation_spans(annotation: object, text: str, config: LabelConfig) -> tuple[list[Span], list[str]]:
    """Sorted, disjoint spans of an annotation, and why its other regions were left out.

    Offsets are the datum (see `backend.labelstudio.regions`); white space at the edges of a region is no part of the
    span, and regions that are the same span are one. Relations, choices and whatever else marks no part of a text is
    no reject. Reasons name regions by id.
    """
    result = annotation.get("result") if isinstance(annotation, dict) else None
    if not isinstance(result, list):
        return [], ["the annotation has no list of regions"]
    spans: list[Span] = []
    reasons: list[str] = []
    for region in result:
        span, problem = _region_span(region, text, config)
        spans += [span] if span else []
        reasons += [f"region {_name(region)}: {problem}"] if problem else []
    kept, dropped = resolve_overlaps(dict.fromkeys(spans))
    reasons += [f"region at {span.start}..{span.end}: overlaps another region" for span in dropped]
    return kept, reasons


def _region_span(region: object, text: str, config: LabelConfig) -> tuple[Span | None, str]:
    """The span of one region, and what is wrong with the region ("" for nothing)."""
    if not isinstance(region, dict):
        return None, "it is not an object"
    if region.get("type") not in SPAN_TYPES:
        return None, ""
    if (region.get("from_name"), region.get("to_name")) != (config.from_name, config.to_name):
        return None, f"it belongs to another control than {config.from_name} on {config.to_name}"
    if region["type"] != SPAN_TYPES[0]:
        # Its offsets count from an element of the page, or a paragraph.
        return None, f"its type is {region['type']}, not {SPAN_TYPES[0]}"
    value = region.get("value")
    value = value if isinstance(value, dict) else {}
    labels = value.get("labels")
    if not isinstance(labels, list) or not labels:
        return None, "it has no label"
    if labels[0] not in config.labels:
        return None, f"its label {str(labels[0])[:40]!r} is not in the labelling configuration"
    place, problem = offsets(value, text)
    if place is None:
        return None, problem
    several = "it has several labels, the first is used" if len(labels) > 1 else ""
    return Span(*place, labels[0]), several


def _region(span: Span, text: str, config: LabelConfig) -> JsonObject:
    return {
        "id": hashlib.blake2s(f"{span.start}-{span.end}-{span.label}".encode(), digest_size=5).hexdigest(),
        "from_name": config.from_name,
        "to_name": config.to_name,
        "type": "labels",
        "score": _unit(span.score, 4),
        "value": {"start": span.start, "end": span.end, "text": text[span.start : span.end], "labels": [span.label]},
    }


def _fits(span: Span, text: str, config: LabelConfig) -> bool:
    return span.label in config.labels and 0 <= span.start < span.end <= len(text)


def _unit(number: float, digits: int) -> float:
    """The number within 0..1; 0.0 for NaN, which Label Studio would store as null."""
    return 0.0 if math.isnan(number) else round(float(min(max(number, 0.0), 1.0)), digits)


def _value(data: object, key: str) -> object:
    """`data[key]`, or the value at a dotted path; None when there is none."""
    if isinstance(data, dict) and key in data:
        return data[key]
    head, dot, rest = key.partition(".")
    return _value(data.get(head), rest) if dot and isinstance(data, dict) else None


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _object(body: object, name: str) -> JsonObject:
    if not isinstance(body, dict):
        raise BadRequest(f"A {name} body must be a JSON object, not", type(body).__name__, "see docs/label-studio.md")
    return body


def _objects(field: object) -> list[JsonObject]:
    """A field that holds one object or a list of them."""
    return [item for item in (field if isinstance(field, list) else [field]) if isinstance(item, dict)]


def _ids(values: Iterable[object]) -> tuple[int, ...]:
    return tuple(dict.fromkeys(value for value in values if type(value) is int))


def _string(value: object) -> str:
    return value if isinstance(value, str) else ""


def _name(region: object) -> str:
    """The region's id, whatever was imported as one, without what ends it in a reason (`left_out.kind`)."""
    return str(region.get("id", "without id"))[:40].replace(":", "") if isinstance(region, dict) else "without id"
