"""The backend's HTTP API as methods: the only way in which the console learns or changes anything."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import httpx

from backend.settings import Settings

CONNECT_SECONDS = 3.0
ANSWER_SECONDS = 120.0
"""A long report waits behind a bulk prediction of Label Studio."""

Row = dict[str, Any]


class ApiError(Exception):
    """An answer that is no success, in the backend's three parts; status 0: the backend does not answer."""

    def __init__(self, status: int, what: str, value: str = "", hint: str = "") -> None:
        super().__init__(what)
        self.status = status
        self.what = what
        self.value = value
        self.hint = hint


def backend_url(settings: Settings) -> str:
    """Where the web process is on this machine.

    Never ECG_PUBLIC_URL: that may be a name which only Label Studio's container knows, or a proxy outside, which
    would see the key.
    """
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)
    return f"http://[{host}]:{settings.port}" if ":" in host else f"http://{host}:{settings.port}"


class Backend:
    """One backend. Every method raises ApiError. Safe to share between sessions."""

    def __init__(self, url: str, key: str = "") -> None:
        self.url = url
        self._http = httpx.Client(
            base_url=url,
            headers={b"Authorization": f"Bearer {key}".encode()} if key else {},
            timeout=httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS),
            trust_env=False,
            # The backend closes idle connections; a restart closes all.
            limits=httpx.Limits(max_keepalive_connections=0),
        )

    def projects(self) -> list[Row]:
        """Projects that Label Studio has called for."""
        return list(self._json("GET", "/api/projects"))

    def parse(self, text: str, project: str) -> Row:
        """The structured report; without a project by the only network that serves, else by the rules."""
        return dict(self._json("POST", "/api/parse", json={"text": text}, params=_given(project=project)))

    def queue(self, project: str, top: int) -> list[Row]:
        """The tasks to annotate next."""
        return list(self._json("GET", _path(project, "queue"), params={"top": top}))

    def tokens(self, project: str, text: str) -> list[Row]:
        """Tokens with their entropy."""
        return list(self._json("POST", _path(project, "tokens"), json={"text": text}))

    def status(self, project: str) -> Row:
        """What serves, waits and runs."""
        return dict(self._json("GET", _path(project, "status")))

    def models(self, project: str) -> list[Row]:
        """Versions, newest first."""
        return list(self._json("GET", _path(project, "models")))

    def errors(self, project: str, kind: str = "", label: str = "", limit: int = 50) -> Row:
        """The error analysis of the serving version."""
        return dict(self._json("GET", _path(project, "errors"), params=_given(kind=kind, label=label, limit=limit)))

    def suspects(self, project: str, label: str = "", limit: int = 50) -> Row:
        """Annotations that look wrong."""
        return dict(self._json("GET", _path(project, "suspects"), params=_given(label=label, limit=limit)))

    def retrain(self, project: str) -> Row:
        """Queue a round."""
        return dict(self._json("POST", _path(project, "retrain")))

    def promote(self, project: str, version: str) -> Row:
        """Make a version serve once the pool is ranked with it."""
        return dict(self._json("POST", _path(project, f"models/{quote(version, safe='')}/promote")))

    def roll_back(self, project: str, reason: str = "") -> Row:
        """Go back to the promoted version before, and hold it."""
        body = {"by": "console", "reason": reason}
        return dict(self._json("POST", _path(project, "rollback"), json=body))

    def resume(self, project: str) -> Row:
        """End the hold."""
        return dict(self._json("POST", _path(project, "resume")))

    def _json(self, method: str, path: str, **options: Any) -> Any:
        try:
            answer = self._http.request(method, path, **options)
        except httpx.HTTPError as error:
            raise ApiError(0, "The backend does not answer", self.url, type(error).__name__) from None
        if not answer.is_success:
            raise _refused(answer)
        try:
            return answer.json()
        except ValueError:
            raise ApiError(answer.status_code, "This is not the backend", self.url, "check ECG_PORT") from None


def _refused(answer: httpx.Response) -> ApiError:
    try:
        said = answer.json()
        return ApiError(answer.status_code, said["error"], said["value"], said["hint"])
    except (ValueError, KeyError, TypeError):
        return ApiError(answer.status_code, f"HTTP {answer.status_code}", str(answer.url.path), "")


def _path(project: str, rest: str) -> str:
    return f"/api/projects/{quote(project, safe='')}/{rest}"


def _given(**parameters: str | int) -> dict[str, str | int]:
    """Only what was given."""
    return {name: value for name, value in parameters.items() if value != ""}
