"""A corpus: annotated reports, the labelling configuration they follow, and the account of where they came from."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from backend.errors import CorpusError
from backend.labelstudio.config import LabelConfig
from backend.left_out import kind
from trainer.dataset import FrozenDataset, Reject

PLACE = r"^([^:]+, )?(line|row) \d+: "
"""How the reason of a row or line that could not be read begins; in an archive with the name of its file."""


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
    """How often each kind of reason occurs, most frequent first; ids, offsets and lines left out.

    >>> reasons([Reject(1, "region a: it has no label"), Reject(2, "region b: it has no label")])
    {'it has no label': 2}
    """
    kinds = Counter(re.sub(PLACE, "", kind(reject.reason)) for reject in rejects)
    return dict(sorted(kinds.items(), key=lambda item: (-item[1], item[0])))


def lost_rows(rejects: Iterable[Reject]) -> list[str]:
    """The reasons that name a row or line of the file, in its order."""
    return [reject.reason for reject in rejects if re.match(PLACE, reject.reason)]


def nothing_marked(corpus: Corpus, path: Path) -> CorpusError:
    """What is said of a file whose reports have no span: it would teach that there is nothing to find."""
    ledger, told = corpus.ledger, list(reasons(corpus.dataset.rejects).items())[:3]
    if ledger.spans.found or (ledger.annotations.found and not ledger.annotations.kept):
        what = "None of the marked spans can be used in" if ledger.spans.found else "No annotation can be used in"
        return CorpusError(what, path, f"most frequent reasons: {', '.join(f'{reason} ({n})' for reason, n in told)}")
    others = ", ".join(f"{n} x {kind}" for kind, n in ledger.ignored.items() if kind != "prediction")
    if ledger.annotations.kept:
        hint = f"annotators submitted {f'only {others}' if others else 'their reports without a region'}"
    elif ledger.ignored.get("prediction"):
        hint = "it holds only predictions, which are never taken for annotations: submit them in Label Studio first"
    else:
        hint = "nobody annotated its tasks, or its rows are plain texts: export annotated tasks from Label Studio"
    return CorpusError("Nothing is marked in", path, hint)
