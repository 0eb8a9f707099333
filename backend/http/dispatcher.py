"""The background task that turns hints into rounds when they are due (backend.policy).

It lives in the web process because that one is always there; several of them do no harm: queueing a round
is locked in Redis.
"""

from __future__ import annotations

import asyncio
import logging
import time

from redis.exceptions import RedisError

from backend.errors import Unavailable
from backend.http.parts import WebParts

log = logging.getLogger(__name__)

INTERVAL = 0.5
"""Seconds between looks; much shorter than ECG_RETRAIN_QUIET, and one command when there is nothing to do."""


async def dispatch_forever(parts: WebParts, interval: float = INTERVAL) -> None:
    """Look for due hints until cancelled; an outage of Redis is survived and logged once."""
    failing = ""
    while True:
        problem = await _dispatch(parts)
        if problem and problem != failing:
            log.warning("Rounds cannot be queued for now: %s", problem)
        elif failing and not problem:
            log.info("Rounds are queued again")
        failing = problem
        await asyncio.sleep(interval)


async def _dispatch(parts: WebParts) -> str:
    """One look; returns the type of what went wrong, or ""."""
    try:
        await parts.work(parts.queue.dispatch_due, time.time())
    except (RedisError, Unavailable):
        return "Redis does not answer"
    except Exception as error:
        return type(error).__name__
    return ""
