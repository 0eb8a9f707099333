"""What a round learns beside the annotated reports, as the settings wish."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from backend.labelstudio.config import parse_label_config
from backend.model_card import ModelCard, TrainingSummary
from backend.settings import Settings
from tests.cards import card
from trainer.dataset import FrozenDataset, Report, freeze
from trainer.parts import WorkerParts
from trainer.plan import Plan
from trainer.rival import Rival
from trainer.rounds import Round

REPORTS = Path(__file__).resolve().parents[2] / "examples" / "ecg_reports"
CONFIG = parse_label_config((REPORTS / "label_config.xml").read_text("utf-8"))
TASKS = json.loads((REPORTS / "gold.json").read_text("utf-8"))[:12]
NO_RIVAL = Rival("rules-1", None, [])


class Pool:
    """A Label Studio in which the first `annotated` tasks are annotated."""

    def __init__(self, annotated: int) -> None:
        self.annotated = annotated

    def dataset(self) -> FrozenDataset:
        return freeze(TASKS[: self.annotated], CONFIG)

    def unlabelled_tasks(self, _project: str) -> Iterator[dict[str, Any]]:
        yield from ({"id": t["id"], "data": t["data"], "versions": []} for t in TASKS[self.annotated :])


def round_of(tmp_path: Path, redis: Redis, valkey_socket: Path, pool: Pool, **wishes: str) -> Round:
    values = {"ECG_HOME": str(tmp_path), "REDIS_URL": f"unix://{valkey_socket}", "ECG_DEEP": "always", **wishes}
    return Round(WorkerParts.open(Settings.model_validate(values)), "1", 1, pool)  # type: ignore[arg-type]


def plan_of(made: Round, pool: Pool) -> Plan:
    return made.plan(CONFIG, pool.dataset(), NO_RIVAL, [])


def test_without_wishes_no_text_is_read(tmp_path: Path, redis: Redis, valkey_socket: Path) -> None:
    pool = Pool(4)
    plan = plan_of(round_of(tmp_path, redis, valkey_socket, pool), pool)
    assert (plan.texts, plan.unlabelled, plan.self_training, plan.copies, plan.start) == ((), (), 0.0, 0, None)


def test_the_base_model_reads_the_same_texts_whoever_is_annotated(
    tmp_path: Path, redis: Redis, valkey_socket: Path
) -> None:
    read = []
    for annotated in (4, 7):
        pool = Pool(annotated)
        read.append(list(plan_of(round_of(tmp_path, redis, valkey_socket, pool, ECG_PRETRAIN="1"), pool).texts))
    assert read[0] == read[1] == [task["data"]["text"] for task in TASKS]


def test_self_training_takes_what_nobody_annotated(tmp_path: Path, redis: Redis, valkey_socket: Path) -> None:
    pool = Pool(4)
    plan = plan_of(round_of(tmp_path, redis, valkey_socket, pool, ECG_SELF_TRAINING="0.5"), pool)
    assert list(plan.unlabelled) == [task["data"]["text"] for task in TASKS[4:]]
    assert (plan.texts, plan.self_training) == ([], 0.5)


def trained_on(*tasks: int, **fields: Any) -> ModelCard:
    return card(**{"training": TrainingSummary(steps=10, tasks=list(tasks)), **fields})


@pytest.mark.parametrize(
    ("made", "starts"),
    [
        (trained_on(1, 2, 3), True),
        (trained_on(1, 2, 9), False),  # it has seen a report that judges
        (trained_on(1, base_model="another"), False),
        (card(training=TrainingSummary(tasks=[1])), False),  # rules only
    ],
)
def test_a_warm_start_needs_a_network_of_the_same_kind_that_has_not_seen_the_holdout(
    tmp_path: Path, redis: Redis, valkey_socket: Path, made: ModelCard, starts: bool
) -> None:
    pool = Pool(4)
    warm = round_of(tmp_path, redis, valkey_socket, pool, ECG_WARM_START="1")
    holdout = [Report(9, 9, "心率", ())]
    start = warm.plan(CONFIG, pool.dataset(), Rival(made.version, made, []), holdout).start
    assert start == (warm.registry.model_folder("1", made.version) if starts else None)


def test_every_wish_makes_another_version(tmp_path: Path, redis: Redis, valkey_socket: Path) -> None:
    pool = Pool(4)
    wishes = (
        {},
        {"ECG_PRETRAIN": "1"},
        {"ECG_SELF_TRAINING": "1"},
        {"ECG_AUGMENT": "1"},
        {"ECG_WARM_START": "1"},
        {"ECG_TRAIN_OPTIONS": "layers=4"},
        {"ECG_BASE_MODEL": "some/encoder"},
        {"ECG_DEEP": "off"},
    )
    hashes = {round_of(tmp_path, redis, valkey_socket, pool, **w).content_hash(pool.dataset()) for w in wishes}
    assert len(hashes) == len(wishes)
