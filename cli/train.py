"""`ecgal train`: fine-tune on a file of annotated reports, without Label Studio and Redis."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import click

from backend.labelstudio.config import LabelConfig
from backend.model_card import ModelCard
from backend.settings import Settings
from cli import tables
from cli.corpus import data_options, read_data, read_texts
from cli.progress import Teller
from cli.project import json_option, show
from trainer.augmentation import POLICIES
from trainer.offline import train_model
from trainer.plan import Plan, layered, parse_options
from trainer.recipe import PresetName, Recipe

PATH = click.Path(path_type=Path)
COMMON = {
    "epochs": float,
    "steps": int,
    "batch": int,
    "encoder_rate": float,
    "layers": int,
    "lora_rank": int,
    "patience": int,
}
"""Fields of the recipe that have options of their own; `--option` takes them all."""


def recipe_options(command: Any) -> Any:
    """An option for each of the most used fields of the recipe."""
    for name, kind in reversed(COMMON.items()):
        flag = "--learning-rate" if name == "encoder_rate" else f"--{name.replace('_', '-')}"
        # pydantic keeps the description of a field in its metadata object.
        words = Recipe.__pydantic_fields__[name].description  # type: ignore[attr-defined]
        command = click.option(flag, name, type=kind, help=words)(command)
    return command


@click.command()
@data_options
@click.option("--output", required=True, type=PATH, help="Folder of the model; must not be there yet.")
@click.option("--validation", type=PATH, help="Annotated reports to judge on, which are not trained on.")
@click.option("--preset", type=click.Choice(get_args(PresetName)), help="Instead of the one for so many reports.")
@recipe_options
@click.option("--option", "options", multiple=True, metavar="NAME=VALUE", help="Any other field of the recipe.")
@click.option("--augment", "copies", default=0, type=click.IntRange(0, 100), help="Variants of each report.")
@click.option("--policy", "policies", multiple=True, type=click.Choice(list(POLICIES)), help="How variants are made.")
@click.option("--unlabelled", type=PATH, help="Tasks without annotations, for the next two options.")
@click.option("--pretrain", is_flag=True, help="Let the base model read all texts first.")
@click.option(
    "--self-training", default=0.0, type=click.FloatRange(0, 10), help="How much texts the rules label count."
)
@click.option("--start", type=PATH, help="Model folder to start from instead of the base model.")
@click.option("--base-model", help="Hugging Face id or folder, instead of the one in force.")
@click.option("--seed", type=click.IntRange(0), help="Instead of ECG_SEED.")
@json_option
def train(data: Path, label_config: Path | None, annotators: str, as_json: bool, **chosen: Any) -> None:
    """Fine-tune on the annotated reports of --data, and judge what would serve.

    Without --validation a fifth of the reports is held out, or folds are where that would be too few.
    """
    settings = Settings.from_env()
    given = {name: chosen[name] for name in ("base_model", "seed") if chosen[name] is not None}
    card = _train(data, label_config, annotators, settings.model_copy(update=given), chosen)
    told = {"output": str(chosen["output"]), **card.model_dump(mode="json", exclude={"dataset"})}
    show({**told, "left_out": card.dataset.left_out}, as_json, tables.trained)


def _train(
    data: Path, label_config: Path | None, annotators: str, settings: Settings, chosen: Mapping[str, Any]
) -> ModelCard:
    corpus = read_data(data, label_config, annotators)
    other = read_data(chosen["validation"], label_config, annotators) if chosen["validation"] else None
    if other:  # what only one of them has counts as well
        labels = tuple(dict.fromkeys((*corpus.config.labels, *other.config.labels)))
        corpus = replace(corpus, config=replace(corpus.config, labels=labels))
    with Teller() as tell:
        plan = _plan(settings, chosen, [report.text for report in corpus.dataset.reports], corpus.config)
        return train_model(corpus, chosen["output"], settings, plan, tell, other.dataset.reports if other else ())


def _plan(settings: Settings, chosen: Mapping[str, Any], texts: list[str], config: LabelConfig) -> Plan:
    unlabelled = read_texts(chosen["unlabelled"], config) if chosen["unlabelled"] else []
    if chosen["self_training"] and not unlabelled:
        raise click.UsageError("Which reports does --self-training label? Give --unlabelled FILE.")
    fields = {name: chosen[name] for name in COMMON if chosen[name] is not None}
    return Plan(
        preset=chosen["preset"],
        options=layered(parse_options(settings.train_options), parse_options(" ".join(chosen["options"])), fields),
        policies=chosen["policies"] or Plan.from_settings(settings).policies,
        copies=chosen["copies"],
        texts=[*texts, *unlabelled] if chosen["pretrain"] else (),
        unlabelled=unlabelled,
        self_training=chosen["self_training"],
        start=chosen["start"],
    )
