"""Word and RTF documents sent to POST /api/parse: what was read, what was not, and where the offsets belong."""

from __future__ import annotations

import csv
import io
import zipfile
from typing import Any

import docx
import pytest
from starlette.testclient import TestClient

from backend.http.bodies_to_parse import DOCX

BODY = "窦性心律，室早"
RTF = b"{\\rtf1\\ansi\\ansicpg936 " + "".join(f"\\'{byte:02x}" for byte in BODY.encode("gbk")).encode() + b"}"


def upload(client: TestClient, content: bytes, kind: str, query: str = "") -> Any:
    return client.post(f"/api/parse{query}", content=content, headers={"Content-Type": kind})


def word(text: str, header: str = "") -> bytes:
    document, file = docx.Document(), io.BytesIO()
    document.add_paragraph(text)
    document.sections[0].header.paragraphs[0].text = header
    document.save(file)
    return file.getvalue()


def test_what_a_document_holds_besides_its_text_is_named_in_the_answer(client: TestClient) -> None:
    sent = word("室早", "某医院")
    assert upload(client, sent, DOCX).json()["left_out"] == ["page header"]
    shown = upload(client, sent, DOCX, "?format=csv").content.decode("utf-8-sig")
    rows = csv.DictReader(io.StringIO(shown, newline=""))
    assert ("left out", "page header") in [(row["item"], row["text"]) for row in rows]


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (RTF, "application/rtf"),
        (RTF, "text/rtf"),
        (RTF, "text/plain"),
        (RTF, "application/msword"),
        (word(BODY), "application/msword"),
        (word(BODY), DOCX),
    ],
)
def test_offsets_of_a_document_are_those_of_the_text_that_the_answer_carries(
    client: TestClient, content: bytes, kind: str
) -> None:
    report = upload(client, content, kind).json()
    (event,) = report["events"]
    assert report["document_text"].strip() == BODY
    assert report["document_text"][event["start"] : event["end"]] == event["text"] == "室早"


def test_plain_text_sent_as_a_word_document_of_old_is_read_and_not_repeated(client: TestClient) -> None:
    report = upload(client, "室早".encode(), "application/msword").json()
    assert report["events"][0]["text"] == "室早"
    assert "document_text" not in report


def test_what_openapi_says_of_documents_is_what_is_answered(client: TestClient) -> None:
    told = client.get("/openapi.json").json()
    schemas = told["components"]["schemas"]
    asked = told["paths"]["/api/parse"]["post"]["requestBody"]["content"]
    assert {DOCX, "application/msword", "application/rtf"} <= asked.keys()
    answered = upload(client, word("室早", "某医院"), DOCX).json()
    assert {"left_out", "document_text"} <= answered.keys() <= schemas["DocumentReport"]["properties"].keys()
    assert {"left_out", "document_text"} <= schemas["ParsedReport"]["properties"].keys()


W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
STRICT = "http://purl.oclc.org/ooxml/wordprocessingml/main"


def run(text: str) -> str:
    return f"<w:r><w:t>{text}</w:t></w:r>"


def control(inside: str) -> str:
    return f"<w:sdt><w:sdtPr><w:text/></w:sdtPr><w:sdtContent>{inside}</w:sdtContent></w:sdt>"


def inserted(text: str) -> str:
    return f'<w:ins w:id="1" w:author="A">{run(text)}</w:ins>'


DELETED = '<w:del w:id="2" w:author="A"><w:r><w:delText>70</w:delText></w:r></w:del>'
BLOCK = f"<w:p>{run('结论：急性心肌梗死')}</w:p>"
VT = ("室性心动过速", "excluded")
SHOWN: list[tuple[str, str, int, list[tuple[str, str]]]] = [
    (f"<w:p>{run('平均心率')}{DELETED}{inserted('172')}{run('次/分，')}{inserted('未见')}{run('室性心动过速')}</w:p>"
     f"<w:p>{inserted('结论：急性心肌梗死')}</w:p>", W, 172, [VT, ("急性心肌梗死", "stated")]),
    (f"<w:p>{run('平均心率')}{control(run('172'))}{run('次/分，')}{control(run('未见'))}{run('室性心动过速')}</w:p>",
     W, 172, [VT]),
    (f"<w:p>{run('动态心电图报告')}</w:p>{control(BLOCK)}"
     f"<w:p>{run('平均心率72次/分')}</w:p>", W, 72, [("急性心肌梗死", "stated")]),
    (f"<w:p>{run('窦性心律，心率72次/分')}</w:p>", STRICT, 72, [("窦性心律", "stated")]),
]  # fmt: skip


@pytest.mark.parametrize(("body", "space", "rate", "said"), SHOWN)
def test_a_document_says_what_word_shows(
    client: TestClient, body: str, space: str, rate: int, said: list[tuple[str, str]]
) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("word/document.xml", f'<w:document xmlns:w="{space}"><w:body>{body}</w:body></w:document>')
        dangling = '<Relationships><Relationship Id="r1" Type="x/image" Target="media/gone.png"/></Relationships>'
        archive.writestr("word/_rels/document.xml.rels", dangling)
    report = upload(client, file.getvalue(), DOCX).json()
    assert [found["value"] for found in report["heart_rates"]] == [rate]
    found = [*report["events"], *report["diagnoses"]]
    assert [(one["canonical"], one["certainty"]) for one in found] == said


def test_a_report_of_wordpad_is_read_under_any_name(client: TestClient) -> None:
    body = "".join(f"\\'{byte:02x}" for byte in "窦性心律，心率72次/分，室性早搏5次".encode("gbk"))
    head = r"{\rtf1\ansi\ansicpg936\deff0{\fonttbl{\f0\fnil\fcharset134 SimSun;}}\viewkind4\uc1\pard\lang2052\f0\fs24 "
    sent = (head + body + r"\par}").encode()
    for name in ("report.txt", "report.doc", "report.docx", "report.rtf"):
        report = client.post("/api/parse", files={"file": (name, sent)}).json()
        assert [found["count"] for found in report["events"]] == [5]
