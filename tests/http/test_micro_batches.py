"""Requests that wait while the inference thread is busy; the thread is held by an event, never by a pause."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Event
from typing import Any

import pytest

from backend.batches import SLICE, SLICE_TEXT
from backend.http.micro_batches import MicroBatches

KEY = ("1", "<View/>")


class Inference:
    """One thread, and what was predicted in it."""

    def __init__(self) -> None:
        self.thread = ThreadPoolExecutor(1)
        self.calls: list[tuple[str, list[Any]]] = []
        self.batches = MicroBatches(self._predict)

    def _predict(self, project: str, label_config: str, tasks: list[Any]) -> list[dict[str, Any]]:
        self.calls.append((project, list(tasks)))
        if "poison" in tasks:
            raise ValueError("poison")
        return [{"answer": task, "version": len(self.calls)} for task in tasks]

    async def infer(self, call: Callable[..., None], *args: Any) -> None:
        await asyncio.get_running_loop().run_in_executor(self.thread, partial(call, *args))

    def predict(self, *tasks: Any, key: tuple[str, str] = KEY, size: int = 1) -> Awaitable[list[dict[str, Any]]]:
        return asyncio.ensure_future(self.batches.predict(self.infer, key, list(tasks), size))


@pytest.fixture
def inference() -> Iterator[Inference]:
    made = Inference()
    yield made
    made.thread.shutdown()


async def waiting(inference: Inference, *requests: Callable[[], Awaitable[Any]]) -> list[Any]:
    """What the requests come to when all of them arrive while the thread is busy."""
    free = Event()
    inference.thread.submit(free.wait)
    made = [request() for request in requests]
    await asyncio.sleep(0)  # each has taken its place
    free.set()
    return await asyncio.gather(*made, return_exceptions=True)


def answers(found: list[dict[str, Any]]) -> list[Any]:
    return [one["answer"] for one in found]


def test_a_request_alone_is_computed_alone(inference: Inference) -> None:
    assert answers(asyncio.run(inference.batches.predict(inference.infer, KEY, ["a", "b"], 2))) == ["a", "b"]
    assert inference.calls == [("1", ["a", "b"])]


def test_those_that_wait_are_computed_together_and_get_their_own_answers(inference: Inference) -> None:
    requests = [partial(inference.predict, f"{n}a", f"{n}b") for n in range(5)]
    found = asyncio.run(waiting(inference, *requests))
    assert [answers(one) for one in found] == [[f"{n}a", f"{n}b"] for n in range(5)]
    assert len(inference.calls) == 1
    assert {one["version"] for answer in found for one in answer} == {1}


def test_other_projects_and_other_configurations_are_computed_apart(inference: Inference) -> None:
    keys = [("1", "x"), ("2", "x"), ("1", "y"), ("1", "x")]
    found = asyncio.run(waiting(inference, *[partial(inference.predict, n, key=key) for n, key in enumerate(keys)]))
    assert [answers(one) for one in found] == [[0], [1], [2], [3]]
    assert inference.calls == [("1", [0, 3]), ("2", [1]), ("1", [2])]


def test_no_more_is_computed_in_one_go_than_in_a_slice(inference: Inference) -> None:
    many = [partial(inference.predict, *[n] * (SLICE // 2)) for n in range(3)]
    asyncio.run(waiting(inference, *many))
    assert [len(tasks) for _, tasks in inference.calls] == [SLICE, SLICE // 2]
    inference.calls.clear()
    sizes = [SLICE_TEXT - 10, 20, 10]
    found = asyncio.run(waiting(inference, *[partial(inference.predict, size, size=size) for size in sizes]))
    assert [answers(one) for one in found] == [[size] for size in sizes]
    assert [tasks for _, tasks in inference.calls] == [[SLICE_TEXT - 10, 10], [20]]


def test_a_request_that_fails_leaves_the_others_their_answers(inference: Inference) -> None:
    requests = [partial(inference.predict, task) for task in ("a", "poison", "b")]
    first, failed, last = asyncio.run(waiting(inference, *requests))
    assert (answers(first), answers(last)) == (["a"], ["b"])
    assert isinstance(failed, ValueError)


def test_a_client_that_goes_away_leaves_the_others_their_answers(inference: Inference) -> None:
    async def first_goes() -> tuple[Any, Any]:
        free = Event()
        inference.thread.submit(free.wait)
        gone, stays = asyncio.ensure_future(inference.predict("gone")), inference.predict("stays")
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)
        free.set()
        return gone, await stays

    gone, stays = asyncio.run(first_goes())
    assert gone.cancelled()
    assert answers(stays) == ["stays"]
    assert inference.calls == [("1", ["stays"])]


def test_one_that_goes_away_while_it_is_computed_leaves_the_others_their_answers(inference: Inference) -> None:
    async def goes_in_the_middle() -> tuple[Any, Any]:
        entered, free = asyncio.Event(), Event()
        loop, plain = asyncio.get_running_loop(), inference._predict

        def held(project: str, label_config: str, tasks: list[Any]) -> list[dict[str, Any]]:
            loop.call_soon_threadsafe(entered.set)
            free.wait()
            return plain(project, label_config, tasks)

        inference.batches = MicroBatches(held)
        requests = [partial(inference.predict, task) for task in ("gone", "stays")]
        busy = Event()
        inference.thread.submit(busy.wait)
        gone, stays = (asyncio.ensure_future(request()) for request in requests)
        await asyncio.sleep(0)
        busy.set()
        await entered.wait()
        gone.cancel()
        free.set()
        return await asyncio.gather(gone, return_exceptions=True), await stays

    (gone,), stays = asyncio.run(goes_in_the_middle())
    assert isinstance(gone, asyncio.CancelledError)
    assert answers(stays) == ["stays"]
    assert inference.calls == [("1", ["gone", "stays"])]


def test_nothing_is_kept_of_what_was_answered(inference: Inference) -> None:
    asyncio.run(waiting(inference, *[partial(inference.predict, n) for n in range(3)]))
    assert not inference.batches._waiting
