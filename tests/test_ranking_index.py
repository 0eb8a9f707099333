import json
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

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
    index.add("1", "v1", [row(1, 0.2), row(2, 0.9), row(3, 0.5)])
    assert index.top("1", "v1", 2) == [row(2, 0.9), row(3, 0.5)]
    assert index.top("1", "v1", 0) == []
    assert index.count("1", "v1") == 3


def test_projects_and_versions_do_not_mix(redis: Redis) -> None:
    index = RankingIndex(redis)
    index.add("1", "v1", [row(1, 0.2)])
    index.add("2", "v1", [row(2, 0.2)])
    index.add("1", "v2", [row(3, 0.2)])
    assert [r.task_id for r in index.top("1", "v1", 10)] == [1]
    index.drop("1", "v1")
    assert index.count("1", "v1") == 0
    assert index.count("2", "v1") == index.count("1", "v2") == 1


def test_removed_tasks_are_gone_from_order_and_details(redis: Redis) -> None:
    index = RankingIndex(redis)
    index.add("1", "v1", [row(i, i / 10_000) for i in range(1, 9_000)])
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


def test_rows_are_added_and_the_last_one_of_a_task_counts(redis: Redis) -> None:
    index = RankingIndex(redis)
    index.add("1", "v1", [row(i, i / 20_000) for i in range(1, 12_000)])
    index.add("1", "v1", [row(5, 0.99)])
    assert index.count("1", "v1") == 11_999
    assert index.top("1", "v1", 1) == [row(5, 0.99)]


def test_the_place_of_a_task_is_that_in_the_queue(redis: Redis) -> None:
    index = RankingIndex(redis)
    index.add("1", "v1", [row(i, i / 100) for i in range(1, 51)])
    assert [index.rank("1", "v1", r.task_id) for r in index.top("1", "v1", 50)] == list(range(1, 51))
    assert index.rank("1", "v1", 51) is None
    assert index.rank("1", "v2", 1) is None


def test_a_sample_holds_different_ranked_tasks(redis: Redis) -> None:
    index = RankingIndex(redis)
    assert index.sample("1", "v1", 3) == index.uncertainties("1", "v1", 3) == []
    index.add("1", "v1", [row(i, i / 100) for i in range(1, 51)])
    assert len(set(index.sample("1", "v1", 20))) == 20
    assert sorted(index.sample("1", "v1", 100)) == list(range(1, 51))
    assert sorted(index.uncertainties("1", "v1", 100)) == pytest.approx([i / 200 for i in range(1, 51)])


def test_an_uncertainty_that_is_not_known_stays_unknown(redis: Redis) -> None:
    index = RankingIndex(redis)
    rows = [RankedTask(2, 0.7, None, "control share", "report"), row(1, 0.2)]
    index.add("1", "v1", rows)
    assert index.top("1", "v1", 2) == rows
    assert index.uncertainties("1", "v1", 2) == [0.1]


def test_known_are_those_of_the_tasks_that_are_ranked(redis: Redis) -> None:
    index = RankingIndex(redis)
    index.add("1", "v1", [row(1, 0.0), row(3, 0.5)])
    assert index.known("1", "v1", [1, 2, 3]) == {1, 3}
    assert index.known("1", "v1", []) == set()


def test_strangers_are_the_ranked_tasks_that_are_not_named(redis: Redis) -> None:
    index = RankingIndex(redis)
    index.add("1", "v1", [row(i, i / 20_000) for i in range(1, 12_001)])
    named = (i for i in range(1, 15_000) if i % 2)
    found = list(index.strangers("1", "v1", named))
    assert max(map(len, found)) <= 5000
    assert sorted({task for part in found for task in part}) == list(range(2, 12_001, 2))
    assert redis.keys("ecg:1:seen:*") == []
    assert len([task for part in index.strangers("1", "v1", []) for task in part]) == 12_000


def test_a_preview_is_one_short_line() -> None:
    assert preview("窦性心律\r\n 心率  72") == "窦性心律 心率 72"
    assert len(preview("长" * 500)) == 60
    assert json.dumps(preview(""))


def test_shards_that_claim_the_same_texts_at_once_agree_who_asks(redis: Redis) -> None:
    index, begin = RankingIndex(redis), Barrier(4)
    keys = range(2**63, 2**63 + 6000)

    def shard(number: int) -> list[int]:
        begin.wait()
        claimed = index.claim("1", "v1", {1 + number + 4 * i: key for i, key in enumerate(keys)})
        return [claimed[1 + number + 4 * i] for i in range(len(keys))]

    with ThreadPoolExecutor(4) as pool:
        first, *others = pool.map(shard, range(4))
    assert all(other == first for other in others)
    assert [(task - 1) // 4 for task in first] == list(range(6000)), "the asking task is one that holds the text"


def test_the_tasks_of_a_text_are_told_where_it_has_copies(redis: Redis) -> None:
    index = RankingIndex(redis)
    index.claim("1", "v1", {1: 77, 2: 78, 3: 77})
    index.claim("1", "v1", {3: 77, 4: 77, 5: 2**64 - 1, 6: 2**64 - 1})
    assert index.tasks_of("1", "v1", 77, 10) == [1, 3, 4]
    assert index.tasks_of("1", "v1", 77, 1) == [1, 3]
    assert index.tasks_of("1", "v1", 2**64 - 1, 10) == [5, 6]
    assert index.tasks_of("1", "v1", 78, 10) == [], "no copy"
    assert index.tasks_of("1", "v2", 77, 10) == []
    index.drop("1", "v1")
    assert index.tasks_of("1", "v1", 77, 10) == []
    assert redis.keys("ecg:1:*") == []


def test_a_deleted_task_no_longer_asks_for_its_text(redis: Redis) -> None:
    index = RankingIndex(redis)
    index.claim("1", "v1", {1: 77, 2: 78, 3: 77, 4: 77})
    assert index.release("1", "v1", []) == index.release("1", "v1", [3, 9]) == [], "others do not ask"
    assert sorted(index.release("1", "v1", [1, 2, 3])) == [77, 78]
    assert index.release("1", "v1", [1, 2]) == []
    assert index.tasks_of("1", "v1", 77, 10) == [3, 4]
    assert index.claim("1", "v1", {4: 77, 5: 77, 6: 78}) == {4: 4, 5: 4, 6: 6}
    assert index.release("1", "v1", [4]) == [77]
