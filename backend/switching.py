"""Which version shall serve: the word of operators and that of rounds, under one lock (`target` of the project).

A round promotes only what it compared with the version that shall serve at the moment of its decision. An operator
who rolls back *holds*: rounds go on, but what they would promote becomes the candidate, until `resume`.
"""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from backend.errors import BadRequest, Conflict
from backend.model_card import ModelCard
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

    A hold that there is stays. Raises NotFound, Unavailable.
    """
    known(parts, project)
    parts.queue.ping()
    with deciding(parts.registry, project):
        return _aim(parts, project, version, hold)


def roll_back(parts: Parts, project: str, hold: Hold) -> dict[str, Any]:
    """Switch to the promoted version before the one that serves, and hold it; raises Conflict when there is none."""
    known(parts, project)
    parts.queue.ping()
    with deciding(parts.registry, project):
        serving = parts.registry.serving(project)
        if serving == RULES_VERSION:
            raise Conflict("Nothing to roll back to", serving, "the rules serve: there is no earlier version")
        reason = hold.reason or f"rolled back from {serving}"
        hold = hold.model_copy(update={"reason": reason})
        return _aim(parts, project, parts.registry.before(project, serving), hold)


def resume(parts: Parts, project: str) -> dict[str, Any]:
    """End the hold and let rounds promote again; raises Conflict when nothing is held, Unavailable.

    The candidate is aimed at when it was compared with what serves; else a round compares anew. `version` is what
    shall serve now, `job` what was queued, "" without a candidate.
    """
    registry = parts.registry
    known(parts, project)
    parts.queue.ping()
    with deciding(registry, project):
        hold = registry.hold(project)
        if hold is None:
            raise Conflict("Nothing is held", project, "rounds promote already")
        job = _reconsider(parts, project, hold.candidate) if hold.candidate else ""
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


def _aim(parts: Parts, project: str, version: str, hold: Hold | None) -> dict[str, Any]:
    registry, before = parts.registry, parts.registry.hold(project)
    if hold and before:
        hold = hold.model_copy(update={"candidate": before.candidate})
    registry.aim(project, version)
    if hold:
        registry.save_hold(project, hold.model_copy(update={"reason": hold.reason or f"{version} chosen by hand"}))
    return {"version": version, "job": parts.queue.request_rank(project), "held": bool(hold or before)}


def _reconsider(parts: Parts, project: str, candidate: str) -> str:
    """Aim at the candidate of a hold, or ask for a round when it was compared with another version; the job."""
    registry = parts.registry
    if registry.exists(project, candidate):
        card = registry.card(project, candidate)
        if card.decision.serving == registry.target(project):
            registry.aim(project, candidate)
            decision = card.decision.model_copy(
                update={"promote": True, "reason": card.decision.wished or card.decision.reason, "wished": ""}
            )
            registry.amend(card.model_copy(update={"decision": decision}))
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
            changed = {"promote": False, "reason": f"Kept {target}: {why}.", "wished": decision.reason}
            card = card.model_copy(update={"decision": decision.model_copy(update=changed)})
            registry.amend(card)
        if hold:
            registry.save_hold(project, hold.model_copy(update={"candidate": card.version}))
    registry.save_decided(project, card.version)
    return card


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
