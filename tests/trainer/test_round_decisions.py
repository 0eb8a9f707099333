"""What a round decides when operators choose another version while it runs; rounds of rules and span memory."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from backend.labelstudio.config import LabelConfig, parse_label_config
from backend.registry import RULES_VERSION
from backend.switching import new_hold, promote, resume, roll_back
from trainer.dataset import freeze
from trainer.parts import WorkerParts
from trainer.rounds import Candidate, Round

REPORTS = Path(__file__).resolve().parents[2] / "examples" / "ecg_reports"
XML = (REPORTS / "label_config.xml").read_text("utf-8")
CONFIG = parse_label_config(XML)
TASKS = json.loads((REPORTS / "gold.json").read_text("utf-8"))


def learned(parts: WorkerParts, number: int, reports: int = 20) -> tuple[Round, Candidate]:
    """A round that has learned and is about to be judged."""
    running = Round(parts, "1", number, parts.client("1"))
    dataset = freeze(TASKS[:reports], CONFIG)
    version = f"ecg-r{number:04d}-{running.content_hash(dataset)}"
    return running, running.learn(CONFIG, dataset, version, parts.registry.new_folder("1"))


def serving(parts: WorkerParts, number: int) -> str:
    """A round whose version serves."""
    running, candidate = learned(parts, number, reports=12)
    card = running.conclude(candidate)
    assert card.decision.promote
    parts.registry.promote("1", card.version)
    return card.version


def test_a_round_whose_rival_was_replaced_compares_again(parts: WorkerParts) -> None:
    first = serving(parts, 1)
    running, candidate = learned(parts, 2)
    assert candidate.rival.version == first
    promote(parts, "1", RULES_VERSION)
    card = running.conclude(candidate)
    assert card.decision.serving == RULES_VERSION
    assert card.decision.promote
    assert parts.registry.target("1") == card.version


def test_a_rollback_during_a_round_keeps_its_version_as_the_candidate(parts: WorkerParts) -> None:
    serving(parts, 1)
    running, candidate = learned(parts, 2)
    roll_back(parts, "1", new_hold("ana", "drug names"))
    card = running.conclude(candidate)
    assert (card.decision.serving, card.decision.promote) == (RULES_VERSION, False)
    assert "by ana: drug names" in card.decision.reason
    assert parts.registry.target("1") == RULES_VERSION
    assert resume(parts, "1")["version"] == card.version


def test_the_same_content_is_learned_again_only_when_a_comparison_is_wanted_anew(parts: WorkerParts) -> None:
    before = serving(parts, 1)
    running, candidate = learned(parts, 2)
    roll_back(parts, "1", new_hold("ana"))
    kept = running.conclude(candidate)
    again, later = kept.version.replace("r0002", "r0003"), Round(parts, "1", 3, parts.client("1"))
    promote(parts, "1", kept.decision.serving)
    assert later.same_content(again) == kept
    promote(parts, "1", before)
    assert later.same_content(again) == kept
    assert resume(parts, "1")["job"].startswith("retrain")
    assert later.same_content(again) is None


@pytest.mark.parametrize(
    ("change", "same"),
    [
        (("#D4380D", "#123456"), True),
        (('<Label value="心率"', '<Label value="EXTRA"/><Label value="心率"'), True),
        (('value="心率" alias="HR"', 'value="脉搏" alias="PULSE"'), False),
    ],
)
def test_another_configuration_is_other_content_only_where_annotations_give_something_else(
    parts: WorkerParts, change: tuple[str, str], same: bool
) -> None:
    running = Round(parts, "1", 1, parts.client("1"))

    def content(config: LabelConfig) -> str:
        return running.content_hash(freeze(TASKS[:20], config))

    assert change[0] in XML
    assert (content(parse_label_config(XML.replace(*change))) == content(CONFIG)) == same
