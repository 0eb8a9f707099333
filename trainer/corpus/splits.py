"""Splits of annotated reports for work outside the loop, where membership need not survive the next round.

All are greedy: the reports (or groups of them) that hold the rarest labels are placed first, each on the side that is
farthest from its share of labels, reports and length. The loop's own holdout is `trainer.dataset.split`.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray

from backend.errors import CorpusError
from backend.ranking.copies import report_key
from backend.ranking.templates import templates
from trainer.dataset import Report

ATTEMPTS = 10
"""How often another order is tried when a label that could be on all sides is not."""

Group = Sequence[int]
"""Places of reports that stay together."""

Split = tuple[list[Report], list[Report]]
"""What to train on, and what to validate on; both in the order of the reports."""


def stratified(reports: Sequence[Report], share: float = 0.2, seed: int = 0) -> Split:
    """Hold out this share of the reports, at least one, with every label on both sides where that is possible.

    Copies of a report stay together.
    A label that only one report holds is trained on. Raises CorpusError for fewer than two reports.
    """
    return _split(reports, _copies(reports), share, seed)


def template_disjoint(reports: Sequence[Report], share: float = 0.2, seed: int = 0) -> Split:
    """Hold out about this share so that no template (`backend.ranking.templates`) is on both sides.

    One large template makes the share smaller, never larger than the rest allows. Raises CorpusError when all reports
    follow one template.
    """
    members: dict[int, list[int]] = {}
    for place, template in enumerate(templates([report.text for report in reports])):
        members.setdefault(template, []).append(place)
    if len(members) < 2:
        raise CorpusError("All reports follow one template, reports", len(reports), "use --method stratified")
    return _split(reports, list(members.values()), share, seed)


def k_folds(reports: Sequence[Report], k: int, seed: int = 0) -> list[Split]:
    """Split k times so that every report is held out once, with its copies; folds are alike in labels and length.

    Raises CorpusError unless 2 <= k <= number of different reports.
    """
    groups = _copies(reports)
    n = len(groups)
    if not 2 <= k <= n:
        raise CorpusError(f"{n} different reports cannot be split into folds, k", k, "k is 2 to their number")
    sizes = [len(reports) // k + (fold < len(reports) % k) for fold in range(k)]
    sides = _sides(reports, groups, sizes, seed)
    return [_parts(reports, sides, fold) for fold in range(k)]


def _copies(reports: Sequence[Report]) -> list[Group]:
    """Places of the copies of each report."""
    groups: dict[int, list[int]] = {}
    for place, report in enumerate(reports):
        groups.setdefault(report_key(report.text), []).append(place)
    return list(groups.values())


def _split(reports: Sequence[Report], groups: Sequence[Group], share: float, seed: int) -> Split:
    n = len(reports)
    if len(groups) < 2:
        raise CorpusError("Two different reports at least are needed for a split, not", len(groups))
    held = min(max(round(share * n), 1), n - 1)
    return _parts(reports, _sides(reports, groups, [n - held, held], seed), 1)


def _parts(reports: Sequence[Report], sides: NDArray[np.int64], held: int) -> Split:
    train = [report for report, side in zip(reports, sides, strict=True) if side != held]
    return train, [report for report, side in zip(reports, sides, strict=True) if side == held]


def _sides(reports: Sequence[Report], groups: Sequence[Group], sizes: Sequence[int], seed: int) -> NDArray[np.int64]:
    """The side of each report; sides get about their sizes in reports, exactly so when groups are single reports."""
    features, holders = _features(reports, groups)
    counts, room, dice = np.array([len(group) for group in groups]), np.array(sizes), random.Random(seed)
    best = _fill(features, holders, counts, room, dice)
    fewest = _repair(best, holders, counts, len(sizes))
    for _ in range(ATTEMPTS if fewest else 0):
        sides = _fill(features, holders, counts, room, dice)
        missing = _repair(sides, holders, counts, len(sizes))
        if missing < fewest:
            fewest, best = missing, sides
    chosen = np.zeros(len(reports), dtype=np.int64)
    for group, side in zip(groups, best, strict=True):
        chosen[list(group)] = side
    return chosen


def _fill(
    features: NDArray[np.float64],
    holders: NDArray[np.bool_],
    counts: NDArray[np.int64],
    room: NDArray[np.int64],
    dice: random.Random,
) -> NDArray[np.int64]:
    """The side of each group, one after the other to where it is missed most."""
    wanted = (room / room.sum())[:, None]
    have, filled = np.zeros((len(room), features.shape[1])), np.zeros_like(room)
    sides = np.zeros(len(counts), dtype=np.int64)
    order = _order(holders, counts, int(room.min()), dice)
    for left, place in zip(range(len(order), 0, -1), order, strict=True):
        own, size = features[place], counts[place]
        cost = ((own**2 + 2 * own * (have - wanted)) / wanted).sum(axis=1)
        sides[place] = side = np.argmin(np.where(_free(size, filled, room, left), cost, np.inf))
        have[side], filled[side] = have[side] + own, filled[side] + size
    return sides


def _free(size: int, filled: NDArray[np.int64], room: NDArray[np.int64], left: int) -> NDArray[np.bool_]:
    """The sides that may take a group of this size, `left` groups before the end; always one at least."""
    empty: NDArray[np.bool_] = filled == 0
    if left <= empty.sum():
        return empty
    free: NDArray[np.bool_] = filled + size <= room + (size - 1) / 2
    most: NDArray[np.bool_] = room - filled == (room - filled).max()
    return free if free.any() else most


def _repair(sides: NDArray[np.int64], holders: NDArray[np.bool_], counts: NDArray[np.int64], n_sides: int) -> int:
    """Exchange groups of one size between two sides as long as fewer labels are missing on a side for it.

    Returns how often a label is missing that enough groups hold.
    """
    held = np.stack([holders[sides == side].sum(axis=0) for side in range(n_sides)])
    enough = holders.sum(axis=0) >= n_sides
    for side, label in np.argwhere((held == 0) & enough).tolist():
        if held[side, label]:
            continue
        for giver, taker in product(np.flatnonzero(holders[:, label]), np.flatnonzero(sides == side)):
            moved = holders[giver].astype(int) - holders[taker]
            after = held.copy()
            after[side] += moved
            after[sides[giver]] -= moved
            if counts[giver] == counts[taker] and (after == 0).sum() < (held == 0).sum():
                sides[giver], sides[taker], held = side, sides[giver], after
                break
    return int((held[:, enough] == 0).sum())


def _features(reports: Sequence[Report], groups: Sequence[Group]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """For each group its share of the length, of each label's spans and of each label's holders; and what it holds."""
    labels = {label: i for i, label in enumerate(sorted({span.label for report in reports for span in report.spans}))}
    spans = np.zeros((len(groups), len(labels)))
    for place, group in enumerate(groups):
        for label, n in Counter(span.label for member in group for span in reports[member].spans).items():
            spans[place, labels[label]] = n
    holders = spans > 0
    length = np.array([[sum(len(reports[member].text) + 1 for member in group)] for group in groups], dtype=np.float64)
    columns = np.hstack([length, spans, holders])
    return columns / columns.sum(axis=0), holders


def _order(holders: NDArray[np.bool_], counts: NDArray[np.int64], smallest: int, dice: random.Random) -> list[int]:
    """Groups that fill a side by themselves, then those with the rarest label first, equals at random."""
    places = list(range(len(counts)))
    dice.shuffle(places)
    common = holders.sum(axis=0)
    rarity = [int(common[row].min()) if row.any() else len(counts) for row in holders]
    return sorted(places, key=lambda place: (2 * counts[place] <= smallest, rarity[place], -counts[place]))
