"""The commands that we print, with the name by which the user called `ecgal`."""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from pathlib import Path

PROGRAM = "ecgal"
COMMAND = re.compile(rf"(?<![\w./-]){PROGRAM} (?=[a-z])")


def as_called(text: str) -> str:
    """The text, whose commands say `ecgal`, with commands that the user can copy: `.venv/bin/ecgal connect`."""
    return COMMAND.sub(lambda _: f"{_program()} ", text)


def _program() -> str:
    """The path of this process as it was typed; `ecgal` where a shell finds it, or where it is not called by a path."""
    typed = sys.argv[0]
    found = shutil.which(PROGRAM)
    if Path(typed).name != PROGRAM or (found and Path(found).absolute() == Path(typed).absolute()):
        return PROGRAM
    return shlex.quote(typed)
