"""When to start the next round: debounce and coalescing as one pure function."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Pending:
    """What changed and no round has taken yet; times are seconds since the epoch.

    `annotations` of the `count` changes are annotations to read; the others are deletions and settings.
    """

    count: int
    oldest: float
    newest: float
    annotations: int = 0


def is_due(
    pending: Pending, *, now: float, minimum: int, quiet: float, max_wait: float, waiting: bool, not_before: float = 0.0
) -> bool:
    """Whether a round should be queued now.

    At least `minimum` pending annotations, then after `quiet` seconds without another one or `max_wait`
    seconds after the oldest; never while a round of the project is already `waiting` (it will take them
    all), never before `not_before` (pause after a failed round).

    >>> is_due(Pending(3, oldest=0, newest=5), now=8, minimum=1, quiet=10, max_wait=60, waiting=False)
    False
    >>> is_due(Pending(3, oldest=0, newest=5), now=15, minimum=1, quiet=10, max_wait=60, waiting=False)
    True
    """
    if waiting or pending.count < minimum or now < not_before:
        return False
    return now - pending.newest >= quiet or now - pending.oldest >= max_wait


def pause_after(failures: int) -> float:
    """Seconds to wait after the n-th failure in a row: 10, 20, 40 ... at most 600.

    >>> [pause_after(n) for n in (1, 2, 9)]
    [10.0, 20.0, 600.0]
    """
    return min(600.0, 10.0 * 2.0 ** (failures - 1))
