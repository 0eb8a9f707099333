import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer
from tokenizers.models import WordPiece

ROOT = Path(__file__).parents[2]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks.round_trip", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def task(text: str, *ranges: tuple[int, int, str]) -> dict[str, Any]:
    regions = [{"value": {"start": a, "end": b, "text": text[a:b], "labels": [label]}} for a, b, label in ranges]
    return {"id": 1, "data": {"text": text}, "annotations": [{"result": regions}]}


def test_every_span_of_the_shipped_reports_survives() -> None:
    result = run("--json")
    assert result.returncode == 0, result.stderr
    rows = {row["corpus"]: row for row in json.loads(result.stdout)}
    assert {"ecg_reports/gold", "ecg_reports/seed10", "ecg_reports/test"} <= set(rows)
    assert all(row["exact"] == row["spans"] - row["rejects"] > 0 for row in rows.values())


def test_a_tokenizer_that_knows_few_characters_loses_no_span(tmp_path: Path) -> None:
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "心", "7", "72"]
    Tokenizer(WordPiece({w: i for i, w in enumerate(words)}, unk_token="[UNK]")).save(str(tmp_path / "tokenizer.json"))
    result = run("--tokenizer", str(tmp_path), "--json")
    assert result.returncode == 0, result.stderr
    assert all(row["exact_percent"] == 100 and row["tokens_per_character"] == 1 for row in json.loads(result.stdout))


def test_overlaps_are_counted_and_compressed_files_are_read(tmp_path: Path) -> None:
    tasks = [task("72次/分", (0, 2, "VALUE"), (0, 5, "HR"))]
    (tmp_path / "train.json.gz").write_bytes(gzip.compress(json.dumps(tasks).encode()))
    (tmp_path / "stats.json").write_text('{"not": "tasks"}')
    result = run("--data", str(tmp_path), "--json")
    assert [(r["corpus"], r["spans"], r["rejects"], r["exact"]) for r in json.loads(result.stdout)] == [
        ("train", 2, 1, 1)
    ]


def test_a_lost_span_fails_the_run(tmp_path: Path) -> None:
    (tmp_path / "broken.json").write_text(json.dumps([task("72", (0, 9, "HR"))]))
    result = run("--data", str(tmp_path))
    assert result.returncode == 1
    assert "0.00" in result.stdout
