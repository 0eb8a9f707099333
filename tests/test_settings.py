import os
from pathlib import Path

import pytest

from backend.errors import SettingsError
from backend.settings import Settings


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("ECG_", "REDIS_URL", "LABEL_STUDIO_")):
            monkeypatch.delenv(name)


def test_the_environment_alone_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"HOME": "/elsewhere", "HOST": "1.2.3.4", "PORT": "1", "SEED": "5"}.items():
        monkeypatch.setenv(name, value)
    assert Settings.from_env() == Settings()
    monkeypatch.setenv("ECG_PORT", "9191")
    assert Settings.from_env().port == 9191


def test_an_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECG_THREADS", "")
    monkeypatch.setenv("REDIS_URL", "")
    assert Settings.from_env() == Settings()


def test_a_typing_slip_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECG_THREAD", "2")
    with pytest.raises(SettingsError, match="ECG_THREAD"):
        Settings.from_env()


@pytest.mark.parametrize(
    ("name", "value"),
    [("ECG_PORT", "99999"), ("ECG_THREADS", "two"), ("ECG_HOLDOUT_SHARE", "1"), ("ECG_ENGINE", "onnx")],
)
def test_an_impossible_value_is_named_with_its_variable(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=f"{name}.*{value}"):
        Settings.from_env()


@pytest.mark.parametrize("name", ["file", "file/below"])
def test_a_home_that_is_no_folder_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("ECG_HOME", str(tmp_path / name))
    with pytest.raises(SettingsError, match=rf"ECG_HOME cannot be used \(Not a directory\): .*{name}"):
        Settings.from_env()


def test_a_home_that_is_not_there_yet_is_none_that_cannot_be_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ECG_HOME", str(tmp_path / "new" / "home"))
    assert Settings.from_env().home == tmp_path / "new" / "home"
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    "contradiction",
    [
        {"ECG_BASIC_AUTH": "no-colon", "ECG_WEBHOOK_SECRET": "s3cret"},
        {"ECG_BASIC_AUTH": "user:s3cret"},
        {"ECG_RETRAIN_MAX_WAIT": "1", "ECG_RETRAIN_QUIET": "2"},
    ],
)
def test_settings_that_contradict_each_other_are_refused_without_telling_a_secret(
    monkeypatch: pytest.MonkeyPatch, contradiction: dict[str, str]
) -> None:
    for name, value in contradiction.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=next(iter(contradiction))) as caught:
        Settings.from_env()
    assert "s3cret" not in str(caught.value)


def test_an_open_address_needs_all_credentials() -> None:
    Settings(host="127.0.0.1").require_credentials()
    with pytest.raises(SettingsError, match="ECG_API_KEY, ECG_BASIC_AUTH, ECG_WEBHOOK_SECRET"):
        Settings(host="0.0.0.0").require_credentials()
    Settings(host="0.0.0.0", api_key="k", basic_auth="u:p", webhook_secret="s").require_credentials()  # type: ignore[arg-type]


def test_secrets_print_as_stars() -> None:
    settings = Settings(api_key="s3cret", basic_auth="u:s3cret", webhook_secret="s3cret", label_studio_token="s3cret")  # type: ignore[arg-type]
    assert "s3cret" not in repr(settings)


def test_the_socket_of_a_deep_home_moves_to_a_short_path() -> None:
    deep = Settings(home="/tmp/" + "心" * 40)  # type: ignore[arg-type]
    assert len(os.fsencode(deep.socket_path)) <= 100
    assert deep.redis_url.startswith("unix:///")
    assert Settings(REDIS_URL="redis://h:1/2").redis_url == "redis://h:1/2"
