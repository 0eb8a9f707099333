"""How far a ranking is, from the first look at the pool to the last prediction that is deleted."""

from __future__ import annotations

from typing import Any

import pytest

from backend.rank_shards import Shard
from trainer.parts import WorkerParts
from trainer.reranking import Reranking


def told(parts: WorkerParts) -> dict[str, Any]:
    return parts.queue.progress("1", "rank")


def ranking(parts: WorkerParts) -> Reranking:
    return Reranking(parts, "1", parts.client("1"))


def test_each_stage_of_a_ranking_is_counted(parts: WorkerParts) -> None:
    running, seen = ranking(parts), []
    running.begin_steps(100)
    for stage in ("preparing", "ranking", "switching", "cleaning up"):
        running.enter(stage)
        seen.append((told(parts)["stage"], told(parts)["stage_number"], told(parts)["stages"]))
    assert seen == [("preparing", 1, 4), ("ranking", 2, 4), ("switching", 3, 4), ("cleaning up", 4, 4)]


def test_the_first_ranking_names_no_time_left_before_it_knows_one(parts: WorkerParts) -> None:
    running = ranking(parts)
    running.begin_steps(100)
    running.enter("preparing")
    assert "eta_seconds" not in told(parts)
    running.enter("ranking")
    assert "eta_seconds" not in told(parts)
    running.report(50)
    assert (told(parts)["step"], told(parts)["steps"]) == (50, 100)
    assert told(parts)["eta_seconds"] >= 0
    assert told(parts)["share"] > 0


def test_a_later_ranking_expects_the_pace_of_the_last_one_and_the_time_to_clean_up(parts: WorkerParts) -> None:
    parts.queue.save_durations("1", "rank", {"preparing": 1.0, "switching": 2.0, "cleaning up": 30.0, "a report": 0.5})
    running = ranking(parts)
    running.begin_steps(100)
    running.enter("preparing")
    assert told(parts)["eta_seconds"] == pytest.approx(1 + 50 + 2 + 30, abs=1)
    running.enter("cleaning up")
    assert told(parts)["eta_seconds"] == pytest.approx(30, abs=1)
    running.save_durations()
    assert parts.queue.durations("1", "rank")["a report"] == 0.5  # none was predicted, so none was measured


def test_shards_count_together(parts: WorkerParts) -> None:
    first, second = ranking(parts), ranking(parts)
    first.shards.plan("1", first.version, [Shard(0, 0, 50), Shard(1, 50, 100)], 100)
    for running in (first, second):
        running.begin_steps(0)
        running.enter("ranking")
    first.report(30)
    second.report(20)
    assert (told(parts)["step"], told(parts)["steps"], told(parts)["stage_number"]) == (50, 100, 2)
