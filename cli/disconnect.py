"""`ecgal disconnect`: the end of a connection, in Label Studio and here."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from backend.errors import BackendError, LabelStudioError
from backend.labelstudio.session import Refusal
from backend.records import Connection
from backend.settings import Settings
from cli.connect import reached_at
from cli.project import json_option, project_option
from trainer.connection import Change
from trainer.disconnection import disconnect as disconnect_project
from trainer.disconnection import end
from trainer.parts import WorkerParts

REASON = "disconnected by `ecgal disconnect`"


@click.command()
@project_option
@click.option("--delete-predictions", is_flag=True, help="Delete our predictions too: nothing is prefilled.")
@click.option("--force", is_flag=True, help="End it here even when Label Studio does not answer.")
@json_option
def disconnect(project: str, delete_predictions: bool, force: bool, as_json: bool) -> None:
    """Remove what `ecgal connect` made in Label Studio, and end the project's rounds; its versions stay."""
    try:
        changes = run(WorkerParts.open(Settings.from_env()), project, delete_predictions, force)
    except BackendError as error:
        raise click.ClickException(str(error)) from None
    lines = [f"{change.part}: {change.what}" for change in changes]
    click.echo(json.dumps([asdict(c) for c in changes], ensure_ascii=False) if as_json else "\n".join(lines))


def run(parts: WorkerParts, project: str, delete_predictions: bool, force: bool) -> list[Change]:
    """End it here, then disconnect there; raises BackendError when Label Studio does not answer, unless forced.

    Then it stays connected. A project that Label Studio no longer has is ended here without `force`.
    """
    stored = parts.registry.connection(project) or parts.connection(project)
    settings = reached_at(parts.settings, stored)
    parts.queue.ping()
    jobs: list[str] = []
    with parts.client(project) as client:
        try:
            client.project(project)  # else nothing ends
            # First here: the reconciler and a ranking put title and model version right whenever they are not.
            jobs = end(parts, project, REASON)
            changes = disconnect_project(client, settings, project, delete_predictions=delete_predictions)
        except LabelStudioError as error:
            changes = [_left_there(parts, project, stored, error, force)]
            jobs += end(parts, project, REASON)
    ended = f"{', '.join(jobs)} ended" if jobs else "no job was running"
    return [*changes, Change("backend", f"project {project} is disconnected, {ended}; its versions stay")]


def _left_there(parts: WorkerParts, project: str, stored: Connection, error: LabelStudioError, force: bool) -> Change:
    """What stays in Label Studio; connects the project again and raises LabelStudioError unless it may be ended so."""
    gone = isinstance(error, Refusal) and error.code == 404
    if not gone and not force:
        parts.registry.save_connection(project, stored)
        hint = f"{error.hint}. To end the project here alone, add --force"
        raise LabelStudioError(error.what, error.value, hint.removeprefix(". ")) from None
    left = "the project is gone" if gone else f"left as it is, remove webhook and ML backend by hand ({error.what})"
    return Change("Label Studio", left)
