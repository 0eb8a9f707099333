"""Exported models as complete folders: each is written aside and appears at once, or not at all.

<output>/<format>/    weights, config.json, tokenizer.json, card.json, memory.json, the notices of the weights
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from backend.engine import Engine
from backend.engine.openvino import OpenVinoEngine
from backend.engine.torch import TorchEngine, load_classifier, quiet_transformers
from backend.errors import ModelError
from backend.model_card import Decision, Evaluation, ModelCard
from backend.ner.scheme import LabelScheme
from backend.registry import CARD, MEMORY
from backend.settings import Settings
from trainer.dataset import Report
from trainer.export import int8, torch_int8
from trainer.export.onnx import MODEL_FILE, OnnxForward, export_onnx
from trainer.export.openvino import export_openvino
from trainer.export.plain_engine import PlainEngine
from trainer.export.smaller import first_layers, prune
from trainer.fine_tuning.folder import COPIED, put_in_place, save
from trainer.fine_tuning.tokenizer_files import copy_tokenizer

Format = Literal["safetensors", "onnx", "openvino", "int8", "torch-int8"]
FORMATS: tuple[Format, ...] = get_args(Format)
LOSSY: tuple[Format, ...] = ("int8", "torch-int8")

WEIGHTS = ("*.safetensors", "*.bin", "*.xml", "*.onnx")
"""Files that hold a network; the rest of a folder is small."""


@dataclass(frozen=True)
class Reduction:
    """What a network loses before it is exported: all but `layers` layers (0: none), a share `prune` of its neurons."""

    layers: int = 0
    prune: float = 0.0

    def __bool__(self) -> bool:
        return bool(self.layers or self.prune)

    @property
    def names(self) -> list[str]:
        """What was done, for the version's name."""
        return [f"layers{self.layers}"] * bool(self.layers) + [f"prune{self.prune:g}"] * bool(self.prune)


@dataclass(frozen=True)
class Artefact:
    """An exported folder; `logit_difference` is the largest difference from torch's logits where it was checked."""

    format: Format
    folder: Path
    logit_difference: float | None = None

    def to_json(self) -> dict[str, Any]:
        """What is known without any data, under the names of `comparison.Row`."""
        return {"name": self.format, "bytes": weight_bytes(self.folder), "logit_difference": self.logit_difference}

    def open(self, settings: Settings) -> Engine:
        """What runs it; raises ModelError."""
        if self.format == "safetensors":
            return TorchEngine(self.folder, settings.precision, settings.threads)
        if self.format == "onnx":
            return PlainEngine(self.folder, "f32", OnnxForward(self.folder / MODEL_FILE, settings.threads))
        if self.format == "torch-int8":
            return PlainEngine(self.folder, "int8", torch_int8.Forward(self.folder, settings.threads))
        return OpenVinoEngine(self.folder, settings.precision, settings.threads)


def export(
    folder: Path,
    card: ModelCard,
    formats: Sequence[Format],
    output: Path,
    reports: Sequence[Report] = (),
    reduction: Reduction = Reduction(),
) -> list[Artefact]:
    """Write the model of `folder` in every format below `output`, replacing what is there; all of them or none.

    8 bits are calibrated on the reports' texts and pruning is decided by their spans, so these need some. Raises
    ModelError when something cannot be loaded, reduced, converted or written, or when there is no network.
    """
    require_network(card)
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=output.parent, prefix=f".{output.name}-") as scratch:
            source = _reduced(folder, card, reports, reduction, Path(scratch)) if reduction else folder
            exporter = _Exporter(folder, source, _reduced_card(card, reduction), [report.text for report in reports])
            made = [exporter.write(name, Path(scratch) / name) for name in dict.fromkeys(formats)]
            output.mkdir(exist_ok=True)
            for artefact in made:
                put_in_place(artefact.folder, output / artefact.format, artefact.folder.parent)
    except OSError as error:
        raise ModelError("The exported model cannot be written", output, error.strerror or str(error)) from error
    return [Artefact(a.format, output / a.format, a.logit_difference) for a in made]


def require_network(card: ModelCard) -> None:
    """Refuse a version without a network; raises ModelError."""
    if not card.training.steps:
        raise ModelError("This version has no network", card.version, "train one with `ecgal train`")


def weight_bytes(folder: Path) -> int:
    """Bytes of the files that hold the network of an exported folder."""
    return sum(path.stat().st_size for pattern in WEIGHTS for path in folder.glob(pattern))


def _reduced(folder: Path, card: ModelCard, reports: Sequence[Report], reduction: Reduction, scratch: Path) -> Path:
    """A folder of the smaller network."""
    network = first_layers(folder, reduction.layers) if reduction.layers else load_classifier(folder)
    if reduction.prune:
        known = [(r.text, [span for span in r.spans if span.label in card.labels]) for r in reports]
        prune(network, folder, reduction.prune, known, LabelScheme(tuple(card.labels)))
    target = scratch / "reduced"
    target.mkdir()
    with quiet_transformers():
        save(network, folder, target)
    copy_tokenizer(folder, target)
    return target


def _reduced_card(card: ModelCard, reduction: Reduction) -> ModelCard:
    return _another(card, reduction.names) if reduction else card


def _another(card: ModelCard, names: Sequence[str]) -> ModelCard:
    """The card of a network that computes something else: nothing of what was measured holds for it."""
    return card.model_copy(
        update={
            "version": "-".join([card.version, *names]),
            "evaluation": Evaluation(method=card.evaluation.method),
            "decision": Decision(promote=False, reason=f"exported from {card.version}, not judged", serving=""),
            "calibration": card.calibration.model_copy(
                update={"ece_before": None, "ece_after": None, "note": f"temperature of {card.version}"}
            ),
        }
    )


@dataclass(frozen=True)
class _Exporter:
    """One model, `source`, to any format; memory and notices come from `origin`."""

    origin: Path
    source: Path
    card: ModelCard
    texts: list[str]

    def write(self, name: Format, scratch: Path) -> Artefact:
        """The artefact below `scratch`."""
        aside = scratch / "artefact"
        aside.mkdir(parents=True)
        difference = self._weights(name, aside)
        for path in sorted({path for pattern in COPIED for path in self.origin.glob(pattern)}):
            shutil.copyfile(path, aside / path.name)
        shutil.copyfile(self.source / "config.json", aside / "config.json")
        copy_tokenizer(self.source, aside)
        if (self.origin / MEMORY).is_file():
            shutil.copyfile(self.origin / MEMORY, aside / MEMORY)
        (aside / CARD).write_text(self._card(name, aside).model_dump_json(indent=1), encoding="utf-8")
        return Artefact(name, aside, difference)

    def _weights(self, name: Format, aside: Path) -> float | None:
        if name == "onnx":
            return export_onnx(self.source, self.texts, self.card.version, aside)
        if name == "openvino":
            export_openvino(self.source, aside)
        elif name == "int8":
            int8.quantise(self.source, self.texts, aside)
        elif name == "torch-int8":
            torch_int8.quantise(self.source, aside)
        else:
            load_classifier(self.source)  # what is handed out can be loaded
            for path in self.source.glob("*.safetensors*"):
                shutil.copyfile(path, aside / path.name)
        return None

    def _card(self, name: Format, aside: Path) -> ModelCard:
        card = _another(self.card, [name]) if name in LOSSY else self.card
        files = {path.name: path.stat().st_size for path in sorted(aside.iterdir())}
        return card.model_copy(update={"engine": {"engine": name}, "quantisation": None, "files": files})
