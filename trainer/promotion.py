"""The gate: which mode of a candidate serves, and whether it may replace the serving version.

Pure. Both are scored on the same reports, none of which either was trained on, and compared report by report. The
candidate has newer annotations, so it is promoted when it is *not worse*; that it is *better* is a claim of its own:

    better           higher with evidence: the 95 % interval of the difference (`difference_intervals`) is above 0
    not worse        not lower; or lower without evidence and within what may be given up
    worse            lower with evidence, or by more than TOLERANCE, which needs none
    losses add up    within TOLERANCE, but together with what earlier promotions gave up it is not
    label lost       F1 of a label falls by more than LABEL_DROP, with evidence
    too few reports  fewer than MIN_COMPARED: the versions' own estimates decide, made on other reports, so with MARGIN

Promoting the "not worse" again and again would let noise walk quality down ("biocreep" of non-inferiority trials:
D'Agostino, Massaro, Sullivan 2003). So a version carries a debt: the F1 given up since the best one that served, which
gains pay back. On the same reports that is exact: what serves is never more than TOLERANCE below the best that did.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backend.model_card import Decision, Method, Mode, Score, Verdict
from trainer.bootstrap import Interval, difference_intervals, f1

PREFERENCE: tuple[Mode, ...] = ("tagger", "model", "merged", "rules")
"""Order among equally good modes: the plainest path first."""

MIN_COMPARED = 10
"""Reports that neither version was trained on; fewer decide nothing."""
TOLERANCE = 0.01
"""Micro F1 that may be given up without evidence, for newer annotations; all promotions since the best together."""
MARGIN = 0.05
"""The same where estimates are compared, which were made on different reports."""
LABEL_DROP = 0.10
"""F1 that a label may lose: a rebalancing between labels passes, a collapse does not."""
LABEL_SUPPORT = 10
"""Gold spans of a label below which its F1 says nothing."""

MODE_NAMES: dict[Mode, str] = {
    "tagger": "the tagger",
    "rules": "rules + span memory",
    "model": "the network",
    "merged": "network and rules merged",
}
WORDS: dict[Verdict, str] = {
    "better": "it is better",
    "not worse": "it is not worse",
    "worse": "the candidate is worse",
    "losses add up": "losses add up, it would be {debt:.3f} below the best version so far",
    "label lost": "the candidate lost {labels}",
}
BY_CHANCE = f"the candidate is lower by more than {TOLERANCE}, which on {{reports}} reports may be chance"
"""Of a loss without evidence: on few reports equal versions differ by as much."""


def best_mode(modes: Mapping[Mode, Score], current: Mode | None = None) -> Mode:
    """The mode with the highest micro F1, `current` among equally good ones; rules when nothing could be measured.

    Rules with span memory are no candidate beside a tagger: they are its evidence, and it begins as they do. Whether it
    serves in place of them is for the gate, not for the F1 of a few reports.
    """
    order = sorted(PREFERENCE, key=lambda mode: mode != current)
    return max(
        (mode for mode in order if mode in modes and not (mode == "rules" and "tagger" in modes)),
        key=lambda mode: modes[mode].micro.f1,
        default="rules",
    )


@dataclass(frozen=True)
class Contest:
    """A candidate beside the version that serves.

    `ours` and `theirs` are counts [reports, labels, 3] (`match_counts`) on the reports that neither was trained on;
    estimates are micro F1 (0..1) on each version's own evaluation reports, where both learned the same labels.
    `debt` is that of the serving version's card.
    """

    serving: str
    mode: Mode
    method: Method
    labels: tuple[str, ...]
    ours: NDArray[np.int64]
    theirs: NDArray[np.int64]
    estimate: float | None = None
    serving_estimate: float | None = None
    debt: float = 0.0


def decide(contest: Contest) -> Decision:
    """Promote or keep, with one sentence for people."""
    return _by_comparison(contest) if len(contest.ours) >= MIN_COMPARED else _by_estimates(contest)


def _by_comparison(contest: Contest) -> Decision:
    ours, theirs = (np.insert(side, 0, side.sum(axis=1), axis=1) for side in (contest.ours, contest.theirs))
    spread, *spreads = difference_intervals(ours, theirs)
    own, other = float(f1(ours[:, 0].sum(axis=0))), float(f1(theirs[:, 0].sum(axis=0)))
    lost = _lost_labels(contest, spreads)
    sure = _sure(spread)
    state = _state(own - other, sure, contest.debt)
    if lost and not (state == "worse" and sure):
        state = "label lost"
    how = "by cross-validation" if contest.method == "cross-validation" else "held out"
    sure_of = f"95 % interval {spread[0]:+.3f} to {spread[1]:+.3f}" if spread else "alike in all reports, no interval"
    facts = (
        f"F1 {own:.3f} against {other:.3f} of {contest.serving} on {len(ours)} reports, {how}"
        f" ({own - other:+.3f}, {sure_of})"
    )
    if own == other == 0:
        facts = f"neither it nor {contest.serving} finds a right span in {len(ours)} reports"
    words = WORDS[state].format(debt=contest.debt - (own - other), labels=_named(contest, lost))
    if state == "worse" and not sure:
        words = BY_CHANCE.format(reports=len(ours))
    if lost and state == "worse":
        words += f" and lost {_named(contest, lost)}"
    decision = _decision(contest, state in ("better", "not worse"), state, own - other, f"{words}, {facts}")
    return decision.model_copy(update={"interval": spread, "labels_lost": lost})


def _lost_labels(contest: Contest, spreads: Sequence[Interval | None]) -> list[str]:
    """Labels with enough gold spans whose F1 collapsed; `spreads` are the intervals of their differences."""
    drops = f1(contest.ours.sum(axis=0)) - f1(contest.theirs.sum(axis=0))
    support = contest.ours[..., 0].sum(axis=0) + contest.ours[..., 2].sum(axis=0)
    return [
        name
        for name, drop, spans, spread in zip(contest.labels, drops, support, spreads, strict=True)
        if spans >= LABEL_SUPPORT and drop < -LABEL_DROP and _sure(spread)
    ]


def _sure(spread: Interval | None) -> bool:
    """Whether the interval of a difference is evidence of one."""
    return spread is not None and not spread[0] <= 0 <= spread[1]


def _state(difference: float, sure: bool, debt: float) -> Verdict:
    """The verdict on micro F1; `sure` is the evidence for a difference."""
    if difference >= 0:
        return "better" if sure else "not worse"
    if sure or difference < -TOLERANCE:
        return "worse"
    return "losses add up" if debt - difference > TOLERANCE else "not worse"


def _by_estimates(contest: Contest) -> Decision:
    count = f"a comparison with {contest.serving} needs {MIN_COMPARED} annotated reports, {_so_many(len(contest.ours))}"
    if contest.estimate is None or contest.serving_estimate is None:
        return _decision(contest, True, "too few reports", None, count)
    difference = contest.estimate - contest.serving_estimate
    debt = contest.debt - difference
    kept = difference < 0 and debt > MARGIN
    state: Verdict = "not worse" if not kept else "worse" if difference < -MARGIN else "losses add up"
    facts = (
        f"F1 {contest.estimate:.3f} against {contest.serving_estimate:.3f} in the card of {contest.serving}, {count}"
    )
    if contest.estimate == contest.serving_estimate == 0:
        facts = f"neither it nor {contest.serving} has found a right span, {count}"
    words = WORDS[state].format(debt=debt)
    return _decision(contest, not kept, "too few reports", difference, f"{words}, {facts}")


def _so_many(reports: int) -> str:
    return {0: "there is none yet", 1: "there is one"}.get(reports, f"there are {reports}")


def _decision(contest: Contest, promote: bool, state: Verdict, difference: float | None, facts: str) -> Decision:
    head = f"Promoted ({MODE_NAMES[contest.mode]})" if promote else f"Kept {contest.serving}"
    return Decision(
        promote=promote,
        reason=f"{head}: {facts}.",
        serving=contest.serving,
        state=state,
        difference=None if difference is None else round(difference, 6),
        reports=len(contest.ours),
        debt=0.0 if difference is None else max(0.0, round(contest.debt - difference, 6)),
    )


def _named(contest: Contest, lost: list[str]) -> str:
    """The labels at fault with their F1, after and before."""
    before, after = f1(contest.theirs.sum(axis=0)), f1(contest.ours.sum(axis=0))
    places = [contest.labels.index(label) for label in lost]
    return ", ".join(f"{contest.labels[i]} (F1 {after[i]:.2f} against {before[i]:.2f})" for i in places)
