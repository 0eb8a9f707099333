"""What this package asks of Label Studio.

Requests that change something are never repeated: a repeated import would store every prediction twice.
Long lists are read in pages that start after the last id seen, so that tasks which are labelled meanwhile
shift none.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import inf
from types import TracebackType
from typing import Any, Self

from backend.errors import LabelStudioError
from backend.labelstudio import pages
from backend.labelstudio.session import ONCE, READ_ONLY, Refusal, Session, plain
from backend.labelstudio.wire import JsonObject
from backend.labelstudio.wiring import Wiring

logger = logging.getLogger(__name__)

IMPORT_CHUNK = 5000
"""Predictions of one request. Unless docs/ranking.md was followed, each counts all tasks of the project (1 ms each)."""
FEW = 20
"""Predictions up to which they are stored one by one, 70 ms each: that needs no such count."""
LONG: Any = {"max_retries": 0, "timeout": 600.0}
"""For importing: 10,000 predictions take Label Studio up to a minute."""
DELETING = 6 * 3600.0
"""Seconds that one request to delete a version's predictions may take: 3 to 11 ms for each of them."""


@dataclass(frozen=True)
class Project:
    """A project of Label Studio; `fields` is all it tells."""

    id: str
    title: str
    label_config: str
    model_version: str
    fields: JsonObject


@dataclass(frozen=True)
class Counts:
    """Tasks of a project: annotated ones, ones that were only ever skipped, predictions by model version."""

    tasks: int
    annotated: int
    skipped: int
    predictions: dict[str, int]

    @property
    def unlabelled(self) -> int:
        """Tasks that are neither annotated nor skipped: the pool."""
        return self.tasks - self.annotated - self.skipped


class LabelStudioClient(Wiring):
    """One Label Studio, with a legacy or a personal access token; project ids are text or numbers.

    `backend_url` names the ML backend whose title is switched; empty: the project's first, which is the
    only one Label Studio uses. Every method raises LabelStudioError; its subclass Refusal holds the
    status code. Close the client, or use it as a context manager.
    """

    def __init__(self, url: str, token: str, *, backend_url: str = "", timeout: float = 60.0) -> None:
        super().__init__(Session(url, token, timeout))
        self.backend_url = backend_url.rstrip("/")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; the client opens new ones when it is used again."""
        self.session.close()

    def version(self) -> str:
        """Release of Label Studio; the token is not used."""
        return self.session.release()

    def whoami(self) -> str:
        """E-mail address of the token's owner."""
        with self.session.asking("user"):
            return str(self.session.sdk.users.whoami(request_options=READ_ONLY).email)

    # Projects -----------------------------------------------------------------------------------

    def project(self, project: str) -> Project:
        """The project as it is now."""
        with self.session.asking(f"project {project}"):
            fields = plain(self.session.sdk.projects.get(id=int(project), request_options=READ_ONLY))
        text = {name: str(fields.get(name) or "") for name in ("title", "label_config", "model_version")}
        return Project(id=str(fields["id"]), fields=fields, **text)

    def update_project(self, project: str, fields: JsonObject) -> None:
        """Change settings of the project. Label Studio sends PROJECT_UPDATED for it."""
        with self.session.asking(f"settings of project {project}"):
            self.session.sdk.projects.update(id=int(project), **fields, request_options=ONCE)

    def fingerprint(self, project: str) -> str:
        """A short text that changes whenever trainable data may have changed; two requests, about 0.1 s.

        It covers what no webhook tells (imported annotations, conversion to drafts, changed task data)
        and the labelling configuration. Tasks without annotations and predictions leave it alone.
        """
        fields = self.project(project).fields
        counters = ("label_config", "total_annotations_number", "skipped_annotations_number", "ground_truth_number")
        content = [*(fields.get(name) for name in counters), *self._newest(project)]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]

    def quiet_seconds(self, project: str, now: datetime) -> float:
        """How long nobody has annotated; infinite when nobody ever has. `now` is aware."""
        _, tasks = self._newest(project)
        return (now - datetime.fromisoformat(tasks[0]["updated_at"])).total_seconds() if tasks else inf

    def _newest(self, project: str) -> tuple[int, list[JsonObject]]:
        """Number of the tasks that were annotated or skipped, and the one that changed last."""
        order = "-tasks:updated_at"
        return pages.first(
            self.session, project, pages.TOUCHED, "id,updated_at", 1, any_of=True, ordering=order, with_computed=False
        )

    # Tasks --------------------------------------------------------------------------------------

    def counts(self, project: str) -> Counts:
        """How many tasks, annotated, only skipped, and predictions."""
        total, annotated, skipped = (
            pages.first(self.session, project, filters, "id", 1, with_computed=False)[0]
            for filters in ((), pages.LABELLED, pages.ONLY_SKIPPED)
        )
        return Counts(total, annotated, skipped, self.model_versions(project))

    def labelled_tasks(self, project: str) -> Iterator[JsonObject]:
        """`{"id", "data", "updated_at", "annotations"}` of all annotated, then of all only skipped tasks."""
        for filters in (pages.LABELLED, pages.ONLY_SKIPPED):
            yield from pages.read(self.session, project, filters, pages.ANNOTATED_FIELDS)

    def unlabelled_tasks(self, project: str, after: int = 0) -> Iterator[JsonObject]:
        """`{"id", "data", "versions"}` of the pool by id; versions are those the task has predictions of."""
        for task in pages.read(self.session, project, pages.UNLABELLED, "id,data,predictions_model_versions", after):
            stored = task.get("predictions_model_versions")
            versions = [version for version in str(stored or "").split(",") if version]
            yield {"id": task["id"], "data": task["data"], "versions": versions}

    def unlabelled_ids(self, project: str) -> list[int]:
        """Ids of the pool, ascending."""
        return list(self.each_unlabelled_id(project))

    def each_unlabelled_id(self, project: str) -> Iterator[int]:
        """The same, page by page."""
        for task in pages.read(self.session, project, pages.UNLABELLED, "id", with_computed=False):
            yield int(task["id"])

    def task_ids(self, project: str) -> list[int]:
        """Ids of all tasks, ascending."""
        return [task["id"] for task in pages.read(self.session, project, (), "id")]

    def lowest_scores(self, project: str, k: int) -> list[tuple[int, float]]:
        """The first k tasks of the pool as Label Studio orders them, by score of the project's model version."""
        if not self.project(project).fields.get("task_number"):
            return []  # Label Studio answers 500 when a project without tasks is ordered by score
        include = "id,predictions_score"
        _, tasks = pages.first(
            self.session, project, pages.UNLABELLED, include, k, ordering="tasks:predictions_score", with_computed=False
        )
        return [(t["id"], float(t["predictions_score"])) for t in tasks if t.get("predictions_score") is not None]

    def next_task(self, project: str) -> JsonObject | None:
        """The task that an annotator would get now (Label Studio reserves it); None when all are done."""
        try:
            with self.session.asking(f"next task of project {project}", quiet=True):
                return dict(self.session.raw("GET", f"api/projects/{int(project)}/next"))
        except Refusal as refusal:
            if refusal.code == 404:
                return None
            raise

    # Predictions --------------------------------------------------------------------------------

    def model_versions(self, project: str) -> dict[str, int]:
        """Predictions stored by model version."""
        with self.session.asking(f"model versions of project {project}"):
            versions = self.session.raw("GET", f"api/projects/{int(project)}/model-versions/")
        return {str(version): int(count) for version, count in versions.items() if count}

    def import_predictions(self, project: str, predictions: Sequence[JsonObject]) -> int:
        """Store predictions (`{"task", "result", "score", "model_version"}`); returns how many.

        Give as many as there are: every request costs Label Studio seconds in a large project. Raises
        LabelStudioError when it took fewer than were sent; those it took stay.
        """
        created = 0
        for start in range(0, len(predictions), IMPORT_CHUNK):
            requests: list[Any] = list(predictions[start : start + IMPORT_CHUNK])
            with self.session.asking(f"predictions of project {project}", quiet=True):
                answer = self.session.sdk.projects.import_predictions(
                    id=int(project), request=requests, request_options=LONG
                )
            created += answer.created or 0
            if answer.created != len(requests):
                what = f"Label Studio stored {answer.created} of {len(requests)} predictions of project {project}"
                raise LabelStudioError(what, hint="the others do not fit its labelling configuration")
        return created

    def store_predictions(self, project: str, predictions: Sequence[JsonObject]) -> None:
        """Import predictions of unlabelled tasks, or store a few of them one by one.

        Label Studio does not check what it stores one by one, and notes the task as changed.
        """
        if len(predictions) > FEW:
            self.import_predictions(project, predictions)
            return
        for prediction in predictions:
            with self.session.asking(f"prediction of task {prediction['task']}", quiet=True):
                self.session.raw("POST", "api/predictions/", {**prediction, "project": int(project)})

    def delete_predictions(self, project: str, version: str) -> int:
        """Delete all predictions of a version; returns how many.

        On SQLite nobody can submit meanwhile, about 7 ms per prediction: look at `quiet_seconds` first.
        Label Studio unsets the project's model version with it, whichever version was deleted (1.23.2,
        for a project whose model version is its backend's title): it is set again at once. In a project without
        backend it refuses the deleted version itself, which `switch_title` sets when there are predictions again.
        """
        before = self.project(project).model_version
        with self.session.asking(f"predictions of version {version}"):
            path = f"api/projects/{int(project)}/model-versions/"
            answer = self.session.raw("DELETE", path, {"model_version": version}, DELETING)
        if before and self.project(project).model_version != before:
            try:
                self.update_project(project, {"model_version": before})
            except Refusal:
                if before != version:
                    raise
        return int(answer.get("deleted_predictions", 0))

    def drop_repeated(self, project: str, version: str) -> int:
        """Delete all but the oldest of the version's predictions of each task; returns how many.

        They come from an import that Label Studio finished after its sender had died, or from two requests
        for the same new task.
        """
        dropped = 0
        for task in pages.read(self.session, project, pages.REPEATED, "id,predictions"):
            stored = sorted(p["id"] for p in task["predictions"] if p["model_version"] == version)
            for prediction in stored[1:]:
                with self.session.asking(f"prediction {prediction}"):
                    self.session.raw("DELETE", f"api/predictions/{prediction}/")
                dropped += 1
        return dropped

    # The serving version ------------------------------------------------------------------------

    def switch_title(self, project: str, version: str) -> None:
        """Make the version the one whose scores order the stream: title of the backend, project's model version."""
        rows = self.backends(project)
        row = next((r for r in rows if str(r["url"]).rstrip("/") == self.backend_url), rows[0] if rows else None)
        if row is None:
            logger.warning(
                "project %s has no ML backend in Label Studio; run `ecgal connect --project %s`", project, project
            )
        elif row.get("title") != version:
            self.update_backend(project, row, {"title": version})
        if self.project(project).model_version != version:
            self.update_project(project, {"model_version": version})
