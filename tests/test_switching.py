"""What a round may promote while operators choose, and what a hold keeps."""

from __future__ import annotations

import getpass
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from redis import Redis

from backend.errors import Conflict, NotFound
from backend.job_queue import JobQueue
from backend.model_card import ModelCard
from backend.parts import Parts
from backend.ranking_index import RankingIndex
from backend.registry import RULES_VERSION, Registry
from backend.settings import Settings
from backend.switching import carry_out, new_hold, promote, resume, roll_back, user_name
from tests.test_registry import card


@pytest.fixture
def parts(redis: Redis, tmp_path: Path) -> Parts:
    """Project 1, in which round 2 replaced round 1."""
    settings, registry = Settings(ECG_HOME=tmp_path), Registry(tmp_path)
    made = Parts(settings, registry, redis, JobQueue(redis, registry, settings), RankingIndex(redis))
    for number, over in ((1, RULES_VERSION), (2, version(1))):
        carry_out(registry, published(made, number, over))
        registry.promote("1", version(number))
    return made


def version(number: int) -> str:
    return card(number).version


def published(parts: Parts, number: int, over: str, *, promote: bool = True) -> ModelCard:
    """A round's version that was compared with `over`."""
    made = card(number, promote=promote)
    made = made.model_copy(update={"decision": made.decision.model_copy(update={"serving": over})})
    folder = parts.registry.new_folder("1")
    (folder / "memory.json").write_text("{}")
    parts.registry.publish(made, folder)
    return parts.registry.card("1", made.version)


def test_a_round_promotes_over_what_it_was_compared_with(parts: Parts) -> None:
    decided = carry_out(parts.registry, published(parts, 3, version(2)))
    assert decided.decision.promote
    assert parts.registry.target("1") == parts.registry.decided("1") == version(3)


def test_a_round_does_not_promote_over_what_a_person_chose_after_its_comparison(parts: Parts) -> None:
    promote(parts, "1", version(1))
    decided = carry_out(parts.registry, published(parts, 3, version(2)))
    assert parts.registry.target("1") == version(1)
    assert not parts.registry.card("1", version(3)).decision.promote
    assert f"{version(1)} was chosen" in decided.decision.reason


def test_a_rollback_keeps_what_serves_whatever_rounds_find(parts: Parts) -> None:
    roll_back(parts, "1", new_hold("ana", "wrong drug names"))
    for number in (3, 4):
        decided = carry_out(parts.registry, published(parts, number, version(1)))
        assert "by ana: wrong drug names" in decided.decision.reason
    assert parts.registry.target("1") == version(1)
    hold = parts.registry.hold("1")
    assert hold is not None
    assert hold.candidate == version(4)


def test_the_end_of_a_hold_promotes_the_newest_candidate(parts: Parts) -> None:
    roll_back(parts, "1", new_hold("ana"))
    carry_out(parts.registry, published(parts, 3, version(1)))
    carry_out(parts.registry, published(parts, 4, version(1), promote=False))
    answer = resume(parts, "1")
    assert answer == {"version": version(3), "job": parts.queue.jobs("1", "rank")[0].id}
    assert parts.registry.target("1") == version(3)
    decision = parts.registry.card("1", version(3)).decision
    assert (decision.promote, decision.reason, decision.override) == (True, "because", None)
    assert parts.registry.hold("1") is None


def test_what_was_rolled_back_does_not_come_back_by_itself(parts: Parts) -> None:
    roll_back(parts, "1", new_hold("ana"))
    assert resume(parts, "1") == {"version": version(1), "job": ""}
    with pytest.raises(Conflict, match="Nothing is held"):
        resume(parts, "1")


def test_a_candidate_that_was_compared_with_another_version_is_compared_anew(parts: Parts) -> None:
    roll_back(parts, "1", new_hold("ana"))
    carry_out(parts.registry, published(parts, 3, version(1)))
    promote(parts, "1", RULES_VERSION)
    answer = resume(parts, "1")
    assert answer == {"version": RULES_VERSION, "job": parts.queue.jobs("1", "retrain")[0].id}


def test_a_second_rollback_keeps_the_candidate_and_tells_the_later_reason(parts: Parts) -> None:
    roll_back(parts, "1", new_hold("ana", "first"))
    carry_out(parts.registry, published(parts, 3, version(1)))
    parts.registry.promote("1", version(1))
    roll_back(parts, "1", new_hold("ben"))
    hold = parts.registry.hold("1")
    assert hold is not None
    assert (hold.by, hold.reason, hold.candidate) == ("ben", f"rolled back from {version(1)}", version(3))


def test_a_promotion_by_hand_leaves_the_hold_alone(parts: Parts) -> None:
    roll_back(parts, "1", new_hold("ana", "first"))
    assert promote(parts, "1", version(2))["held"]
    carry_out(parts.registry, published(parts, 3, version(2)))
    assert parts.registry.target("1") == version(2)


def test_a_repeated_round_does_not_undo_a_rollback(parts: Parts) -> None:
    made = carry_out(parts.registry, published(parts, 3, version(2)))
    parts.registry.promote("1", made.version)
    roll_back(parts, "1", new_hold("ana"))
    resume(parts, "1")
    assert carry_out(parts.registry, made) == made
    assert parts.registry.target("1") == version(2)


def test_a_later_rollback_passes_over_what_was_held_back_or_rolled_back(parts: Parts) -> None:
    roll_back(parts, "1", new_hold("ana"))
    carry_out(parts.registry, published(parts, 3, version(1)))
    published(parts, 4, version(1))
    assert parts.registry.before("1", version(4)) == version(1)


def test_a_later_rollback_finds_what_was_promoted_by_hand(parts: Parts) -> None:
    carry_out(parts.registry, published(parts, 3, version(2), promote=False))
    promote(parts, "1", version(3))
    published(parts, 4, version(3))
    assert parts.registry.before("1", version(4)) == version(3)
    decision = parts.registry.card("1", version(3)).decision
    assert decision.reason.startswith("Promoted by hand: on 20")
    assert decision.override is not None
    assert (decision.override.action, decision.override.gate) == ("promoted", "because")


def test_the_card_of_what_was_rolled_back_tells_by_whom_and_why(parts: Parts) -> None:
    roll_back(parts, "1", new_hold("ana", "wrong drug names"))
    decision = parts.registry.card("1", version(2)).decision
    assert not decision.promote
    assert decision.reason.startswith(f"Rolled back to {version(1)}: held since ")
    assert decision.reason.endswith("by ana: wrong drug names.")


def test_a_rollback_cancels_a_switch_that_is_under_way(parts: Parts) -> None:
    carry_out(parts.registry, published(parts, 3, version(2)))
    assert roll_back(parts, "1", new_hold("ana"))["version"] == parts.registry.target("1") == version(1)
    assert not parts.registry.card("1", version(3)).decision.promote


def test_a_rollback_cancels_the_switch_from_the_rules(parts: Parts) -> None:
    parts.registry.promote("1", RULES_VERSION)
    roll_back(parts, "1", new_hold("ana"))
    assert parts.registry.target("1") == RULES_VERSION
    assert parts.registry.hold("1").reason == f"rolled back from {version(2)}"  # type: ignore[union-attr]
    with pytest.raises(Conflict, match="Nothing to roll back to"):
        roll_back(parts, "1", new_hold("ana"))


def test_a_rollback_passes_over_a_damaged_version_and_leaves_one(parts: Parts) -> None:
    published(parts, 3, version(2))
    parts.registry.promote("1", version(3))
    for number, name in ((2, "memory.json"), (3, "card.json")):
        (parts.registry.model_folder("1", version(number)) / name).write_text("damaged")
    assert roll_back(parts, "1", new_hold("ana"))["version"] == version(1)


def test_a_version_that_cannot_serve_is_not_promoted(parts: Parts) -> None:
    published(parts, 3, version(2))
    (parts.registry.model_folder("1", version(3)) / "memory.json").write_text("damaged")
    with pytest.raises(Conflict, match="Damaged files of"):
        promote(parts, "1", version(3), new_hold("ana"))
    parts.registry.aim("1", version(2))
    parts.registry.prune("1", keep=0)  # of 3 the card stays
    with pytest.raises(NotFound, match="weights were pruned"):
        promote(parts, "1", version(3), new_hold("ana"))
    assert parts.registry.target("1") == version(2)
    assert parts.registry.hold("1") is None


def test_a_candidate_that_was_chosen_by_hand_and_rolled_back_does_not_come_back(parts: Parts) -> None:
    roll_back(parts, "1", new_hold("ana"))
    parts.registry.promote("1", version(1))
    carry_out(parts.registry, published(parts, 3, version(1)))
    promote(parts, "1", version(3))
    parts.registry.promote("1", version(3))
    assert roll_back(parts, "1", new_hold("ana"))["version"] == version(1)
    assert resume(parts, "1") == {"version": version(1), "job": ""}


@pytest.mark.parametrize("damage", ["card.json", "memory.json"])
def test_a_damaged_candidate_does_not_keep_the_hold(parts: Parts, damage: str) -> None:
    roll_back(parts, "1", new_hold("ana"))
    carry_out(parts.registry, published(parts, 3, version(1)))
    (parts.registry.model_folder("1", version(3)) / damage).write_text("damaged")
    assert resume(parts, "1")["job"].startswith("retrain")
    assert (parts.registry.hold("1"), parts.registry.target("1")) == (None, version(1))


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b'{"by": "ana"}'])
def test_a_damaged_hold_holds_and_its_end_has_a_round_compare(parts: Parts, content: bytes) -> None:
    path = parts.registry.folder("1") / "hold.json"
    path.write_bytes(content)
    carry_out(parts.registry, published(parts, 3, version(2)))
    assert parts.registry.target("1") == version(2)
    path.write_bytes(content)
    assert resume(parts, "1")["job"].startswith("retrain")
    assert parts.registry.hold("1") is None


def test_of_two_that_end_a_hold_at_once_one_is_told_that_nothing_is_held(parts: Parts) -> None:
    roll_back(parts, "1", new_hold("ana"))
    carry_out(parts.registry, published(parts, 3, version(1)))

    def attempt(_: int) -> str:
        try:
            return str(resume(parts, "1")["version"])
        except Conflict as error:
            return error.what

    with ThreadPoolExecutor(4) as pool:
        said = sorted(pool.map(attempt, range(4)))
    assert said == ["Nothing is held"] * 3 + [version(3)]
    assert len(parts.queue.jobs("1", "rank")) == 1


def test_the_user_has_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "ana")
    assert user_name() == getpass.getuser() == "ana"
