"""Does everything talk to everything? Each check names what it found and the exact way to mend it.

    here           web process, Redis, workers
    to them        Label Studio's address, token, project, labelling configuration
    from them      Label Studio reaches the backend, its webhook arrives with the right secret
    the queue      title, sampling, prelabelling, view, predictions of the serving version

Checks that need the answer of a failed one are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

from backend.errors import BackendError
from backend.labelstudio.client import Counts, LabelStudioClient, Project
from backend.labelstudio.config import parse_label_config
from backend.labelstudio.session import SSRF_HINT, Refusal, Unreachable, shown
from backend.settings import Settings
from trainer.connection import (
    CONNECTED,
    VIEW_TITLE,
    backend_faults,
    has_view,
    is_ours,
    project_faults,
    reach_hint,
    same_url,
    webhook_faults,
    webhook_fields,
)

QUEUES = ("train", "rank")
BY_RANKING = ("title", "model version", "predictions")
"""Checks of what a ranking sets at its end."""
START = "start `ecgal up`"


@dataclass(frozen=True)
class Check:
    """One finding; `fix` is empty when there is nothing to do. One that is `ok` with a fix is a note.

    One that `waits` is not yet as it will be by itself.
    """

    name: str
    ok: bool
    what: str
    fix: str = ""
    waits: bool = False

    def to_json(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)


@dataclass(frozen=True)
class Local:
    """How to look at this package's own processes.

    `web` tells whether the web process answers, `redis` raises BackendError when it does not, `queues`
    are the job queues that live workers listen to, `unusable` counts tasks of the pool without usable text.
    `working` says what will bring title and predictions up to date by itself, "" when nothing will.
    """

    web: Callable[[], bool]
    redis: Callable[[], None]
    queues: Callable[[], Collection[str]]
    unusable: int = 0
    working: str = ""


def run_checks(
    client_factory: Callable[[], LabelStudioClient], settings: Settings, project: str, *, serving: str, local: Local
) -> list[Check]:
    """All checks of one project, in the order in which to mend them; `serving` is the version that serves."""
    checks = [*_here(settings, local)]
    try:
        with client_factory() as client:
            for check in _there(client, settings, project, serving, local.unusable):
                checks.append(_waiting(check, local.working))
    except BackendError as error:
        code = error.code if isinstance(error, Refusal) else 0
        failed = _failed({401: "token", 404: "project"}.get(code, "Label Studio"), error)
        checks.append(replace(failed, fix=". ".join(filter(None, (failed.fix, _anew(error, code, project))))))
    return checks


def _waiting(check: Check, working: str) -> Check:
    """The check, as one that waits where a running job brings what is missing."""
    if check.ok or not working or check.name not in BY_RANKING:
        return check
    return replace(check, ok=True, waits=True, what=f"{check.what}; {working}", fix="")


# Here -----------------------------------------------------------------------------------------------


def _here(settings: Settings, local: Local) -> Iterator[Check]:
    where = f"{settings.host}:{settings.port}"
    web = local.web()
    yield Check("web process", web, f"answers on {where}" if web else f"no answer on {where}", "" if web else START)
    try:
        local.redis()
        listening = local.queues()
    except BackendError as error:
        yield _failed("Redis", error)
        return
    yield Check("Redis", True, "answers")
    missing = [queue for queue in QUEUES if queue not in listening]
    what = f"none listens to {', '.join(missing)}" if missing else f"listen to {', '.join(QUEUES)}"
    yield Check("workers", not missing, what, START if missing else "")


# There ----------------------------------------------------------------------------------------------


def _there(client: LabelStudioClient, settings: Settings, project: str, serving: str, unusable: int) -> Iterator[Check]:
    """Checks in order; BackendError from a request that all later ones need ends them."""
    yield Check("Label Studio", True, f"{shown(client.session.url)}, release {client.version()}")
    kind = "personal" if client.session.is_personal else "legacy"
    yield Check("token", True, f"{kind} token of {client.whoami()}")
    state = client.project(project)
    yield Check("project", True, f"{project}: {state.title}")
    yield _label_config(state)
    yield from _backend(client, settings, project, serving)
    yield _webhook(client, settings, project)
    yield from _project(state, serving)
    view = has_view(client.views(project))
    yield Check("view", view, VIEW_TITLE if view else f"{VIEW_TITLE} is missing or changed", _connect(project, view))
    yield _predictions(client.counts(project), project, serving, unusable)


def _label_config(state: Project) -> Check:
    try:
        config = parse_label_config(state.label_config)
    except BackendError as error:
        return _failed("labelling configuration", error)
    what = f"{len(config.labels)} labels on {config.to_name} from data.{config.text_key}"
    return Check("labelling configuration", True, what)


def _backend(client: LabelStudioClient, settings: Settings, project: str, serving: str) -> Iterator[Check]:
    """Label Studio is asked to call the backend: the list of backends does that. Then its title."""
    name = "Label Studio to backend"
    rows = client.backends(project)
    row = next((row for row in rows if is_ours(row, settings)), None)
    if row is None:
        yield Check(name, False, "this backend is not connected", _connect(project))
        return
    if row is not rows[0]:
        fix = "remove it in Label Studio (project, Settings, Model): only the first backend is used"
        yield Check(name, False, f"{rows[0].get('title')} at {shown(str(rows[0]['url']))} comes first", fix)
        return
    if row.get("state") != CONNECTED and same_url(row["url"], settings.url):
        what = (
            f"{shown(settings.url)}: {row.get('readable_state')} {shown(str(row.get('error_message') or ''))}".strip()
        )
        yield Check(name, False, what[:300], reach_hint(settings))
        return
    faults, title = backend_faults(row, settings), str(row.get("title"))
    yield Check(name, not faults, ", ".join(faults) or f"reaches {shown(settings.url)}", _connect(project, not faults))
    what = title if title == serving else f"{title} instead of the serving version {serving}"
    yield Check("title", title == serving, what, _connect(project, title == serving))


def _webhook(client: LabelStudioClient, settings: Settings, project: str) -> Check:
    url = str(webhook_fields(settings)["url"])
    mine = [hook for hook in client.webhooks(project) if same_url(hook["url"], url)]
    if not mine:
        return Check("webhook", False, f"none to {shown(url)}", f"{_connect(project)}. If that is refused: {SSRF_HINT}")
    faults = webhook_faults(mine[0], settings)
    secret = "with the secret" if settings.webhook_secret.get_secret_value() else "no secret is set"
    what = f"wrong: {', '.join(faults)}" if faults else f"all actions, {secret}"
    return Check("webhook", not faults, what, _connect(project, not faults))


def _project(state: Project, serving: str) -> Iterator[Check]:
    """Sampling, prelabelling, model version, automatic training: what orders and fills the stream."""
    faults = project_faults(state, serving)
    names = {
        "model_version": "model version",
        "sampling": "sampling",
        "show_collab_predictions": "prelabelling",
        "min_annotations_to_start_training": "automatic training",
        "evaluate_predictions_automatically": "automatic prediction",
    }
    for field, name in names.items():
        value = state.fields.get(field)
        what = f"{value!r} instead of {faults[field]!r}" if field in faults else f"{value!r}"
        yield Check(name, field not in faults, what, _connect(state.id, field not in faults))


def _predictions(counts: Counts, project: str, serving: str, unusable: int) -> Check:
    """Without predictions of the serving version Label Studio's order is random; `unusable` tasks get none."""
    stored, pool = counts.predictions.get(serving, 0), counts.unlabelled - unusable
    what = f"{stored} of {serving}, {pool} tasks wait"
    return Check("predictions", stored >= pool, what, "" if stored >= pool else f"ecgal rerank --project {project}")


def _failed(name: str, error: BackendError) -> Check:
    what = f"{error.what}: {error.value}" if error.value else error.what
    return Check(name, False, what, error.hint)


def _anew(error: BackendError, code: int, project: str) -> str:
    """The command for another token or address, where these are what fails."""
    given = "--token <access token>" if code == 401 else "--url <address>" if isinstance(error, Unreachable) else ""
    return given and f"With another one: `{_connect(project)} {given}`"


def _connect(project: str, fine: bool = False) -> str:
    return "" if fine else f"ecgal connect --project {project}"
