"""A bounded part of the data, for what does not need all of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

Item = TypeVar("Item")


def spread(items: Sequence[Item], at_most: int) -> list[Item]:
    """At most so many of the items, evenly spaced, in order.

    >>> spread(range(10), 4)
    [0, 2, 5, 7]
    """
    return [items[i * len(items) // at_most] for i in range(at_most)] if len(items) > at_most else list(items)
