"""Rank jobs on a real Label Studio and a real Valkey, killed where it hurts; the versions are rules, not networks."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from pydantic import SecretStr
from redis import Redis
from rq import Queue
from rq.job import Job, JobStatus

from backend.engine.openvino import INT8_FILES
from backend.labelstudio.client import LabelStudioClient
from backend.model_card import TrainingSummary
from backend.ranking_index import RankedTask
from backend.records import Connection
from backend.registry import MEMORY, RULES_VERSION
from backend.rules import EMPTY_MEMORY
from backend.settings import Settings
from cli.doctor import checks_of
from tests.cards import card
from tests.e2e.site import CONFIG
from tests.e2e.sluice import Sluice
from tests.e2e.stack import reports, wait_for
from tests.label_studio import ROOT, LabelStudio
from trainer import upkeep
from trainer.parts import WorkerParts
from trainer.reconcile import Reconciler
from trainer.reranking import Reranking

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

JOB = "import sys; from trainer.jobs import rank; sys.stdout.write(rank(sys.argv[1], 1))"
WORKER = ("-m", "rq.cli", "worker", "--burst", "rank")
POOL = 120
IMPORT = "POST .*/import/predictions"


@dataclass
class Pool:
    """A project of Label Studio, ranked by the rules, behind a sluice."""

    parts: WorkerParts
    client: LabelStudioClient
    sluice: Sluice
    project: str
    environment: dict[str, str]

    def aim(self, number: int, memory: str = EMPTY_MEMORY.to_json()) -> str:
        """A new version that is wanted."""
        registry = self.parts.registry
        folder = registry.new_folder(self.project)
        (folder / MEMORY).write_text(memory, "utf-8")
        version = f"ecg-r{number:04d}-0000000{number}"
        registry.publish(card(version=version, project=self.project, round=number, training=TrainingSummary()), folder)
        registry.aim(self.project, version)
        return version

    def start(self, *argv: str, **settings: str) -> subprocess.Popen[str]:
        """A process of the product."""
        environment = {**os.environ, **self.environment, **settings}
        command = [sys.executable, *argv]
        return subprocess.Popen(command, env=environment, cwd=ROOT, stdout=subprocess.PIPE, text=True)

    def rank(self, **settings: str) -> str:
        """Run the rank job; what it says."""
        with self.start("-c", JOB, self.project, **settings) as process:
            return process.communicate()[0]

    def work(self, workers: int = 1, **settings: str) -> None:
        """Let so many workers empty the queue, and what its jobs ask for."""
        while self.parts.queue.jobs(self.project, "rank"):
            processes = [self.start(*WORKER, **settings) for _ in range(workers)]
            assert [process.wait() for process in processes] == [0] * workers
            for process in processes:
                process.communicate()

    def stored(self) -> dict[int, tuple[int, str]]:
        """Task -> prediction and its version; fails when a task has several."""
        found = self.client.session.raw("GET", f"api/predictions/?project={self.project}")
        by_task = {p["task"]: (p["id"], p["model_version"]) for p in found}
        assert len(by_task) == len(found)
        return by_task

    def queue(self) -> list[RankedTask]:
        """The whole queue of what serves."""
        return self.parts.index.top(self.project, self.parts.registry.serving(self.project), 10**6)

    def check_whole(self, version: str) -> dict[int, tuple[int, str]]:
        """The version serves with one prediction of each task, in one order; the predictions."""
        stored, ids = self.stored(), self.client.unlabelled_ids(self.project)
        assert self.parts.registry.serving(self.project) == version
        assert self.client.project(self.project).model_version == version
        assert {task: stored_version for task, (_, stored_version) in stored.items()} == dict.fromkeys(ids, version)
        queued = [row.task_id for row in self.queue()]
        assert queued == [task for task, _ in self.client.lowest_scores(self.project, 1000)]
        assert sorted(queued) == ids
        record = self.parts.registry.ranking(self.project)
        assert record is not None
        assert (record.version, record.tasks, bool(record.finished)) == (version, len(ids), True)
        assert record.order_equal == record.order_checked == min(20, len(ids))
        assert not self.parts.redis.keys(f"ecg:{self.project}:shards:*")
        return stored

    def import_tasks(self, *texts: str) -> None:
        self.client.session.raw("POST", f"api/projects/{self.project}/import", [{"data": {"text": t}} for t in texts])


@pytest.fixture
def ranked(label_studio: LabelStudio, redis: Redis, valkey_socket: Path, tmp_path: Path) -> Iterator[Pool]:
    """POOL reports, ranked by the rules."""
    sluice = Sluice(label_studio.url)
    settings = Settings(home=tmp_path, redis_url_setting=f"unix://{valkey_socket}")
    parts = WorkerParts.open(settings)
    client = LabelStudioClient(label_studio.url, label_studio.token)
    body = {"title": "rank", "label_config": CONFIG, "sampling": "Uncertainty sampling"}
    project = str(client.session.raw("POST", "api/projects/", body)["id"])
    parts.registry.remember_label_config(project, CONFIG)
    parts.registry.save_connection(project, Connection(url=sluice.url, token=SecretStr(label_studio.token)))
    made = Pool(parts, client, sluice, project, {"ECG_HOME": str(tmp_path), "REDIS_URL": f"unix://{valkey_socket}"})
    made.import_tasks(*(task["data"]["text"] for task in reports("unlabelled.json")[:POOL]))
    assert made.rank().startswith(f"{RULES_VERSION} serves")
    yield made
    client.close()
    parts.redis.close()
    sluice.close()


def kill(process: psutil.Process | subprocess.Popen[str]) -> None:
    process.kill()
    process.wait()


def test_shards_of_two_workers_leave_one_prediction_of_each_task(ranked: Pool) -> None:
    version = ranked.aim(1)
    assert ranked.rank(ECG_SHARD="25").startswith("shared out")
    shards = ranked.parts.queue.jobs(ranked.project, "rank")
    assert [job.state for job in shards] == ["queued"], "as many as there are workers, one at least"
    assert ranked.rank(ECG_SHARD="25").startswith("shared out")
    assert ranked.parts.queue.jobs(ranked.project, "rank") == shards
    ranked.work(workers=2, ECG_SHARD="25")
    ranked.check_whole(version)


def test_a_killed_shard_runs_again_and_finished_ones_do_not(ranked: Pool) -> None:
    version = ranked.aim(1)
    ranked.rank(ECG_SHARD="40")
    with ranked.start("-m", "rq.cli", "worker", "rank", ECG_SHARD="40") as worker:
        with ranked.sluice.holding(IMPORT) as first:
            first.wait()
        with ranked.sluice.holding(IMPORT, answered=True) as second:
            second.wait()
            # Stored, but nobody was told.
            kill(psutil.Process(worker.pid).children()[0])
            before = predictions_of(ranked, version)
        assert 40 <= len(before) <= 80
        registry = ranked.parts.registry
        wait_for(lambda: registry.serving(ranked.project) == version, "the switch")
        wait_for(lambda: not ranked.parts.queue.jobs(ranked.project, "rank"), "the end of the ranking")
        worker.terminate()
    after = ranked.check_whole(version)
    assert {task: after[task][0] for task in before} == before


def predictions_of(ranked: Pool, version: str) -> dict[int, int]:
    """Task -> prediction of the version."""
    found = ranked.client.session.raw("GET", f"api/predictions/?project={ranked.project}")
    return {p["task"]: p["id"] for p in found if p["model_version"] == version}


@pytest.mark.parametrize(
    ("line", "answered"),
    [
        ("GET /api/tasks.*-tasks", False),  # nothing is planned yet
        ("PATCH /api/projects/", False),  # pointer switched, model version not
        ("DELETE .*/model-versions/", True),  # old predictions gone
    ],
)
def test_a_killed_coordinator_is_repeated(ranked: Pool, line: str, answered: bool) -> None:
    version = ranked.aim(1)
    if "-tasks" not in line:
        ranked.rank(ECG_SHARD="60")
        while len(jobs := ranked.parts.queue.jobs(ranked.project, "rank")) != 1 or not jobs[0].id.startswith("rank"):
            ranked.start("-m", "rq.cli", "worker", "--burst", "--max-jobs", "1", "rank", ECG_SHARD="60").communicate()
        Queue("rank", connection=ranked.parts.redis).empty()
    with (
        ranked.sluice.holding(line, answered=answered) as gate,
        ranked.start("-c", JOB, ranked.project, ECG_SHARD="60") as coordinator,
    ):
        gate.wait()
        kill(coordinator)
    ranked.rank(ECG_SHARD="60")
    ranked.work(ECG_SHARD="60")
    ranked.check_whole(version)


def test_shards_of_a_version_that_is_no_longer_wanted_end_at_once(ranked: Pool) -> None:
    old = ranked.aim(1)
    ranked.rank(ECG_SHARD="25")
    version = ranked.aim(2)
    ranked.parts.queue.request_rank(ranked.project)
    ranked.work(workers=2, ECG_SHARD="25")
    ranked.parts.redis.delete(f"ecg:{ranked.project}:shards:{old}")
    ranked.check_whole(version)


def test_the_first_part_serves_before_the_rest_is_ranked(ranked: Pool) -> None:
    head = [row.task_id for row in ranked.queue()[:10]]
    version = ranked.aim(1)
    with (
        ranked.sluice.holding(IMPORT) as gate,
        ranked.start("-c", JOB, ranked.project, ECG_RANK_FIRST="20") as job,
    ):
        gate.wait()
        assert ranked.parts.registry.serving(ranked.project) == version
        first = [task for task, _ in ranked.client.lowest_scores(ranked.project, 1000)]
        assert set(head) <= set(first)
        assert 10 < len(first) <= 20
        assert ranked.client.model_versions(ranked.project)[RULES_VERSION] == POOL
        gate.opened.set()
        assert job.communicate()[0].startswith(f"{version} serves")
    ranked.check_whole(version)


def test_while_a_version_is_ranked_the_one_before_places_held_out_tasks_as_it_did(ranked: Pool) -> None:
    before = ranked.parts.registry.ranking(ranked.project)
    assert before is not None
    version = ranked.aim(1)
    with ranked.sluice.holding(IMPORT) as gate, ranked.start("-c", JOB, ranked.project) as job:
        gate.wait()
        now = ranked.parts.registry.ranking(ranked.project)
        assert now is not None
        assert (now.version, now.finished) == (version, "")
        assert now.distribution_of(RULES_VERSION) == before.distribution_of(RULES_VERSION) != ()
        gate.opened.set()
        job.communicate()


def test_places_stay_when_another_version_is_wanted_during_a_ranking(ranked: Pool) -> None:
    registry, before = ranked.parts.registry, ranked.parts.registry.ranking(ranked.project)
    assert before is not None
    for number in (1, 2):
        version = ranked.aim(number)
        with ranked.sluice.holding(IMPORT) as gate, ranked.start("-c", JOB, ranked.project) as job:
            gate.wait()
            kill(job)
        now = registry.ranking(ranked.project)
        assert now is not None
        assert (now.version, now.distribution_of(RULES_VERSION)) == (version, before.distribution)
    registry.aim(ranked.project, RULES_VERSION)
    ranked.rank()
    back = registry.ranking(ranked.project)
    assert back is not None
    assert (back.version, back.distribution) == (RULES_VERSION, before.distribution)
    ranked.check_whole(RULES_VERSION)


def test_doctor_tells_damaged_8_bits_from_a_version_that_cannot_serve(ranked: Pool) -> None:
    folder = ranked.parts.registry.new_folder(ranked.project)
    for name in (MEMORY, *INT8_FILES):
        (folder / name).write_text(EMPTY_MEMORY.to_json(), "utf-8")
    made = card(version="ecg-r0001-00000001", project=ranked.project, round=1, training=TrainingSummary())
    folder = ranked.parts.registry.publish(made, folder)
    ranked.parts.registry.promote(ranked.project, made.version)
    assert "8 bits" not in {check.name for check in checks_of(ranked.parts, ranked.project)}
    (folder / INT8_FILES[1]).unlink()
    found = {check.name: check for check in checks_of(ranked.parts, ranked.project)}
    assert found["serving version"].ok
    assert (found["8 bits"].ok, found["8 bits"].fix) == (
        False,
        f"run `ecgal retrain --project {ranked.project}` for a new version",
    )


def test_a_ranking_that_is_killed_whenever_it_runs_has_to_wait(ranked: Pool) -> None:
    ranked.aim(1)
    reconciler, queue = Reconciler(ranked.parts), ranked.parts.queue
    reconciler.target(ranked.project)
    (job,) = queue.jobs(ranked.project, "rank")
    Job.fetch(job.id, connection=ranked.parts.redis).set_status(JobStatus.FAILED)  # as RQ leaves it
    reconciler.given_up(ranked.project)
    reconciler.target(ranked.project)
    assert not queue.jobs(ranked.project, "rank")
    assert "killed or ended whenever it ran" in queue.failure(ranked.project, "rank")["reason"]


def test_predictions_of_other_labels_stay_while_people_annotate(ranked: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    before, client, registry = ranked.stored(), ranked.client, ranked.parts.registry
    fewer = re.sub(r"\n *<Label [^\n]*DIAG[^\n]*", "", CONFIG)
    assert fewer != CONFIG
    client.update_project(ranked.project, {"label_config": fewer})
    registry.remember_label_config(ranked.project, fewer)
    annotated = ranked.queue()[0].task_id
    client.session.raw("POST", f"api/tasks/{annotated}/annotations/", {"result": []})
    monkeypatch.setattr(upkeep, "DELETED_AT_ONCE", POOL - 1)
    reconciler = Reconciler(ranked.parts)
    reconciler.pool(ranked.project, client)
    assert not ranked.parts.queue.jobs(ranked.project, "rank")
    ranked.import_tasks("窦性心律，心率75次/分")
    Reranking(ranked.parts, ranked.project, client).run()
    assert before.items() < ranked.stored().items()
    record = registry.ranking(ranked.project)
    assert record is not None
    assert (record.mixed, bool(record.finished)) == (True, True)
    monkeypatch.setattr(upkeep, "QUIET", 0.0)
    reconciler.pool(ranked.project, client)
    assert ranked.parts.queue.jobs(ranked.project, "rank")
    Reranking(ranked.parts, ranked.project, client).run()
    after = ranked.stored()
    assert len(after) == POOL
    assert annotated not in after
    record = registry.ranking(ranked.project)
    assert record is not None
    assert (record.mixed, "DIAG" in record.labels) == (False, False)
    assert not {prediction for prediction, _ in after.values()} & {prediction for prediction, _ in before.values()}


def test_a_lost_ranking_is_rebuilt_from_the_stored_scores(ranked: Pool) -> None:
    version = ranked.aim(1)
    ranked.rank()
    predictions, before = ranked.check_whole(version), ranked.queue()
    # Were anything predicted, the job would fail.
    (ranked.parts.registry.model_folder(ranked.project, version) / MEMORY).write_text("damaged")
    ranked.parts.redis.flushall()
    assert ranked.rank().startswith(f"{version} serves")
    assert ranked.check_whole(version) == predictions
    after = ranked.queue()
    assert [(r.task_id, r.reason, r.preview) for r in after] == [(r.task_id, r.reason, r.preview) for r in before]
    for old, new in zip(before, after, strict=True):
        known = None if old.reason.startswith("control share") else pytest.approx(old.uncertainty, abs=1e-5)
        assert new.uncertainty == known


def test_new_tasks_are_ranked_and_the_others_keep_their_predictions(ranked: Pool) -> None:
    before = ranked.stored()
    ranked.import_tasks("窦性心律，心率75次/分", "无。")
    ranked.rank()
    after = ranked.check_whole(RULES_VERSION)
    assert {task: after[task] for task in before} == before
    assert len(after) == len(before) + 2


def test_what_was_annotated_during_a_ranking_leaves_the_queue(ranked: Pool) -> None:
    version, gone = ranked.aim(1), ranked.queue()[0].task_id
    with ranked.sluice.holding(IMPORT, answered=True) as gate, ranked.start("-c", JOB, ranked.project) as job:
        gate.wait()
        ranked.client.session.raw("POST", f"api/tasks/{gone}/annotations/", {"result": []})
        gate.opened.set()
        job.communicate()
    assert gone not in {row.task_id for row in ranked.queue()}
    assert ranked.parts.registry.serving(ranked.project) == version
    assert len(ranked.queue()) == POOL - 1


def test_a_prediction_that_got_lost_is_noticed_however_many_tasks_were_annotated(ranked: Pool) -> None:
    lost, *annotated = (row.task_id for row in ranked.queue()[:4])
    for task in annotated:
        ranked.client.session.raw("POST", f"api/tasks/{task}/annotations/", {"result": []})
    ranked.parts.index.remove(ranked.project, RULES_VERSION, annotated)
    reconciler = Reconciler(ranked.parts)
    reconciler.pool(ranked.project, ranked.client)
    assert not ranked.parts.queue.jobs(ranked.project, "rank")
    prediction, _ = ranked.stored()[lost]
    ranked.client.session.raw("DELETE", f"api/predictions/{prediction}/")
    reconciler.pool(ranked.project, ranked.client)
    assert ranked.parts.queue.jobs(ranked.project, "rank")
    ranked.rank()
    assert ranked.stored()[lost][1] == RULES_VERSION
