"""What a Label Studio project needs for active learning, and how to get it there.

    ML backend   ours comes first (Label Studio uses no other), its title is the serving version
    webhook      the recorded actions, with payload and the secret
    project      uncertainty sampling by the serving version, predictions shown, no automatic training
    view         the pool in the order of the queue

`connect` compares and changes what differs; a second run changes nothing. The `faults` of each
part are what `ecgal doctor` reports.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from backend.errors import Conflict, LabelStudioError
from backend.labelstudio.client import LabelStudioClient, Project
from backend.labelstudio.config import parse_label_config
from backend.labelstudio.session import Refusal, shown
from backend.labelstudio.wire import WEBHOOK_ACTIONS, JsonObject
from backend.registry import VERSION
from backend.settings import Settings, is_loopback

logger = logging.getLogger(__name__)

SECRET_HEADER = "X-Webhook-Secret"
CONNECTED = "CO"
SAMPLING = "Uncertainty sampling"
VIEW_TITLE = "主动学习 Top-K"


@dataclass(frozen=True)
class Change:
    """Something that was changed in Label Studio: which part, and what about it."""

    part: str
    what: str


def connect(client: LabelStudioClient, settings: Settings, project: str, *, model_version: str) -> list[Change]:
    """Create or repair everything; returns what was changed, nothing on a second run.

    Raises LabelConfigError for an unusable configuration, Conflict when another backend comes first,
    LabelStudioError when Label Studio refuses. What was done until then stays; running again goes on.
    """
    parse_label_config(client.project(project).label_config)
    rows = client.backends(project)
    mine = [row for row in rows if is_ours(row, settings)]
    if rows and rows[0] not in mine:
        raise Conflict(
            "Another ML backend is connected to the project, and Label Studio uses only the first",
            f"{rows[0].get('title')} at {shown(str(rows[0]['url']))}",
            "remove it in Label Studio (project, Settings, Model), then connect again",
        )
    changes = _connect_backend(client, settings, project, model_version, mine)
    changes += _connect_webhook(client, settings, project, former=[str(row["url"]) for row in mine])
    changes += _set_project(client, project, model_version)
    changes += _set_view(client, project)
    for change in changes:
        logger.info("connect project=%s %s: %s", project, change.part, change.what)
    return changes


# ML backend -----------------------------------------------------------------------------------------


def is_ours(row: JsonObject, settings: Settings) -> bool:
    """Whether an ML backend is this one: by its URL, or, under a former URL, by a title that is a version."""
    return same_url(row["url"], settings.url) or bool(VERSION.fullmatch(str(row.get("title"))))


def backend_faults(row: JsonObject, settings: Settings) -> list[str]:
    """What of our ML backend must be changed beside its title; the password cannot be read, so it is not compared."""
    user = settings.basic_auth.get_secret_value().partition(":")[0]
    faults = {
        "URL": not same_url(row["url"], settings.url),
        "authentication": row.get("auth_method") != ("BASIC_AUTH" if user else "NONE"),
        "user": bool(user) and row.get("basic_auth_user") != user,
        "password is missing": bool(user) and not row.get("basic_auth_pass_is_set"),
        "model version is fixed": row.get("auto_update") is False,
        f"state is {row.get('readable_state') or row.get('state')}": row.get("state") != CONNECTED,
    }
    return [fault for fault, is_so in faults.items() if is_so]


def _connect_backend(
    client: LabelStudioClient, settings: Settings, project: str, version: str, mine: list[JsonObject]
) -> list[Change]:
    fields = {"url": settings.url, "title": version, "auto_update": True, **_credentials(settings)}
    if not mine:
        with _reaching(settings):
            client.create_backend(project, fields)
        return [Change("ML backend", f"created for {shown(settings.url)} with title {version}")]
    for row in mine[1:]:
        client.delete_backend(row)
    changes = [Change("ML backend", "removed a second row of this backend") for _ in mine[1:]]
    faults = backend_faults(mine[0], settings)
    faults += [] if mine[0].get("title") == version else [f"title is not the serving version {version}"]
    if faults:
        with _reaching(settings):
            client.update_backend(project, mine[0], fields)
        changes.append(Change("ML backend", f"corrected: {', '.join(faults)}"))
    return changes


@contextmanager
def _reaching(settings: Settings) -> Iterator[None]:
    """Label Studio calls the backend while it is connected: say what to do when it gets no answer."""
    try:
        yield
    except Refusal as refusal:
        if refusal.code != 400:
            raise
        what = f"Label Studio gets no proper answer from {shown(settings.url)}"
        said = refusal.reason.partition(" Make sure")[0].rstrip(".")
        same = "give `ecgal up` and `ecgal connect` the same ECG_BASIC_AUTH"
        raise LabelStudioError(what, said, same if "authentication" in said else reach_hint(settings)) from None


def reach_hint(settings: Settings) -> str:
    """What to do when Label Studio does not reach the backend."""
    hint = f"is it running (`ecgal up`), and does `curl {shown(settings.url)}/health` work where Label Studio runs?"
    if not is_loopback(urlsplit(settings.url).hostname or ""):
        return hint
    public = f"http://host.docker.internal:{settings.port}"
    return f"{hint} In a container {settings.host} is the container: set ECG_HOST=0.0.0.0 ECG_PUBLIC_URL={public}"


def _credentials(settings: Settings) -> JsonObject:
    user, _, password = settings.basic_auth.get_secret_value().partition(":")
    if not user:
        return {"auth_method": "NONE"}
    return {"auth_method": "BASIC_AUTH", "basic_auth_user": user, "basic_auth_pass": password}


# Webhook --------------------------------------------------------------------------------------------


def webhook_fields(settings: Settings) -> JsonObject:
    """The webhook as it must be."""
    secret = settings.webhook_secret.get_secret_value()
    return {
        "url": f"{_base(settings.url)}/webhook",
        "send_payload": True,
        "send_for_all_actions": False,
        "is_active": True,
        "actions": sorted(WEBHOOK_ACTIONS),
        "headers": {SECRET_HEADER: secret} if secret else {},
    }


def webhook_faults(hook: JsonObject, settings: Settings) -> list[str]:
    """Names of the fields that differ from what they must be."""
    found = {**hook, "actions": sorted(hook.get("actions") or ()), "headers": hook.get("headers") or {}}
    return [name for name, value in webhook_fields(settings).items() if found.get(name) != value]


def _connect_webhook(client: LabelStudioClient, settings: Settings, project: str, former: list[str]) -> list[Change]:
    fields = webhook_fields(settings)
    hooks = client.webhooks(project)
    mine = [hook for hook in hooks if same_url(hook["url"], fields["url"])]
    stale = [hook for hook in hooks if any(same_url(hook["url"], f"{_base(url)}/webhook") for url in former)]
    stale = [hook for hook in {hook["id"]: hook for hook in [*mine, *stale]}.values() if hook not in mine[:1]]
    for hook in stale:
        client.delete_webhook(hook["id"])
    changes = [Change("webhook", f"removed a stale one to {shown(str(hook['url']))}") for hook in stale]
    if not mine:
        client.save_webhook(project, None, fields)
        return [*changes, Change("webhook", f"created for {shown(fields['url'])}")]
    faults = webhook_faults(mine[0], settings)
    if faults:
        client.save_webhook(project, mine[0]["id"], fields)
        changes.append(Change("webhook", f"corrected: {', '.join(faults)}"))
    return changes


# Project and view -----------------------------------------------------------------------------------


def project_faults(project: Project, version: str) -> JsonObject:
    """The settings that differ, with the values they must have.

    Automatic training would call the backend within an annotator's request, and automatic evaluation
    would predict each page of tasks that is listed.
    """
    wanted: dict[str, Any] = {
        "sampling": SAMPLING,
        "show_collab_predictions": True,
        "model_version": version,
        "min_annotations_to_start_training": 0,
        "evaluate_predictions_automatically": False,
    }
    return {name: value for name, value in wanted.items() if project.fields.get(name) != value}


def has_view(views: list[JsonObject]) -> bool:
    """Whether the ordered view of the pool is there and as it must be."""
    return any(_same_view(view) for view in views)


def _set_project(client: LabelStudioClient, project: str, version: str) -> list[Change]:
    faults = project_faults(client.project(project), version)
    if faults:
        client.update_project(project, faults)
    return [Change("project", f"{name} = {value}") for name, value in faults.items()]


def _set_view(client: LabelStudioClient, project: str) -> list[Change]:
    views = client.views(project)
    if has_view(views):
        return []
    if not views:
        # The Data Manager makes its own "Default" tab only while there is none; the pool alone would hide
        # everything that is annotated.
        client.save_view(project, None, {"title": "Default", **COLUMNS})
    mine = [view for view in views if (view.get("data") or {}).get("title") == VIEW_TITLE]
    client.save_view(project, mine[0]["id"] if mine else None, VIEW)
    return [Change("view", f"{'corrected' if mine else 'created'} {VIEW_TITLE}")]


COLUMNS: JsonObject = {
    "type": "list",
    "target": "tasks",
    "hiddenColumns": {"explore": ["tasks:annotations_results", "tasks:predictions_results"], "labeling": []},
    "columnsWidth": {},
    "columnsDisplayType": {},
    "gridWidth": 4,
}
VIEW: JsonObject = {
    **COLUMNS,
    "title": VIEW_TITLE,
    "ordering": ["tasks:predictions_score"],
    "filters": {
        "conjunction": "and",
        "items": [
            {"filter": f"filter:tasks:{field}", "operator": "equal", "type": "Number", "value": 0}
            for field in ("total_annotations", "cancelled_annotations")
        ],
    },
}


def _same_view(view: JsonObject) -> bool:
    data = view.get("data") or {}
    return all(data.get(name) == VIEW[name] for name in ("title", "ordering", "filters"))


def same_url(one: object, other: str) -> bool:
    """Whether two URLs differ in nothing but a slash at the end."""
    return _base(str(one)) == _base(other)


def _base(url: str) -> str:
    return url.strip().rstrip("/")
