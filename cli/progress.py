"""What a long command is doing, on stderr: one line that moves in a terminal; elsewhere a line a stage and a tenth."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from trainer.progress import Milestones, left


class Teller:
    """Takes what a learning tells, with its stages counted (`trainer.progress.staged`), and shows it."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
        self._progress = Progress(*columns, console=self._console, disable=not self._console.is_terminal)
        self._task = self._progress.add_task("", total=None)
        self._stage = ""
        self._milestones = Milestones(lambda line: self._console.print(line, highlight=False))

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def __call__(self, **fields: Any) -> None:
        """Show a new stage, or how far the present one is."""
        if "stage" in fields:
            self._stage = f"stage {fields['stage_number']} of {fields['stages']}, {fields['stage']}"
            self._progress.reset(self._task, total=None, description=self._stage)
            if not self._console.is_terminal:
                self._console.print(self._stage, highlight=False)
        if "step" in fields:
            words = f"{self._stage}: step {fields['step']}/{fields['steps']}, loss {fields['loss']:.3f}"
            self._progress.update(self._task, total=fields["steps"], completed=fields["step"], description=words)
            if not self._console.is_terminal and "share" in fields:
                self._milestones.reach(fields["share"], f"{words}, {left(fields['eta_seconds'])}")
