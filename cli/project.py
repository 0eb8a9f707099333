"""Commands on one project: status, queue, models, retrain, rerank, promote, rollback, resume."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import click

from backend import overview, switching
from backend.errors import CONNECT, BadRequest
from backend.registry import Registry
from backend.settings import Settings
from cli import tables
from cli.called import as_called
from trainer.parts import WorkerParts

PROJECT_HELP = "Label Studio's project id; default: the only one that is connected."
project_option = click.option(
    "--project", "-p", default="", callback=lambda _context, _option, given: given or only_project(), help=PROJECT_HELP
)
reason_option = click.option("--reason", default="", help="Why, shown wherever the hold is.")
json_option = click.option("--json", "as_json", is_flag=True, help="One JSON value, for machines.")


def only_project() -> str:
    """The only connected project; raises BadRequest that lists them when there are several, or none."""
    connected = Registry(Settings.from_env().home).connected()
    if not connected:
        raise BadRequest("Which project? Give --project; none is connected", hint=f"Connect one with `{CONNECT} <id>`")
    if len(connected) > 1:
        raise BadRequest("Which project? Connected are", ", ".join(connected), "Give --project")
    return connected[0]


def show(value: Any, as_json: bool, table: Callable[[Any], str]) -> None:
    """Print the value as JSON or as a table for people."""
    click.echo(json.dumps(value, ensure_ascii=False) if as_json else as_called(table(value)))


def parts() -> WorkerParts:
    """Everything, from the environment."""
    return WorkerParts.open(Settings.from_env())


@click.command()
@project_option
@json_option
def status(project: str, as_json: bool) -> None:
    """What serves, what waits, what runs with progress and ETA, how the last rounds went."""
    show(overview.status(parts(), project), as_json, tables.status)


@click.command()
@project_option
@click.option("--top", default=20, show_default=True, type=click.IntRange(1, 10_000), help="How many tasks.")
@click.option("--task", type=click.IntRange(1), help="Only the place of this task.")
@json_option
def queue(project: str, top: int, task: int | None, as_json: bool) -> None:
    """The reports to annotate next, most uncertain first."""
    if task is None:
        show(overview.queue(parts(), project, top), as_json, tables.queue)
    else:
        show(overview.place(parts(), project, task), as_json, tables.place)


@click.command()
@project_option
@json_option
def models(project: str, as_json: bool) -> None:
    """All versions with their scores, newest first."""
    show(overview.models(parts(), project), as_json, tables.models)


@click.command()
@project_option
def retrain(project: str) -> None:
    """Queue a round now instead of waiting for the next annotations."""
    opened = parts()
    opened.connection(overview.known(opened, project))
    click.echo(f"queued {opened.queue.request_round(project)}")


@click.command()
@project_option
def rerank(project: str) -> None:
    """Queue a ranking of the unlabelled reports now."""
    opened = parts()
    opened.connection(overview.known(opened, project))
    click.echo(f"queued {opened.queue.request_rank(project)}")


@click.command()
@project_option
@click.argument("version")
@click.option("--hold", is_flag=True, help="Rounds promote nothing until `ecgal resume`.")
@reason_option
def promote(project: str, version: str, hold: bool, reason: str) -> None:
    """Let VERSION serve, once the pool is ranked with it."""
    if reason and not hold:
        raise click.UsageError("--reason is the reason of a hold: add --hold")
    wanted = switching.new_hold(switching.user_name(), reason) if hold else None
    click.echo(_switched(switching.promote(parts(), project, version, wanted)))


@click.command()
@project_option
@reason_option
def rollback(project: str, reason: str) -> None:
    """Go back to the promoted version before the serving one, and hold it.

    Rounds go on, but promote nothing until `ecgal resume`.
    """
    hold = switching.new_hold(switching.user_name(), reason)
    click.echo(_switched(switching.roll_back(parts(), project, hold)))


@click.command()
@project_option
def resume(project: str) -> None:
    """End the hold of a rollback: rounds promote again, what they found meanwhile is considered now."""
    resumed = switching.resume(parts(), project)
    following = f"; {resumed['job']} considers what was found meanwhile" if resumed["job"] else ""
    if resumed["job"].startswith("rank"):
        following = f"; {resumed['version']} will serve when {resumed['job']} is done"
    click.echo(f"rounds promote again{following}")


def _switched(answer: dict[str, Any]) -> str:
    held = "; rounds promote nothing until `ecgal resume`" if answer["held"] else ""
    return as_called(f"{answer['version']} will serve when {answer['job']} is done{held}")
