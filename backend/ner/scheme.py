"""The BIO tags of a label set, and which tag may follow which."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class LabelScheme:
    """The labels of a project, in the order of its labelling configuration.

    Tag ids: 0 is O; label i (from 0) has B = 1 + 2i and I = 2 + 2i.

    >>> LabelScheme(("HR", "TIME")).tags
    ('O', 'B-HR', 'I-HR', 'B-TIME', 'I-TIME')
    """

    labels: tuple[str, ...]

    @cached_property
    def tags(self) -> tuple[str, ...]:
        """All tags in id order."""
        return ("O", *(f"{prefix}-{label}" for label in self.labels for prefix in "BI"))

    @cached_property
    def label_ids(self) -> dict[str, int]:
        """Label -> position in `labels`."""
        return {label: i for i, label in enumerate(self.labels)}

    @cached_property
    def allowed(self) -> NDArray[np.bool_]:
        """Matrix [tags, tags]: may tag `column` follow tag `row`? I-x only follows B-x or I-x."""
        n = len(self.tags)
        allowed = np.ones((n, n), dtype=bool)
        for i in range(len(self.labels)):
            begin, inside = 1 + 2 * i, 2 + 2 * i
            allowed[:, inside] = False
            allowed[[begin, inside], inside] = True
        return allowed

    @cached_property
    def allowed_first(self) -> NDArray[np.bool_]:
        """Vector [tags]: may a text start with this tag? Every tag but the I-tags."""
        first = np.ones(len(self.tags), dtype=bool)
        first[2::2] = False
        return first
