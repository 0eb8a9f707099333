"""`ECGNERModel`: this backend for Label Studio's stock ML servers.

    label-studio-ml 1.0.9 (PyPI)                    `label_studio_ml.api.init_app(ECGNERModel)`
    2.x (HumanSignal/label-studio-ml-backend)       `label-studio-ml start` in a folder with this file

Our own web process (`_wsgi.py`) does not use this class but what is behind it, because importing
label_studio_ml imports torch, which costs seconds and hundreds of megabytes. Both paths share
`backend.serving` and `backend.http.hints`: predictions and rounds are the same.

Under a stock server rounds are started by the reconciler and trained by the workers of `ecgal up`; this
class only leaves hints. The 1.0.9 server answers "INITIAL" to /setup whatever the model says, so that
Label Studio asks it again for tasks that have predictions; our own web process has no such limit.
"""

from __future__ import annotations

import inspect
import logging
import threading
import time
from functools import cache
from typing import Any

from label_studio_ml.model import LabelStudioMLBase

from backend.errors import LabelConfigError
from backend.http import hints
from backend.http.parts import WebParts
from backend.labelstudio.config import parse_label_config
from backend.labelstudio.wire import START_TRAINING, WEBHOOK_ACTIONS, empty_prediction, project_id
from backend.settings import Settings

log = logging.getLogger(__name__)

IS_2X = "project_id" in inspect.signature(LabelStudioMLBase.__init__).parameters
"""Which of the two base classes is installed; they differ in their constructors."""

_one_at_a_time = threading.Lock()
"""The stock servers are threaded, the engine is not: it uses all its threads for one batch."""


@cache
def shared(settings: Settings) -> WebParts:
    """Models and connections, once per process: the stock servers build an instance per request."""
    return WebParts.open(settings)


class ECGNERModel(LabelStudioMLBase):  # type: ignore[misc]
    """Predictions by the serving version; events become hints, training happens in the workers."""

    TRAIN_EVENTS = (*WEBHOOK_ACTIONS, START_TRAINING)
    """Events the 1.0.9 server passes to `fit`; its own list waits for ANNOTATION_DELETED, which is never sent."""

    def __init__(self, project_id: str | None = None, label_config: str | None = None, **kwargs: Any) -> None:
        """1.0.9 passes label_config, train_output, hostname and access_token; 2.x project_id and label_config."""
        self._project = _project(project_id)
        self._xml = label_config or ""
        self._parts = shared(Settings.from_env())
        usable = self._xml if _is_usable(self._xml) else None
        if IS_2X:
            super().__init__(project_id=project_id, label_config=usable)  # calls setup()
        else:
            super().__init__(label_config=usable, **kwargs)
            self.setup()

    def setup(self) -> None:
        """Remember the project's labelling configuration."""
        hints.remember(self._parts, self._project, self._xml)

    def get(self, key: str) -> Any:
        """`model_version` is the version that serves; anything else is the 2.x server's cache."""
        if key == "model_version":
            return self._parts.serving.version(self._project)
        return super().get(key) if IS_2X else None

    def predict(self, tasks: list[Any], context: Any = None, **_: Any) -> list[dict[str, Any]]:  # noqa: ARG002
        """One Label Studio prediction per task, in order; a list is what both servers pass on unchanged."""
        tasks = tasks or []
        project = self._project or _project_of(tasks)
        try:
            with _one_at_a_time:
                return self._parts.serving.predict_tasks(project, self._xml, tasks)
        except LabelConfigError as error:
            log.warning("Project %s cannot be predicted: %s", project or "-", error.what)
            return [empty_prediction(self._parts.serving.version(project)) for _ in tasks]

    def fit(self, *args: Any, **fields: Any) -> dict[str, Any]:
        """Store the event as a hint, or queue a round for START_TRAINING; raises Unavailable without Redis.

        1.0.9 calls `fit((), event=, data=, job_id=)`, 2.x `fit(event, data)`. Rounds that are due are
        queued here too, in case no other process looks.
        """
        event, data = _event(args, fields)
        now = time.time()
        answer = hints.receive(self._parts, {**data, "action": event}, now)
        self._parts.queue.dispatch_due(now)
        return answer


def _event(args: tuple[Any, ...], fields: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Action and body of either calling convention."""
    positional = args if args and isinstance(args[0], str) else ()
    event = positional[0] if positional else fields.get("event")
    data = positional[1] if len(positional) > 1 else fields.get("data")
    return str(event or ""), data if isinstance(data, dict) else {}


def _project(field: object) -> str:
    return project_id(field)


def _project_of(tasks: list[Any]) -> str:
    """The project the tasks name; the 1.0.9 server tells the model of none."""
    first = tasks[0] if tasks else None
    return project_id(first.get("project")) if isinstance(first, dict) else ""


def _is_usable(xml: str) -> bool:
    try:
        parse_label_config(xml)
    except LabelConfigError:
        return False
    return True
