"""`ecgal doctor`: what works, what does not, and the exact fix."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import click
from redis import Redis
from redis.exceptions import RedisError

from backend import overview
from backend.errors import CONNECT, BackendError, Unavailable
from backend.job_queue import FUNCTIONS
from backend.settings import Settings
from cli.called import as_called
from cli.connect import reached_at
from cli.health import HEARTBEAT_AGE, web_is_healthy
from cli.tables import LINKS
from trainer.doctor import Check, Local, run_checks
from trainer.parts import WorkerParts


@click.command()
@click.option("--project", "-p", type=click.IntRange(1), help="Label Studio's project id; default: all connected ones.")
@click.option("--json", "as_json", is_flag=True, help="One JSON value, for machines.")
@click.pass_context
def doctor(context: click.Context, project: int | None, as_json: bool) -> None:
    """Check both directions between Label Studio and this backend; exit 1 when something fails, not when it waits."""
    try:
        checks = examine(WorkerParts.open(Settings.from_env()), str(project) if project else "")
    except BackendError as error:
        raise click.ClickException(str(error)) from None
    checks = [replace(check, what=as_called(check.what), fix=as_called(check.fix)) for check in checks]
    click.echo(json.dumps([check.to_json() for check in checks], ensure_ascii=False) if as_json else table(checks))
    context.exit(0 if all(check.ok for check in checks) else 1)


def examine(parts: WorkerParts, project: str) -> list[Check]:
    """The checks of one project, or of all connected ones."""
    projects = [project] if project else parts.registry.connected()
    if not projects:
        raise Unavailable("No project is connected", hint=f"run `{CONNECT} <id>`")
    return [check for number in projects for check in checks_of(parts, number)]


def checks_of(parts: WorkerParts, project: str) -> list[Check]:
    """The checks of one project."""
    settings = reached_at(parts.settings, parts.registry.connection(project))
    busy = working(parts, project)  # first: what ends while we look has been seen to run
    serving, ranking = parts.registry.serving(project), parts.registry.ranking(project)
    unusable = ranking.without_text if ranking and ranking.version == serving else 0
    local = Local(lambda: web_is_healthy(settings), parts.queue.ping, lambda: listened(parts.redis), unusable, busy)
    checks = run_checks(lambda: parts.client(project), settings, project, serving=serving, local=local)
    damage = parts.registry.damage(project, serving)
    checks.append(Check("serving version", not damage, damage or serving, "run `ecgal rollback`" if damage else ""))
    checks.append(used_annotations(parts, project))
    eight_bits = (settings.engine, settings.precision) == ("openvino", "auto")
    if eight_bits and (slower := parts.registry.int8_damage(project, serving)):
        checks.append(Check("8 bits", False, slower, f"run `ecgal retrain --project {project}` for a new version"))
    return checks


def used_annotations(parts: WorkerParts, project: str) -> Check:
    """Whether the newest round used everything that people annotated; else where to look."""
    rows = overview.left_out_of(parts, project)["reasons"]
    if not rows:
        return Check("annotations", True, "nothing that was submitted is left out")
    where = " ".join([url for row in rows for url in row["urls"]][:LINKS])
    fix = f"{f'look at {where}; ' if where else ''}all: `ecgal status --project {project} --json`"
    return Check("annotations", True, "; ".join(row["sentence"] for row in rows), fix)


def working(parts: WorkerParts, project: str) -> str:
    """What will bring title and predictions up to date by itself; "" when nothing will."""
    try:
        if jobs := [job for kind in FUNCTIONS for job in parts.queue.jobs(project, kind)]:
            return ", ".join(f"{job.id} is {job.state}" for job in jobs)
        failed = parts.queue.failure(project, "rank")
    except RedisError:
        return ""
    registry, ranking = parts.registry, parts.registry.ranking(project)
    switching = registry.target(project) != registry.serving(project)
    unfinished = switching or ranking is None or not ranking.finished
    return "" if failed or not unfinished else f"a ranking starts within {parts.settings.reconcile_seconds:g} s"


def listened(redis: Redis) -> set[str]:
    """Names of the queues that workers with a fresh heartbeat listen to, on whatever machine."""
    from rq import Worker

    oldest = datetime.now(UTC) - HEARTBEAT_AGE
    try:
        workers = Worker.all(connection=redis)
    except RedisError as error:
        raise Unavailable("Redis does not answer", type(error).__name__, "check REDIS_URL") from None
    alive = [worker for worker in workers if worker.last_heartbeat and worker.last_heartbeat > oldest]
    return {name for worker in alive for name in worker.queue_names()}


def table(checks: list[Check]) -> str:
    """One line per check, and under each failed one, or note, what to do."""
    width = max(len(check.name) for check in checks)
    lines = []
    for check in checks:
        state = "wait" if check.waits else "FAIL" if not check.ok else "note" if check.fix else "ok  "
        lines.append(f"{state}  {check.name:<{width}}  {check.what}")
        lines += [f"      {'':<{width}}  fix: {check.fix}"] if check.fix else []
    return "\n".join(lines)
