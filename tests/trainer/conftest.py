"""The parts of a worker, and a tiny random encoder to train from; the real one is in tests/conftest.py."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from redis import Redis
from tokenizers import Tokenizer, pre_tokenizers
from tokenizers.models import WordPiece

from backend.settings import Settings
from trainer.parts import WorkerParts

REPORTS = Path(__file__).resolve().parents[2] / "examples" / "ecg_reports"

CHARACTERS = "窦性心律率次分钟早搏房颤室速左右束支传导阻滞正常平均最快最慢时间0123456789,.:;，。/%"


@pytest.fixture
def parts(redis: Redis, valkey_socket: Path, tmp_path: Path) -> WorkerParts:
    """Project 1, whose rounds train no network, with a Label Studio that nobody asks."""
    values = {
        "home": tmp_path,
        "redis_url_setting": f"unix://{valkey_socket}",
        "label_studio_url": "http://127.0.0.1:1",
        "label_studio_token": "never used",
        "train_min": 1000,
    }
    opened = WorkerParts.open(Settings.model_validate(values))
    opened.registry.remember_label_config("1", (REPORTS / "label_config.xml").read_text("utf-8"))
    return opened


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT encoder with two layers of width 32, random weights and one piece per character."""
    import torch
    from safetensors.torch import save_file
    from transformers import BertConfig, BertModel

    folder = tmp_path_factory.mktemp("tiny") / "base"
    folder.mkdir()
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *dict.fromkeys(CHARACTERS)]
    tokenizer = Tokenizer(WordPiece({piece: i for i, piece in enumerate(pieces)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.add_special_tokens(pieces[:4])
    tokenizer.save(str(folder / "tokenizer.json"))
    config = BertConfig(
        vocab_size=len(pieces),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=160,
    )
    torch.manual_seed(0)
    network = BertModel(config, add_pooling_layer=False)
    save_file(network.state_dict(), folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps({**config.to_dict(), "architectures": ["BertModel"]}))
    (folder / "LICENSE").write_text("licence of the weights")
    return folder
