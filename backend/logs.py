"""One log format for all processes, and what may be logged of an error that nobody expected."""

from __future__ import annotations

import logging
import traceback

FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"

NOISY = ("httpx", "httpcore", "urllib3", "filelock", "datasets", "openvino", "fsspec")
"""Libraries whose INFO lines hold URLs or say nothing to an operator."""


def configure(level: str) -> None:
    """Log to stderr at `level`; libraries from WARNING on. Called in the entry points alone."""
    logging.basicConfig(level=level, format=FORMAT)
    logging.getLogger().setLevel(level)
    for name in NOISY:
        logging.getLogger(name).setLevel(logging.WARNING)


def type_and_place(error: BaseException) -> str:
    """Type of the error and where it was raised, never its message or traceback: they may quote a report.

    >>> type_and_place(ValueError("a report"))
    'ValueError at ?'
    """
    frame = traceback.extract_tb(error.__traceback__)[-1:]
    place = f"{frame[0].filename}:{frame[0].lineno}" if frame else "?"
    return f"{type(error).__name__} at {place}"
