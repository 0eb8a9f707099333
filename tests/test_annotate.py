"""`make demo-annotate` where no demo runs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.label_studio import ROOT


def annotate(home: Path) -> subprocess.CompletedProcess[str]:
    # Port 1 is reserved, nothing answers there.
    environment = {**os.environ, "DEMO_HOME": str(home), "LS_PORT": "1", "ECG_PORT": "1"}
    command = [sys.executable, "-m", "examples.annotate", "--n", "1"]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def test_a_folder_without_a_demo_is_told_in_a_sentence(tmp_path: Path) -> None:
    done = annotate(tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("annotate: no demo here")


def test_a_demo_that_has_stopped_is_told_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "project").write_text("1")
    done = annotate(tmp_path)
    assert done.returncode == 1
    assert "no answer from http://127.0.0.1:1" in done.stderr
    assert "Traceback" not in done.stderr
