"""The gate: which mode of a candidate serves, and whether it may replace the serving version.

Pure. A candidate is promoted when it is not worse than the serving version on the same reports, none of
which either was trained on.
"""

from __future__ import annotations

from collections.abc import Mapping

from backend.model_card import Decision, Evaluation, Mode, Score

PREFERENCE: tuple[Mode, ...] = ("model", "merged", "rules")
"""Order among equally good modes: the plainest path first."""

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
    ours, theirs = evaluation.candidate_compared, evaluation.serving_compared
    name = MODE_NAMES[mode]
    if ours is None or theirs is None:
        return Decision(
            promote=True, serving=serving, reason=f"Promoted ({name}): no report to compare with {serving} on yet."
        )
    count = len(evaluation.compared_tasks)
    facts = f"F1 {ours.micro.f1:.3f} against {theirs.micro.f1:.3f} of {serving} on {count} reports"
    if ours.micro.f1 >= theirs.micro.f1:
        return Decision(promote=True, serving=serving, reason=f"Promoted ({name}): {facts}{_how(evaluation)}.")
    return Decision(
        promote=False, serving=serving, reason=f"Kept {serving}: the candidate is worse, {facts}{_how(evaluation)}."
    )


def _how(evaluation: Evaluation) -> str:
    return ", by cross-validation" if evaluation.method == "cross-validation" else ", held out"
