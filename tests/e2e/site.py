"""One `ecgal up` whose processes may be killed, in front of a Label Studio that may be stopped."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
import psutil
from redis import Redis

from backend.settings import Settings
from cli.processes import JOB_MARKER, family
from tests.e2e.sluice import Sluice
from tests.e2e.stack import KEY, PASSWORD, REPORTS, USER, LabelProject, Stack, reports, wait_for

CONFIG = (REPORTS / "label_config.xml").read_text("utf-8")
GOLD = {task["data"]["report_id"]: task["annotations"][0]["result"] for task in reports("gold.json")}
POOL = 70
QUICK = {
    "ECG_DEEP": "always",  # a round that takes long enough to be killed
    "ECG_TRAIN_STEPS": "2",
    "ECG_TRAIN_MIN": "5",
    "ECG_HOLDOUT_MIN": "1",  # no cross-validation: one fine-tuning a round
    "ECG_PRECISION": "f32",  # no quantisation
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

    def annotate(self) -> set[int]:
        """Answer the next task of the stream as the gold file does; id of the annotation."""
        task = self.project.next_task()
        return {self.project.annotate(task["id"], GOLD[task["data"]["report_id"]])["id"]}

    def predict(self, count: int) -> list[dict[str, Any]]:
        """What Label Studio would get for new tasks."""
        tasks = [{"id": 10**6 + i, "data": {"text": "窦性心律，心率75次/分"}} for i in range(count)]
        body = {"tasks": tasks, "project": self.project.id, "label_config": CONFIG}
        answer = httpx.post(f"{self.stack.url}/predict", json=body, auth=(USER, PASSWORD), timeout=60)
        return list(answer.raise_for_status().json()["results"])

    def queue(self) -> list[int]:
        """Task ids of the whole queue."""
        return [row["task_id"] for row in self.ask("GET", "queue?top=1000")]

    def trained(self) -> set[int]:
        """Ids of the annotations in the last version's card."""
        return set(self.project.newest()["dataset"]["annotations"])

    def training(self) -> dict[str, Any] | None:
        """The running round while its network trains."""
        jobs = [job for job in self.project.status()["jobs"] if job["progress"].get("stage") == "training"]
        return jobs[0] if jobs and jobs[0]["progress"].get("step") else None

    def other_version(self) -> str:
        """The newest version that does not serve; the rules are one."""
        models = self.ask("GET", "models")
        return str(next(m["version"] for m in models if not m["serving"]))

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
        faults.expect(not status["jobs"] and not status["changes"], f"busy: {status['jobs']} {status['changes']}")
        faults.expect(serving == status["target"] == ranked, f"{serving=} {status['target']=} {ranked=}")
        faults.expect(project.in_label_studio() == (serving, serving), f"{serving=} {project.in_label_studio()=}")
        annotations, pool = self.annotations(), set(project.client.unlabelled_ids(project.id))
        faults.expect(not annotations - self.trained(), f"not in the last card: {annotations - self.trained()}")
        stored = [p["task"] for p in project.predictions() if p["model_version"] == serving and p["task"] in pool]
        faults.expect(sorted(stored) == sorted(pool), f"predictions of {serving}: {len(stored)} for {len(pool)} tasks")
        strays = {p["model_version"] for p in project.predictions()} - {serving}
        faults.expect(not strays, f"predictions of {strays}")
        queued = self.queue()
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
