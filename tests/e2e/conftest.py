"""One running `ecgal up` beside one Label Studio for all end-to-end tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.stack import REPORTS, LabelProject, Stack, reports
from tests.label_studio import LabelStudio


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory, label_studio: LabelStudio, base_model: Path) -> Iterator[Stack]:
    """`ecgal up` with all credentials set."""
    running = Stack(tmp_path_factory.mktemp("stack") / "home", label_studio, base_model)
    running.start()
    yield running
    running.stop()


@pytest.fixture(scope="session")
def ecg(stack: Stack) -> LabelProject:
    """A project of the first example pool: ten annotated and 120 unlabelled reports, first round done."""
    config = (REPORTS / "label_config.xml").read_text("utf-8")
    tasks = [*reports("seed10.json"), *reports("unlabelled.json")[:120]]
    project = LabelProject.create(stack, "心电图", config, tasks)
    project.wait_round(0)
    return project
