"""Model folders outside a project: what `ecgal train` writes, and what a version of the registry is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from backend.errors import ModelError
from backend.model_card import ModelCard
from backend.predictor import Predictor, load_predictor
from backend.registry import CARD
from backend.settings import Settings


@dataclass(frozen=True)
class SavedModel:
    """A model folder, its card, and the predictor that serves it."""

    folder: Path
    card: ModelCard
    predictor: Predictor


def open_saved(folder: Path, settings: Settings, labels: Sequence[str] | None = None) -> SavedModel:
    """Open a model folder for the given labels, by default those of its card; raises ModelError."""
    card = read_card(folder)
    return SavedModel(folder, card, load_predictor(folder, card, labels or card.labels, settings))


def read_card(folder: Path) -> ModelCard:
    """The card of a model folder; raises ModelError."""
    try:
        return ModelCard.model_validate_json((folder / CARD).read_text("utf-8"))
    except (OSError, ValidationError, UnicodeDecodeError) as error:
        hint = "give a folder that `ecgal train` wrote, or a version folder under ECG_HOME"
        raise ModelError("No readable model card in", folder, hint) from error
