"""Every error this package raises on purpose.

    BackendError                 what, which value, what to do
    ├── SettingsError            an environment variable is wrong
    ├── LabelConfigError         a labelling configuration has no usable Labels + Text pair
    │   └── UnreadableLabelConfig  there is none, or it is no XML
    ├── BadRequest               a request body is malformed (HTTP 400)
    ├── NotFound                 no such project, version or task (HTTP 404)
    ├── Conflict                 the state does not allow it now (HTTP 409)
    ├── Unavailable              Redis is down or the job queue cannot be reached (HTTP 503)
    ├── LabelStudioError         Label Studio refused or could not be reached
    ├── BaseModelError           the base model is missing, damaged or unsuitable
    ├── ModelError               a stored version is incomplete or cannot be loaded
    └── CorpusError              a file cannot be read as annotated reports (`trainer.corpus`)

Messages never carry report text or tokens: they reach clients and INFO logs.
"""

from __future__ import annotations

import re

CONNECT = "ecgal connect --url <address of Label Studio> --token <access token> --project"
"""For hints: how a project is connected; its number follows."""


class BackendError(Exception):
    """An error with three parts: `what` went wrong, `value` that caused it, `hint` what to do.

    As a string it is one or two sentences.

    >>> str(BackendError("Which Label Studio?", hint="give --url")), str(BackendError("No such version", "v1"))
    ('Which Label Studio? Give --url.', 'No such version: v1.')
    """

    status = 500

    def __init__(self, what: str, value: object = "", hint: str = "") -> None:
        self.what = what
        self.value = str(value)
        self.hint = hint
        parts = (what + (f": {self.value}" if self.value else ""), hint)
        super().__init__(" ".join(_sentence(part) for part in parts if part))


def _sentence(text: str) -> str:
    """With a capital, unless it begins with a name (`a.json`, ecgal_x, --url), and with a full stop."""
    first = re.match(r"[a-z]+(?=[ ,;:]|$)", text)
    text = text[0].upper() + text[1:] if first else text
    return text if text.endswith((".", "?", "!", "…")) else f"{text}."


class SettingsError(BackendError):
    """An environment variable is unknown, has an impossible value, or contradicts another."""


class LabelConfigError(BackendError):
    """A labelling configuration that cannot be used for named-entity recognition."""

    status = 422


class UnreadableLabelConfig(LabelConfigError):
    """No labelling configuration at all, or none that is XML."""


class BadRequest(BackendError):
    """A request that cannot be understood."""

    status = 400


class NotFound(BackendError):
    """A project, version or task that is not there."""

    status = 404


class Conflict(BackendError):
    """The request is fine, the present state does not allow it."""

    status = 409


class Unavailable(BackendError):
    """A part this needs (Redis, as a rule) does not answer; asking again later may work."""

    status = 503


class LabelStudioError(BackendError):
    """Label Studio refused a request or could not be reached."""

    status = 502


class BaseModelError(BackendError):
    """The base model is missing, damaged or of an unsuitable kind."""


class ModelError(BackendError):
    """A stored model version is incomplete or cannot be loaded."""


class CorpusError(BackendError):
    """A file that cannot be read as annotated reports, or a place that cannot be written."""

    status = 422
