"""Word and RTF documents sent to POST /api/parse: what was read, what was not, and where the offsets belong."""

from __future__ import annotations

import csv
import io
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
