"""gunicorn's settings, read from the working folder, so that plain `gunicorn _wsgi:app` is right.

One worker: it holds the models, and its event loop answers /health while the inference thread computes.
The worker class is set here and nowhere else: gunicorn's default one answers 500 to every request of an
ASGI app.
"""

from __future__ import annotations

import sys
from typing import Any

from backend.errors import SettingsError
from backend.logs import configure
from backend.settings import Settings

try:
    settings = Settings.from_env()
except SettingsError as error:
    sys.exit(f"Error: {error}")

host = f"[{settings.host}]" if ":" in settings.host else settings.host
bind = f"{host}:{settings.port}"
worker_class = "asgi"
workers = 1
asgi_lifespan = "on"
timeout = 60
"""Seconds without a heartbeat of the event loop, not of a request: a long prediction does not count."""
graceful_timeout = 20
"""Seconds for requests in flight at SIGTERM; below the 25 s after which `ecgal up` kills."""
keepalive = 2
"""Seconds; Label Studio keeps no connection, and a stop waits for idle ones."""
control_socket_disable = True
accesslog = None
"""Off: the app logs one line per prediction, /metrics counts the rest."""
loglevel = settings.log_level.lower()
configure(settings.log_level)


def on_starting(server: Any) -> None:
    """Refuse an unprotected address, also when it came from gunicorn's command line."""
    for address in server.cfg.address:
        if isinstance(address, tuple):
            try:
                settings.model_copy(update={"host": address[0]}).require_credentials()
            except SettingsError as error:
                sys.exit(f"Error: {error}")
