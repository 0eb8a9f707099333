"""A real Label Studio for tests marked `e2e`, a small backend it can call, and the recorded bodies."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from backend.labelstudio.client import LabelStudioClient
from backend.labelstudio.config import LabelConfig, parse_label_config
from tests.label_studio import LabelStudio, running
from tests.servers import Request, Response, answering

XML = (
    '<View><Labels name="label" toName="text"><Label value="HR"/><Label value="VALUE"/></Labels>'
    '<Text name="text" value="$text"/></View>'
)


PATIENT = dict.fromkeys(("ML_CONNECTION_TIMEOUT", "ML_TIMEOUT_HEALTH", "ML_TIMEOUT_SETUP"), "30")
"""Seconds. Label Studio marks a backend disconnected that takes longer to answer, by default than one second; the small
backend here shares a busy machine with everything else."""


@pytest.fixture(scope="session")
def label_studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabelStudio]:
    """A real Label Studio that waits for its backends."""
    with running(tmp_path_factory.mktemp("label-studio"), **PATIENT) as server:
        yield server


@pytest.fixture(scope="session")
def config() -> LabelConfig:
    return parse_label_config(XML)


@pytest.fixture
def client(label_studio: LabelStudio) -> Iterator[LabelStudioClient]:
    with LabelStudioClient(label_studio.url, label_studio.token) as client:
        yield client


@pytest.fixture
def make_project(client: LabelStudioClient) -> Callable[..., str]:
    """Creates a project with one task per text; a text may come with annotations."""

    def make(*tasks: str | dict[str, Any], xml: str = XML) -> str:
        sdk = client.session.sdk
        project = sdk.projects.create(title="test project", label_config=xml)
        rows: list[Any] = [{"data": {"text": task}} if isinstance(task, str) else task for task in tasks]
        if rows:
            sdk.projects.import_tasks(id=project.id, request=rows)
        return str(project.id)

    return make


@dataclass
class Backend:
    """A backend that Label Studio can connect, and what Label Studio sent to its /webhook."""

    url: str = ""
    version: str = "rules-1"
    credentials: str = ""
    hooks: list[tuple[dict[str, str], dict[str, Any]]] = field(default_factory=list)


@pytest.fixture
def backend() -> Iterator[Backend]:
    state = Backend()

    def reply(request: Request) -> Response:
        body = json.loads(request.body or b"{}")
        if request.path == "/webhook":
            state.hooks.append((dict(request.headers), body))
        tasks = body.get("tasks", [])
        answers: dict[str, Any] = {
            "/health": {"status": "UP"},
            "/setup": {"model_version": state.version},
            "/predict": {"results": [{"result": [], "score": 0.5, "model_version": state.version} for _ in tasks]},
        }
        allowed = request.path == "/webhook" or request.headers.get("Authorization", "") == state.credentials
        return Response(200 if allowed else 401, json.dumps(answers.get(request.path, {})).encode())

    with answering(reply) as state.url:
        yield state
