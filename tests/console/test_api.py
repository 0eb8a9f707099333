"""The console's client against the real backend."""

from __future__ import annotations

from pathlib import Path

import pytest

from backend.settings import Settings
from console.api import ApiError, Backend, backend_url
from tests.console import site
from tests.console.conftest import Site


@pytest.mark.parametrize(
    ("fields", "url"),
    [
        ({}, "http://127.0.0.1:9090"),
        ({"host": "::1"}, "http://[::1]:9090"),
        ({"public_url": "http://host.docker.internal:9090"}, "http://127.0.0.1:9090"),
        ({"host": "0.0.0.0"}, "http://127.0.0.1:9090"),
        ({"host": "0.0.0.0", "public_url": "http://host.docker.internal:9090"}, "http://127.0.0.1:9090"),
        ({"host": "::", "port": 9191, "public_url": "https://ecg.example"}, "http://[::1]:9191"),
        ({"host": "10.0.0.7", "public_url": "https://ecg.example"}, "http://10.0.0.7:9090"),
    ],
)
def test_where_the_backend_is_sought(fields: dict[str, str], url: str) -> None:
    assert backend_url(Settings(**fields)) == url


def test_a_backend_that_is_down_is_status_0() -> None:
    with pytest.raises(ApiError) as caught:
        Backend(f"http://127.0.0.1:{site.free_port()}").projects()
    assert caught.value.status == 0


def test_a_refusal_keeps_what_value_and_hint(backend: Site) -> None:
    with pytest.raises(ApiError) as caught:
        Backend(backend.url).status("99")
    assert (caught.value.status, caught.value.what, caught.value.value) == (404, "No such project", "99")
    assert "ecgal connect" in caught.value.hint


def test_a_project_name_cannot_leave_its_path(backend: Site) -> None:
    with pytest.raises(ApiError) as caught:
        Backend(backend.url).promote("1", "../../../2/rollback")
    assert caught.value.status == 404


def test_the_key_is_sent(tmp_path: Path) -> None:
    port = site.free_port()
    process = site.backend(tmp_path / "log", port, ECG_HOME=str(tmp_path / "home"), ECG_API_KEY="schlüssel")
    try:
        with pytest.raises(ApiError) as caught:
            Backend(f"http://127.0.0.1:{port}").projects()
        assert caught.value.status == 401
        assert Backend(f"http://127.0.0.1:{port}", "schlüssel").projects() == []
    finally:
        process.stop()
