"""Ranking and stored predictions kept in step with Label Studio, by the rank job and by the reconciler between them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from backend.labelstudio import pool
from backend.labelstudio.client import LabelStudioClient
from backend.labelstudio.config import LabelConfig
from backend.ranking_index import RankingIndex
from backend.records import RankingRecord
from backend.registry import VERSION

DELETED_AT_ONCE = 500
"""Predictions that may be deleted while people annotate: 6 ms each (Label Studio 1.23.2, SQLite)."""
QUIET = 120.0
"""Seconds without an annotation after which any number may."""


def tidy(client: LabelStudioClient, index: RankingIndex, project: str, version: str) -> None:
    """Take out of the ranking what is no longer in the pool; nothing is read when the numbers agree."""
    if index.count(project, version) <= pool.count_scored(client.session, project, version):
        return
    for ids in index.strangers(project, version, client.each_unlabelled_id(project)):
        # What was ranked while the pool was read is in it all the same.
        index.remove(project, version, set(ids) - pool.unlabelled_among(client.session, project, ids))


def other_labels(record: RankingRecord, config: LabelConfig) -> bool:
    """Whether the ranking, or a part, was made for other labels than the configuration has, in whatever order."""
    return record.mixed or (bool(record.labels) and set(record.labels) != set(config.labels))


def deletable(client: LabelStudioClient, project: str, stored: Mapping[str, int], serving: str) -> list[str]:
    """Our versions other than `serving` whose stored predictions can go now; until then they do no harm.

    Deleting thousands locks Label Studio's SQLite for so long that submissions fail, so many are deleted only
    when nobody has annotated for a while.
    """
    others = {version: count for version, count in stored.items() if version != serving and VERSION.fullmatch(version)}
    return sorted(others) if may_delete(client, project, sum(others.values())) else []


def may_delete(client: LabelStudioClient, project: str, predictions: int) -> bool:
    """Whether so many can be deleted without that people notice: they are few, or nobody annotates."""
    return predictions <= DELETED_AT_ONCE or client.quiet_seconds(project, datetime.now(UTC)) >= QUIET
