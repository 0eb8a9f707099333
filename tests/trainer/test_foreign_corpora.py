"""Annotated files of other tools are read with the right ends, or refused by name; never taken for unmarked ones.

A row or line that cannot be read costs itself alone, and is named.
"""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backend.errors import CorpusError
from backend.labelstudio.config import LabelConfig, parse_label_config
from backend.ner.spans import Span
from trainer.corpus import Tally, read, texts_of
from trainer.corpus.model import lost_rows, nothing_marked
from trainer.corpus.model import reasons as kinds

TEXT = "窦性心律，心率72次/分"
DIAG, HR = Span(0, 4, "DIAG"), Span(5, 12, "HR")
CONFIG = LabelConfig("label", "text", "text", ("HR", "VALUE", "TIME", "EVENT", "DIAG"))


def saved(folder: Path, *rows: Any) -> Path:
    return written(folder, "rows.jsonl", "\n".join(json.dumps(row, ensure_ascii=False) for row in rows))


def written(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def zipped(folder: Path, files: dict[str, bytes]) -> Path:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return written(folder, "export.zip", file.getvalue())


def spans_of(path: Path, config: LabelConfig | None = None) -> list[tuple[Span, ...]]:
    return [report.spans for report in read(path, config).dataset.reports]


def reasons(path: Path) -> list[str]:
    return [reject.reason for reject in read(path).dataset.rejects]


def task(number: int, text: str, *regions: tuple[int, int, str, str]) -> dict[str, Any]:
    shape = {"from_name": "label", "to_name": "text", "type": "labels", "origin": "manual"}
    values = [{"start": s, "end": e, "labels": [label], "text": said} for s, e, label, said in regions]
    result = [{"id": f"r{value['start']}", **shape, "value": value} for value in values]
    return {"id": number, "data": {"text": text}, "annotations": [{"id": 100 + number, "result": result}]}


# Rows of other tools ------------------------------------------------------------------------------

ROWS: list[Any] = [
    {"text": TEXT, "entities": [{"id": 1, "label": "DIAG", "start_offset": 0, "end_offset": 4}], "relations": []},
    {"text": TEXT, "label": [[0, 4, "DIAG"]]},
    {"data": TEXT, "label": [[0, 4, "DIAG"]]},
    {"text": TEXT, "label": {"DIAG": {"窦性心律": [[0, 3]]}}},
    {"text": TEXT, "entities": [{"start_idx": 0, "end_idx": 3, "type": "DIAG", "entity": "窦性心律"}]},
    {"originalText": TEXT, "entities": [{"label_type": "DIAG", "start_pos": 0, "end_pos": 4}]},
    [TEXT, {"entities": [[0, 4, "DIAG"]]}],
    [TEXT, {"entities": [[0, 4, "DIAG", "Q1"]]}],
    {"classes": ["DIAG"], "annotations": [[TEXT, {"entities": [[0, 4, "DIAG"]]}], None]},
]


@pytest.mark.parametrize("config", [None, CONFIG], ids=["inferred", "configured"])
@pytest.mark.parametrize("row", ROWS)
def test_rows_of_other_tools_keep_their_spans(tmp_path: Path, row: Any, config: LabelConfig | None) -> None:
    assert spans_of(saved(tmp_path, row), config) == [(DIAG,)]
    assert spans_of(written(tmp_path, "a.json", json.dumps([row])), config) == [(DIAG,)]


@pytest.mark.parametrize(
    ("key", "value"),
    [("label", ["x"]), ("label", "x"), ("labels", ["B-X"]), ("tags", "B-X O"), ("paragraphs", [{}]), ("foo", [{}])],
)
def test_a_form_that_is_not_known_is_refused_by_its_key(tmp_path: Path, key: str, value: Any) -> None:
    with pytest.raises(CorpusError, match=f'"{key}"'):
        read(saved(tmp_path, {"text": TEXT, key: value}))
    assert reasons(saved(tmp_path, ROWS[1], {"text": "心", key: value}))[0].startswith("row 2: ")


def test_a_row_that_nobody_annotated_in_doccano_is_not_one_without_entities(tmp_path: Path) -> None:
    bare = [{"id": 7, "text": "心率", "label": []}, {"id": 8, "text": "房颤", "entities": [], "Comments": []}]
    path = saved(tmp_path, ROWS[1], *bare, ["窦律", {"entities": []}])
    assert spans_of(path) == [(DIAG,), ()]
    assert reasons(path) == ["not annotated", "not annotated"]


def test_a_key_that_is_text_of_a_report_is_not_quoted(tmp_path: Path) -> None:
    with pytest.raises(CorpusError) as caught:
        read(saved(tmp_path, {TEXT: [{}]}))
    assert TEXT not in str(caught.value)


def test_only_accepted_rows_of_prodigy_count_and_the_others_say_how_they_were_answered(tmp_path: Path) -> None:
    spans = [{"start": 0, "end": 4, "label": "DIAG"}]
    rows = [{"text": TEXT + str(n), "spans": spans, "answer": a} for n, a in enumerate(("accept", "reject", "ignore"))]
    corpus = read(saved(tmp_path, *rows))
    assert corpus.ledger.annotations == Tally(3, 1, 2)
    assert corpus.ledger.spans == Tally(3, 1, 2)
    assert reasons(saved(tmp_path, *rows)) == ["answered reject", "answered ignore"]


# Regions of Label Studio ----------------------------------------------------------------------------

BLANKS = "心率  72 次/分，室性\n早搏 5 次。PR间期160ms"
DRAWN = [
    (BLANKS, (0, 10, "HR", "心率 72 次/分")),
    (BLANKS, (11, 16, "EVENT", "室性\\n早搏")),
    (BLANKS, (11, 16, "EVENT", "室性早搏")),
    (BLANKS, (21, 30, "VALUE", "PR间期160ms")),
    (TEXT, (0, 4, "DIAG", "...")),
    ("室早5次\n最长RR间期\n2.1秒", (5, 16, "VALUE", "最长RR间期\\n2.1秒")),
]


@pytest.mark.parametrize("config", [None, CONFIG], ids=["inferred", "configured"])
@pytest.mark.parametrize(("text", "region"), DRAWN)
def test_offsets_are_the_datum_whatever_text_a_region_stores(
    tmp_path: Path, text: str, region: tuple[int, int, str, str], config: LabelConfig | None
) -> None:
    start, end, label, _ = region
    assert spans_of(saved(tmp_path, task(1, text, region)), config) == [(Span(start, end, label),)]


@pytest.mark.parametrize(
    "row",
    [
        {"text": TEXT, "spans": [{"start": 0, "end": 3, "label": "DIAG", "text": "窦性心律"}]},
        task(1, TEXT, (0, 3, "DIAG", "窦性心律"), (5, 11, "HR", "心率72次/分")),
        {"id": 1, "text": TEXT, "label": [{"start": 0, "end": 3, "text": "窦性心律", "labels": ["DIAG"]}]},
    ],
)
def test_a_file_whose_ends_are_inclusive_has_no_usable_span_and_says_why(tmp_path: Path, row: dict[str, Any]) -> None:
    path = saved(tmp_path, row)
    corpus = read(path)
    assert corpus.ledger.spans.kept == 0
    assert "an inclusive end (ends are exclusive: add 1)" in str(nothing_marked(corpus, path))


def test_labels_that_the_configuration_does_not_know_are_named(tmp_path: Path) -> None:
    path = saved(tmp_path, task(1, TEXT, (0, 4, "B-anatomy", "窦性心律"), (5, 12, "HR", "心率72次/分")))
    corpus = read(path, CONFIG)
    assert [report.spans for report in corpus.dataset.reports] == [(HR,)]
    assert "its label 'B-anatomy' is not in the labelling configuration" in corpus.dataset.rejects[0].reason


def test_json_min_rows_split_by_choices_are_one_task_and_unannotated_ones_none(tmp_path: Path) -> None:
    label = [{"start": 0, "end": 4, "text": "窦性心律", "labels": ["DIAG"]}]
    one = {"text": TEXT, "id": 1, "label": label, "quality": "good", "annotator": 1, "annotation_id": 9}
    area = [{"start": 8, "end": 10, "text": ["甲"]}, "丙"]
    two = {**one, "quality": "bad", "annotator": 2, "annotation_id": 10, "c": area}
    bare = {"text": "心率", "id": 2, "annotator": None, "annotation_id": None}
    corpus = read(saved(tmp_path, one, two, bare))
    assert corpus.ledger.tasks == Tally(2, 1, 1)
    assert corpus.ledger.annotations == Tally(2, 1, 1)
    assert [reject.reason for reject in corpus.dataset.rejects if reject.task_id == 2] == ["not annotated"]


# Tables -------------------------------------------------------------------------------------------

HEAD = "annotation_id,annotator,created_at,id,label,lead_time,text,updated_at"
REGIONS = [{"start": 5, "end": 12, "text": "心率72次/分", "labels": ["HR"]}]
CELL = '"' + json.dumps(REGIONS, ensure_ascii=False).replace('"', '""') + '"'
LINE = f"101,1,2026-01-05T03:04:05Z,1,{CELL},9.1,{TEXT},2026-01-05T03:04:05Z"


def tsv(*lines: str) -> str:
    return "\r\n".join(lines).replace(CELL, "@").replace(",", "\t").replace("@", CELL)


@pytest.mark.parametrize("config", [None, CONFIG], ids=["inferred", "configured"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030"])
@pytest.mark.parametrize(
    ("name", "content"),
    [("a.csv", f"{HEAD}\r\n{LINE}\r\n"), ("a.tsv", tsv(HEAD, LINE)), ("any.name", f"{HEAD}\n{LINE}")],
)
def test_tables_of_label_studio_are_read(
    tmp_path: Path, name: str, content: str, encoding: str, config: LabelConfig | None
) -> None:
    corpus = read(written(tmp_path, name, content.encode(encoding)), config)
    (report,) = corpus.dataset.reports
    assert (report.task_id, report.annotation_id, report.text, report.spans) == (1, 101, TEXT, (HR,))


BAD_LINES = [
    ("102,1,x,2,[],9.1,心,x,more", "another number of cells"),
    ("102,1,x,2", "another number of cells"),
    ('102,1,x,2,"[{""start""',  "malformed"),
    ('102,1,x,2,"[{""start"": 5, ""en",9.1,心率,x', "cut by a spreadsheet"),
    ("102,1,x,2,\"[{'start': 5}]\",9.1,心率,x", "no JSON"),
    ("102,1,x,2,[],9.1,心\x00率,x", "characters that no text has"),
]  # fmt: skip


@pytest.mark.parametrize(("bad", "why"), BAD_LINES)
@pytest.mark.parametrize("place", [0, 1])
def test_a_bad_row_of_a_table_costs_itself_alone(tmp_path: Path, bad: str, why: str, place: int) -> None:
    lines = [LINE, LINE.replace("101,1", "103,1").replace("Z,1,", "Z,3,")]
    lines.insert(place, bad)
    corpus = read(written(tmp_path, "a.csv", "\n".join([HEAD, *lines])))
    assert [report.spans for report in corpus.dataset.reports] == [(HR,), (HR,)]
    (reject,) = corpus.dataset.rejects
    assert reject.reason.startswith(f"line {2 + place}: ")
    assert why in reject.reason
    assert corpus.ledger.tasks == Tally(3, 2, 1)


def test_a_table_with_two_columns_of_one_name_is_refused(tmp_path: Path) -> None:
    for read_file in (read, lambda path: texts_of(path, CONFIG)):
        with pytest.raises(CorpusError, match="column 3 has the name of an earlier one"):
            read_file(written(tmp_path, "a.csv", "id,text,text\n1,窦性,心率"))
    assert texts_of(written(tmp_path, "a.csv", "id,text,,\n1,窦性,,"), CONFIG).texts == ["窦性"]


def test_a_table_with_a_malformed_header_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="line 1: the header is malformed"):
        read(written(tmp_path, "a.csv", f'"annotation_id"x,{HEAD}\n{LINE}'))


# Lines ---------------------------------------------------------------------------------------------

BAD_JSON = ["{", '{"text": "心率', "心率72", "7", '{"text": "心率", "label": [[0, 4, "DIAG"]]}x']
CONTRADICTED = {"text": TEXT, "entities": [{"start_idx": 5, "end_idx": 8, "type": "DIAG", "entity": "窦性心律"}]}


@given(lines=st.lists(st.integers(0, 7), min_size=2, max_size=6), bad=st.sampled_from(BAD_JSON), data=st.data())
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_broken_line_among_others_costs_itself_alone(tmp_path: Path, lines: list[int], bad: str, data: Any) -> None:
    good = [json.dumps(ROWS[number], ensure_ascii=False) for number in lines if number != 7]
    good += [json.dumps(ROWS[1])] * 2
    place = data.draw(st.integers(0, len(good)))
    path = written(tmp_path, "a.jsonl", "\n".join([*good[:place], bad, *good[place:]]))
    assert spans_of(path) == [(DIAG,)] * len(good)
    (reason,) = reasons(path)
    assert reason.startswith(f"line {place + 1}: ")
    assert "心率" not in reason


def test_a_mention_that_the_text_does_not_hold_costs_its_row(tmp_path: Path) -> None:
    path = saved(tmp_path, ROWS[4], CONTRADICTED, ROWS[1])
    assert spans_of(path) == [(DIAG,), (DIAG,)]
    assert reasons(path) == ["row 2: the mention at 5..8 is not what the text holds there"]


def test_a_byte_that_is_no_text_costs_the_report_that_holds_it(tmp_path: Path) -> None:
    good = json.dumps(ROWS[1], ensure_ascii=False).encode()
    path = written(tmp_path, "a.jsonl", b"\n".join([good, good.replace("律".encode(), b"\xff"), good]))
    assert spans_of(path) == [(DIAG,), (DIAG,)]
    assert "not valid Unicode" in reasons(path)[0]


# CoNLL ---------------------------------------------------------------------------------------------


def tagged(tags: str, separator: str = " ") -> str:
    names = [tag if tag == "O" else f"{tag}-{'DIAG' if place < 4 else 'HR'}" for place, tag in enumerate(tags.split())]
    return "".join(f"{c}{separator}{tag}\n" for c, tag in zip(TEXT, names, strict=True))


SCHEMES = {
    "BIO": "B I I I O B I I I I I I", "BMES": "B M M E O B M M M M M E", "BIOES": "B I I E O B I I I I I E",
    "BILOU": "B I I L O B I I I I I L", "IOB1": "I I I I O I I I I I I I",
}  # fmt: skip


@pytest.mark.parametrize("config", [None, CONFIG], ids=["inferred", "configured"])
@pytest.mark.parametrize("separator", [" ", "\t", " NN _ "])
@pytest.mark.parametrize("tags", SCHEMES.values(), ids=SCHEMES)
def test_each_scheme_of_tags_gives_the_spans(
    tmp_path: Path, tags: str, separator: str, config: LabelConfig | None
) -> None:
    content = f"-DOCSTART- -X- O O\n\n{tagged(tags, separator)}\n心 O\n"
    assert spans_of(written(tmp_path, "a.conll", content), config) == [(DIAG, HR), ()]


def test_schemes_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="Line 14 has a tag of another scheme"):
        read(written(tmp_path, "a.conll", f"{tagged(SCHEMES['BMES'])}\n心 I-DIAG\n"))


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ("心率 O", "one character"),
        ("心 X-HR", "its tag is not"),
        ("心 O\n率 M-HR", "no B- tag"),
        ("心 B-HR", "no E- tag"),
    ],
)
def test_a_bad_line_of_conll_costs_its_report_alone(tmp_path: Path, bad: str, why: str) -> None:
    good = tagged(SCHEMES["BMES"])
    path = written(tmp_path, "a.conll", f"{good}\n{bad}\n\n{good}")
    assert spans_of(path) == [(DIAG, HR), (DIAG, HR)]
    (reason,) = reasons(path)
    assert reason.startswith("line 1")
    assert why in reason


# Archives and what is refused -----------------------------------------------------------------------


def test_the_files_of_an_archive_are_read_together(tmp_path: Path) -> None:
    rows = json.dumps([ROWS[0]]).encode()
    files = {"a.json": rows, "b/b.csv": f"{HEAD}\n{LINE}".encode(), "__MACOSX/a.json": b"x", ".DS_Store": b"x"}
    assert spans_of(zipped(tmp_path, files)) == [(HR,), (DIAG,)]


def test_an_archive_that_unpacks_to_too_much_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    path = zipped(tmp_path, {"a.json": b"[]"})
    content = bytearray(path.read_bytes())
    size = content.rindex(b"PK\x01\x02") + 24
    content[size : size + 4] = (600 * 1024 * 1024).to_bytes(4, "little")
    with pytest.raises(CorpusError, match="unpacks to 629145600 bytes in 1 files"):
        read(written(tmp_path, "export.zip", bytes(content)))
    with pytest.raises(CorpusError, match="2001 files"):
        read(zipped(tmp_path, {f"{number}.json": b"" for number in range(2001)}))


REFUSED = [
    ("a.conll", "-DOCSTART- -X- O\n窦性心律，心率72次/分 -X- _ O\n", "CoNLL 2003"),
    ("a.txt", "-DOCSTART- -X- O\n窦性心律 -X- _ B-DIAG\n", "CoNLL 2003"),
    ("a.ann", "T1\tDIAG 0 4\t窦性心律\n", "BRAT"),
    ("a.txt", "T1\tDIAG 0 4\t窦性心律\n", "BRAT"),
    ("a.spacy", zlib.compress(b"\x85DocBin"), "spacy"),
    ("a.parquet", b"PAR1\x15", "Parquet"),
    ("manifest.json", '{"audio_filepath": "a.wav", "text": "x", "duration": 1}', "ASR manifest"),
    ("result.json", '{"images": [], "categories": [{"id": 0}], "annotations": []}', "COCO"),
    ("a.txt", "窦性心律，心率72次/分\n室早5次\n", "plain text, in which nothing is marked.*ecgal parse"),
    ("a.json", "窦性心律", "plain text"),
    ("a.json", '[{"text": "竇性心律", "label": [[0, 4, "DIAG"]]}]'.encode("big5"), "seems to be Big5.*UTF-8, GB18030"),
    ("a.json", "<!DOCTYPE html><html>窦性心律</html>", "a web page"),
    ("a.json", "<?xml version='1.0'?><a/>", "XML"),
    ("a.json", '[{"id": 1,]', "Not JSON .*line 1, column 11"),
    ("a.json", '[{"data": {"text": "x"}}]\n[{"data": {"text": "y"}}]', "several JSON values"),
    ("a.json", '[\n{"data":\n {"text": "x"}}]\n[\n{"data":\n {"text": "y"}}]', "several JSON values"),
    (
        "uie.json",
        '{"content": "窦律", "result_list": [{"text": "窦律", "start": 0, "end": 2}], "prompt": "DIAG"}',
        "UIE",
    ),
    ("uie.json", '{"content": "窦律", "result_list": [], "prompt": "DIAG"}', "UIE"),
    ("rows.jsonl", '{"text": "x"}\n{"text": "y"}', "Nothing is marked.*plain texts"),
    ("a.csv", "id,text\n1,x", "Nothing is marked.*plain texts"),
    ("a.json", '[{"id": 1, "data": {"text": "x"}, "annotations": []}]', "Nobody annotated"),
    ("a.json", '[{"id": 1, "data": {"text": "x"}, "predictions": [{"result": []}]}]', "only predictions"),
    ("a.json", '[{"id": 1, "data": {"text": "x"}, "annotations": [{"result": []}]}]', "without a region"),
    ("a.json", '[{"id": 1, "data": {"text": "x"}, "annotations": [{"result": [{"type": "choices"}]}]}]', "1 x choices"),
]


@pytest.mark.parametrize(("name", "content", "told"), REFUSED)
def test_what_is_not_read_is_refused_by_name_or_with_the_likely_reason(
    tmp_path: Path, name: str, content: str | bytes, told: str
) -> None:
    with pytest.raises(CorpusError, match=told):
        read(written(tmp_path, name, content))


def test_archives_of_other_things_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="BRAT"):
        read(zipped(tmp_path, {"a.ann": b"T1\tDIAG 0 4\tx", "a.txt": b"x"}))
    with pytest.raises(CorpusError, match="Excel"):
        read(zipped(tmp_path, {"[Content_Types].xml": b"", "xl/workbook.xml": b""}))
    with pytest.raises(CorpusError, match=r"\.png"):
        read(zipped(tmp_path, {"a.png": b""}))


BAD_MEMBERS = [
    (bytes(range(256)), "Neither"),
    (b"PAR1\x15", "Parquet"),
    (b"[{", "Not JSON"),
    (b"a", "plain"),
    (b"", "empty"),
]


@pytest.mark.parametrize(("content", "why"), BAD_MEMBERS)
def test_the_bad_file_of_an_archive_is_named(tmp_path: Path, content: bytes, why: str) -> None:
    with pytest.raises(CorpusError, match=rf"(?s){why}.*export\.zip/b/bad\.json"):
        read(zipped(tmp_path, {"a.json": json.dumps([ROWS[0]]).encode(), "b/bad.json": content}))


def test_a_damaged_file_of_an_archive_is_named(tmp_path: Path) -> None:
    path = zipped(tmp_path, {"a.json": json.dumps([ROWS[0]]).encode(), "b/bad.json": b"[1, 2, 3, 4, 5, 6, 7, 8]"})
    content = bytearray(path.read_bytes())
    content[content.index(b"b/bad.json") + 12] ^= 255
    with pytest.raises(CorpusError, match=r"damaged or encrypted: .*export\.zip/b/bad\.json"):
        read(written(tmp_path, "export.zip", bytes(content)))


def test_a_bad_row_of_an_archive_is_named_with_its_file(tmp_path: Path) -> None:
    table = f"{HEAD}\n{LINE}\n{BAD_LINES[0][0]}".encode()
    rows = "\n".join(json.dumps(row) for row in (ROWS[1], ROWS[1], CONTRADICTED)).encode()
    corpus = read(zipped(tmp_path, {"a.csv": table, "b/c.jsonl": rows}))
    first, second = lost_rows(corpus.dataset.rejects)
    assert first.startswith("a.csv, line 3: the row has another number of cells")
    assert second.startswith("b/c.jsonl, row 3: the mention")
    assert not any(".csv" in reason or ".jsonl" in reason for reason in kinds(corpus.dataset.rejects))


# Texts without annotations ----------------------------------------------------------------------------


def test_unlabelled_texts_are_taken_from_the_same_containers(tmp_path: Path) -> None:
    table = "id,text\n1,窦性\n2,\n3,早搏\n".encode("gb18030")
    assert texts_of(written(tmp_path, "a.csv", table), CONFIG) == (["窦性", "早搏"], 1)
    assert texts_of(zipped(tmp_path, {"a.csv": table, "b.json": '["房颤"]'.encode()}), CONFIG).texts[0] == "房颤"
    lines = written(tmp_path, "a.jsonl", f"{json.dumps(ROWS[1])}\nbroken\n{json.dumps(ROWS[7])}")
    assert texts_of(lines, CONFIG) == ([TEXT, TEXT], 1)
    conll = written(tmp_path, "a.conll", tagged(SCHEMES["BIOES"]))
    assert texts_of(conll, CONFIG) == ([TEXT], 0)


# As Label Studio writes it ----------------------------------------------------------------------------

REPORTS = Path(__file__).resolve().parents[2] / "examples" / "ecg_reports"


@pytest.mark.parametrize("form", ["JSON", "JSON_MIN", "CSV", "TSV"])
@pytest.mark.parametrize("configured", [False, True])
def test_an_export_in_each_form_that_holds_spans_gives_the_same_dataset(
    tmp_path: Path, form: str, configured: bool
) -> None:
    from label_studio_sdk.converter import Converter

    xml = (REPORTS / "label_config.xml").read_text("utf-8")
    Converter(xml, str(tmp_path)).convert(str(REPORTS / "seed10.json"), str(tmp_path / "out"), form, is_dir=False)
    (exported,) = (tmp_path / "out").iterdir()
    config = parse_label_config(xml) if configured else None
    found, wanted = (read(path, config).dataset for path in (exported, REPORTS / "seed10.json"))
    assert found.reports == wanted.reports
    assert found.hash == wanted.hash
