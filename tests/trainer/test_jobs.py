"""What a round does before it asks Label Studio for anything."""

from pathlib import Path

import pytest
from redis import Redis

from backend.job_queue import JobQueue
from backend.registry import Registry
from backend.settings import Settings
from tests.test_registry import publish
from trainer.jobs import retrain


@pytest.fixture
def queue(redis: Redis, valkey_socket: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> JobQueue:
    monkeypatch.setenv("ECG_HOME", str(tmp_path))
    monkeypatch.setenv("REDIS_URL", f"unix://{valkey_socket}")
    return JobQueue(redis, Registry(tmp_path), Settings.from_env())


def test_a_repeated_round_leaves_its_annotations_to_a_later_one_that_was_faster(queue: JobQueue) -> None:
    queue.hint("1", ["a1"], now=0)
    queue.take("1", 3)
    publish(queue.registry, 4)
    assert retrain("1", 3) == "left to the round after 4"
    assert queue.pending("1").count == 1
    assert queue.failure("1", "retrain") == {}
    assert queue.dispatch_due(now=1e10) == ["retrain-1-5"]


def test_a_round_of_a_project_that_was_never_connected_says_so_and_is_not_tried_again(queue: JobQueue) -> None:
    queue.hint("1", ["a1"], now=0)
    assert "not connected to a Label Studio" in retrain("1", 1)
    assert queue.pending("1").count == 0
    assert "ecgal connect" in queue.failure("1", "retrain")["reason"]
    assert queue.dispatch_due(now=1e10) == []
