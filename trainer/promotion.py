"""The gate: which mode of a candidate serves, and whether it may replace the serving version.

Pure. A candidate is promoted when it is not worse than the serving version on the same reports, none of
which either was trained on; where those are too few, when its own estimate is not clearly lower.
"""

from __future__ import annotations

from collections.abc import Mapping

from backend.model_card import Decision, Evaluation, Mode, Score

PREFERENCE: tuple[Mode, ...] = ("model", "merged", "rules")
"""Order among equally good modes: the plainest path first."""

MIN_COMPARED = 5
"""Reports that neither version was trained on; fewer decide nothing."""
MARGIN = 0.05
"""F1 by which an estimate must be below another one, made on other reports, to count as worse."""

MODE_NAMES: dict[Mode, str] = {
    "rules": "rules + span memory",
    "model": "the network",
    "merged": "the network with number rules",
}


def best_mode(modes: Mapping[Mode, Score]) -> Mode:
    """The mode with the highest micro F1; rules when nothing could be measured."""
    measured = [mode for mode in PREFERENCE if mode in modes]
    if not measured:
        return "rules"
    return max(measured, key=lambda mode: (modes[mode].micro.f1, -PREFERENCE.index(mode)))


def decide(evaluation: Evaluation, mode: Mode, serving: str) -> Decision:
    """Promote or keep, with one sentence for people; `evaluation` must hold the comparison if there is one."""
    worse, facts = _compare(evaluation, mode, serving)
    if worse:
        return Decision(promote=False, serving=serving, reason=f"Kept {serving}: the candidate is worse, {facts}.")
    return Decision(promote=True, serving=serving, reason=f"Promoted ({MODE_NAMES[mode]}): {facts}.")


def _compare(evaluation: Evaluation, mode: Mode, serving: str) -> tuple[bool, str]:
    """Whether the candidate is worse than `serving`, and on what grounds.

    Too few reports that neither has seen say nothing; then each version's own estimate counts, which were made
    on different reports and so get a margin.
    """
    ours, theirs = evaluation.candidate_compared, evaluation.serving_compared
    count = len(evaluation.compared_tasks)
    if ours and theirs and count >= MIN_COMPARED:
        how = "by cross-validation" if evaluation.method == "cross-validation" else "held out"
        facts = f"F1 {ours.micro.f1:.3f} against {theirs.micro.f1:.3f} of {serving} on {count} reports, {how}"
        return ours.micro.f1 < theirs.micro.f1, facts
    if evaluation.serving_estimate is None or mode not in evaluation.modes:
        return False, f"only {count} reports to compare with {serving} on"
    estimate = evaluation.modes[mode].micro.f1
    facts = (
        f"F1 {estimate:.3f} against {evaluation.serving_estimate:.3f} in the card of {serving},"
        f" only {count} reports to compare on"
    )
    return estimate < evaluation.serving_estimate - MARGIN, facts
