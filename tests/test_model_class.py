from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from redis import Redis

import model
from backend.job_queue import JobQueue
from backend.registry import RULES_VERSION, Registry
from backend.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
CONFIG = (
    '<View><Labels name="label" toName="text"><Label value="HR"/><Label value="DIAG"/></Labels>'
    '<Text name="text" value="$text"/></View>'
)
TEXT = "窦性心动过缓，心率 48 次/分，一度房室传导阻滞，PR间期 226 ms。"
TASKS = [{"id": 4, "project": 7, "data": {"text": TEXT}}, {"id": 5, "project": 7, "data": {}}]
PREDICT = {"tasks": TASKS, "project": "7.1795", "label_config": CONFIG, "params": {"login": None, "context": None}}
HOOK = {
    "action": "ANNOTATION_CREATED",
    "annotation": {"id": 11, "task": 4, "result": [], "was_cancelled": False},
    "task": {"id": 4},
    "project": {"id": 7, "label_config": CONFIG},
}


@pytest.fixture
def settings(tmp_path: Path, valkey_socket: Path, redis: Redis, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """The environment a stock server would be started in."""
    monkeypatch.setenv("ECG_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("REDIS_URL", f"unix://{valkey_socket}")
    monkeypatch.setenv("ECG_RETRAIN_QUIET", "100")
    settings = Settings.from_env()
    yield settings
    model.shared(settings).close()
    model.shared.cache_clear()


@pytest.fixture
def queue(settings: Settings, redis: Redis) -> JobQueue:
    return JobQueue(redis, Registry(settings.home), settings)


@pytest.fixture
def stock_client(settings: Settings, tmp_path: Path) -> Iterator[FlaskClient]:
    """The server of label-studio-ml 1.0.9 with our class."""
    from label_studio_ml.api import init_app

    with init_app(model.ECGNERModel, model_dir=str(tmp_path / "stock")).test_client() as client:
        yield client


def assert_predicted(results: list[dict[str, Any]]) -> None:
    """Two results for the two tasks, the second one empty."""
    values = [region["value"] for region in results[0]["result"]]
    assert values
    assert all(TEXT[value["start"] : value["end"]] == value["text"] for value in values)
    assert results[1] == {"result": [], "score": 0.0, "model_version": RULES_VERSION}


def test_the_stock_server_of_pypi_sets_up_predicts_and_leaves_a_hint(
    stock_client: FlaskClient, queue: JobQueue
) -> None:
    setup = {"project": "7.1795", "schema": CONFIG, "hostname": "http://evil.example", "access_token": "t"}
    assert stock_client.post("/setup", json=setup).status_code == 200
    assert_predicted(stock_client.post("/predict", json=PREDICT).json["results"])
    assert stock_client.post("/webhook", json=HOOK).status_code == 201
    for child in multiprocessing.active_children():
        child.join()
    assert queue.pending("7").count == 1
    assert stock_client.post("/setup", json=setup).status_code == 200


def test_events_the_stock_server_does_not_know_reach_fit(settings: Settings, queue: JobQueue) -> None:
    instance = model.ECGNERModel(label_config=CONFIG, train_output={}, hostname="", access_token="")
    body = {"annotations": [{"id": 1}, {"id": 2}], "project": {"id": 7}}
    assert instance.process_event("ANNOTATIONS_DELETED", body, "1", {"workdir": "."}) == {"status": "stored"}
    assert queue.pending("7").count == 2
    job = instance.process_event("START_TRAINING", {"project": {"id": 7}}, "2", {})["job"]
    assert [view.id for view in queue.jobs("7", "retrain")] == [job]


@pytest.mark.parametrize("broken", [None, "", "<View>", "<View/>"])
def test_a_broken_configuration_still_gets_a_result_per_task(settings: Settings, broken: str | None) -> None:
    results = model.ECGNERModel(label_config=broken).predict(TASKS, context={"result": []}, login=None)
    assert results == [{"result": [], "score": 0.0, "model_version": RULES_VERSION}] * 2


def test_instances_share_models_and_connections(settings: Settings) -> None:
    instances = [model.ECGNERModel(label_config=CONFIG) for _ in range(2)]
    assert instances[0]._parts is instances[1]._parts


BASE_2X = '''
"""The interface of the 2.x base class: what its server calls and what subclasses inherit."""
import json

CACHE = {}


class LabelStudioMLBase:
    INITIAL_MODEL_VERSION = "0.0.1"

    def __init__(self, project_id=None, label_config=None):
        self.project_id = project_id or ""
        if label_config is not None:
            self.set("label_config", label_config)
        if not self.model_version:
            self.set("model_version", self.INITIAL_MODEL_VERSION)
        self.setup()

    def setup(self):
        pass

    def get(self, key):
        return CACHE.get((self.project_id, key))

    def set(self, key, value):
        CACHE[self.project_id, key] = value

    def set_extra_params(self, extra_params):
        self.set("extra_params", json.dumps(extra_params))

    @property
    def label_config(self):
        return self.get("label_config")

    @property
    def model_version(self):
        return self.get("model_version")

    def predict(self, tasks, context=None, **kwargs):
        raise NotImplementedError

    def fit(self, event, data, **kwargs):
        raise NotImplementedError
'''

CALLS_2X = """
import json, sys
from model import IS_2X, ECGNERModel

assert IS_2X
setup, predict, hook = json.load(sys.stdin)

instance = ECGNERModel(project_id=setup["project"].split(".", 1)[0], label_config=setup["schema"])
instance.set_extra_params({"a": 1})
version = instance.get("model_version")

params = predict["params"]
context = params.pop("context", {})
project = str(predict["project"]).split(".", 1)[0]
instance = ECGNERModel(project_id=project, label_config=predict["label_config"])
results = instance.predict(predict["tasks"], context=context, **params)

event = hook.pop("action")
instance = ECGNERModel(str(hook["project"]["id"]), label_config=hook["project"]["label_config"])
fitted = instance.fit(event, hook)

broken = ECGNERModel(project_id="None", label_config="<View>").predict(predict["tasks"], context=None)  # remembered
kept = instance.get("label_config")
json.dump([version, results, fitted, broken, kept], sys.stdout)
"""


def test_the_calls_of_the_2x_server_set_up_predict_and_leave_a_hint(
    settings: Settings, queue: JobQueue, tmp_path: Path
) -> None:
    package = tmp_path / "stock2" / "label_studio_ml"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "model.py").write_text(BASE_2X, "utf-8")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(package.parent), str(ROOT)])}
    requests = json.dumps([{"project": "7.1795", "schema": CONFIG}, PREDICT, HOOK])
    process = subprocess.run(
        [sys.executable, "-c", CALLS_2X], input=requests, env=environment, capture_output=True, text=True, check=False
    )
    assert process.returncode == 0, process.stderr
    version, results, fitted, broken, kept = json.loads(process.stdout)
    assert version == RULES_VERSION
    assert_predicted(results)
    assert fitted == {"status": "stored"}
    assert broken == results
    assert kept == CONFIG
    assert queue.pending("7").count == 1
    assert Registry(settings.home).label_config("7") == CONFIG
