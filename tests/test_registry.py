import json
import stat
import threading
from pathlib import Path

import pytest
from pydantic import SecretStr

from backend.engine.openvino import INT8_FILES
from backend.errors import BadRequest, ModelError, NotFound
from backend.files import write_atomic
from backend.model_card import (
    DatasetSummary,
    Decision,
    Evaluation,
    LabelScore,
    ModelCard,
    Score,
    TrainingSummary,
)
from backend.records import Connection, Hold
from backend.registry import RULES_VERSION, Registry


def card(number: int, *, promote: bool = True, project: str = "1") -> ModelCard:
    perfect = LabelScore(precision=1, recall=1, f1=1, support=3)
    return ModelCard(
        version=f"ecg-r{number:04d}-abcdef01",
        project=project,
        round=number,
        created=f"2026-01-01T00:00:{number:02d}+00:00",
        mode="rules",
        labels=["HR"],
        base_model="built-in",
        seed=1,
        dataset=DatasetSummary(hash="0", reports=1, spans=1, tasks=[1], annotations=[1], holdout_tasks=[]),
        training=TrainingSummary(),
        evaluation=Evaluation(method="holdout", modes={"rules": Score(micro=perfect)}),
        decision=Decision(promote=promote, reason="because", serving=RULES_VERSION),
    )


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path)


def publish(registry: Registry, number: int, *, promote: bool = True) -> str:
    made = card(number, promote=promote)
    folder = registry.new_folder("1")
    (folder / "memory.json").write_text("{}")
    registry.publish(made, folder)
    return made.version


def test_an_unknown_project_is_served_by_the_rules(registry: Registry) -> None:
    assert registry.serving("99") == registry.target("99") == RULES_VERSION
    assert registry.versions("99") == []
    assert registry.last_round("99") == 0
    assert registry.projects() == []
    assert registry.connection("99") is None
    assert registry.ranking("99") is None


@pytest.mark.parametrize("project", ["", "..", "1/../2", "a", "1.5", "-1", "１"])
def test_only_numbers_become_folders(registry: Registry, project: str) -> None:
    with pytest.raises(BadRequest, match="project id"):
        registry.label_config(project)


@pytest.mark.parametrize("version", ["", "..", "../../etc", ".new-x", "a/b", "x" * 80])
def test_only_plain_names_become_version_folders(registry: Registry, version: str) -> None:
    with pytest.raises(NotFound):
        registry.card("1", version)


def test_a_published_version_is_complete_and_newest_comes_first(registry: Registry) -> None:
    first, second = publish(registry, 1), publish(registry, 2)
    assert [c.version for c in registry.versions("1")] == [second, first]
    assert registry.card("1", first) == card(1).model_copy(update={"files": {"memory.json": 2}})
    assert registry.card("1", first).f1 == 1
    assert registry.last_round("1") == 2


def test_publishing_a_version_again_keeps_the_first(registry: Registry) -> None:
    version = publish(registry, 1)
    (registry.model_folder("1", version) / "model.safetensors").write_text("")
    publish(registry, 1)
    assert (registry.model_folder("1", version) / "model.safetensors").exists()
    assert not list(registry.folder("1").glob("models/.new-*"))


@pytest.mark.parametrize("text", ["", "{", "[]", '{"by": 1}'])
def test_a_damaged_hold_still_holds(registry: Registry, text: str) -> None:
    write_atomic(registry.folder("1") / "hold.json", text)
    held = registry.hold("1")
    assert held is not None
    assert "damaged" in str(held)


def test_what_waits_for_the_end_of_a_hold_is_not_pruned(registry: Registry) -> None:
    candidate, *_ = [publish(registry, number, promote=False) for number in range(1, 5)]
    registry.save_hold("1", Hold(by="ana", since="now", reason="", candidate=candidate))
    registry.prune("1", keep=1)
    assert registry.exists("1", candidate)
    registry.save_hold("1", None)
    registry.prune("1", keep=1)
    assert not registry.exists("1", candidate)


def test_a_folder_of_a_killed_round_is_no_version_and_is_swept(registry: Registry) -> None:
    left = registry.new_folder("1")
    (left / "card.json").write_text(card(3).model_dump_json())
    assert registry.versions("1") == []
    registry.sweep("1")
    assert not left.exists()


def test_pointers_move_only_to_what_is_there(registry: Registry) -> None:
    version = publish(registry, 1)
    registry.aim("1", version)
    assert (registry.target("1"), registry.serving("1")) == (version, RULES_VERSION)
    registry.promote("1", version)
    assert registry.serving("1") == version
    for move in (registry.aim, registry.promote):
        with pytest.raises(NotFound, match="No such version"):
            move("1", "ecg-r0009-00000000")
    assert registry.serving("1") == version


def test_the_version_before_is_the_last_promoted_one(registry: Registry) -> None:
    first = publish(registry, 1)
    publish(registry, 2, promote=False)
    third = publish(registry, 3)
    assert registry.before("1", third) == first
    assert registry.before("1", first) == registry.before("1", RULES_VERSION) == RULES_VERSION


def test_pruning_keeps_cards_and_what_may_serve(registry: Registry) -> None:
    versions = [publish(registry, number) for number in range(1, 7)]
    for version in versions:
        (registry.model_folder("1", version) / "cache").mkdir()
    registry.promote("1", versions[3])
    registry.aim("1", versions[1])
    assert registry.prune("1", keep=1) == [versions[4], versions[0]]
    assert len(registry.versions("1")) == 6
    assert [p.name for p in registry.model_folder("1", versions[0]).iterdir()] == ["card.json"]
    with pytest.raises(NotFound, match="pruned"):
        registry.promote("1", versions[0])
    assert registry.before("1", versions[3]) == versions[2]
    assert registry.prune("1", keep=1) == []


def test_a_damaged_card_is_named(registry: Registry) -> None:
    version = publish(registry, 1)
    (registry.model_folder("1", version) / "card.json").write_text('{"version": 1}')
    with pytest.raises(ModelError, match=version):
        registry.card("1", version)
    assert version in registry.damage("1", version)


def test_a_damaged_version_stands_in_nobodys_way(registry: Registry) -> None:
    first, second = publish(registry, 1), publish(registry, 2)
    registry.promote("1", second)
    assert registry.damage("1", second) == registry.damage("1", RULES_VERSION) == ""
    (registry.model_folder("1", second) / "card.json").write_text("")
    assert [c.version for c in registry.versions("1")] == [first]
    assert registry.last_round("1") == 2
    assert registry.serving("1") == second
    assert registry.before("1", second) == first


def test_a_truncated_file_is_damage(registry: Registry) -> None:
    version = publish(registry, 1)
    (registry.model_folder("1", version) / "memory.json").write_text("")
    assert registry.damage("1", version) == f"Damaged files of {version}: memory.json"


@pytest.mark.parametrize("name", INT8_FILES)
def test_damaged_8_bits_leave_a_version_that_serves(registry: Registry, name: str) -> None:
    folder, version = registry.new_folder("1"), card(1).version
    for file in (*INT8_FILES, "memory.json"):
        (folder / file).write_text("content")
    registry.publish(card(1), folder)
    assert registry.int8_damage("1", version) == ""
    (registry.model_folder("1", version) / name).unlink()
    assert registry.damage("1", version) == ""
    assert registry.int8_damage("1", version) == f"Damaged files of {version}: {name}; it serves without 8 bits"
    assert registry.int8_damage("1", RULES_VERSION) == registry.int8_damage("1", "ecg-r0009-00000009") == ""


def test_a_label_config_is_written_only_when_new(registry: Registry) -> None:
    assert registry.remember_label_config("1", "<View/>")
    assert not registry.remember_label_config("1", "<View/>")
    assert registry.label_config("1") == "<View/>"
    assert registry.projects() == ["1"]


def test_the_token_is_readable_by_its_owner_only_and_prints_as_stars(registry: Registry) -> None:
    connection = Connection(url="http://ls", token=SecretStr("secret"), backend_url="http://me")
    registry.save_connection("1", connection)
    assert registry.connection("1") == connection
    assert "secret" not in repr(connection)
    assert stat.S_IMODE((registry.folder("1") / "connection.json").stat().st_mode) == 0o600


def test_a_file_is_never_seen_half_written(tmp_path: Path) -> None:
    path, values = tmp_path / "f.json", [json.dumps(["x" * 50_000, i]) for i in range(2)]
    write_atomic(path, values[0])
    done = threading.Event()

    def write() -> None:
        for i in range(50):
            write_atomic(path, values[i % 2])
        done.set()

    thread = threading.Thread(target=write)
    thread.start()
    while not done.is_set():
        assert path.read_text() in values
    thread.join()
    assert list(tmp_path.iterdir()) == [path]


def test_one_process_at_a_time_holds_a_lock(registry: Registry) -> None:
    order: list[str] = []

    def second() -> None:
        with registry.lock("1", "round"):
            order.append("second")

    with registry.lock("1", "round"):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(0.3)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]
