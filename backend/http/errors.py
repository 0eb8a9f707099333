"""Every answer that is not a success: `{"error": what, "value": which, "hint": what to do}`.

No answer and no log line carries a traceback, a report's text or a token: of an unexpected error the
client learns nothing but that it happened, the log its type and place.
"""

from __future__ import annotations

import json
import logging
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from redis.exceptions import RedisError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from backend.errors import BackendError
from backend.logs import type_and_place

log = logging.getLogger(__name__)

VALUE_LIMIT = 200
"""Characters of an offending value that are sent back."""


class Unauthorized(BackendError):
    """Missing or wrong credentials; `scheme` tells the client which kind is asked for."""

    status = 401

    def __init__(self, what: str, hint: str, scheme: str) -> None:
        super().__init__(what, "", hint)
        self.scheme = scheme


class PayloadTooLarge(BackendError):
    """A body over the limit."""

    status = 413


class Answer(JSONResponse):
    """JSON in ASCII: a lone surrogate, which Label Studio's bodies may hold, has no UTF-8 form."""

    def render(self, content: Any) -> bytes:
        """Escape everything beyond ASCII; raises ValueError on NaN, which is not JSON."""
        return json.dumps(content, allow_nan=False, separators=(",", ":")).encode("ascii")


def error_answer(status: int, what: str, value: str = "", hint: str = "") -> Answer:
    """The body all errors have."""
    return Answer({"error": what, "value": value[:VALUE_LIMIT], "hint": hint}, status)


def log_unexpected(error: Exception) -> None:
    """Log type and place, never the message: it may quote a report."""
    log.error("Unexpected %s", type_and_place(error))


def unexpected(error: Exception) -> Answer:
    """500 for what nobody caught."""
    log_unexpected(error)
    return error_answer(500, "Internal error", type(error).__name__, "the log of the web process names the place")


def redis_down(error: RedisError) -> Answer:
    """503: nothing was stored, asking again may help."""
    return error_answer(503, "Redis does not answer", type(error).__name__, "start it, or check REDIS_URL")


def install(app: FastAPI) -> None:
    """Register the handlers of the errors this package and its web framework raise on purpose."""

    @app.exception_handler(BackendError)
    async def backend_error(_request: Request, error: BackendError) -> Answer:
        answer = error_answer(error.status, error.what, error.value, error.hint)
        if isinstance(error, Unauthorized):
            answer.headers["WWW-Authenticate"] = error.scheme
        return answer

    @app.exception_handler(RedisError)
    async def redis_error(_request: Request, error: RedisError) -> Answer:
        return redis_down(error)

    @app.exception_handler(RequestValidationError)
    async def invalid(_request: Request, error: RequestValidationError) -> Answer:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        return error_answer(400, f"{name} cannot be used", str(first.get("input", "")), str(first["msg"]))

    @app.exception_handler(HTTPException)
    async def http_error(request: Request, error: HTTPException) -> Answer:
        hint = "docs/http-api.md lists all routes"
        return error_answer(error.status_code, str(error.detail), f"{request.method} {request.url.path}", hint)
