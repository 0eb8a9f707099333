"""`ecgal base-model`: the encoder that every fine-tuning starts from."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from backend.settings import Settings
from cli.project import json_option, show
from trainer import base_model as encoder
from trainer.base_models import KNOWN, UNKNOWN


@click.group("base-model", invoke_without_command=True)
@click.pass_context
def base_model(context: click.Context) -> None:
    """The encoder that every fine-tuning starts from; without a command, the same as `show`."""
    if context.invoked_subcommand is None:
        context.invoke(show_model, as_json=False)


@base_model.command()
def build() -> None:
    """Build or fetch the encoder in force and check it; prints its folder."""
    click.echo(encoder.resolve(Settings.from_env(), progress=_tell))


@base_model.command("list")
@json_option
def list_models(as_json: bool) -> None:
    """Encoders that are known to fit; a star marks the one in force."""
    show(known_models(Settings.from_env()), as_json, _table)


@base_model.command()
@click.argument("name")
def use(name: str) -> None:
    """Start from NAME in every later round: built-in, a Hugging Face id, or a folder."""
    settings = Settings.from_env()
    click.echo(encoder.choose(settings, name, progress=_tell))
    if settings.base_model:
        click.echo(f"ECG_BASE_MODEL={settings.base_model} is set and wins: unset it for this choice to count", err=True)


@base_model.command("show")
@json_option
def show_model(as_json: bool) -> None:
    """The encoder in force, where that is set, and its folder if it is on disk."""
    show(in_force(Settings.from_env()), as_json, _lines)


def known_models(settings: Settings) -> list[dict[str, Any]]:
    """The catalogue, and the encoder in force if it is another one."""
    name = encoder.name(settings)
    rows = [asdict(model) for model in KNOWN]
    if name not in {model.name for model in KNOWN}:
        rows.append({**dict.fromkeys(rows[0]), "name": name, "licence": UNKNOWN, "notes": "chosen here"})
    return [
        {**row, "in_use": row["name"] == name, "on_disk": _folder(settings, row["name"]) is not None} for row in rows
    ]


def in_force(settings: Settings) -> dict[str, Any]:
    """Name, origin of the choice, and folder of the encoder in force; the folder is None until it is fetched."""
    name = encoder.name(settings)
    chosen = "ecgal base-model use" if encoder.chosen(settings.home) else "default"
    folder = _folder(settings, name)
    return {
        "name": name,
        "set_by": "ECG_BASE_MODEL" if settings.base_model else chosen,
        "folder": str(folder) if folder else None,
    }


def _folder(settings: Settings, name: str) -> Path | None:
    """Where the encoder is on this machine; nothing is fetched or built."""
    if name == encoder.BUILT_IN:
        return settings.home / "base" if encoder.is_built(settings.home / "base") else None
    folder = Path(name).expanduser()
    return folder if folder.is_dir() else encoder.on_disk(name)


def _tell(message: str) -> None:
    click.echo(message, err=True)


def _lines(fields: dict[str, Any]) -> str:
    missing = "not on disk: `ecgal base-model build` makes or fetches it, the first training does so too"
    return "\n".join(f"{name:<7} {value or missing}" for name, value in fields.items())


def _table(rows: list[dict[str, Any]]) -> str:
    return "\n".join(line for row in rows for line in _row(row))


def _row(row: dict[str, Any]) -> tuple[str, str]:
    """One encoder on a line, its notes below."""
    size = f"{row['megabytes']} MB, {row['parameters']} M parameters" if row["megabytes"] else "size unknown"
    shape = f", {row['layers']} layers of {row['width']}" if row["layers"] else ""
    disk = "on disk" if row["on_disk"] else "not on disk"
    head = f"{'*' if row['in_use'] else ' '} {row['name']:<28} {disk}; {size}{shape}; licence {row['licence']}"
    return head, f"    {row['notes']}"
