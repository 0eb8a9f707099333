import csv
import io
import json

from backend.ner.spans import Span
from backend.parsing import parse
from backend.parsing.formats import COLUMNS, csv_lines, to_csv, to_json

TEXT = "平均心率72次/分，最快心率118次/分（14:02）。室早5次（1.2%）；电轴-41°"


def rows(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline="")))


def test_json_keeps_chinese_readable(structured):
    said = to_json(structured("窦性心律"))
    assert "窦性心律" in said
    assert "\n" not in said
    assert json.loads(said)["diagnoses"][0]["certainty"] == "stated"


def test_csv_opens_in_excel(structured):
    data = to_csv([("1", structured(TEXT))])
    assert data.startswith(b"\xef\xbb\xbfreport,item,")
    assert data.count(b"\r\n") == data.count(b"\n") == 1 + len(list(structured(TEXT).items()))


def test_csv_has_one_row_per_item(structured):
    found = rows(to_csv([("a.txt", structured(TEXT)), ("b.txt", structured("窦性心律"))]))
    assert [
        (row["report"], row["item"], row["canonical"], row["value"], row["kind"], row["clock"]) for row in found
    ] == [
        ("a.txt", "heart_rate", "", "72", "mean", ""),
        ("a.txt", "heart_rate", "", "118", "fastest", "14:02"),
        ("a.txt", "measurement", "", "5", "", ""),
        ("a.txt", "measurement", "", "1.2", "", ""),
        ("a.txt", "measurement", "电轴", "-41", "", ""),
        ("a.txt", "event", "室性早搏", "", "", ""),
        ("b.txt", "diagnosis", "窦性心律", "", "", ""),
    ]
    assert (found[5]["count"], found[5]["percent"], found[5]["certainty"]) == ("5", "1.2", "stated")


def test_cells_that_begin_like_a_formula_become_text_and_numbers_stay(structured):
    (row,) = rows(to_csv([("=HYPERLINK(1)", structured("电轴-41°"))]))
    assert row["report"] == "'=HYPERLINK(1)"
    assert row["text"] == "'-41°"
    assert row["value"] == "-41"


def test_quotes_separators_and_line_ends_survive_in_cells():
    text = '室早"成对",\n二联律'
    (row,) = rows(to_csv([("1", parse(text, [Span(0, len(text), "EVENT")], "1"))]))
    assert row["text"] == text


def test_the_stream_gives_the_same_bytes(structured):
    reports = [("1", structured(TEXT)), ("2", structured("")), ("3", structured("窦性心律"))]
    assert b"".join(csv_lines(iter(reports))) == to_csv(reports)
    assert to_csv([]).decode("utf-8-sig") == ",".join(COLUMNS) + "\r\n"
