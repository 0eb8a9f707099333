"""Processes that die, data that vanishes, wishes that cross: the loop on a real Label Studio gets whole again."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from rq import Queue

from backend.model_card import ModelCard
from cli.doctor import listened
from cli.processes import family
from tests.e2e.site import GOLD, QUICK, Site, runs_a_job
from tests.e2e.sluice import Sluice
from tests.e2e.stack import Stack, wait_for
from tests.label_studio import free_port, running

logger = logging.getLogger(__name__)
pytestmark = [pytest.mark.e2e, pytest.mark.slow]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, base_model: Path) -> Iterator[Site]:
    """Its own Label Studio and `ecgal up`: what happens here must disturb no other test."""
    home, port = tmp_path_factory.mktemp("faults"), str(free_port())
    with ExitStack() as server:
        studio = server.enter_context(running(home / "label-studio", LS_PORT=port))
        sluice = Sluice(studio.url)
        stack = Stack(home / "home", replace(studio, url=sluice.url), base_model, **QUICK)
        stack.start()
        yield Site(home / "label-studio", port, sluice, stack, server)
        stack.stop()
        sluice.close()


@contextmanager
def in_the_middle(site: Site, request: str, *, answered: bool = False) -> Iterator[None]:
    """Let the other version be wanted, and stop its ranking at the request; it goes on after the block."""
    with site.sluice.holding(request, answered=answered) as gate:
        site.ask("POST", f"models/{site.other_version()}/promote")
        gate.wait()
        yield


# Rounds -----------------------------------------------------------------------------------------


def test_thirty_submissions_make_one_running_and_at_most_one_waiting_round(site: Site) -> None:
    before = site.wait_whole()["rounds"][0]["round"]
    tasks, data = site.queue()[:30], site.project.data()
    seen = [rounds_at_work(site)]
    started = time.monotonic()
    with ThreadPoolExecutor(6) as pool:
        sent = [pool.submit(site.project.annotate, task, GOLD[data[task]["report_id"]]) for task in tasks]
        while not all(future.done() for future in sent):
            seen.append(rounds_at_work(site))
    seconds = time.monotonic() - started
    while not site.project.settled():
        seen.append(rounds_at_work(site))
    after = site.wait_whole()["rounds"][0]["round"]
    logger.info("30 submissions in %.1f s, rounds %d to %d, most at work %s", seconds, before, after, max(seen))
    assert max(running for running, _ in seen) == 1
    assert max(waiting for _, waiting in seen) <= 1
    assert {future.result()["id"] for future in sent} <= site.trained()


def rounds_at_work(site: Site) -> tuple[int, int]:
    """Rounds that run, rounds that wait."""
    states = [job["state"] for job in site.project.status()["jobs"] if job["kind"] == "retrain"]
    return states.count("started"), len(states) - states.count("started")


# Killed processes -------------------------------------------------------------------------------


def test_a_killed_training_runs_again_and_a_round_asked_for_meanwhile_follows(site: Site) -> None:
    made = site.annotate()
    running = wait_for(site.training, "the training")
    asked = site.ask("POST", "retrain")["job"]
    assert asked != running["id"]
    assert site.ask("POST", "retrain")["job"] == asked
    site.kill_horse("train")
    status = site.wait_whole()
    assert made <= site.trained()
    assert "nothing changed" in status["outcomes"]["retrain"]["message"]


def test_a_killed_web_process_and_a_killed_valkey_lose_no_annotation(site: Site) -> None:
    made = site.annotate()
    wait_for(site.training, "the training")
    site.kill("gunicorn")
    made |= site.annotate()
    wait_for(site.stack.healthy, "the web process")
    site.kill("valkey-server")
    made |= site.annotate()
    site.wait_whole()
    assert made <= site.trained()


@pytest.mark.parametrize(
    ("request_line", "answered"),
    [
        ("POST .*/import/predictions", True),  # stored, but nobody was told
        ("PATCH /api/ml/", False),  # pointer switched, title not
        ("DELETE .*/model-versions/", True),  # old predictions gone, model version unset
    ],
)
def test_a_ranking_killed_between_two_steps_is_finished(site: Site, request_line: str, answered: bool) -> None:
    wanted = site.other_version()
    with in_the_middle(site, request_line, answered=answered):
        site.kill_horse("rank")
    assert site.wait_whole()["serving"] == wanted


def test_killed_workers_are_replaced_and_killed_all_together_start_anew(site: Site) -> None:
    made = site.annotate()
    wait_for(site.training, "the training")
    with in_the_middle(site, "POST .*/import/predictions", answered=True):
        site.kill("rq.cli", " rank")
        site.kill("rq.cli", " train")
        wait_for(lambda: site.program("rq.cli", " rank") and site.program("rq.cli", " train"), "new workers")
        wait_for(lambda: not any(map(runs_a_job, family(site.stack.home))), "the end of the orphaned jobs")
    made |= site.annotate()
    site.kill_all()
    made |= site.annotate()
    site.stack.start()
    site.wait_whole()
    assert made <= site.trained()


# Lost data --------------------------------------------------------------------------------------


def test_an_emptied_valkey_is_filled_again(site: Site) -> None:
    site.project.wait_settled()
    site.redis.flushall()
    site.wait_whole()
    wait_for(lambda: listened(site.redis) == {"train", "rank"}, "workers that are listed again")


def test_a_valkey_emptied_during_a_round_is_filled_again(site: Site) -> None:
    made = site.annotate()
    wait_for(site.training, "the training")
    site.redis.flushall()
    made |= site.annotate()
    site.wait_whole()
    assert made <= site.trained()
    for queue in ("train", "rank"):
        assert Queue(queue, connection=site.redis).intermediate_queue.get_job_ids() == []


def test_a_round_waits_for_a_label_studio_that_is_away(site: Site) -> None:
    with site.sluice.holding("GET /api/tasks.*annotations") as gate:
        made = site.annotate()
        gate.wait()
        site.server.close()

    def failure() -> str:
        return str(site.project.status()["failures"].get("retrain", {}).get("reason", ""))

    assert "Label Studio cannot be reached" in wait_for(failure, "the failure")
    assert site.project.status()["pending"]
    assert failure() in site.stack.ecgal("status", "--project", site.project.id)
    site.server.enter_context(running(site.home, LS_PORT=site.port))
    assert not site.wait_whole()["failures"]
    assert made <= site.trained()


def test_a_damaged_version_answers_loudly_and_is_rolled_back(site: Site) -> None:
    version = site.wait_whole()["serving"]
    folder = site.stack.home / "projects" / site.project.id / "models" / version
    card = ModelCard.model_validate_json((folder / "card.json").read_text("utf-8"))
    for name in ("tagger.npz" if card.mode == "tagger" else "openvino.xml", "card.json"):
        path = folder / name
        path.write_bytes(path.read_bytes()[:100])
        site.kill("gunicorn")
        wait_for(site.stack.healthy, "the web process")
        assert [result["model_version"] for result in site.predict(3)] == [version] * 3
        log = (site.stack.home / "logs" / "web.log").read_text("utf-8")
        assert f"project {site.project.id} cannot be predicted" in log.split("Serving 1 project(s)")[-1]
        status = site.stack.ecgal("status", "--project", site.project.id)
        assert "damaged" in status
        assert name in status or "Unreadable model card" in status
    site.stack.ecgal("rollback", "--project", site.project.id)
    wait_for(lambda: (s := site.project.settled()) and s["serving"] != version, "the roll back")
    assert site.project.in_label_studio()[0] != version
    assert any(result["result"] for result in site.predict(3))
    site.stack.ecgal("resume", "--project", site.project.id)
    made = site.annotate()
    site.wait_whole()
    assert made <= site.trained()


# Crossing wishes --------------------------------------------------------------------------------


def test_the_last_wish_wins_and_a_round_without_news_leaves_it(site: Site) -> None:
    before = site.wait_whole()["serving"]
    with in_the_middle(site, "POST .*/import/predictions"):
        site.ask("POST", f"models/{before}/promote")
    assert site.wait_whole()["serving"] == before
    wanted = site.other_version()
    site.project.serve(wanted)
    site.stack.ecgal("retrain", "--project", site.project.id)
    status = site.wait_whole()
    assert status["outcomes"]["retrain"]["message"].startswith("nothing changed")
    assert status["serving"] == wanted


def test_what_is_annotated_during_a_ranking_is_not_in_its_queue(site: Site) -> None:
    wanted, (first, second) = site.other_version(), site.queue()[:2]
    with (
        site.sluice.holding("POST .*/import/predictions", answered=True) as imported,
        site.sluice.holding("PATCH /api/ml/") as switched,
    ):
        site.ask("POST", f"models/{wanted}/promote")
        imported.wait()
        site.project.annotate(first, [])
        imported.opened.set()
        switched.wait()
        site.project.annotate(second, [])

    def ranked() -> bool:
        status = site.project.status()
        return status["serving"] == wanted and not [job for job in status["jobs"] if job["kind"] == "rank"]

    wait_for(ranked, "the ranking")
    assert not {first, second} & set(site.queue())
    site.wait_whole()


def test_an_import_that_arrives_after_its_process_died_leaves_one_prediction_each(site: Site) -> None:
    wanted = site.other_version()
    with in_the_middle(site, "POST .*/import/predictions"):
        site.kill_horse("rank")
        wait_for(lambda: (s := site.project.settled()) and s["serving"] == wanted, "the repetition")
    counts = site.project.client.model_versions
    wait_for(lambda: counts(site.project.id)[wanted] > len(site.queue()), "the import that was late")
    assert site.wait_whole()["serving"] == wanted
