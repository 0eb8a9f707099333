"""`python -m console`: Streamlit on ECG_HOST and ECG_CONSOLE_PORT, as `ecgal up` runs it."""

from __future__ import annotations

import sys
from pathlib import Path

from backend.errors import SettingsError
from backend.logs import configure
from backend.settings import Settings

SCRIPT = Path(__file__).with_name("app.py")
UPLOAD_MB = 5
"""What backend.parsing.documents reads at most."""

PRIMARY, PRIMARY_ON_DARK = "#0d8a7b", "#19a594"
"""Buttons and marks of the interface; no label has this colour."""


def options(settings: Settings) -> list[str]:
    """Streamlit's options. All are given here, so that nobody's config.toml turns anything on."""
    given = {
        "server.address": settings.host,
        "server.port": settings.console_port,
        "server.headless": "true",  # opens no browser, asks for no e-mail address
        "server.fileWatcherType": "none",
        "server.runOnSave": "false",
        "server.maxUploadSize": UPLOAD_MB,
        "server.enableXsrfProtection": "true",
        "server.enableCORS": "true",
        "browser.gatherUsageStats": "false",
        "client.toolbarMode": "minimal",
        # An error message may quote a report; shell tells type and place.
        "client.showErrorDetails": "none",
        # Not theme.primaryColor: that would be one theme, and no dark one.
        "theme.light.primaryColor": PRIMARY,
        "theme.dark.primaryColor": PRIMARY_ON_DARK,
        "logger.level": settings.log_level.lower(),
        "global.developmentMode": "false",
    }
    return [f"--{name}={value}" for name, value in given.items()]


def main() -> None:
    """Run until a signal; exits with a sentence when the settings do not allow it."""
    from streamlit.web.cli import main as streamlit

    try:
        settings = Settings.from_env()
        settings.require_credentials()
    except SettingsError as error:
        sys.exit(f"Error: {error}")
    configure(settings.log_level)
    streamlit(["run", str(SCRIPT), *options(settings)], prog_name="streamlit")


if __name__ == "__main__":
    main()
