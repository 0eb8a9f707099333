"""Annotated reports as input of a command: the three options, and what they read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast, get_args

import click

from backend.errors import CorpusError, LabelConfigError
from backend.labelstudio.config import LabelConfig, parse_label_config
from trainer.corpus import Corpus, read
from trainer.corpus.files import text_of
from trainer.corpus.model import reasons
from trainer.dataset import Annotators

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
    data = click.option("--data", required=True, type=click.Path(path_type=Path), help="Annotated reports.")
    for option in (annotators_option, label_config_option, data):
        command = option(command)
    return command


def read_data(data: Path, label_config: Path | None, annotators: str) -> Corpus:
    """The corpus that the options name; raises BackendError, also when nothing in it can be used."""
    corpus = read(data, read_config(label_config), cast(Annotators, annotators))
    if not corpus.dataset.reports:
        raise CorpusError("No usable annotation in", data, "`ecgal convert --rejects FILE` tells why")
    check_marked(corpus, data)
    return corpus


def check_marked(corpus: Corpus, path: Path) -> None:
    """Raise CorpusError when no report has a span: such a file teaches that there is nothing to find."""
    if corpus.ledger.spans.kept:
        return
    if corpus.ledger.spans.found:
        told = ", ".join(f"{reason} ({n})" for reason, n in list(reasons(corpus.dataset.rejects).items())[:3])
        raise CorpusError("None of the marked spans can be used in", path, f"most frequent reasons: {told}")
    hint = "give an export with labelled regions; a form that is not known, or tasks nobody annotated, look like this"
    raise CorpusError("Nothing is marked in", path, hint)


def read_config(path: Path | None) -> LabelConfig | None:
    """The labelling configuration of a file; raises BackendError."""
    if path is None:
        return None
    try:
        return parse_label_config(text_of(path))
    except LabelConfigError as error:
        raise LabelConfigError(f"{error.what} ({path})", error.value, error.hint) from None
