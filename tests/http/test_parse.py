"""POST /api/parse as people call it: every form in, every form out, and what is refused."""

from __future__ import annotations

import csv
import io
import json
import logging
import re
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import docx
import httpx
import pytest
from pydantic import SecretStr
from starlette.testclient import TestClient

from backend.http.app import create_app
from backend.http.bodies_to_parse import DOCX
from backend.http.parse import BATCH_LIMIT
from backend.http.parse_openapi import BATCH_EXAMPLE, CSV, REPORT, TEXT
from backend.ner.spans import Span
from backend.registry import RULES_VERSION, Registry
from backend.rules import SpanMemory
from backend.settings import Settings
from tests.test_registry import card

NDJSON = {"Accept": "application/x-ndjson"}
GOLD = Path(__file__).parents[2] / "examples" / "ecg_reports" / "gold.json"
SECRET = "张三心率72次/分"
"""A report that must show up in no error and no log line."""


def post(client: TestClient | httpx.Client, body: Any, **options: Any) -> Any:
    return client.post("/api/parse", content=json.dumps(body), **options)


def upload(client: TestClient, content: bytes, kind: str, query: str = "") -> Any:
    return client.post(f"/api/parse{query}", content=content, headers={"Content-Type": kind})


def word(*paragraphs: str) -> bytes:
    document, file = docx.Document(), io.BytesIO()
    for paragraph in paragraphs:
        document.add_paragraph(paragraph)
    document.save(file)
    return file.getvalue()


def lines(answer: Any) -> list[dict[str, Any]]:
    return [json.loads(line) for line in answer.text.splitlines()]


def rows(answer: Any) -> list[dict[str, str]]:
    assert answer.content.startswith(b"\xef\xbb\xbf"), "Excel needs the byte order mark"
    return list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))


@pytest.fixture
def texts() -> list[str]:
    return [task["data"]["text"] for task in json.loads(GOLD.read_text("utf-8"))[:70]]


# Forms in and out ---------------------------------------------------------------------------------


def test_one_text_gives_one_report(client: TestClient) -> None:
    answer = post(client, {"text": TEXT})
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")
    assert answer.json() == REPORT


def test_the_documented_examples_are_what_it_answers(client: TestClient) -> None:
    documented = client.get("/openapi.json").json()["paths"]["/api/parse"]["post"]
    asked = documented["requestBody"]["content"]["application/json"]["examples"]
    assert post(client, asked["one"]["value"]).json() == REPORT
    assert post(client, asked["ids"]["value"]).json() == BATCH_EXAMPLE
    assert len(post(client, {**asked["several"]["value"], "project": None}).json()) == 2
    assert post(client, {"text": TEXT, "format": "csv"}).content.decode("utf-8-sig") == CSV
    assert {"200", "400", "401", "404", "413", "415", "422"} <= set(documented["responses"])


def test_several_texts_give_a_list_in_order(client: TestClient, texts: list[str]) -> None:
    answer = post(client, {"texts": texts}).json()
    assert [found["id"] for found in answer] == list(range(1, 71))
    assert [found["report"] for found in answer] == [post(client, {"text": text}).json() for text in texts]


def test_ids_come_back(client: TestClient) -> None:
    body = [{"id": "甲-1", "text": "窦性心律"}, {"id": 7, "text": "室早"}, {"text": "房早"}, "房颤"]
    assert [found["id"] for found in post(client, body).json()] == ["甲-1", 7, 3, 4]


def test_a_stream_has_one_line_per_text_in_order(client: TestClient, texts: list[str]) -> None:
    answer = post(client, {"texts": texts}, headers=NDJSON)
    assert answer.headers["Content-Type"].startswith("application/x-ndjson")
    assert answer.text.endswith("\n")
    assert lines(answer) == post(client, {"texts": texts}).json()
    assert post(client, {"texts": texts, "format": "ndjson"}).content == answer.content


def test_csv_has_a_row_per_item_and_opens_in_excel(client: TestClient) -> None:
    answer = post(
        client, [{"id": "甲", "text": TEXT}, {"id": "乙", "text": "窦性心律"}], headers={"Accept": "text/csv"}
    )
    assert answer.headers["Content-Disposition"] == 'attachment; filename="reports.csv"'
    found = [(row["report"], row["item"], row["text"]) for row in rows(answer)]
    assert found == [
        ("甲", "heart_rate", "72次/分"),
        ("甲", "measurement", "12次"),
        ("甲", "event", "室性早搏"),
        ("乙", "diagnosis", "窦性心律"),
    ]
    assert b"\r\n" in answer.content


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
def test_a_text_file_is_decoded(client: TestClient, encoding: str) -> None:
    answer = upload(client, "窦性心律，\r\n心率72次/分".encode(encoding), "text/plain")
    assert [rate["value"] for rate in answer.json()["heart_rates"]] == [72]


def test_a_word_document_is_one_report(client: TestClient) -> None:
    answer = upload(client, word("平均心率72次/分", "诊断：窦性心律"), DOCX)
    assert [found["canonical"] for found in answer.json()["diagnoses"]] == ["窦性心律"]


def test_csv_and_json_lines_are_many_reports(client: TestClient) -> None:
    table = upload(client, "号,报告\r\n1,室早\r\n2,\r\n".encode("gb18030"), "text/csv", "?column=报告").json()
    assert [("report" in found, "error" in found) for found in table] == [(True, False), (False, True)]
    many = upload(client, '{"text": "室早"}\n"房早"\n'.encode(), "application/x-ndjson", "?format=ndjson")
    assert [found["report"]["events"][0]["text"] for found in lines(many)] == ["室早", "房早"]


def test_a_stray_quote_costs_its_row_alone(client: TestClient) -> None:
    found = upload(client, 'text\n室早\n"QRS"R"型"\n房早\n'.encode(), "text/csv").json()
    assert ["report" in row for row in found] == [True, False, True]
    assert found[1]["value"] == "line 3"


def test_a_form_takes_one_file_or_several(client: TestClient) -> None:
    one = client.post("/api/parse", files={"file": ("报告.docx", word("室早"))})
    assert one.json()["events"][0]["text"] == "室早"
    sent = [("file", ("a.txt", "室早".encode())), ("file", ("b.docx", b"no zip")), ("file", ("c.txt", "房早".encode()))]
    several = client.post("/api/parse", files=sent, data={"format": "ndjson"})
    assert [found["id"] for found in lines(several)] == ["a.txt", "b.docx", "c.txt"]
    assert ["error" in found for found in lines(several)] == [False, True, False]


def test_a_document_that_is_odd_inside_costs_only_itself(client: TestClient) -> None:
    with zipfile.ZipFile(io.BytesIO(word("室早"))) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    odd = io.BytesIO()
    with zipfile.ZipFile(odd, "w") as archive:
        for name, content in {**parts, "word/document.xml": b"<html/>"}.items():
            archive.writestr(name, content)
    assert upload(client, odd.getvalue(), DOCX).status_code == 400
    sent = [("file", ("a.docx", odd.getvalue())), ("file", ("b.txt", "室早".encode()))]
    assert ["error" in found for found in client.post("/api/parse", files=sent).json()] == [True, False]


def test_a_table_with_one_row_is_a_list_in_every_form(client: TestClient) -> None:
    table = "text\n室早\n".encode()
    for answer in (
        upload(client, table, "text/csv"),
        client.post("/api/parse", files={"file": ("pool.CSV", table)}),
        upload(client, '"室早"\n'.encode(), "application/x-ndjson"),
    ):
        assert [found["report"]["events"][0]["text"] for found in answer.json()] == ["室早"]


def test_curl_without_a_content_type_is_understood(client: TestClient) -> None:
    sent = json.dumps({"text": TEXT}, ensure_ascii=False).encode()
    assert upload(client, sent, "application/x-www-form-urlencoded").json() == REPORT


@pytest.mark.parametrize("form", ["json", "csv", "ndjson"])
def test_the_same_input_gives_the_same_bytes(client: TestClient, texts: list[str], form: str) -> None:
    first, again = (post(client, {"texts": texts, "format": form}).content for _ in range(2))
    assert first == again


# One bad report costs only itself -----------------------------------------------------------------


@pytest.mark.parametrize(
    "bad", ["", " \n", 7, None, ["x"], {"id": 1}, {"text": 3}, "\ud800", "心" * 20_001, "心" * 10**6]
)
@pytest.mark.parametrize("form", ["json", "ndjson"])
def test_a_bad_text_costs_only_its_own_place(client: TestClient, bad: Any, form: str) -> None:
    answer = post(client, {"texts": ["室早", bad, "室早"], "format": form})
    first, failed, third = answer.json() if form == "json" else lines(answer)
    assert first["report"] == third["report"]
    assert all(failed[part] for part in ("error", "value", "hint"))
    assert failed["id"] in (1, 2)


def test_a_bad_text_is_one_row_of_csv_and_its_id_no_formula(client: TestClient) -> None:
    answer = post(client, ["室早", {"id": '=HYPERLINK("http://x")', "text": ""}], headers={"Accept": "text/csv"})
    found = [(row["report"], row["item"]) for row in rows(answer)]
    assert found == [("1", "event"), ('\'=HYPERLINK("http://x")', "error")]


def test_a_batch_of_bad_texts_only_is_answered(client: TestClient) -> None:
    assert ["error" in found for found in post(client, {"texts": ["", 3]}).json()] == [True, True]


# Refusals -----------------------------------------------------------------------------------------

BOMB = io.BytesIO()
with zipfile.ZipFile(BOMB, "w", zipfile.ZIP_DEFLATED) as archive:
    archive.writestr("word/document.xml", b"\0" * (60 * 1024 * 1024))

EMPTY_FORM = b'--b\r\nContent-Disposition: form-data; name="x"\r\n\r\ny\r\n--b--'

REFUSED: list[tuple[str, bytes, str, int]] = [
    ("no JSON", SECRET.encode(), "application/json", 400),
    ("GB18030 JSON", f'{{"text": "{SECRET}"}}'.encode("gb18030"), "application/json", 400),
    ("a string", json.dumps(SECRET).encode(), "application/json", 400),
    ("neither", b"{}", "application/json", 400),
    ("both", json.dumps({"text": SECRET, "texts": [SECRET]}).encode(), "application/json", 400),
    ("texts a string", json.dumps({"texts": SECRET}).encode(), "application/json", 400),
    ("no texts", b'{"texts": []}', "application/json", 400),
    ("an empty list", b"[]", "application/json", 400),
    ("empty", b"", "application/json", 400),
    ("empty text file", b"", "text/plain", 400),
    ("text a number", b'{"text": 72}', "application/json", 400),
    ("text null", b'{"text": null}', "application/json", 400),
    ("blank", b'{"text": " \\n"}', "application/json", 400),
    ("lone surrogate", b'{"text": "\\ud800"}', "application/json", 400),
    ("unknown form", json.dumps({"text": SECRET, "format": "xml"}).encode(), "application/json", 400),
    ("project a list", json.dumps({"text": SECRET, "project": [1]}).encode(), "application/json", 400),
    ("unknown project", json.dumps({"text": SECRET, "project": 99}).encode(), "application/json", 404),
    ("project a path", json.dumps({"text": SECRET, "project": "../1"}).encode(), "application/json", 404),
    ("5 MB of text", json.dumps({"text": SECRET * 500_000}).encode(), "application/json", 413),
    ("a 6 MB text file", b"a" * (6 * 1024 * 1024), "text/plain", 413),
    ("a long text file", SECRET.encode() * 10_000, "text/plain", 413),
    ("binary", bytes(range(256)) * 9, "text/plain", 400),
    ("a picture", b"\x89PNG\r\n\x1a\n" + bytes(99), "text/plain", 400),
    ("blank text file", b" \r\n", "text/plain", 400),
    ("text as docx", SECRET.encode(), DOCX, 400),
    ("zip bomb", BOMB.getvalue(), DOCX, 413),
    ("no column", f"x\n{SECRET}\n".encode(), "text/csv", 400),
    ("broken line", f'{{"text": "{SECRET}"\n'.encode(), "application/x-ndjson", 400),
    ("pdf", b"%PDF-1.4", "application/pdf", 415),
    ("no boundary", b"x", "multipart/form-data", 400),
    ("no file", EMPTY_FORM, "multipart/form-data; boundary=b", 400),
]  # fmt: skip


@pytest.mark.parametrize(("content", "kind", "status"), [c[1:] for c in REFUSED], ids=[c[0] for c in REFUSED])
def test_what_cannot_be_parsed_is_refused_without_quoting_it(
    client: TestClient, caplog: pytest.LogCaptureFixture, content: bytes, kind: str, status: int
) -> None:
    caplog.set_level(logging.DEBUG)
    answer = upload(client, content, kind)
    assert answer.status_code == status
    assert set(answer.json()) == {"error", "value", "hint"}
    assert answer.json()["error"]
    assert answer.json()["hint"]
    own = "\n".join(record.getMessage() for record in caplog.records if not record.name.startswith("httpx"))
    for said in ("张三", "\\u5f20", "72次"):
        assert said not in answer.text
        assert said not in own


def test_too_many_reports_for_one_answer_may_be_streamed(client: TestClient) -> None:
    many = {"texts": [""] * (BATCH_LIMIT + 1)}
    refused = post(client, many)
    assert (refused.status_code, "x-ndjson" in refused.json()["hint"]) == (413, True)
    assert len(lines(post(client, many, headers=NDJSON))) == BATCH_LIMIT + 1


def test_the_api_key_is_asked_for(make_settings: Callable[..., Settings]) -> None:
    with TestClient(create_app(make_settings(api_key=SecretStr("k")))) as client:
        assert post(client, {"text": TEXT}).status_code == 401
        assert post(client, {"text": TEXT}, headers={"Authorization": "Bearer k"}).json() == REPORT


def test_only_the_root_and_the_list_of_routes_are_open(make_settings: Callable[..., Settings]) -> None:
    secrets = {name: SecretStr("u:p") for name in ("api_key", "basic_auth", "webhook_secret")}
    with TestClient(create_app(make_settings(**secrets))) as client:
        paths = client.get("/openapi.json").json()["paths"]
        routes = [(method, re.sub(r"{\w+}", "1", path)) for path, known in paths.items() for method in known]
        answers = {route: client.request(*route, content=b"{}").status_code for route in routes}
    assert answers.pop(("get", "/")) == 200
    assert set(answers.values()) == {401}


# Who answers --------------------------------------------------------------------------------------


def serve(registry: Registry, project: str, config: str, steps: int = 0) -> str:
    """A version that knows one term serves the project; with steps it says it has a network."""
    made = card(1, project=project)
    made = made.model_copy(update={"training": made.training.model_copy(update={"steps": steps})})
    folder = registry.new_folder(project)
    memory = SpanMemory.from_reports([(f"龘靐{project}型", [Span(0, 4, "EVENT")])])
    (folder / "memory.json").write_text(memory.to_json(), "utf-8")
    registry.publish(made, folder)
    registry.remember_label_config(project, config)
    registry.promote(project, made.version)
    return made.version


def test_the_version_that_serves_the_project_answers(client: TestClient, settings: Settings, label_config: str) -> None:
    version = serve(Registry(settings.home), "3", label_config)
    for body, query in (({"project": "3"}, ""), ({"project": 3}, ""), ({}, "?project=3")):
        answer = client.post(f"/api/parse{query}", json={"text": "可见龘靐3型", **body}).json()
        assert (answer["version"], answer["events"][0]["source"]) == (version, "memory")


def test_without_a_project_rules_answer_unless_one_network_serves(
    client: TestClient, settings: Settings, label_config: str
) -> None:
    registry = Registry(settings.home)
    serve(registry, "3", label_config)
    assert post(client, {"text": TEXT}).json()["version"] == RULES_VERSION
    serve(registry, "4", label_config, steps=5)
    answer = post(client, {"text": TEXT})
    assert answer.status_code == 500, "it has no files, and the rules do not step in silently"
    assert "tokenizer" in answer.json()["error"]
    serve(registry, "5", label_config, steps=5)
    assert post(client, {"text": TEXT}).json()["version"] == RULES_VERSION


def test_a_project_without_configuration_is_refused(client: TestClient, settings: Settings) -> None:
    Registry(settings.home).folder("3").mkdir(parents=True)
    assert post(client, {"text": TEXT, "project": "3"}).status_code == 422


# Beside other work --------------------------------------------------------------------------------


def test_health_answers_while_a_large_batch_is_parsed(server: httpx.Client, texts: list[str]) -> None:
    done = threading.Event()

    def parse() -> None:
        with httpx.Client(base_url=server.base_url, timeout=60, trust_env=False) as client:
            assert len(lines(post(client, {"texts": texts * 30}, headers=NDJSON))) == 2100
        done.set()

    threading.Thread(target=parse).start()
    answered = 0
    while not done.is_set():
        assert server.get("/health").status_code == 200
        answered += 1
        time.sleep(0.01)
    assert answered > 3


def test_a_stream_comes_in_pieces(server: httpx.Client, texts: list[str]) -> None:
    with server.stream("POST", "/api/parse", json={"texts": texts}, headers=NDJSON) as answer:
        pieces: Iterator[bytes] = answer.iter_raw()
        first = next(pieces)
        assert first.count(b"\n") <= 32
        assert first.count(b"\n") + sum(piece.count(b"\n") for piece in pieces) == 70


def test_long_reports_come_in_smaller_pieces(server: httpx.Client) -> None:
    texts = ["心" * 9_000] * 5
    with server.stream("POST", "/api/parse", json={"texts": texts}, headers=NDJSON) as answer:
        pieces = [piece.count(b"\n") for piece in answer.iter_raw() if piece]
    assert sum(pieces) == 5
    assert pieces[0] <= 2
