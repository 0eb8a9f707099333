"""Are the web process and the workers of this machine alive? For `ecgal up` and for container engines.

`python -m cli.health web` asks GET /health; `python -m cli.health train` looks for a worker of that queue
and of this host name with a fresh heartbeat. Exit status 0 or 1.
"""

from __future__ import annotations

import http.client
import socket
import sys
from base64 import b64encode
from datetime import UTC, datetime, timedelta

from backend.settings import Settings

ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}

HEARTBEAT_AGE = timedelta(seconds=120)
"""A worker renews its heartbeat every 15 s while idle, every second while a job runs (supervision.WORKER_OPTIONS)."""


def web_is_healthy(settings: Settings) -> bool:
    """Whether GET /health answers 200 within a second, as Label Studio asks it."""
    connection = http.client.HTTPConnection(ANY_ADDRESS.get(settings.host, settings.host), settings.port, timeout=1)
    credentials = settings.basic_auth.get_secret_value().encode()
    headers = {"Authorization": "Basic " + b64encode(credentials).decode()} if credentials else {}
    try:
        connection.request("GET", "/health", headers=headers)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def worker_is_healthy(settings: Settings, queue: str) -> bool:
    """Whether a worker on this host listens to the queue and has shown itself lately."""
    from redis import Redis
    from redis.exceptions import RedisError
    from rq import Queue, Worker

    oldest = datetime.now(UTC) - HEARTBEAT_AGE
    try:
        with Redis.from_url(settings.redis_url, socket_timeout=3, socket_connect_timeout=3) as redis:
            workers = Worker.all(queue=Queue(queue, connection=redis))
    except RedisError:
        return False
    here = [worker for worker in workers if worker.hostname == socket.gethostname()]
    return any(worker.last_heartbeat is not None and worker.last_heartbeat > oldest for worker in here)


def main(part: str) -> int:
    """Exit status for `web` or the name of a queue."""
    settings = Settings.from_env()
    return 0 if (web_is_healthy(settings) if part == "web" else worker_is_healthy(settings, part)) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
