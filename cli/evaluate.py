"""`ecgal evaluate`: how good a model, or the rules alone, is on annotated reports."""

from __future__ import annotations

from pathlib import Path
from typing import cast, get_args

import click

from backend.predictor import RulesPredictor
from backend.registry import RULES_VERSION
from backend.settings import Settings
from cli import tables
from cli.corpus import data_options, read_data
from cli.project import json_option, show
from trainer.evaluation_report import EvaluationReport, Modes
from trainer.evaluation_report import evaluate as evaluate_predictor
from trainer.offline import open_saved

FOLDER = click.Path(path_type=Path, file_okay=False)


@click.command()
@data_options
@click.option("--model", type=FOLDER, help="Model folder; without it the rules alone are scored.")
@click.option(
    "--mode",
    type=click.Choice(get_args(Modes)),
    default="served",
    show_default=True,
    help="Score the mode that the model serves in, one by name, or all.",
)
@json_option
def evaluate(
    data: Path, label_config: Path | None, annotators: str, model: Path | None, mode: str, as_json: bool
) -> None:
    """Score a model, or the rules alone, on annotated reports: strict and relaxed F1 with intervals, speed."""
    report = _report(data, label_config, annotators, model, cast(Modes, mode))
    show(report.model_dump(mode="json"), as_json, tables.evaluation)


def _report(
    data: Path, label_config: Path | None, annotators: str, model: Path | None, mode: Modes
) -> EvaluationReport:
    dataset = read_data(data, label_config, annotators).dataset
    saved = open_saved(model, Settings.from_env(), dataset.labels) if model else None
    return evaluate_predictor(
        saved.predictor if saved else RulesPredictor(RULES_VERSION, dataset.labels),
        dataset.reports,
        dataset.labels,
        mode,
        trained_on=saved.card.training if saved else None,
        rejects=len(dataset.rejects),
    )
