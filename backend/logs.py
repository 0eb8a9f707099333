"""One log format for all processes; called in the entry points alone."""

from __future__ import annotations

import logging

FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"

NOISY = ("httpx", "httpcore", "urllib3", "filelock", "datasets", "openvino", "fsspec")
"""Libraries whose INFO lines hold URLs or say nothing to an operator."""


def configure(level: str) -> None:
    """Log to stderr at `level`; libraries from WARNING on."""
    logging.basicConfig(level=level, format=FORMAT)
    logging.getLogger().setLevel(level)
    for name in NOISY:
        logging.getLogger(name).setLevel(logging.WARNING)
