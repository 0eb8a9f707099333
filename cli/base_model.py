"""`ecgal base-model`: prepare the encoder that every fine-tuning starts from."""

from __future__ import annotations

import click

from backend.settings import Settings
from trainer.base_model import resolve


@click.command("base-model")
def base_model() -> None:
    """Build the built-in encoder, or check the one ECG_BASE_MODEL names; prints its folder."""
    click.echo(resolve(Settings.from_env()))
