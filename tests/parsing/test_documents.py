import contextlib
import csv
import io
import json
import re
import zipfile
from pathlib import Path

import docx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.errors import BadRequest
from backend.parsing import documents
from backend.parsing.documents import LIMIT, TooLarge, decode, read

POOL = Path(__file__).parents[2] / "examples" / "ecg_reports" / "gold.json"
REPORT = "窦性心律，平均心率72次/分\r\n室早５次"


def texts(*document):
    return read(*document).texts


@pytest.fixture
def word() -> bytes:
    """A document with a table between two paragraphs."""
    document = docx.Document()
    document.add_paragraph("动态心电图报告")
    table = document.add_table(2, 3)
    for column, (name, value) in enumerate((("平均", "72"), ("最快", "118"), ("最慢", "45"))):
        table.cell(0, column).text, table.cell(1, column).text = name, value
    document.add_paragraph("诊断：窦性心律")
    return saved(document)


def saved(document) -> bytes:
    file = io.BytesIO()
    document.save(file)
    return file.getvalue()


def zipped(parts: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return file.getvalue()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030", "gbk"])
def test_texts_are_decoded_and_line_ends_kept(encoding):
    assert texts(REPORT.encode(encoding), "报告.TXT") == [REPORT]


def test_big_endian_utf_16_is_known_by_its_mark():
    assert decode(b"\xfe\xff" + REPORT.encode("utf-16-be")) == REPORT


def test_reports_and_their_clauses_in_gb18030_are_not_taken_for_utf_8():
    pool = [task["data"]["text"] for task in json.loads(POOL.read_text("utf-8"))]
    clauses = [clause for text in pool for clause in re.split("[\n，。；,;]", text) if len(clause) > 2]
    assert len(clauses) > 1_000
    assert all(decode(text.encode("gb18030")) == text for text in (*pool, *clauses))


TRADITIONAL = ["竇性心律，心率72次/分。", "心房顫動", "完全性右束支傳導阻滯", "竇性心律", "ST段壓低0.1mV", "正常心電圖"]


@pytest.mark.parametrize("text", TRADITIONAL)
def test_big5_is_refused_by_name_and_not_read_as_other_characters(text):
    assert decode(text.encode("gb18030")) == text
    rows = f"text,id\n{text},1\n".encode("big5")
    for data, name in ((text.encode("big5"), "a.txt"), (rows, "a.csv")):
        with pytest.raises(BadRequest, match=r"seems to be Big5. Save it as UTF-8: UTF-8, GB18030 .* are read"):
            texts(data, name)


def test_signs_of_two_bytes_in_utf_8_are_not_taken_for_gb18030():
    assert decode("axis 45°, 5 µV ± 1, QTc 440 ms²".encode()) == "axis 45°, 5 µV ± 1, QTc 440 ms²"


def test_text_that_ends_within_a_character_is_refused_and_not_read_as_gb18030():
    with pytest.raises(BadRequest, match="neither UTF-8 nor GB18030"):
        decode("窦性心律，心率正常".encode()[:-1])


@pytest.mark.parametrize(
    "data",
    [
        b"\x00\x01\x02" * 9,
        bytes(range(256)),
        b"%PDF-1.7 ...",
        b"\xff\xd8\xff\xe0jpeg",
        b"\x1b\x02\x03abcd",
        b"\xff" * 40,
    ],
)
def test_binary_content_is_refused(data):
    with pytest.raises(BadRequest):
        texts(data, "a.txt")


@pytest.mark.parametrize("data", [b"", b" \r\n\t", b"\xef\xbb\xbf"])
def test_an_empty_document_is_refused(data):
    with pytest.raises(BadRequest, match="has no text"):
        texts(data)


def test_more_than_the_limit_is_refused_whatever_it_is():
    with pytest.raises(TooLarge, match=f"{LIMIT + 1} bytes") as caught:
        texts(b"a" * (LIMIT + 1))
    assert caught.value.status == 413
    assert texts(b"a" * LIMIT)


@pytest.mark.parametrize("name", ["a.wps", "a.pdf", "a.png"])
def test_unknown_kinds_are_refused_by_their_suffix(name):
    with pytest.raises(BadRequest, match="cannot be read: " + name[1:].replace(".", r"\.")):
        texts(b"x", name)


def test_word_documents_are_read_in_order_with_their_tables(word):
    assert texts(word, "a.docx") == ["动态心电图报告\n平均\t最快\t最慢\n72\t118\t45\n诊断：窦性心律"]


def test_the_table_of_a_word_document_gives_kinds(word, structured):
    (text,) = texts(word, "a.docx")
    assert [(rate.value, rate.kind) for rate in structured(text).heart_rates] == [
        (72, "mean"),
        (118, "fastest"),
        (45, "slowest"),
    ]


def test_merged_and_nested_cells_are_read_once():
    document = docx.Document()
    table = document.add_table(1, 3)
    table.cell(0, 0).merge(table.cell(0, 1)).text = "室早"
    table.cell(0, 2).add_table(1, 1).cell(0, 0).text = "房早"
    assert texts(saved(document), "a.docx") == ["室早\t房早"]


def test_a_cell_that_claims_a_billion_columns_costs_nothing(word):
    with zipfile.ZipFile(io.BytesIO(word)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    body = parts["word/document.xml"]
    parts["word/document.xml"] = body.replace(b"<w:tcPr>", b'<w:tcPr><w:gridSpan w:val="999999999"/>')
    assert b"999999999" in parts["word/document.xml"]
    assert "72\t118\t45" in texts(zipped(parts), "a.docx")[0]


@pytest.mark.parametrize(
    "data",
    [
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\x00" * 500,
        "窦性心律".encode(),
        zipped({"hello.txt": b"x"}),
        zipped({"word/document.xml": b"<w:document/>"}),
        zipped({"word/document.xml": b"<", "[Content_Types].xml": b"<Types/>"}),
    ],
    ids=["encrypted", "text", "other archive", "no relations", "broken"],
)
def test_what_is_no_word_document_is_refused(data):
    with pytest.raises(BadRequest) as caught:
        texts(data, "a.docx")
    assert "窦性" not in str(caught.value)


NAMESPACE = b"http://schemas.openxmlformats.org/wordprocessingml/2006/main"


@pytest.mark.parametrize(
    "body",
    [
        b'<w:document xmlns:w="%s"/>' % NAMESPACE,
        b"<html/>",
        b"<html><body><p>x</p></body></html>",
        b'<w:document xmlns:w="%s"><w:body><w:tbl><w:tr/></w:tbl></w:body></w:document>' % NAMESPACE,
        b'<w:document xmlns:w="%s"><w:body>%s</w:body></w:document>'
        % (NAMESPACE, b"<w:tbl><w:tr><w:tc>" * 400 + b"</w:tc></w:tr></w:tbl>" * 400),
    ],
    ids=["no body", "another root", "a web page", "a table without columns", "tables in tables"],
)
def test_an_archive_whose_document_is_odd_is_refused_like_a_damaged_one(word, body):
    with pytest.raises(BadRequest):
        texts(with_body(word, body), "a.docx")


def with_body(word: bytes, body: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(word)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    return zipped({**parts, "word/document.xml": body})


def test_a_cut_word_document_is_refused(word):
    for size in range(0, len(word), 997):
        with pytest.raises(BadRequest):
            texts(word[:size], "a.docx")


def test_a_damaged_word_document_is_refused_or_read(word):
    for at in range(200, len(word), 1501):
        damaged = word[:at] + b"\xff\x00\xff" + word[at + 3 :]
        with contextlib.suppress(BadRequest):
            assert texts(damaged, "a.docx")


def test_a_zip_bomb_is_refused_before_it_is_unpacked():
    bomb = zipped({"word/document.xml": b"\x00" * (documents.UNPACKED_LIMIT + 1)})
    assert len(bomb) < LIMIT
    with pytest.raises(TooLarge, match="unpacks to too much"):
        texts(bomb, "a.docx")


def test_an_archive_of_too_many_parts_is_refused():
    with pytest.raises(TooLarge, match="parts"):
        texts(zipped({f"{i}": b"" for i in range(documents.PARTS_LIMIT + 1)}), "a.docx")


def test_entities_are_not_expanded(word):
    with zipfile.ZipFile(io.BytesIO(word)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    declaration = b'<!DOCTYPE d [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>'
    head, body = parts["word/document.xml"].split(b"?>", 1)
    parts["word/document.xml"] = head + b"?>" + declaration + body.replace("诊断".encode(), b"&b;")
    with contextlib.suppress(BadRequest):
        assert "aaaa" not in texts(zipped(parts), "a.docx")[0]


def test_a_word_document_with_more_text_than_the_limit_is_refused():
    document = docx.Document()
    document.add_paragraph("心" * (LIMIT // 3 + 1))
    with pytest.raises(TooLarge, match="text is too large"):
        texts(saved(document), "a.docx")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "gb18030"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_csv_gives_one_text_per_row(encoding, separator):
    rows = [["id", "text"], ["1", '"窦性心律,\r\n心率72次/分"'], ["2", ""], ["3", "室早"]]
    data = "\r\n".join(separator.join(row) for row in rows).encode(encoding)
    first, blank, last = texts(data, "a.csv")
    assert (first, str(blank), last) == (
        "窦性心律,\r\n心率72次/分",
        "The report has no text: line 4. Send a report.",
        "室早",
    )


@pytest.mark.parametrize("name", ["a.doc", "a.rtf", "A.DOC"])
def test_plain_text_under_the_name_of_a_document_is_read_as_text(name):
    assert texts(REPORT.encode("gb18030"), name) == [REPORT]


def test_a_malformed_header_of_a_table_is_named_and_not_quoted():
    with pytest.raises(BadRequest, match="header of the CSV file is malformed: line 1") as caught:
        texts('"窦性"心律,text\n室早,1\n'.encode(), "a.csv")
    assert "窦" not in str(caught.value)


TEXTS = st.lists(st.text('窦室早 ,;\t"\n{}[]72', min_size=1).filter(str.strip), min_size=1, max_size=6)


@given(rows=TEXTS, bad=st.sampled_from(['"室', '"室"早', "室\x00", "室,1,2,3", "室"]), data=st.data())
def test_whatever_the_rows_are_a_bad_one_costs_itself_alone(rows, bad, data):
    place = data.draw(st.integers(0, len(rows)))
    file = io.StringIO()
    csv.writer(file, quoting=csv.QUOTE_ALL).writerows((number, row, "x") for number, row in enumerate(rows[:place]))
    before = f"id,text,more\r\n{file.getvalue()}"
    csv.writer(file, quoting=csv.QUOTE_ALL).writerows((number, row, "x") for number, row in enumerate(rows[place:]))
    after = file.getvalue().removeprefix(before.partition("\n")[2])
    found = texts(f"{before}9,{bad}\r\n{after}".encode(), "a.csv")
    assert [text for text in found if isinstance(text, str)] == rows
    assert [text.value for text in found if isinstance(text, BadRequest)] == [f"line {before.count(chr(10)) + 1}"]


@given(rows=TEXTS, bad=st.sampled_from(["{", '{"text": "室', "室早", '{"text": 7}']), data=st.data())
def test_whatever_the_lines_are_a_broken_one_costs_itself_alone(rows, bad, data):
    place = data.draw(st.integers(0, len(rows)))
    lines = [json.dumps({"text": row}, ensure_ascii=False) for row in rows]
    found = texts("\n".join([*lines[:place], bad, *lines[place:]]).encode(), "a.jsonl")
    assert found.pop(place).value == f"line {place + 1}"
    assert found == rows


@pytest.mark.parametrize("line", ["sep=;\r\n", '"sep=;"\n', "SEP=;\n"])
def test_the_line_that_tells_a_spreadsheet_the_separator_is_no_header(line):
    assert texts(f"{line}id;text\n1;窦性,心律\n".encode(), "a.csv") == ["窦性,心律"]


def test_csv_takes_the_named_column():
    assert texts("报告,text\n窦性心律,x".encode(), "a.csv", "报告") == ["窦性心律"]


def test_a_csv_without_the_column_says_so_without_quoting_the_file():
    with pytest.raises(BadRequest, match=r"lacks the column: text.*--column") as caught:
        texts("窦性心律,心率72次/分\n".encode(), "a.csv")
    assert "窦性" not in str(caught.value)


@pytest.mark.parametrize("head", ["text,id,text", " text ,text", "text,\ufefftext"])
def test_two_columns_of_the_name_are_refused(head):
    with pytest.raises(BadRequest, match=r"2 columns of the name: text.*--column"):
        texts(f"{head}\n窦性心律,1,x\n".encode(), "a.csv")
    row = "1," * (head.count(",") + 1)
    assert texts(f"{head},报告\n{row}房早\n".encode(), "a.csv", "报告") == ["房早"]


def test_two_texts_in_a_line_of_json_are_refused_by_its_line():
    found = texts('{"text": "窦性", "text": "房早"}\n{"text": "室早", "id": 1, "id": 2}'.encode(), "a.jsonl")
    assert (found[0].what, found[0].value, found[1]) == ("The line holds several texts", "line 1", "室早")


BAD_ROWS = ['"窦性', '"窦性"心律', "窦性\x00", "窦性,1,2", "窦性,心律,3"]


@pytest.mark.parametrize("row", BAD_ROWS)
@pytest.mark.parametrize("place", [0, 1, 3])
def test_a_bad_row_costs_itself_alone_and_is_named_by_its_line_without_quoting_it(row, place):
    rows = ['"室早\r\n5次",1', "房早,2", '"a,b",3']
    rows.insert(place, f"{row},1")
    found = texts("\r\n".join(["text,id", *rows]).encode(), "a.csv")
    (bad,) = [text for text in found if isinstance(text, BadRequest)]
    assert [text for text in found if isinstance(text, str)] == ["室早\r\n5次", "房早", "a,b"]
    assert bad.value == f"line {2 + place + (place > 0)}"
    assert "窦" not in str(bad)


def test_a_byte_that_is_no_text_costs_its_row_alone():
    good, bad = "室早心律正常".encode(), b"\xff\xfe"
    first, lost, last = texts(b"text\n" + good + b"\n" + bad + b"\n" + good, "a.csv")
    assert (first, lost.value, last) == ("室早心律正常", "line 3", "室早心律正常")


def test_a_stray_quote_does_not_take_the_rows_up_to_the_next_quote_along():
    found = texts(b'id,text\n1,"a\n2,b\n3,"c"\n4,d\n', "a.csv")
    assert found[1:] == ["b", "c", "d"]
    assert found[0].value == "line 2"


@pytest.mark.parametrize("name", ["utf-8-sig", "utf-16", "utf-32", "utf-7"])
def test_a_byte_order_mark_sticks_to_no_column_name(name):
    text = "text,id\n窦性心律,1\n"
    data = text.encode("utf-8-sig") if name == "utf-8-sig" else f"\ufeff{text}".encode(name)
    assert texts(data, "a.csv") == ["窦性心律"]
    assert texts(f"\ufeff{text}".encode("gb18030"), "a.csv") == ["窦性心律"]
    assert texts("\ufeff\ufeff窦性心律".encode("utf-16-be"), "a.txt") == ["窦性心律"]


def test_json_lines_are_strings_or_objects():
    data = '"窦性心律"\r\n\n{"text": "室早", "id": 3}\n'.encode()
    assert texts(data, "a.jsonl") == ["窦性心律", "室早"]
    assert texts('{"报告": "室早"}'.encode(), "a.ndjson", "报告") == ["室早"]


@pytest.mark.parametrize(
    "line", ['{"text": 1}', '{"other": "窦性心律"}', "[1]", "null", "窦性心律", '{"text": "窦', "[" * 100_000]
)
def test_a_line_without_a_text_is_named_by_its_number_and_not_quoted(line):
    good, bad, last = texts(f'"室早"\n{line}\n"房早"'.encode(), "a.jsonl")
    assert (good, bad.value, last) == ("室早", "line 2", "房早")
    assert "窦" not in str(bad)
