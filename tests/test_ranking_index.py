import json

import pytest
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from backend.errors import Unavailable
from backend.ranking_index import RankedTask, RankingIndex, preview


def row(task_id: int, priority: float) -> RankedTask:
    return RankedTask(task_id, priority, priority / 2, "token entropy", f"report {task_id}")


def test_the_top_is_in_order_of_priority(redis: Redis) -> None:
    index = RankingIndex(redis)
    index.replace("1", "v1", [row(1, 0.2), row(2, 0.9), row(3, 0.5)])
    assert index.top("1", "v1", 2) == [row(2, 0.9), row(3, 0.5)]
    assert index.top("1", "v1", 0) == []
    assert index.count("1", "v1") == 3


def test_replacing_forgets_what_was_there(redis: Redis) -> None:
    index = RankingIndex(redis)
    index.replace("1", "v1", [row(1, 0.2), row(2, 0.9)])
    index.replace("1", "v1", [row(3, 0.1)])
    assert [r.task_id for r in index.top("1", "v1", 10)] == [3]
    index.replace("1", "v1", [])
    assert index.top("1", "v1", 10) == []


def test_projects_and_versions_do_not_mix(redis: Redis) -> None:
    index = RankingIndex(redis)
    index.replace("1", "v1", [row(1, 0.2)])
    index.replace("2", "v1", [row(2, 0.2)])
    index.replace("1", "v2", [row(3, 0.2)])
    assert [r.task_id for r in index.top("1", "v1", 10)] == [1]
    index.drop("1", "v1")
    assert index.count("1", "v1") == 0
    assert index.count("2", "v1") == index.count("1", "v2") == 1


def test_removed_tasks_are_gone_from_order_and_details(redis: Redis) -> None:
    index = RankingIndex(redis)
    index.replace("1", "v1", [row(i, i / 10_000) for i in range(1, 9_000)])
    index.remove("1", "v1", list(range(1, 8_999)))
    assert [r.task_id for r in index.top("1", "v1", 10)] == [8_999]
    assert redis.hlen("ecg:1:ranked:v1") == 1
    index.remove("1", "v1", [])


def test_without_redis_the_error_says_so() -> None:
    index = RankingIndex(Redis(unix_socket_path="/nonexistent/v.sock", retry=Retry(NoBackoff(), 0)))
    with pytest.raises(Unavailable, match="queue"):
        index.top("1", "v1", 1)
    with pytest.raises(Unavailable, match="queue"):
        index.remove("1", "v1", [1])


def test_a_preview_is_one_short_line() -> None:
    assert preview("窦性心律\r\n 心率  72") == "窦性心律 心率 72"
    assert len(preview("长" * 500)) == 60
    assert json.dumps(preview(""))
