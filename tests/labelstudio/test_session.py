"""What happens when Label Studio is away, refuses, or is something else: against a small real server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from backend.errors import LabelStudioError
from backend.labelstudio.client import LabelStudioClient
from backend.labelstudio.session import SSRF_VARIABLES, Refusal, Unreachable, reason
from tests.servers import Request, Response, answering

TOKEN = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Answers:
    """Status and body of every answer, and what was asked."""

    url: str = ""
    status: int = 200
    body: Any = field(default_factory=dict)
    raw: bytes | None = None
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def answers() -> Iterator[Answers]:
    state = Answers()

    def reply(request: Request) -> Response:
        state.asked.append(f"{request.method} {request.path.partition('?')[0]}")
        content = json.dumps(state.body).encode() if state.raw is None else state.raw
        kind = "application/json" if state.raw is None else "text/html"
        return Response(state.status, content, {"Content-Type": kind, "Location": "http://127.0.0.1:9/elsewhere"})

    with answering(reply) as state.url:
        yield state


@pytest.fixture
def client(answers: Answers) -> Iterator[LabelStudioClient]:
    with LabelStudioClient(answers.url, TOKEN) as client:
        yield client


def test_the_release_needs_no_valid_token(answers: Answers, client: LabelStudioClient) -> None:
    answers.body = {"release": "1.23.2"}
    assert client.version() == "1.23.2"


def test_an_invalid_legacy_token_says_how_to_allow_or_replace_it(answers: Answers, client: LabelStudioClient) -> None:
    answers.status, answers.body = 401, {"detail": "Invalid token."}
    with pytest.raises(Refusal, match="LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN=true") as raised:
        client.project("1")
    assert raised.value.code == 401
    assert "Invalid token" in str(raised.value)
    assert TOKEN not in str(raised.value)


def test_an_invalid_personal_token_says_where_to_make_one(answers: Answers) -> None:
    answers.status, answers.body = 401, {"detail": "Token is invalid or expired"}
    with LabelStudioClient(answers.url, "a.b.c") as client, pytest.raises(Refusal, match="personal access token under"):
        client.whoami()


def test_a_refused_private_address_names_the_variables(answers: Answers, client: LabelStudioClient) -> None:
    detail = "URL resolves to a reserved network address (block: 127.0.0.0/8)"
    answers.status, answers.body = 403, {"detail": "Validation", "validation_errors": {"url": [detail]}}
    with pytest.raises(Refusal) as raised:
        client.create_backend("1", {"url": "http://127.0.0.1:9090", "title": "rules-1"})
    assert SSRF_VARIABLES in str(raised.value)


def test_a_project_that_is_not_there_is_named(answers: Answers, client: LabelStudioClient) -> None:
    answers.status, answers.body = 404, {"detail": "No Project matches the given query."}
    with pytest.raises(Refusal, match="project 77") as raised:
        client.project("77")
    assert raised.value.code == 404


def test_a_stream_without_tasks_is_no_error(answers: Answers, client: LabelStudioClient) -> None:
    answers.status, answers.body = 404, {"detail": "There are no tasks remaining"}
    assert client.next_task("1") is None
    answers.status = 403
    with pytest.raises(Refusal):
        client.next_task("1")


def test_answers_to_imports_are_not_repeated_in_errors(answers: Answers, client: LabelStudioClient) -> None:
    answers.status, answers.body = 400, {"detail": "张某某 72 次/分", "validation_errors": ["张某某"]}
    with pytest.raises(Refusal) as raised:
        client.import_predictions("1", [{"task": 1, "result": [], "score": 0.5, "model_version": "v"}])
    assert "张" not in str(raised.value)


def test_what_changes_something_is_asked_once(answers: Answers, client: LabelStudioClient) -> None:
    answers.status, answers.body = 500, {"detail": "boom"}
    predictions = [{"task": 1, "result": [], "score": 0.5, "model_version": "v"}]
    for ask in (
        lambda: client.import_predictions("1", predictions),
        lambda: client.create_backend("1", {"url": "http://x", "title": "t"}),
        lambda: client.update_backend("1", {"id": 1, "url": "http://x"}, {"title": "t"}),
        lambda: client.delete_backend({"id": 1}),
        lambda: client.update_project("1", {"sampling": "Sequential sampling"}),
        lambda: client.save_webhook("1", None, {"url": "http://x"}),
        lambda: client.save_webhook("1", 2, {"url": "http://x"}),
        lambda: client.delete_webhook(2),
        lambda: client.save_view("1", None, {"title": "t"}),
        lambda: client.save_view("1", 3, {"title": "t"}),
    ):
        answers.asked.clear()
        with pytest.raises(Refusal):
            ask()
        assert len(answers.asked) == 1
        assert not answers.asked[0].startswith("GET")


def test_fewer_stored_predictions_than_sent_is_an_error(answers: Answers, client: LabelStudioClient) -> None:
    answers.status, answers.body = 201, {"created": 1}
    predictions = [{"task": i, "result": [], "score": 0.5, "model_version": "v"} for i in (1, 2)]
    with pytest.raises(LabelStudioError, match="stored 1 of 2 predictions"):
        client.import_predictions("1", predictions)


def test_nothing_there_is_unreachable(answers: Answers) -> None:
    with LabelStudioClient("http://127.0.0.1:9", TOKEN) as client, pytest.raises(Unreachable, match="Is it running"):
        client.version()


def test_something_else_there_is_told(answers: Answers, client: LabelStudioClient) -> None:
    answers.raw = b"<html>hello</html>"
    for ask in (client.version, client.whoami, lambda: client.model_versions("1")):
        with pytest.raises(LabelStudioError, match="address of a Label Studio"):
            ask()
    answers.raw, answers.body = None, {"status": "UP"}
    with pytest.raises(LabelStudioError, match="address of a Label Studio"):
        client.version()


def test_redirects_are_not_followed(answers: Answers, client: LabelStudioClient) -> None:
    answers.status = 302
    with pytest.raises(Refusal, match="It redirects"):
        client.model_versions("1")
    assert len(answers.asked) == 1


@pytest.mark.parametrize("token", ["", "  ", "密码", "a\nb", "a\x00"])
def test_an_impossible_token_is_told_before_anything_is_asked(token: str) -> None:
    with pytest.raises(LabelStudioError, match="access token"):
        LabelStudioClient("http://127.0.0.1:9", token)


@pytest.mark.parametrize("url", ["", "localhost:8080", "ftp://host", "http://"])
def test_an_impossible_address_is_told(url: str) -> None:
    with pytest.raises(LabelStudioError, match="address"):
        LabelStudioClient(url, TOKEN)


def test_credentials_in_addresses_are_hidden() -> None:
    with pytest.raises(Unreachable) as raised, LabelStudioClient("http://me:secret@127.0.0.1:9", TOKEN) as client:
        client.version()
    assert "secret" not in str(raised.value)


def test_reasons_are_short_and_without_markup() -> None:
    body = {"detail": "x", "validation_errors": {"a": ["<a href='y'>one</a>."], "b": {"c": "two"}}}
    assert reason(body) == "one.; two"
    assert reason({"detail": "z" * 1000}) == "z" * 300
    assert reason("text") == reason(None) == reason({"detail": None}) == ""
