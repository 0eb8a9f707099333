"""Documentation against the code: settings, commands, routes, version, and what `pip check` says."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import click
import pytest
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from backend.http.app import create_app
from backend.settings import Settings
from cli.main import main

ROOT = Path(__file__).resolve().parents[1]
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
PROSE = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "README.md", *sorted(ROOT.glob("docs/*.md"))))

# label-studio-ml 1.0.9 pins packages of 2021 and names the wrong "attr"; overrides.txt says why that is right here.
KNOWN_CONFLICTS = {"attr", "Flask", "itsdangerous", "Jinja2", "werkzeug"}


def default_of(field: FieldInfo) -> str:
    """How docs/settings.md writes a default: as one would put it into the environment."""
    if field.alias == "ECG_THREADS":
        return "2, or 1 on one core"
    value = field.default.get_secret_value() if isinstance(field.default, SecretStr) else field.default
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`" if str(value) else "empty"


def settings_table() -> str:
    """The table of docs/settings.md; after a change of Settings, put this text there."""
    rows = [f"| `{f.alias}` | {default_of(f)} | {f.description} |" for f in Settings.model_fields.values()]
    return "\n".join(["| name | default | meaning |", "| --- | --- | --- |", *rows])


def commands(group: click.Group, prefix: str = "ecgal") -> list[str]:
    """`ecgal up`, `ecgal models list`, ..."""
    names: list[str] = []
    for name, command in group.commands.items():
        if not command.hidden:
            names.append(f"{prefix} {name}")
            names.extend(commands(command, names[-1]) if isinstance(command, click.Group) else [])
    return names


def routes() -> list[str]:
    return sorted(create_app(Settings()).openapi()["paths"])


def test_settings_page_lists_every_setting_with_its_default() -> None:
    page = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    assert settings_table() in page


def test_settings_page_names_nothing_that_does_not_exist() -> None:
    known = {field.alias for field in Settings.model_fields.values()}
    assert set(re.findall(r"\bECG_[A-Z_]+\b", PROSE)) <= known


@pytest.mark.parametrize("command", commands(main))
def test_every_command_is_documented(command: str) -> None:
    assert re.search(rf"{re.escape(command)}\b", PROSE)


@pytest.mark.parametrize("route", routes())
def test_every_route_is_documented(route: str) -> None:
    assert re.search(rf"[` ]{re.escape(route)}[` ?]", PROSE)


def test_changelog_has_the_version() -> None:
    headings = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert headings[0] == VERSION


def test_the_image_carries_the_version() -> None:
    assert f"image: ecg-active-learning:{VERSION}\n" in (ROOT / "docker-compose.yml").read_text(encoding="utf-8")


def test_installed_packages_fit_together_but_for_the_known_pins() -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "check"]
    lines = subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()
    pattern = re.compile(r"label-studio-ml 1\.0\.9 (?:requires|has requirement) ([A-Za-z0-9]+)")
    matches = [(line, pattern.match(line)) for line in lines]
    assert not [line for line, match in matches if match is None]
    assert {match[1] for _, match in matches if match} == KNOWN_CONFLICTS
    assert len(lines) == len(KNOWN_CONFLICTS)
