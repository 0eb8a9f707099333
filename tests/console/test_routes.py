"""What the console needs of the backend and nobody else: projects, tokens, and what can be promoted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from redis import Redis
from starlette.testclient import TestClient

from backend.doubts import token_doubts
from backend.engine.tokenizer import TextTokenizer
from backend.errors import Conflict
from backend.http.app import create_app
from backend.labelstudio.wire import LONGEST_REPORT
from backend.ner.scheme import LabelScheme
from backend.ner.uncertainty import mean_token_entropy
from backend.predictor import ModelPredictor, RulesPredictor, temper
from backend.registry import MEMORY, RULES_VERSION
from backend.settings import Settings
from tests.console import site

SCHEME = LabelScheme(("HR",))


class Dice:
    """An engine whose probabilities come from the token ids."""

    max_tokens = window = 64

    def probabilities(self, sequences: Sequence[NDArray[np.int64]]) -> list[NDArray[np.float32]]:
        return [self.one(ids) for ids in sequences]

    def one(self, ids: NDArray[np.int64]) -> NDArray[np.float32]:
        raw = np.stack([1 + ids % 7, 1 + ids % 5, 1 + ids % 3], axis=1).astype(np.float32)
        return raw / raw.sum(axis=1, keepdims=True)


@pytest.fixture
def client(tmp_path: Path, valkey_socket: Path, redis: Redis) -> TestClient:
    site.seed(tmp_path / "home", redis)
    with TestClient(
        create_app(Settings(home=tmp_path / "home", redis_url_setting=f"unix://{valkey_socket}"))
    ) as running:
        yield running


@pytest.fixture
def network(base_model: Path) -> ModelPredictor:
    tokenizer = TextTokenizer.from_folder(base_model)
    return ModelPredictor("ecg-r0001-00000001", "model", SCHEME, ("HR",), tokenizer, Dice(), temperature=1.7)  # type: ignore[arg-type]


def test_projects_are_listed_with_their_page_in_label_studio(client: TestClient) -> None:
    assert client.get("/api/projects").json() == [
        {"project": "1", "serving": site.SERVING, "url": f"{site.LABEL_STUDIO}/projects/1/data"}
    ]


def test_versions_tell_their_gain_and_whether_they_can_serve(client: TestClient, tmp_path: Path) -> None:
    (tmp_path / "home/projects/1/models" / site.OLDER / MEMORY).unlink()
    models: dict[str, dict[str, Any]] = {m["version"]: m for m in client.get("/api/projects/1/models").json()}
    assert {version for version, model in models.items() if not model["usable"]} == {site.OLDER}
    assert models[RULES_VERSION]["usable"]
    serving = models[site.SERVING]
    assert (serving["state"], serving["compared_with"]) == ("better", site.REJECTED)
    assert serving["interval"][0] < serving["difference"] < serving["interval"][1]
    assert serving["f1_interval"][0] < serving["f1"] < serving["f1_interval"][1]


@pytest.mark.parametrize("text", ["心率48次/分\r\n室早😀", "a" * 300])
def test_tokens_cover_the_text_and_their_mean_is_the_uncertainty(network: ModelPredictor, text: str) -> None:
    tokens = token_doubts(network, text)
    assert "".join(text[token["start"] : token["end"]] for token in tokens) == text
    probabilities = temper(network.tag([text])[0].probabilities, network.temperature)
    assert np.mean([token["entropy"] for token in tokens]) == pytest.approx(mean_token_entropy(probabilities), abs=1e-4)
    assert {token["tag"] for token in tokens} <= set(SCHEME.tags)


def test_rules_have_no_tokens(client: TestClient) -> None:
    with pytest.raises(Conflict):
        token_doubts(RulesPredictor(RULES_VERSION, ("HR",)), "心率")
    assert client.post("/api/projects/1/tokens", json={"text": "心率"}).status_code == 409


@pytest.mark.parametrize("body", [{}, {"text": 1}, {"text": " "}, {"text": "心" * (LONGEST_REPORT + 1)}])
def test_a_text_that_is_no_report_is_a_400_that_does_not_quote_it(client: TestClient, body: dict[str, Any]) -> None:
    answer = client.post("/api/projects/1/tokens", json=body)
    assert answer.status_code == 400
    assert "心" not in answer.text


def test_tokens_of_an_unknown_project_are_a_404(client: TestClient) -> None:
    assert client.post("/api/projects/9/tokens", json={"text": "心率"}).status_code == 404
