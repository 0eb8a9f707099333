"""`gunicorn _wsgi:app`: the web process, configured by the environment (gunicorn.conf.py, docs/settings.md).

The name is the one Label Studio's stock servers use. Nothing is opened at import.
"""

from __future__ import annotations

from backend.http.app import create_app
from backend.settings import Settings

app = create_app(Settings.from_env())
