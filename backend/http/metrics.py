"""Prometheus metrics of one app: requests, predicted tasks, and the job queue's depth at scrape time.

Each app has its own CollectorRegistry, so that two apps in one process (tests, `model.py`) do not share
counters.
"""

from __future__ import annotations

import time
from collections.abc import MutableMapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from backend.http.errors import unexpected

LATENCY_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 3.0, 10.0, 30.0, 100.0)
"""Seconds; 1, 3 and 100 are where Label Studio gives up on /health, /setup and /predict."""


class Metrics:
    """The metrics of one app; `registry` renders them."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "ecg_http_requests", "Answered requests.", ["method", "route", "status"], registry=self.registry
        )
        self.in_progress = Gauge(
            "ecg_http_requests_in_progress", "Requests being answered now.", registry=self.registry
        )
        self.seconds = Histogram(
            "ecg_http_request_seconds",
            "Time to answer.",
            ["route"],
            buckets=LATENCY_BUCKETS,
            registry=self.registry,
        )
        self.predicted = Counter(
            "ecg_predicted_tasks", "Tasks answered by /predict.", ["outcome"], registry=self.registry
        )
        self.webhooks = Counter("ecg_webhooks", "Webhooks by what became of them.", ["status"], registry=self.registry)
        self.redis_up = Gauge("ecg_redis_up", "Whether Redis answered the last scrape.", registry=self.registry)
        self.pending = Gauge(
            "ecg_pending_annotations", "Changed annotations no round has taken.", ["project"], registry=self.registry
        )
        self.jobs = Gauge("ecg_jobs", "Jobs of a job queue by state.", ["queue", "state"], registry=self.registry)


class Observed:
    """Outermost middleware: counts and times every request, and turns what nobody caught into a plain 500."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request; never raises for HTTP."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 0

        async def observed_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        self.metrics.in_progress.inc()
        try:
            await self.app(scope, receive, observed_send)
        except Exception as error:
            answer = unexpected(error)
            if status == 0:
                await answer(scope, receive, observed_send)
        finally:
            self.metrics.in_progress.dec()
            self._count(scope, status, time.perf_counter() - started)

    def _count(self, scope: MutableMapping[str, Any], status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "other")
        self.metrics.requests.labels(scope["method"], route, status).inc()
        self.metrics.seconds.labels(route).observe(seconds)
