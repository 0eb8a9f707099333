"""Request bodies: a size limit and JSON that is an object, or an error that says what is wrong."""

from __future__ import annotations

import json
from typing import Any

from fastapi import Request

from backend.errors import BadRequest
from backend.http.errors import PayloadTooLarge

BODY_LIMIT = 64 * 1024 * 1024
"""Bytes; Label Studio's largest body is a TASKS_CREATED webhook of 5,000 tasks, 3.3 MB for short reports."""


async def json_object(request: Request, limit: int = BODY_LIMIT) -> dict[str, Any]:
    """The body as a dict; raises PayloadTooLarge, or BadRequest for malformed JSON and other types."""
    return parse_object(await read(request, limit))


def parse_object(raw: bytes) -> dict[str, Any]:
    """Parse a JSON object; raises BadRequest naming position or type, never quoting the body.

    >>> parse_object(b'{"tasks": []}')
    {'tasks': []}
    """
    value = parse_json(raw)
    if not isinstance(value, dict):
        raise BadRequest("The body is not a JSON object", type(value).__name__, "send a JSON object")
    return value


def parse_json(raw: bytes) -> Any:
    """Parse JSON of any type; raises BadRequest as above."""
    try:
        return json.loads(raw)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno} column {error.colno}" if raw else "empty body"
        raise BadRequest("The body is not JSON", where, "send a JSON object") from None
    except (ValueError, RecursionError) as error:
        raise BadRequest("The body is not JSON", type(error).__name__, "send a JSON object in UTF-8") from None


async def read(request: Request, limit: int = BODY_LIMIT) -> bytes:
    """The raw body; raises PayloadTooLarge.

    The announced length is checked before a byte is read, the real one while reading.
    """
    announced = request.headers.get("Content-Length", "")
    if announced.isdigit() and int(announced) > limit:
        raise _too_large(int(announced), limit)
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        parts.append(part)
        size += len(part)
        if size > limit:
            raise _too_large(size, limit)
    return b"".join(parts)


def _too_large(size: int, limit: int) -> PayloadTooLarge:
    return PayloadTooLarge("The body is too large", f"{size} bytes", f"at most {limit} bytes: send fewer tasks at once")
