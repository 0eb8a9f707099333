"""The whole script: key, language, project; and the process that runs it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from backend.registry import Registry
from backend.settings import Settings
from console.__main__ import options
from tests.console import site
from tests.console.conftest import Site
from tests.console.site import ROOT

Open = Callable[..., AppTest]


@pytest.fixture
def opened(backend: Site, monkeypatch: pytest.MonkeyPatch) -> Open:
    """Opens the console with the backend's environment, changed by what is given."""

    def open_console(**environment: str) -> AppTest:
        st.cache_resource.clear()
        for name, value in {**backend.environment, **environment}.items():
            monkeypatch.setenv(name, value)
        app = AppTest.from_file(str(ROOT / "console" / "app.py"), default_timeout=60).run()
        assert not app.exception
        return app

    return open_console


def test_the_project_is_chosen_at_once(opened: Open) -> None:
    app = opened()
    assert app.sidebar.selectbox[0].value == "1"
    assert app.title[0].value == "解析"


def test_the_language_switch_changes_the_screen(opened: Open) -> None:
    app = opened()
    app.sidebar.radio[0].set_value("en").run()
    assert app.title[0].value == "Parse"
    assert app.sidebar.selectbox[0].label == "Project"


def test_with_a_key_nothing_is_shown_before_it_is_given(opened: Open) -> None:
    app = opened(ECG_API_KEY="schlüssel-1")
    for wrong in ("", "schlüssel-2"):
        app.text_input[0].set_value(wrong)
        app = app.button[0].click().run()
        assert [error.value for error in app.error] == ["密钥不正确"]
        assert not app.title
        assert not app.sidebar.selectbox
    app.text_input[0].set_value("schlüssel-1")
    app = app.button[0].click().run()
    assert app.title[0].value == "解析"


def test_a_backend_that_is_down_leaves_the_menu(opened: Open) -> None:
    app = opened(ECG_PORT="1")
    assert "ecgal up" in app.sidebar.error[0].value
    assert app.title[0].value == "解析"


def choose(app: AppTest, project: str) -> AppTest:
    app.sidebar.selectbox[0].set_value(project)
    return app.run()


def parse(app: AppTest) -> AppTest:
    (example,) = (one for one in app.button if one.label == "示例")
    return example.click().run()


@pytest.fixture
def port() -> int:
    return site.free_port()


@pytest.fixture
def start(tmp_path: Path, port: int) -> Iterator[Callable[[], site.Process]]:
    """Starts a backend that knows two projects, on the port; may be called again."""
    given = {"ECG_HOME": str(tmp_path / "home"), "REDIS_URL": f"unix://{tmp_path}/none.sock"}
    for project in ("1", "2"):
        Registry(tmp_path / "home").remember_label_config(project, site.LABEL_CONFIG)
    started: list[site.Process] = []

    def start_backend() -> site.Process:
        started.append(site.backend(tmp_path / f"web-{len(started)}.log", port, **given))
        return started[-1]

    yield start_backend
    for process in started:
        process.stop()


def test_the_result_of_one_project_is_not_shown_as_that_of_another(
    opened: Open, start: Callable[[], site.Process], port: int
) -> None:
    start()
    app = parse(opened(ECG_PORT=str(port)))
    assert app.metric
    assert not choose(app, "2").metric
    assert choose(app, "1").metric


def test_the_chosen_project_outlives_a_backend_that_is_down(
    opened: Open, start: Callable[[], site.Process], port: int
) -> None:
    process = start()
    app = parse(choose(opened(ECG_PORT=str(port)), "2"))
    process.stop()
    app.run()
    assert "ecgal up" in app.sidebar.error[0].value
    assert app.metric, "the result of project 2 stays"
    start()
    app.run()
    assert app.sidebar.selectbox[0].value == "2"


def test_streamlit_sends_nothing_and_listens_where_it_should() -> None:
    given = options(Settings(host="127.0.0.1", console_port=8601))
    assert {"--server.address=127.0.0.1", "--server.port=8601", "--browser.gatherUsageStats=false"} <= set(given)


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"ECG_HOST": "0.0.0.0"}, "ECG_API_KEY"),
        ({"ECG_CONSOLE_PORT": "http"}, "ECG_CONSOLE_PORT"),
    ],
)
def test_settings_that_do_not_allow_it_are_told_in_one_line(environment: dict[str, str], said: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "console"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
