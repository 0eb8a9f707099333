"""What continued pre-training is made of: hidden tokens, and the network that guesses them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForMaskedLM, BertConfig, BertForMaskedLM

from backend.engine.tokenizer import TextTokenizer
from trainer.chunks import IGNORED
from trainer.fine_tuning.guessing import guesser
from trainer.masking import Masker, TokenRow, mask_id, token_rows

TEXTS = ["心率75次/分，窦性心律。", "房颤", "左束支阻滞，心率105次/分", "早搏"]


# ---- the network


def loss_by_hand(network: Any, batch: dict[str, torch.Tensor]) -> float:
    with torch.no_grad():
        logits = network(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
    chosen = batch["labels"] != IGNORED
    return float(torch.nn.functional.cross_entropy(logits[chosen], batch["labels"][chosen]))


def test_an_output_head_that_the_base_model_has_is_used(tiny_base: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    BertForMaskedLM(BertConfig.from_pretrained(tiny_base)).save_pretrained(tmp_path)
    tokenizer = TextTokenizer.from_folder(tiny_base)
    rows = [{"ids": row.ids, "pieces": row.pieces} for row in token_rows(TEXTS, tokenizer, 20)]
    batch = Masker(tokenizer, tokenizer.unk_id, 30, 0.3, 0)(rows)
    network = guesser(tmp_path).eval()
    with torch.no_grad():
        loss = float(network(**batch)["loss"])
    assert loss == pytest.approx(loss_by_hand(AutoModelForMaskedLM.from_pretrained(tmp_path).eval(), batch), abs=1e-5)
    again = guesser(tmp_path).eval()
    with torch.no_grad():
        assert float(again(**batch)["loss"]) == pytest.approx(loss)


def test_without_a_head_the_word_embeddings_are_read_backwards(tiny_base: Path) -> None:
    tokenizer = TextTokenizer.from_folder(tiny_base)
    rows = [{"ids": row.ids, "pieces": row.pieces} for row in token_rows(TEXTS, tokenizer, 20)]
    batch = Masker(tokenizer, tokenizer.unk_id, 30, 0.3, 0)(rows)
    network = guesser(tiny_base).eval()
    with torch.no_grad():
        hidden = network.encoder(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"])[0]
        normed = torch.nn.functional.layer_norm(hidden, hidden.shape[-1:])
        logits = normed @ network.encoder.embeddings.word_embeddings.weight.T
        chosen = batch["labels"] != IGNORED
        expected = torch.nn.functional.cross_entropy(logits[chosen], batch["labels"][chosen])
        assert float(network(**batch)["loss"]) == pytest.approx(float(expected), abs=1e-5)


# ---- masking


@pytest.fixture
def tokenizer(tiny_base: Path) -> TextTokenizer:
    return TextTokenizer.from_folder(tiny_base)


def test_a_fifth_of_the_tokens_is_asked_for_and_most_of_them_are_hidden(tokenizer: TextTokenizer) -> None:
    masker = Masker(tokenizer, mask=1, vocabulary=40, share=0.2, seed=0)
    row = TokenRow(np.full(100, 7), np.arange(100))
    rows = [masker.masked(row) for _ in range(200)]
    ids, labels = (np.concatenate(arrays) for arrays in ([r.ids for r in rows], [r.tags for r in rows]))
    asked = labels != IGNORED
    assert asked.sum() == 200 * 20
    assert set(labels[asked]) == {7}
    assert set(ids[~asked]) == {7}
    shares = {token: count / 4000 for token, count in Counter(ids[asked].tolist()).items()}
    assert shares[1] == pytest.approx(0.8, abs=0.03)
    assert shares[7] == pytest.approx(0.1, abs=0.03)
    assert len(shares) == 40
    assert not np.array_equal(rows[0].tags, rows[1].tags)


def test_the_tokens_of_one_character_are_hidden_together(tokenizer: TextTokenizer) -> None:
    masker = Masker(tokenizer, mask=1, vocabulary=40, share=0.4, seed=0)
    row = TokenRow(np.arange(10, 20), np.repeat([3, 4, 5, 6, 7], 2))
    for _ in range(50):
        asked = masker.masked(row).tags != IGNORED
        assert asked.sum() == 4
        np.testing.assert_array_equal(asked[::2], asked[1::2])


def test_the_shortest_row_has_one_token_to_guess(tokenizer: TextTokenizer) -> None:
    masked = Masker(tokenizer, mask=1, vocabulary=40, share=0.01, seed=0).masked(TokenRow(np.array([9]), np.array([1])))
    assert masked.tags.tolist() == [9]


def test_rows_hold_all_tokens_of_the_texts_with_the_numbers_of_their_pieces(tokenizer: TextTokenizer) -> None:
    text = "心率75次/分"
    rows = token_rows([text, ""], tokenizer, 3)
    encoding = tokenizer.encode(text)
    assert {int(i) for row in rows for i in row.ids} == set(encoding.input_ids.tolist())
    assert all(len(row.ids) == len(row.pieces) <= 3 for row in rows)
    pieces = np.cumsum(encoding.offsets[:, 0] < encoding.offsets[:, 1])
    assert {int(i) for row in rows for i in row.pieces} == set(pieces.tolist())


def test_the_mask_token_is_found_or_the_unknown_token_stands_in(tiny_base: Path, base_model: Path) -> None:
    assert mask_id((tiny_base / "tokenizer.json").read_text(), 1) == 1
    assert mask_id((base_model / "tokenizer.json").read_text(), 3) == 24448
