"""One chunk after the other, with the rules and a real Valkey; what Label Studio gets is kept in a list."""

from __future__ import annotations

from typing import Any

import pytest
from redis import Redis

from backend.annotated_texts import AnnotatedTexts, Answer
from backend.labelstudio.config import parse_label_config
from backend.labelstudio.wire import JsonObject
from backend.ner.spans import Span
from backend.predictor import RulesPredictor
from backend.ranking.control import is_holdout, priority, quantiles
from backend.ranking.copies import report_key
from backend.ranking_index import RankingIndex
from tests.e2e.site import CONFIG
from tests.e2e.stack import reports
from trainer.chunk_ranking import FEW, SLICE, ChunkRanking, Phases

SHARE = 0.2
LABELS = parse_label_config(CONFIG)
TASKS = [{"id": i, "data": task["data"]} for i, task in enumerate(reports("unlabelled.json"), 1)]


def key_of(task: JsonObject) -> int:
    return report_key(task["data"]["text"])


class Store:
    """What Label Studio would hold, and the events in their order."""

    def __init__(self) -> None:
        self.held: list[JsonObject] = []
        self.drawn: list[tuple[float, ...]] = []
        self.known_before: list[tuple[int, int]] = []
        self.done: list[int] = []

    def store_predictions(self, project: str, predictions: list[JsonObject]) -> None:
        self.held += predictions

    def draw(self, distribution: tuple[float, ...], drawn_from: int) -> None:
        self.drawn.append(distribution)
        self.known_before.append((drawn_from, len(self.held)))


@pytest.fixture
def store() -> Store:
    return Store()


def chunks(redis: Redis, store: Any, distribution: tuple[float, ...] = (), drawn_from: int = 0) -> ChunkRanking:
    predictor = RulesPredictor("v1", LABELS.labels)
    index = RankingIndex(redis)
    return ChunkRanking(
        store,
        index,
        AnnotatedTexts(redis),
        "1",
        predictor,
        LABELS,
        SHARE,
        distribution,
        drawn_from,
        store.draw,
        store.done.append,
        Phases(),
    )


def test_index_and_label_studio_get_the_same_order(redis: Redis, store: Store) -> None:
    assert chunks(redis, store).rank(TASKS) == 0
    ranked = RankingIndex(redis).top("1", "v1", 1000)
    assert [row.task_id for row in ranked] == [p["task"] for p in sorted(store.held, key=lambda p: float(p["score"]))]
    assert sum(store.done) == len(ranked) == len(TASKS)
    assert max(store.done) <= SLICE
    spans = RulesPredictor("v1", LABELS.labels).find([task["data"]["text"] for task in TASKS])
    by_task = {prediction["task"]: len(prediction["result"]) for prediction in store.held}
    assert by_task == {task["id"]: len(found) for task, found in zip(TASKS, spans, strict=True)}


def test_places_of_the_holdout_are_drawn_from_the_first_chunk_for_good(redis: Redis, store: Store) -> None:
    ranking = chunks(redis, store)
    ranking.rank(TASKS[:FEW])
    ranking.rank(TASKS[FEW:])
    doubts = RulesPredictor("v1", LABELS.labels).predict([task["data"]["text"] for task in TASKS[:FEW]])
    expected = quantiles([doubt.uncertainty for doubt in doubts])
    assert (store.drawn, store.known_before) == ([expected], [(FEW, 0)])
    rows = {row.task_id: row for row in RankingIndex(redis).top("1", "v1", 1000)}
    held_out = [task["id"] for task in TASKS if is_holdout(key_of(task), SHARE)]
    assert len(held_out) > 30
    for task in held_out:
        assert rows[task].priority == priority(key_of(TASKS[task - 1]), rows[task].uncertainty or 0.0, SHARE, expected)


def test_a_known_distribution_is_not_drawn_again(redis: Redis, store: Store) -> None:
    chunks(redis, store, (0.25, 0.25), FEW).rank(TASKS)
    assert store.drawn == []
    places = [
        row.priority
        for row in RankingIndex(redis).top("1", "v1", 1000)
        if is_holdout(key_of(TASKS[row.task_id - 1]), SHARE)
    ]
    assert places == pytest.approx([0.25] * len(places), abs=1e-6)


def test_one_report_that_came_first_does_not_place_the_whole_holdout(redis: Redis, store: Store) -> None:
    chunks(redis, store).rank(TASKS[:1])
    chunks(redis, store, store.drawn[-1], 1).rank(TASKS[1:])
    chunks(redis, store, store.drawn[-1], len(TASKS) - 1).rank(TASKS[:5])
    assert store.known_before == [(1, 0), (len(TASKS) - 1, 1)]
    held_out = [task["id"] for task in TASKS[1:] if is_holdout(key_of(task), SHARE)]
    rows = {row.task_id: row.priority for row in RankingIndex(redis).top("1", "v1", 1000)}
    assert len({round(rows[task], 4) for task in held_out}) > 10


def test_tasks_without_text_are_counted_and_left_out(redis: Redis, store: Store) -> None:
    blank = [{"id": 900, "data": {}}, {"id": 901, "data": {"text": None}}]
    assert chunks(redis, store).rank([*blank, *TASKS[:3]]) == 2
    assert [prediction["task"] for prediction in store.held] == [1, 2, 3]
    assert chunks(redis, store).rank(blank) == 2


def test_every_report_imported_twice_gives_the_same_queue_and_then_the_copies(redis: Redis, store: Store) -> None:
    distinct = {key_of(task): task for task in reversed(TASKS)}
    once = sorted(distinct.values(), key=lambda task: task["id"])
    chunks(redis, store).rank(once)
    alone = [row.task_id for row in RankingIndex(redis).top("1", "v1", 1000)]
    RankingIndex(redis).drop("1", "v1")
    copies = [{"id": task["id"] + 1000, "data": {"text": f" {task['data']['text']}\n"}} for task in once]
    drawn = store.drawn[-1]
    chunks(redis, store, drawn, FEW).rank(once)
    chunks(redis, store, drawn, FEW).rank(copies)
    ranked = RankingIndex(redis).top("1", "v1", 1000)
    assert [row.task_id for row in ranked[: len(once)]] == alone
    assert {row.reason for row in ranked[len(once) :]} == {f"same text as task {task['id']}" for task in once}


def test_a_copy_of_an_annotated_report_is_prefilled_and_comes_last(redis: Redis, store: Store) -> None:
    text = TASKS[0]["data"]["text"]
    AnnotatedTexts(redis).put("1", [Answer.of(5, 9999, f"\u200b{text}", [Span(1, 3, LABELS.labels[0])])])
    chunks(redis, store).rank(TASKS[:30])
    last = RankingIndex(redis).top("1", "v1", 1000)[-1]
    assert (last.task_id, last.reason) == (1, "same text as task 9999")
    (filled,) = (prediction for prediction in store.held if prediction["task"] == 1)
    assert [region["value"]["text"] for region in filled["result"]] == [text[0:2]]
