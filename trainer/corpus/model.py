"""A corpus: annotated reports, the labelling configuration they follow, and the account of where they came from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from backend.labelstudio.config import LabelConfig
from backend.left_out import kind
from trainer.dataset import FrozenDataset, Reject


@dataclass(frozen=True)
class Tally:
    """How many were found, kept and rejected; each counted on its own."""

    found: int = 0
    kept: int = 0
    rejected: int = 0


@dataclass(frozen=True)
class Ledger:
    """What a file held and what became of it.

    Drafts count as annotations. A region with two labels counts as two spans, and a span that several annotators
    marked once for each. `ignored` counts what is no annotation of spans: predictions, choices, relations.
    """

    tasks: Tally = Tally()
    annotations: Tally = Tally()
    spans: Tally = Tally()
    ignored: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Corpus:
    """Annotated reports with their configuration."""

    config: LabelConfig
    dataset: FrozenDataset
    ledger: Ledger = Ledger()


def reasons(rejects: Iterable[Reject]) -> dict[str, int]:
    """How often each kind of reason occurs, most frequent first; ids and offsets left out.

    >>> reasons([Reject(1, "region a: it has no label"), Reject(2, "region b: it has no label")])
    {'it has no label': 2}
    """
    kinds = Counter(kind(reject.reason) for reject in rejects)
    return dict(sorted(kinds.items(), key=lambda item: (-item[1], item[0])))
