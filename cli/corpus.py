"""Annotated reports as input of a command: the three options, and what they read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast, get_args

import click

from backend.errors import LabelConfigError
from backend.labelstudio.config import LabelConfig, parse_label_config
from trainer.corpus import Corpus, read, texts_of
from trainer.corpus.files import text_of
from trainer.corpus.model import lost_rows, nothing_marked
from trainer.dataset import Annotators

NAMED = 20
"""Rows that are named one by one; more are counted."""

Command = TypeVar("Command", bound=Callable[..., Any])

label_config_option = click.option(
    "--label-config",
    type=click.Path(path_type=Path),
    help="Labelling configuration (XML); without it, it is read off the data.",
)
annotators_option = click.option(
    "--annotators",
    type=click.Choice(get_args(Annotators)),
    default="ground-truth",
    show_default=True,
    help="Whose annotation of a report counts: ground truth first, else the latest; the latest; the majority on spans.",
)


def data_options(command: Command) -> Command:
    """Add --data, --label-config and --annotators to a command."""
    data = click.option(
        "--data",
        required=True,
        type=click.Path(path_type=Path),
        help="Annotated reports, in any form that convert reads.",
    )
    for option in (annotators_option, label_config_option, data):
        command = option(command)
    return command


def read_data(data: Path, label_config: Path | None, annotators: str) -> Corpus:
    """The corpus that the options name; raises BackendError, also when nothing in it can be used."""
    corpus = read(data, read_config(label_config), cast(Annotators, annotators))
    tell_lost(corpus, data)
    check_marked(corpus, data)
    return corpus


def check_marked(corpus: Corpus, path: Path) -> None:
    """Raise CorpusError when no report has a span."""
    if not corpus.ledger.spans.kept:
        raise nothing_marked(corpus, path)


def read_texts(path: Path, config: LabelConfig) -> list[str]:
    """The texts of a file, annotated or not; how many rows have none is told. Raises CorpusError."""
    texts, without = texts_of(path, config)
    if without:
        click.echo(f"{path}: {without} rows without text under data.{config.text_key} were left out", err=True)
    return texts


def tell_lost(corpus: Corpus, path: Path) -> None:
    """Tell on standard error which rows and lines of a file could not be read."""
    lost = lost_rows(corpus.dataset.rejects)
    for reason in lost[:NAMED]:
        click.echo(f"{path}: {reason}", err=True)
    if len(lost) > NAMED:
        click.echo(
            f"{path}: {len(lost) - NAMED} more rows cannot be read; `ecgal convert --rejects FILE` names all", err=True
        )


def read_config(path: Path | None) -> LabelConfig | None:
    """The labelling configuration of a file; raises BackendError."""
    if path is None:
        return None
    try:
        return parse_label_config(text_of(path))
    except LabelConfigError as error:
        raise LabelConfigError(f"{error.what} ({path})", error.value, error.hint) from None
