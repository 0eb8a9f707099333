"""`ecgal parse`: documents in, structured data out, and what happens to files that cannot be read."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from pathlib import Path

import docx
import pytest
from click.testing import CliRunner, Result

from backend.registry import Registry
from backend.rules import SpanMemory
from cli.parse import parse
from tests.test_registry import card

CONFIG = (
    '<View><Labels name="label" toName="text"><Label value="EVENT"/></Labels><Text name="text" value="$text"/></View>'
)
REPORT = "平均心率72次/分，室早12次。\r\n诊断：窦性心律"


def run(*arguments: object, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(parse, [str(argument) for argument in arguments], input=stdin)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Reports in every form, beside files that are none."""
    document = docx.Document()
    document.add_paragraph("平均心率80次/分")
    document.save(str(tmp_path / "b.docx"))
    (tmp_path / "a.txt").write_bytes(REPORT.encode("gb18030"))
    (tmp_path / "c.csv").write_bytes("号,text\r\n1,室早\r\n2,\r\n3,房早\r\n".encode())
    (tmp_path / "d.jsonl").write_text('{"text": "房颤"}\n', "utf-8")
    (tmp_path / "bad.docx").write_bytes(b"no zip")
    (tmp_path / "empty.txt").write_bytes(b"")
    (tmp_path / "binary.txt").write_bytes(bytes(range(256)))
    return tmp_path


def test_one_report_is_one_json_object(folder: Path) -> None:
    found = json.loads(run(folder / "a.txt", "--format", "json").stdout)
    assert [rate["value"] for rate in found["heart_rates"]] == [72]
    assert [event["count"] for event in found["events"]] == [12]


def test_all_forms_are_read_in_order(folder: Path) -> None:
    done = run(*(folder / name for name in ("b.docx", "a.txt", "d.jsonl")), "--format", "ndjson")
    assert done.exit_code == 0
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [Path(line["id"]).name for line in lines] == ["b.docx", "a.txt", "d.jsonl#1"]
    assert json.loads(run(folder / "b.docx", folder / "a.txt", folder / "d.jsonl", "--format", "json").stdout) == lines


def test_a_file_that_cannot_be_read_is_told_while_the_others_are_parsed(folder: Path) -> None:
    bad = ["bad.docx", "empty.txt", "binary.txt", "missing.txt", "."]
    done = run(folder / "a.txt", *(folder / name for name in bad), folder / "b.docx", "--format", "ndjson")
    assert done.exit_code == 1
    told = done.stderr.splitlines()
    assert len(told) == len(bad)
    assert all(name in line for name, line in zip(bad[:4], told, strict=False))
    assert ["report" in json.loads(line) for line in done.stdout.splitlines()] == [True, *[False] * 5, True]
    assert "室早" not in done.stderr


def test_a_row_without_text_costs_only_itself(folder: Path) -> None:
    done = run(folder / "c.csv", "--format", "csv")
    assert done.exit_code == 1
    assert "c.csv#2: The report has no text: line 3" in done.stderr
    rows = list(csv.DictReader(io.StringIO(done.stdout_bytes.decode("utf-8-sig"), newline="")))
    assert [(row["item"], row["text"][:2]) for row in rows] == [("event", "室早"), ("error", "Th"), ("event", "房早")]


def test_a_table_is_a_list_even_of_one_like_in_the_api(folder: Path) -> None:
    (folder / "one.CSV").write_text("text\n室早\n", "utf-8")
    for asked, stdin in (([folder / "one.CSV"], None), (["-", "--kind", "csv"], "text\n室早\n".encode())):
        (found,) = json.loads(run(*asked, "--json", stdin=stdin).stdout)
        assert found["id"].endswith("#1")
        assert found["report"]["events"][0]["text"] == "室早"
    assert [found["id"] for found in json.loads(run(folder / "d.jsonl", "--json").stdout)] == [f"{folder}/d.jsonl#1"]


def test_a_word_document_that_is_odd_inside_stops_no_other_file(folder: Path) -> None:
    with zipfile.ZipFile(folder / "b.docx") as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(folder / "odd.docx", "w") as archive:
        for name, content in {**parts, "word/document.xml": b"<html/>"}.items():
            archive.writestr(name, content)
    done = run(folder / "odd.docx", folder / "a.txt", "--format", "ndjson")
    assert done.exit_code == 1
    assert "odd.docx: This is no Word document" in done.stderr
    assert ["report" in json.loads(line) for line in done.stdout.splitlines()] == [False, True]


def test_standard_input_is_text_unless_told_otherwise(folder: Path) -> None:
    assert json.loads(run("-", "--format", "json", stdin=REPORT.encode("gb18030")).stdout)["events"]
    table = run("-", "--kind", "csv", "--column", "号", "--format", "ndjson", stdin="号\n室早\n".encode())
    assert json.loads(table.stdout)["id"] == "stdin#1"
    word = run("-", "--kind", "docx", "--format", "json", stdin=(folder / "b.docx").read_bytes())
    assert [rate["value"] for rate in json.loads(word.stdout)["heart_rates"]] == [80]


def test_the_table_is_for_people(folder: Path) -> None:
    shown = run(folder / "a.txt", folder / "b.docx").stdout
    assert all(said in shown for said in ("a.txt", "b.docx", "72 次/分", "室性早搏", "12 次", "窦性心律", "stated"))
    assert "52–118 次/分" in run("-", stdin="心率52-118次/分".encode()).stdout


def test_the_output_file_holds_what_would_be_printed(folder: Path) -> None:
    printed = run(folder / "a.txt", "--format", "csv").stdout_bytes
    done = run(folder / "a.txt", "--format", "csv", "--output", folder / "out.csv")
    assert (done.exit_code, done.stdout) == (0, "")
    assert (folder / "out.csv").read_bytes() == printed
    assert printed.startswith(b"\xef\xbb\xbf")


def test_an_output_file_stays_as_it_was_when_nothing_could_be_parsed(folder: Path) -> None:
    (folder / "out.json").write_text("before")
    assert run(folder / "bad.docx", "--format", "json", "--output", folder / "out.json").exit_code == 1
    assert (folder / "out.json").read_text() == "before"
    assert not list(folder.glob(".out*"))


def test_a_model_folder_parses(folder: Path) -> None:
    made = card(1)
    model = folder / "model"
    model.mkdir()
    (model / "card.json").write_text(made.model_copy(update={"labels": ["EVENT"]}).model_dump_json(), "utf-8")
    (model / "memory.json").write_text(SpanMemory({"龘靐现象": {"EVENT": 1}}).to_json(), "utf-8")
    found = json.loads(run("-", "--model", model, "--format", "json", stdin="可见龘靐现象".encode()).stdout)
    assert (found["version"], [event["source"] for event in found["events"]]) == (made.version, ["memory"])


def test_the_version_that_serves_a_project_parses(
    folder: Path, valkey_socket: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ECG_HOME", str(folder / "home"))
    monkeypatch.setenv("REDIS_URL", f"unix://{valkey_socket}")
    registry = Registry(folder / "home")
    aside = registry.new_folder("3")
    (aside / "memory.json").write_text(SpanMemory({"龘靐现象": {"EVENT": 1}}).to_json(), "utf-8")
    made = card(1, project="3")
    registry.publish(made, aside)
    registry.remember_label_config("3", CONFIG)
    registry.promote("3", made.version)
    done = run("-", "--project", "3", "--format", "json", stdin="可见龘靐现象".encode())
    assert json.loads(done.stdout)["version"] == made.version
    assert json.loads(done.stdout)["events"][0]["source"] == "memory"


def test_a_model_and_a_project_exclude_each_other(folder: Path) -> None:
    assert run("-", "--model", folder, "--project", 1, stdin=b"x").exit_code == 2
    assert run().exit_code == 2
