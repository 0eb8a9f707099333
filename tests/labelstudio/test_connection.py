"""Connecting a project of a real Label Studio, and what doctor says about it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from pydantic import SecretStr
from redis import Redis

from backend.errors import Conflict, LabelConfigError, LabelStudioError, Unavailable
from backend.job_queue import JobQueue
from backend.labelstudio.client import LabelStudioClient
from backend.labelstudio.wire import WEBHOOK_ACTIONS
from backend.ranking_index import RankingIndex
from backend.records import Connection
from backend.registry import Registry
from backend.settings import Settings
from cli.connect import connect as connect_command
from cli.disconnect import run
from trainer.connection import VIEW_TITLE, connect, has_view
from trainer.disconnection import disconnect
from trainer.doctor import Check, Local, run_checks
from trainer.parts import WorkerParts
from trainer.reconcile import GONE_AFTER, Reconciler

if TYPE_CHECKING:
    from tests.labelstudio.conftest import Backend, LabelStudio

pytestmark = pytest.mark.e2e

MakeProject = Callable[..., str]
BASIC = "Basic dTpwYXNz"


def settings_for(backend: Backend, **more: str) -> Settings:
    return Settings(public_url=backend.url, **more)  # type: ignore[arg-type]


def parts_of(client: LabelStudioClient, settings: Settings, project: str, version: str = "rules-1") -> list[str]:
    return [change.part for change in connect(client, settings, project, model_version=version)]


def test_connecting_creates_everything_and_a_second_run_changes_nothing(
    client: LabelStudioClient, make_project: MakeProject, backend: Backend
) -> None:
    backend.credentials = BASIC
    settings = settings_for(backend, basic_auth="u:pass", webhook_secret="s3cret")
    project = make_project("a")
    assert parts_of(client, settings, project) == ["ML backend", "webhook", "project", "view"]
    assert connect(client, settings, project, model_version="rules-1") == []

    row = client.backend(project, backend.url)
    assert row is not None
    assert (row["title"], row["state"], row["basic_auth_user"]) == ("rules-1", "CO", "u")
    (hook,) = client.webhooks(project)
    assert hook["headers"] == {"X-Webhook-Secret": "s3cret"}
    assert (hook["send_payload"], hook["send_for_all_actions"]) == (True, False)
    assert sorted(hook["actions"]) == sorted(WEBHOOK_ACTIONS)
    state = client.project(project)
    assert state.model_version == "rules-1"
    assert (state.fields["sampling"], state.fields["show_collab_predictions"]) == ("Uncertainty sampling", True)
    assert [view["data"]["title"] for view in client.views(project)] == ["Default", VIEW_TITLE]


def test_the_webhook_arrives_with_the_secret(
    client: LabelStudioClient, make_project: MakeProject, backend: Backend
) -> None:
    project = make_project("a")
    parts_of(client, settings_for(backend, webhook_secret="s3cret"), project)
    backend.hooks.clear()
    client.session.raw("POST", f"api/tasks/{client.task_ids(project)[0]}/annotations/", {"result": []})
    ((headers, body),) = backend.hooks
    assert headers["X-Webhook-Secret"] == "s3cret"
    assert body["action"] == "ANNOTATION_CREATED"


def test_a_row_without_webhook_and_model_version_is_completed(
    client: LabelStudioClient, make_project: MakeProject, backend: Backend
) -> None:
    project = make_project("a")
    client.create_backend(project, {"url": backend.url, "title": "anything"})
    client.delete_webhook(client.webhooks(project)[0]["id"])
    client.update_project(project, {"model_version": ""})
    assert parts_of(client, settings_for(backend), project) == ["ML backend", "webhook", "project", "project", "view"]
    assert client.project(project).model_version == "rules-1"
    assert parts_of(client, settings_for(backend), project) == []


def test_duplicates_are_reduced_to_one(client: LabelStudioClient, make_project: MakeProject, backend: Backend) -> None:
    project = make_project("a")
    for title in ("one", "two", "three"):
        client.create_backend(project, {"url": backend.url, "title": title})
    for _ in range(2):
        client.save_webhook(project, None, {"url": f"{backend.url}/webhook"})
    parts_of(client, settings_for(backend), project)
    assert len(client.backends(project)) == len(client.webhooks(project)) == 1
    assert client.project(project).model_version == "rules-1"


def test_another_backend_that_comes_first_is_named(
    client: LabelStudioClient, make_project: MakeProject, backend: Backend
) -> None:
    project = make_project("a")
    client.create_backend(project, {"url": backend.url, "title": "somebody else's"})
    elsewhere = Settings(public_url=backend.url.replace("127.0.0.1", "localhost"))
    with pytest.raises(Conflict, match="somebody else's"):
        connect(client, elsewhere, project, model_version="rules-1")
    assert len(client.backends(project)) == 1


def test_a_moved_backend_takes_its_row_along_and_leaves_no_webhook_behind(
    client: LabelStudioClient, make_project: MakeProject, backend: Backend
) -> None:
    project = make_project("a")
    parts_of(client, settings_for(backend), project, "ecg-r0007-3fa2c1d0")
    moved = backend.url.replace("127.0.0.1", "localhost")
    assert parts_of(client, Settings(public_url=moved), project, "ecg-r0007-3fa2c1d0") == [
        "ML backend",
        "webhook",
        "webhook",
    ]
    assert [row["url"] for row in client.backends(project)] == [moved]
    assert [hook["url"] for hook in client.webhooks(project)] == [f"{moved}/webhook"]


def test_what_users_changed_is_put_right(
    client: LabelStudioClient, make_project: MakeProject, backend: Backend
) -> None:
    settings, project = settings_for(backend), make_project("a")
    parts_of(client, settings, project)
    client.update_project(
        project,
        {"show_collab_predictions": False, "sampling": "Sequential sampling", "min_annotations_to_start_training": 5},
    )
    view = next(view for view in client.views(project) if view["data"]["title"] == VIEW_TITLE)
    client.save_view(project, view["id"], {"title": VIEW_TITLE, "ordering": ["tasks:id"]})
    hook = client.webhooks(project)[0]
    client.save_webhook(project, hook["id"], {"url": hook["url"], "is_active": False, "actions": ["TASKS_CREATED"]})
    assert parts_of(client, settings, project) == ["webhook", *["project"] * 4, "view"]
    assert parts_of(client, settings, project) == []


def test_a_backend_that_does_not_answer_says_what_to_do(client: LabelStudioClient, make_project: MakeProject) -> None:
    project = make_project("a")
    with pytest.raises(LabelStudioError, match=r"ECG_PUBLIC_URL=http://host\.docker\.internal:9090"):
        connect(client, Settings(public_url="http://127.0.0.1:9"), project, model_version="rules-1")


def test_wrong_credentials_say_what_to_do(
    client: LabelStudioClient, make_project: MakeProject, backend: Backend
) -> None:
    backend.credentials = BASIC
    settings = settings_for(backend, basic_auth="u:other", webhook_secret="s")
    with pytest.raises(LabelStudioError, match="the same ECG_BASIC_AUTH"):
        connect(client, settings, make_project("a"), model_version="rules-1")


def test_a_project_without_labels_on_text_is_refused_untouched(
    client: LabelStudioClient, make_project: MakeProject, backend: Backend
) -> None:
    xml = '<View><Text name="t" value="$text"/><Choices name="c" toName="t"><Choice value="a"/></Choices></View>'
    project = make_project("a", xml=xml)
    with pytest.raises(LabelConfigError, match="no Labels tag"):
        connect(client, settings_for(backend), project, model_version="rules-1")
    assert client.backends(project) == []


# Command ---------------------------------------------------------------------------------------------


@pytest.fixture
def command(tmp_path: Path, backend: Backend, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str]]:
    """`ecgal connect` with a home of its own."""
    monkeypatch.setenv("ECG_HOME", str(tmp_path))
    monkeypatch.setenv("ECG_PUBLIC_URL", backend.url)
    for name in ("LABEL_STUDIO_URL", "LABEL_STUDIO_API_KEY"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(connect_command, arguments)
        return result.exit_code, result.output

    return run


def test_the_command_prints_changes_and_keeps_the_connection(
    command: Callable[..., tuple[int, str]], label_studio: LabelStudio, make_project: MakeProject, tmp_path: Path
) -> None:
    project = make_project("a")
    code, output = command("--project", project, "--url", label_studio.url, "--token", label_studio.token)
    assert code == 0
    assert "ML backend: created" in output
    assert label_studio.token not in output
    kept = Registry(tmp_path).connection(project)
    assert kept is not None
    assert (kept.url, kept.token.get_secret_value(), kept.backend_url) == (label_studio.url, label_studio.token, "")
    assert 'value="HR"' in (Registry(tmp_path).label_config(project) or "")
    assert command("--project", project, "--json") == (0, "[]\n")
    assert command("--project", project) == (0, "nothing to change\n")


def test_the_command_says_in_one_sentence_what_is_wrong(
    command: Callable[..., tuple[int, str]], label_studio: LabelStudio, make_project: MakeProject, tmp_path: Path
) -> None:
    project = make_project("a")
    assert command("--project", project)[1] == "Error: Which Label Studio? Give --url or set LABEL_STUDIO_URL.\n"
    code, output = command("--project", project, "--url", label_studio.url, "--token", "wrong")
    assert (code, output.count("\n")) == (1, 1)
    assert output.startswith("Error: Label Studio refused (401)")
    assert Registry(tmp_path).connection(project) is None


# Doctor ----------------------------------------------------------------------------------------------


def all_well(**changed: Any) -> Local:
    return Local(**{"web": lambda: True, "redis": lambda: None, "queues": lambda: {"train", "rank"}, **changed})


def examine(client: LabelStudioClient, settings: Settings, project: str, local: Local | None = None) -> list[Check]:
    return run_checks(lambda: client, settings, project, serving="rules-1", local=local or all_well())


def failed(checks: list[Check]) -> dict[str, str]:
    return {check.name: check.fix for check in checks if not check.ok}


def test_a_connected_project_with_predictions_is_well(
    client: LabelStudioClient, make_project: MakeProject, backend: Backend
) -> None:
    settings, project = settings_for(backend), make_project("a")
    parts_of(client, settings, project)
    assert failed(examine(client, settings, project)) == {"predictions": f"ecgal rerank --project {project}"}
    busy = examine(client, settings, project, all_well(working="rank-1-1 is queued"))
    assert (failed(busy), [check.name for check in busy if check.waits]) == ({}, ["predictions"])
    task = client.task_ids(project)[0]
    client.import_predictions(project, [{"task": task, "result": [], "score": 0.5, "model_version": "rules-1"}])
    checks = examine(client, settings, project)
    assert failed(checks) == {}
    assert all(json.dumps(check.to_json()) and not check.fix for check in checks)


def test_an_unconnected_project_is_told_to_connect(
    client: LabelStudioClient, make_project: MakeProject, backend: Backend
) -> None:
    project = make_project()
    found = failed(examine(client, settings_for(backend), project))
    assert set(found) == {"Label Studio to backend", "webhook", "model version", "sampling", "view"}
    assert all(f"ecgal connect --project {project}" in fix for fix in found.values())


def test_a_backend_that_label_studio_does_not_reach_is_told(
    client: LabelStudioClient, make_project: MakeProject, backend: Backend
) -> None:
    settings, project = settings_for(backend), make_project()
    parts_of(client, settings, project)
    backend.credentials = BASIC
    assert "curl" in failed(examine(client, settings, project))["Label Studio to backend"]


def test_a_wrong_secret_title_and_a_foreign_backend_are_told(
    client: LabelStudioClient, make_project: MakeProject, backend: Backend
) -> None:
    settings, project = settings_for(backend), make_project()
    parts_of(client, settings, project, "rules-0")
    found = failed(examine(client, settings_for(backend, webhook_secret="s"), project))
    assert set(found) == {"webhook", "title", "model version"}
    busy = examine(client, settings, project, all_well(working="rank-1-1 is started"))
    assert (failed(busy), {check.name for check in busy if check.waits}) == ({}, {"title", "model version"})
    client.update_backend(project, client.backends(project)[0], {"title": "other"})
    moved = Settings(public_url=backend.url.replace("127.0.0.1", "localhost"))
    client.create_backend(project, {"url": moved.url, "title": "rules-1"})
    assert "remove it" in failed(examine(client, moved, project))["Label Studio to backend"]


def test_processes_that_are_down_are_told_first(
    client: LabelStudioClient, make_project: MakeProject, backend: Backend
) -> None:
    def no_redis() -> None:
        raise Unavailable("Redis does not answer", "ConnectionError", "start `ecgal up`")

    project = make_project()
    checks = examine(client, settings_for(backend), project, all_well(web=lambda: False, redis=no_redis))
    assert [(check.name, check.ok) for check in checks[:3]] == [
        ("web process", False),
        ("Redis", False),
        ("Label Studio", True),
    ]
    idle = examine(client, settings_for(backend), project, all_well(queues=lambda: {"rank"}))
    assert failed(idle)["workers"] == "start `ecgal up`"


def test_a_wrong_token_project_or_configuration_ends_with_its_fix(
    label_studio: LabelStudio, client: LabelStudioClient, make_project: MakeProject, backend: Backend
) -> None:
    settings = settings_for(backend)
    assert (
        "LABEL_STUDIO_ENABLE_LEGACY"
        in failed(examine(LabelStudioClient(label_studio.url, "wrong"), settings, "1"))["token"]
    )
    assert "project" in failed(examine(client, settings, "999999"))
    assert (
        "is it running" in failed(examine(LabelStudioClient("http://127.0.0.1:9", "t"), settings, "1"))["Label Studio"]
    )
    project = make_project(xml='<View><Text name="t" value="$text"/></View>')
    assert "labelling configuration" in failed(examine(client, settings, project))


# The end ---------------------------------------------------------------------------------------------


def test_disconnecting_removes_what_connecting_made_and_keeps_the_predictions(
    client: LabelStudioClient, make_project: MakeProject, backend: Backend
) -> None:
    settings, project = settings_for(backend), make_project("a")
    parts_of(client, settings, project)
    task = client.task_ids(project)[0]
    client.import_predictions(project, [{"task": task, "result": [], "score": 0.5, "model_version": "rules-1"}])
    removed = disconnect(client, settings, project, delete_predictions=False)
    # A set, for the model version is unset by Label Studio itself in some runs.
    assert {change.part for change in removed} == {"webhook", "ML backend", "project", "view"}
    assert (client.backends(project), client.webhooks(project)) == ([], [])
    assert (client.project(project).model_version, has_view(client.views(project))) == ("", False)
    assert client.model_versions(project) == {"rules-1": 1}
    assert disconnect(client, settings, project, delete_predictions=False) == []
    disconnect(client, settings, project, delete_predictions=True)
    assert client.model_versions(project) == {}


def test_the_command_ends_the_project_here_and_there(
    client: LabelStudioClient, label_studio: LabelStudio, make_project: MakeProject, backend: Backend, redis: Redis,
    tmp_path: Path,
) -> None:  # fmt: skip
    settings, project = Settings(home=tmp_path, public_url=backend.url), make_project("a")
    registry = Registry(tmp_path)
    registry.save_connection(project, Connection(url=label_studio.url, token=SecretStr(label_studio.token)))
    parts = WorkerParts(settings, registry, redis, JobQueue(redis, registry, settings), RankingIndex(redis))
    parts_of(client, settings, project)
    job = parts.queue.request_rank(project)
    changes = run(parts, project, delete_predictions=False, force=False)
    assert {change.part for change in changes} == {"webhook", "ML backend", "project", "view", "backend"}
    assert f"{job} ended" in changes[-1].what
    Reconciler(parts).tick()
    assert client.project(project).model_version == ""


def test_a_project_that_was_deleted_there_ends_here_after_some_answers(
    client: LabelStudioClient, label_studio: LabelStudio, redis: Redis, tmp_path: Path
) -> None:
    registry, settings = Registry(tmp_path), Settings(home=tmp_path)
    registry.save_connection("999999", Connection(url=label_studio.url, token=SecretStr(label_studio.token)))
    queue = JobQueue(redis, registry, settings)
    reconciler = Reconciler(WorkerParts(settings, registry, redis, queue, RankingIndex(redis)))
    for _ in range(GONE_AFTER - 1):
        reconciler.tick()
        assert registry.ended("999999") == ""
    reconciler.tick()
    assert "no longer has it" in registry.ended("999999")
    assert registry.connection("999999") is None
