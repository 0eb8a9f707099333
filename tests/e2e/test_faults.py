"""Processes that die, data that vanishes, wishes that cross: the loop on a real Label Studio gets whole again."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from redis import Redis

from backend.settings import Settings
from cli.processes import JOB_MARKER, family
from tests.e2e.sluice import Sluice
from tests.e2e.stack import KEY, PASSWORD, REPORTS, USER, LabelProject, Stack, reports, wait_for
from tests.label_studio import free_port, running

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

CONFIG = (REPORTS / "label_config.xml").read_text("utf-8")
GOLD = {task["data"]["report_id"]: task["annotations"][0]["result"] for task in reports("gold.json")}
POOL = 70
QUICK = {
    "ECG_TRAIN_STEPS": "10",
    "ECG_TRAIN_MIN": "5",
    "ECG_HOLDOUT_MIN": "1",  # no cross-validation: one fine-tuning a round
    "ECG_RETRAIN_QUIET": "1",
    "ECG_RECONCILE_SECONDS": "2",
}


@dataclass
class Faults:
    """What is not as it should be; true when nothing is."""

    found: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return not self.found

    def expect(self, fine: object, what: str) -> None:
        if not fine:
            self.found.append(what)


@dataclass
class Site:
    """A Label Studio that can be stopped, `ecgal up` behind a sluice, one project."""

    home: Path
    port: str
    sluice: Sluice
    stack: Stack
    server: ExitStack

    @cached_property
    def project(self) -> LabelProject:
        tasks = [*reports("seed10.json"), *reports("gold.json")[POOL : POOL + 2], *reports("unlabelled.json")[:POOL]]
        project = LabelProject.create(self.stack, "故障演练", CONFIG, tasks)
        project.wait_round(0)
        return project

    @cached_property
    def redis(self) -> Redis:
        return Redis(unix_socket_path=str(Settings(ECG_HOME=self.stack.home).socket_path))

    def ask(self, method: str, path: str) -> Any:
        """Operator's routes."""
        url = f"{self.stack.url}/api/projects/{self.project.id}/{path}"
        return httpx.request(method, url, headers={"Authorization": f"Bearer {KEY}"}).raise_for_status().json()

    # Processes --------------------------------------------------------------------------------

    def horse(self, kind: str) -> psutil.Process | None:
        """The process that runs a job of the queue `kind`."""
        for worker in self.program("rq.cli", f" {kind}"):
            for child in worker.children():
                if runs_a_job(child):
                    return child
        return None

    def program(self, *words: str) -> list[psutil.Process]:
        """Supervised processes whose command line holds all words."""
        members = [process for process in family(self.stack.home) if not runs_a_job(process)]
        return [process for process in members if all(word in " ".join(process.cmdline()) for word in words)]

    def kill(self, *words: str) -> None:
        """kill -9; supervisord starts it again."""
        found = self.program(*words)
        assert found
        for process in found:
            process.kill()
        psutil.wait_procs(found)

    def kill_horse(self, kind: str) -> None:
        horse = self.horse(kind)
        assert horse is not None
        horse.kill()
        psutil.wait_procs([horse])

    def kill_all(self) -> None:
        """kill -9 of the whole family and of `ecgal up` itself, as when the machine loses power."""
        up = self.stack.process
        assert up is not None
        members = [psutil.Process(up.pid), *family(self.stack.home)]
        for process in members:
            process.kill()
        up.wait()
        psutil.wait_procs(members)

    # Work -------------------------------------------------------------------------------------

    def annotate(self, count: int = 1) -> list[int]:
        """Answer the next tasks of the stream as the gold file does; ids of the annotations."""
        made = []
        for _ in range(count):
            task = self.project.next_task()
            made.append(self.project.annotate(task["id"], GOLD[task["data"]["report_id"]])["id"])
        return made

    def training(self) -> dict[str, Any] | None:
        """The running round while its network trains."""
        jobs = [job for job in self.project.status()["jobs"] if job["progress"].get("stage") == "training"]
        return jobs[0] if jobs and jobs[0]["progress"].get("step") else None

    def other_version(self) -> str:
        """A trained version that does not serve."""
        models = self.ask("GET", "models")
        return next(m["version"] for m in models if not m["serving"] and m["round"])

    # Truth ------------------------------------------------------------------------------------

    def whole(self) -> Faults:
        """Everything that must hold when the loop rests."""
        faults = Faults()
        try:
            self._look(faults)
        except httpx.HTTPError as error:
            faults.found.append(type(error).__name__)
        return faults

    def _look(self, faults: Faults) -> None:
        status, project = self.project.status(), self.project
        serving = status["serving"]
        ranked = (status["ranking"] or {}).get("version")
        faults.expect(not status["jobs"] and not status["pending"], f"busy: {status['jobs']} {status['pending']}")
        faults.expect(serving == status["target"] == ranked, f"{serving=} {status['target']=} {ranked=}")
        faults.expect(project.in_label_studio() == (serving, serving), f"{serving=} {project.in_label_studio()=}")
        annotations, pool = self.annotations(), set(project.client.unlabelled_ids(project.id))
        newest = status["rounds"][0]["version"]
        lost = annotations - set(project.card(newest)["dataset"]["annotations"])
        faults.expect(not lost, f"annotations {lost} are not in the card of {newest}")
        stored = [p["task"] for p in project.predictions() if p["model_version"] == serving and p["task"] in pool]
        faults.expect(sorted(stored) == sorted(pool), f"predictions of {serving}: {len(stored)} for {len(pool)} tasks")
        strays = {p["model_version"] for p in project.predictions()} - {serving}
        faults.expect(not strays, f"predictions of {strays}")
        queued = [row["task_id"] for row in self.ask("GET", "queue?top=1000")]
        stream = [task for task, _ in project.client.lowest_scores(project.id, 1000)]
        faults.expect(queued == stream, f"queue {queued} stream {stream}")
        faults.expect(set(queued) == pool, f"queue without {pool - set(queued)}, with {set(queued) - pool}")

    def annotations(self) -> set[int]:
        """Ids of all annotations in Label Studio."""
        route = f"/api/projects/{self.project.id}/export"
        tasks = self.project.http.get(route, params={"exportType": "JSON"}).raise_for_status().json()
        return {annotation["id"] for task in tasks for annotation in task["annotations"]}

    def wait_whole(self) -> dict[str, Any]:
        """Wait until everything holds; the status."""
        wait_for(self.whole, "the loop to be whole again")
        return self.project.status()


def runs_a_job(process: psutil.Process) -> bool:
    """Whether it is the child of a worker that runs a job."""
    try:
        return JOB_MARKER in process.environ()
    except psutil.Error:
        return False


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
    before = site.project.wait_settled()["rounds"][0]["round"]
    tasks = [row["task_id"] for row in site.ask("GET", "queue?top=30")]
    texts, gold = site.project.texts(), {t["data"]["text"]: t["annotations"][0]["result"] for t in reports("gold.json")}
    with ThreadPoolExecutor(5) as pool:
        started = time.monotonic()
        sent = [pool.submit(site.project.annotate, task, gold[texts[task]]) for task in tasks]
        seen = []
        while not all(future.done() for future in sent):
            seen.append(jobs(site))
        seconds = time.monotonic() - started
    wait_for(lambda: seen.append(jobs(site)) or site.project.settled(), "the rounds")
    status = site.wait_whole()
    print(f"30 submissions in {seconds:.1f} s, rounds {before} to {status['rounds'][0]['round']}, most {max(seen)}")
    assert max(running for running, _ in seen) == 1
    assert max(waiting for _, waiting in seen) <= 1
    assert {f.result()["id"] for f in sent} <= set(site.project.newest()["dataset"]["annotations"])


def jobs(site: Site) -> tuple[int, int]:
    """Rounds that run, rounds that wait."""
    states = [job["state"] for job in site.project.status()["jobs"] if job["kind"] == "retrain"]
    return states.count("started"), len(states) - states.count("started")


def test_a_round_asked_for_while_one_runs_follows_it(site: Site) -> None:
    made = site.annotate()
    running = wait_for(site.training, "the training")
    asked = site.ask("POST", "retrain")["job"]
    assert asked != running["id"]
    assert site.ask("POST", "retrain")["job"] == asked
    status = site.wait_whole()
    assert set(made) <= set(site.project.newest()["dataset"]["annotations"])
    assert "nothing changed" in status["outcomes"]["retrain"]["message"]


# Killed processes -------------------------------------------------------------------------------


def test_a_killed_training_runs_again(site: Site) -> None:
    site.annotate()
    job = wait_for(site.training, "the training")
    site.kill_horse("train")
    status = site.wait_whole()
    assert status["rounds"][0]["round"] == job["progress"]["round"]


@pytest.mark.parametrize("program", [("gunicorn",), ("valkey-server",)])
def test_a_killed_web_process_or_valkey_loses_no_annotation_and_no_round(site: Site, program: tuple[str, ...]) -> None:
    site.annotate()
    wait_for(site.training, "the training")
    site.kill(*program)
    site.annotate()
    site.wait_whole()


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


def test_killed_workers_are_replaced_and_their_jobs_repeated(site: Site) -> None:
    wanted = site.other_version()
    made = site.annotate()
    wait_for(site.training, "the training")
    with in_the_middle(site, "POST .*/import/predictions", answered=True):
        site.kill("rq.cli", " rank")
        site.kill("rq.cli", " train")
    site.wait_whole()
    assert set(made) <= set(site.project.newest()["dataset"]["annotations"])
    assert wanted


def test_everything_killed_at_once_is_whole_after_the_next_start(site: Site) -> None:
    made = site.annotate()
    wait_for(site.training, "the training")
    with in_the_middle(site, "POST .*/import/predictions", answered=True):
        site.kill_all()
    made += site.annotate()
    site.stack.start()
    site.wait_whole()
    assert set(made) <= set(site.project.newest()["dataset"]["annotations"])


# Lost data --------------------------------------------------------------------------------------


def test_an_emptied_valkey_is_filled_again(site: Site) -> None:
    site.project.wait_settled()
    site.redis.flushall()
    site.wait_whole()


def test_a_valkey_emptied_during_a_round_is_filled_again(site: Site) -> None:
    made = site.annotate()
    wait_for(site.training, "the training")
    site.redis.flushall()
    made += site.annotate()
    site.wait_whole()
    assert set(made) <= set(site.project.newest()["dataset"]["annotations"])


def test_a_round_waits_for_a_label_studio_that_is_away(site: Site) -> None:
    with site.sluice.holding("GET /api/tasks.*annotations") as gate:
        made = site.annotate()
        gate.wait()
        site.server.close()

    def failure() -> str:
        return site.project.status()["failures"].get("retrain", {}).get("reason", "")

    assert "Label Studio cannot be reached" in wait_for(failure, "the failure")
    status = site.project.status()
    assert status["pending"]
    assert failure() in site.stack.ecgal("status", "--project", site.project.id)
    site.server.enter_context(running(site.home, LS_PORT=site.port))
    assert not site.wait_whole()["failures"]
    assert set(made) <= set(site.project.newest()["dataset"]["annotations"])


@pytest.mark.parametrize("name", ["openvino.xml", "card.json"])
def test_a_damaged_version_answers_loudly_and_is_rolled_back(site: Site, name: str) -> None:
    version = site.wait_whole()["serving"]
    path = site.stack.home / "projects" / site.project.id / "models" / version / name
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    site.kill("gunicorn")
    wait_for(site.stack.healthy, "the web process")
    body = {"tasks": [{"id": 1, "data": {"text": "窦性心律"}}] * 3, "project": site.project.id, "label_config": CONFIG}
    answer = httpx.post(f"{site.stack.url}/predict", json=body, auth=(USER, PASSWORD), timeout=60).raise_for_status()
    assert [result["model_version"] for result in answer.json()["results"]] == [version] * 3
    assert version in (site.stack.home / "logs" / "web.log").read_text("utf-8").split("cannot be predicted")[-1]
    assert version in site.stack.json("status", "--project", site.project.id)["damage"]
    site.stack.ecgal("rollback", "--project", site.project.id)
    assert site.wait_whole()["serving"] != version
    path.write_bytes(content)


# Crossing wishes --------------------------------------------------------------------------------


def test_the_last_wish_wins(site: Site) -> None:
    before = site.wait_whole()["serving"]
    with in_the_middle(site, "POST .*/import/predictions"):
        site.ask("POST", f"models/{before}/promote")
    assert site.wait_whole()["serving"] == before


def test_what_is_annotated_during_a_ranking_is_not_in_its_queue(site: Site) -> None:
    wanted = site.other_version()
    tasks = [row["task_id"] for row in site.ask("GET", "queue?top=2")]
    with in_the_middle(site, "POST .*/import/predictions", answered=True):
        site.project.annotate(tasks[0], [])
    with site.sluice.holding("GET /api/ml") as gate:  # the ranking is written, the title is not
        pass
    assert wanted and gate and os
    site.wait_whole()
    assert not set(tasks[:1]) & {row["task_id"] for row in site.ask("GET", "queue?top=1000")}
