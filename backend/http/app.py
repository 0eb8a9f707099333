"""The web process: routes, guards and lifespan in one FastAPI app.

It never trains, never blocks its event loop, and imports neither torch nor trainer: /health must answer
within a second whatever runs. FastAPI's own documentation pages are off, because they load scripts from
a public host; docs/http-api.md describes the routes.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from fastapi import FastAPI

from backend.errors import BackendError
from backend.http import errors, label_studio, operator, parse
from backend.http.dispatcher import dispatch_forever
from backend.http.metrics import Metrics, Observed
from backend.http.parts import WebParts
from backend.labelstudio.config import parse_label_config
from backend.serving import LOADED
from backend.settings import Settings

log = logging.getLogger(__name__)


def create_app(settings: Settings) -> FastAPI:
    """The app; nothing is opened before its lifespan starts."""
    app = FastAPI(title="ecg-active-learning", docs_url=None, redoc_url=None, lifespan=_lifespan)
    app.state.settings = settings
    app.state.metrics = Metrics()
    app.add_middleware(Observed, metrics=app.state.metrics)
    errors.install(app)
    app.include_router(label_studio.router)
    app.include_router(operator.router)
    app.include_router(parse.router)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Open files, Redis and predictors, dispatch rounds meanwhile; raises SettingsError without credentials."""
    settings: Settings = app.state.settings
    settings.require_credentials()
    parts = app.state.parts = WebParts.open(settings)
    tasks = [asyncio.create_task(dispatch_forever(parts)), asyncio.create_task(_warm(parts))]
    log.info("Serving %s project(s) from %s", len(parts.registry.projects()), settings.home)
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        await asyncio.to_thread(parts.close)


async def _warm(parts: WebParts) -> None:
    """Load the serving versions before the first request needs them; a request in between waits its turn."""
    for project in parts.registry.projects()[-LOADED:]:
        try:
            await parts.infer(_load, parts, project)
        except BackendError as error:
            log.warning("Project %s is not ready to predict: %s", project, error)
        except Exception as error:
            log.warning("Project %s is not ready to predict: %s", project, type(error).__name__)


def _load(parts: WebParts, project: str) -> None:
    remembered = parts.registry.label_config(project)
    if remembered:
        parts.serving.predictor(project, parse_label_config(remembered).labels)
