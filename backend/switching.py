"""Which version shall serve: the word of operators and that of rounds, under one lock (`target` of the project).

A round promotes only what it compared with the version that shall serve at the moment of its decision. An operator
who rolls back *holds*: rounds go on, but what they would promote becomes the candidate, until `resume`.
"""

from __future__ import annotations

import getpass
import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any

from backend.errors import BackendError, BadRequest, Conflict, NotFound
from backend.model_card import Action, Decision, ModelCard, Override
from backend.overview import known
from backend.parts import Parts
from backend.records import Hold
from backend.registry import RULES_VERSION, Registry

LONGEST_REASON = 500
"""Characters of a reason, and of a name."""


@contextmanager
def deciding(registry: Registry, project: str) -> Iterator[None]:
    """Nobody else changes what shall serve meanwhile."""
    with registry.lock(project, "target"):
        yield


# Operators ----------------------------------------------------------------------------------------


def promote(parts: Parts, project: str, version: str, hold: Hold | None = None) -> dict[str, Any]:
    """Aim at the version, with `hold` until `resume`, and queue the ranking that makes it serve.

    A hold that there is stays. Raises NotFound, Conflict for a version with damaged files, Unavailable.
    """
    known(parts, project)
    parts.queue.ping()
    with deciding(parts.registry, project):
        answer = _aim(parts, project, version, hold)
        _record_promotion(parts.registry, project, version, hold)
    return answer


def roll_back(parts: Parts, project: str, hold: Hold) -> dict[str, Any]:
    """Switch to the promoted version before the one that serves, and hold it; raises Conflict when there is none.

    What served, or was about to, no longer counts as promoted.
    """
    known(parts, project)
    parts.queue.ping()
    registry = parts.registry
    with deciding(registry, project):
        serving, target = registry.serving(project), registry.target(project)
        if serving == target == RULES_VERSION:
            raise Conflict("Nothing to roll back to", serving, "the rules serve: there is no earlier version")
        left = target if serving == RULES_VERSION else serving
        hold = hold.model_copy(update={"reason": hold.reason or f"rolled back from {left}"})
        version = registry.before(project, serving)
        dropped = {serving, target} - {version}
        answer = _aim(parts, project, version, hold, dropped)
        for old in dropped:
            _amend(registry, project, old, "rolled back", f"Rolled back to {version}: {hold}.", hold)
    return answer


def resume(parts: Parts, project: str) -> dict[str, Any]:
    """End the hold and let rounds promote again; raises Conflict when nothing is held, Unavailable.

    The candidate is aimed at when it is whole and was compared with what shall serve; else a round compares anew, as
    after a damaged hold. `version` is what shall serve now, `job` what was queued, "" without a candidate.
    """
    registry = parts.registry
    known(parts, project)
    parts.queue.ping()
    with deciding(registry, project):
        hold = registry.hold(project)
        if hold is None:
            raise Conflict("Nothing is held", project, "rounds promote already")
        job = _reconsider(parts, project, hold.candidate) if hold.candidate or hold.damaged else ""
        registry.save_hold(project, None)
        return {"version": registry.target(project), "job": job}


def new_hold(by: str, reason: str = "") -> Hold:
    """A hold from now on; raises BadRequest for a name or reason that is too long or not one line."""
    for text in (by, reason):
        if len(text) > LONGEST_REASON or not text.isprintable():
            raise BadRequest("A reason or name is one line", text[:20], f"at most {LONGEST_REASON} characters")
    return Hold(by=by.strip() or "unknown", since=_now(), reason=reason.strip())


def user_name() -> str:
    """Who runs this process: the login name, or the number of a user without one."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user without an entry
        return f"uid {os.getuid()}"


def _aim(parts: Parts, project: str, version: str, hold: Hold | None, dropped: Collection[str] = ()) -> dict[str, Any]:
    """Aim at the version; of a hold the candidate stays, unless it is the version or one of the `dropped`."""
    registry = parts.registry
    if not registry.exists(project, version):
        raise NotFound("No such version, or its weights were pruned", version, "`ecgal models` lists them")
    if damage := registry.damage(project, version):
        raise Conflict(damage, hint="choose another version")
    before = registry.hold(project)
    if wanted := hold or before:
        candidate = before.candidate if before and before.candidate not in {version, *dropped} else ""
        reason = wanted.reason or f"{version} chosen by hand"
        registry.save_hold(project, wanted.model_copy(update={"candidate": candidate, "reason": reason}))
    registry.aim(project, version)  # after the hold: killed between the two, no round promotes meanwhile
    return {"version": version, "job": parts.queue.request_rank(project), "held": bool(wanted)}


def _record_promotion(registry: Registry, project: str, version: str, hold: Hold | None) -> None:
    """A version that its gate did not want counts as promoted from now on, for a later roll back."""
    with suppress(BackendError):
        if not registry.card(project, version).decision.promote:
            _amend(registry, project, version, "promoted", f"Promoted by hand: {hold or f'on {_now()}'}.", hold)


def _amend(registry: Registry, project: str, version: str, action: Action, reason: str, hold: Hold | None) -> None:
    """Write a person's choice into the card of a version. The rules have none, and a damaged one stays as it is."""
    with suppress(BackendError):
        card = registry.card(project, version)
        changed = _overridden(card.decision, action, reason, hold)
        registry.amend(card.model_copy(update={"decision": changed}))


def _overridden(decision: Decision, action: Action, reason: str, hold: Hold | None) -> Decision:
    gate = decision.override.gate if decision.override else decision.reason
    who = hold or Hold(by="", since=_now(), reason="")
    override = Override(action=action, gate=gate, by=who.by, since=who.since, reason=who.reason)
    return decision.model_copy(update={"promote": action == "promoted", "reason": reason, "override": override})


def _reconsider(parts: Parts, project: str, candidate: str) -> str:
    """Aim at the candidate of a hold, or ask for a round when that cannot be; the job."""
    registry = parts.registry
    if candidate and registry.exists(project, candidate) and not registry.damage(project, candidate):
        card = registry.card(project, candidate)
        decision = card.decision
        if decision.serving == registry.target(project):
            gate = decision.override.gate if decision.override else decision.reason
            decision = decision.model_copy(update={"promote": True, "reason": gate, "override": None})
            registry.amend(card.model_copy(update={"decision": decision}))
            registry.aim(project, candidate)
    if registry.target(project) == candidate:
        return parts.queue.request_rank(project)
    registry.save_decided(project, "")  # else the round would end at once: nothing changed
    return parts.queue.request_round(project)


# Rounds -------------------------------------------------------------------------------------------


def carry_out(registry: Registry, card: ModelCard) -> ModelCard:
    """What its round decided about a published version, once; call it while `deciding`. The card as it is then.

    Once only: a repetition of a killed round must not undo what an operator wished since.
    """
    project, decision = card.project, card.decision
    if registry.decided(project) == card.version:
        return card
    hold, target = registry.hold(project), registry.target(project)
    if decision.promote and target != card.version:
        if hold is None and target == decision.serving:
            registry.aim(project, card.version)
        else:
            why = str(hold) if hold else f"{target} was chosen after it was compared with {decision.serving}"
            action: Action = "held" if hold else "superseded"
            changed = _overridden(decision, action, f"Kept {target}: {why}.", hold)
            card = card.model_copy(update={"decision": changed})
            registry.amend(card)
        if hold:
            registry.save_hold(project, hold.model_copy(update={"candidate": card.version}))
    registry.save_decided(project, card.version)
    return card


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
