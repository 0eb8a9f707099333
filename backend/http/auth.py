"""Who may call: Label Studio by basic auth or webhook secret, operators by API key.

A credential that is not configured is not asked for; `Settings.require_credentials` sees to it that
this happens on loopback only. Comparisons take the same time whatever was sent.
"""

from __future__ import annotations

import base64
import binascii
import hmac

from fastapi import Request
from pydantic import SecretStr

from backend.http.errors import Unauthorized
from backend.settings import Settings

BASIC = 'Basic realm="ecg-active-learning", charset="UTF-8"'
BEARER = "Bearer"


async def label_studio(request: Request) -> None:
    """Guard of the routes Label Studio calls as an ML backend; raises Unauthorized."""
    settings: Settings = request.app.state.settings
    if settings.basic_auth.get_secret_value() and not _basic_matches(request, settings.basic_auth):
        raise Unauthorized(
            "Wrong or missing credentials", "set user and password (ECG_BASIC_AUTH) in ML settings", BASIC
        )


async def webhook(request: Request) -> None:
    """Guard of /webhook: the secret header, or basic auth, which "Start training" sends instead."""
    settings: Settings = request.app.state.settings
    secret = settings.webhook_secret.get_secret_value()
    configured = bool(secret or settings.basic_auth.get_secret_value())
    if not configured or _basic_matches(request, settings.basic_auth):
        return
    if not (secret and _same(request.headers.get("X-Webhook-Secret", "").encode("latin-1"), settings.webhook_secret)):
        hint = "the webhook needs the header X-Webhook-Secret (ECG_WEBHOOK_SECRET); `ecgal connect` sets it"
        raise Unauthorized("Wrong or missing webhook secret", hint, BASIC)


async def operator(request: Request) -> None:
    """Guard of the operator routes; raises Unauthorized."""
    settings: Settings = request.app.state.settings
    if not settings.api_key.get_secret_value():
        return
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not _same(key.strip().encode("latin-1"), settings.api_key):
        raise Unauthorized("Wrong or missing API key", "send `Authorization: Bearer <ECG_API_KEY>`", BEARER)


def _basic_matches(request: Request, expected: SecretStr) -> bool:
    scheme, _, encoded = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic" or not expected.get_secret_value():
        return False
    try:
        return _same(base64.b64decode(encoded.strip(), validate=True), expected)
    except (binascii.Error, ValueError):
        return False


def _same(sent: bytes, expected: SecretStr) -> bool:
    """Whether the bytes are the secret in UTF-8 or, as Label Studio's client encodes it, in Latin-1."""
    secret = expected.get_secret_value()
    forms = {secret.encode("utf-8")}
    if max(map(ord, secret), default=0) < 256:
        forms.add(secret.encode("latin-1"))
    return any(hmac.compare_digest(sent, form) for form in forms)
