"""`ecgal connect`: a Label Studio project, connected or repaired."""

from __future__ import annotations

import json
from dataclasses import asdict
from urllib.parse import urlsplit

import click
from pydantic import SecretStr

from backend.errors import BackendError, SettingsError
from backend.files import check_writable
from backend.labelstudio.client import LabelStudioClient
from backend.records import Connection
from backend.registry import Registry
from backend.settings import Settings, is_loopback
from cli import processes
from cli.health import ANY_ADDRESS
from cli.project import only_project
from trainer.connection import Change
from trainer.connection import connect as connect_project


@click.command()
@click.option("--project", "-p", type=click.IntRange(1), help="Label Studio's project id; default: the connected one.")
@click.option("--url", default="", help="Address of Label Studio; default: LABEL_STUDIO_URL, or as last time.")
@click.option("--token", default="", help="Legacy or personal access token; default: LABEL_STUDIO_API_KEY, or as last.")
@click.option("--backend-url", default="", help="Where Label Studio reaches `ecgal up`; default: ECG_PUBLIC_URL.")
@click.option("--json", "as_json", is_flag=True, help="One JSON value, for machines.")
def connect(project: int | None, url: str, token: str, backend_url: str, as_json: bool) -> None:
    """Connect a Label Studio project to this backend, or repair the connection."""
    try:
        settings = Settings.from_env()
        changes = run(settings, str(project) if project else the_project(settings, url), url, token, backend_url)
    except BackendError as error:
        raise click.ClickException(str(error)) from None
    lines = [f"{change.part}: {change.what}" for change in changes] or ["nothing to change"]
    click.echo(json.dumps([asdict(c) for c in changes], ensure_ascii=False) if as_json else "\n".join(lines))


def the_project(settings: Settings, url: str) -> str:
    """The only connected project; raises SettingsError that says what to give before the first, and BadRequest."""
    if Registry(settings.home).connected():
        return only_project()
    if not (url or settings.label_studio_url):
        raise SettingsError("Which Label Studio? Give --url or set LABEL_STUDIO_URL")
    raise SettingsError("Which project? Give --project")


def run(settings: Settings, project: str, url: str, token: str, backend_url: str) -> list[Change]:
    """Connect, and keep address, token and labelling configuration for the workers; raises BackendError."""
    check_writable(settings.home)  # before Label Studio is changed
    registry = Registry(settings.home)
    connection = resolve(settings, registry.connection(project), url, token, backend_url)
    settings = reached_at(settings, connection)
    with LabelStudioClient(connection.url, connection.token.get_secret_value()) as client:
        changes = connect_project(client, settings, project, model_version=registry.serving(project))
        registry.remember_label_config(project, client.project(project).label_config)
    registry.save_connection(project, connection)
    return changes


def resolve(settings: Settings, stored: Connection | None, url: str, token: str, backend_url: str) -> Connection:
    """Options win over the environment, the environment over what was stored; raises SettingsError."""
    if url and settings.label_studio_url and url.rstrip("/") != settings.label_studio_url.rstrip("/"):
        hint = "the workers follow the variable: unset it, or give the same address"
        raise SettingsError("LABEL_STUDIO_URL names another Label Studio than --url", settings.label_studio_url, hint)
    address = url or settings.label_studio_url or (stored.url if stored else "")
    secret = (
        token or settings.label_studio_token.get_secret_value() or (stored.token.get_secret_value() if stored else "")
    )
    if not address:
        raise SettingsError("Which Label Studio? Give --url or set LABEL_STUDIO_URL")
    if not secret:
        raise SettingsError("Which access token? Give --token or set LABEL_STUDIO_API_KEY")
    # Only a URL that was given for this project is kept: the settings may change.
    kept = stored.backend_url if stored and not settings.public_url else ""
    return Connection(url=address, token=SecretStr(secret), backend_url=(backend_url or kept).rstrip("/"))


def reached_at(settings: Settings, connection: Connection | None) -> Settings:
    """The settings with the URL under which the project's Label Studio reaches the backend.

    One on this machine also tells where the web process listens, so does the `ecgal up` of this home: ECG_PORT need
    not be set again.
    """
    given = connection.backend_url if connection else ""
    parts = urlsplit(given)
    local = {"host": parts.hostname, "port": parts.port or 80} if is_loopback(parts.hostname or "") else {}
    if given:
        return settings.model_copy(update={"public_url": given, **local})
    running = urlsplit(processes.address_of(settings.home.resolve()))
    if not running.hostname or "port" in settings.model_fields_set:
        return settings
    host = ANY_ADDRESS.get(running.hostname, running.hostname)
    return settings.model_copy(update={"host": host, "port": running.port})
