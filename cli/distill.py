"""`ecgal distill`: a smaller, faster model that learns from a trained one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from backend.settings import Settings
from cli.corpus import data_options, read_data, read_texts
from cli.export import FOLDER, table
from cli.project import json_option, show
from trainer.offline import read_card
from trainer.progress import Progress
from trainer.student import Lesson, Student, teach

TOLD_STEPS = 25


@click.command()
@click.option("--teacher", required=True, type=FOLDER, help="Model folder to learn from.")
@data_options
@click.option("--unlabelled", type=click.Path(path_type=Path), help="Further reports; their annotations do not matter.")
@click.option("--layers", default=4, show_default=True, type=click.IntRange(1), help="Layers to keep, from below.")
@click.option("--steps", default=0, type=click.IntRange(0), help="Optimiser steps; 0: by the number of reports.")
@click.option("--output", required=True, type=FOLDER, help="The student's model folder.")
@json_option
def distill(
    teacher: Path,
    data: Path,
    label_config: Path | None,
    annotators: str,
    unlabelled: Path | None,
    layers: int,
    steps: int,
    output: Path,
    as_json: bool,
) -> None:
    """Train a student of fewer layers on what a model says about reports, and compare it with its teacher."""
    settings, card = Settings.from_env(), read_card(teacher)
    corpus = read_data(data, label_config, annotators)
    texts = read_texts(unlabelled, corpus.config) if unlabelled else []
    student = teach(Lesson(teacher, card, corpus.dataset, texts, layers, steps), output, settings, tell)
    show(record_of(student), as_json, told)


def tell(progress: Progress) -> None:
    """A line on stderr, now and then."""
    if progress.step % TOLD_STEPS == 0 or not progress.eta_seconds:
        left = f"{progress.eta_seconds:.0f} s to go"
        click.echo(f"step {progress.step} of {progress.steps}, loss {progress.loss:.3f}, {left}", err=True)


def record_of(student: Student) -> dict[str, Any]:
    """What `--json` prints."""
    training = student.card.training
    done = {"student": student.card.version, "steps": training.steps, "seconds": training.seconds}
    done |= {"loss": training.loss, "mode": student.card.mode, "f1": student.card.f1}
    return done | (student.comparison.to_json() if student.comparison else {"rows": []})


def told(record: dict[str, Any]) -> str:
    """The comparison, and how the training went."""
    done = f"{record['student']}: {record['steps']} steps in {record['seconds']:.0f} s, loss {record['loss']:.3f}"
    return f"{done}\n{table(record)}" if record["rows"] else f"{done}\nno report was held out: nothing is compared"
