from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer
from tokenizers.models import WordPiece

from backend.engine.tokenizer import TextTokenizer
from backend.errors import BaseModelError
from backend.ner.alignment import spans_to_tags, tags_to_spans
from backend.ner.scheme import LabelScheme
from backend.ner.spans import Span
from tests.tokenizers import KINDS

TOKENIZERS = {name: TextTokenizer(build()) for name, build in KINDS.items()}
EVERY_KIND = pytest.mark.parametrize("tokenizer", TOKENIZERS.values(), ids=TOKENIZERS)


def tokens(tokenizer: TextTokenizer, kind: str, text: str) -> list[str | None]:
    return [KINDS[kind]().id_to_token(i) for i in tokenizer.encode(text).input_ids.tolist()]


@EVERY_KIND
@settings(deadline=None)
@given(text=st.text())
@example(text="")
@example(text="心")
@example(text=" \t\r\n\u3000\u2028")
@example(text="e\u0301\u200b\ufeff\xad\u0000")
@example(text="👨\u200d👩\u200d👧😀𠀀𫝆")
@example(text="心率７２次／分，℃½㈱Ⅲ\u2581")
@example(text="平均心率72次/分。\r\n" * 500)
def test_every_code_point_is_covered_exactly_once(tokenizer: TextTokenizer, text: str) -> None:
    encoding = tokenizer.encode(text)
    assert encoding.input_ids.shape == (len(encoding.offsets),)
    assert encoding.offsets.shape == (len(encoding.offsets), 2)
    assert encoding.input_ids.dtype == encoding.offsets.dtype == np.int64
    filled = encoding.offsets[encoding.offsets[:, 0] < encoding.offsets[:, 1]]
    assert filled.tolist() == [[i, i + 1] for i in range(len(text))]
    assert (np.diff(encoding.offsets.ravel()) >= 0).all()


@EVERY_KIND
@settings(deadline=None)
@given(text=st.text(min_size=1, max_size=30), data=st.data())
def test_any_span_of_any_text_comes_back_exactly(tokenizer: TextTokenizer, text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text) - 1))
    spans = [Span(start, data.draw(st.integers(start + 1, len(text))), "HR")]
    scheme = LabelScheme(("HR",))
    offsets = tokenizer.encode(text).offsets
    assert tags_to_spans(spans_to_tags(spans, offsets, scheme), offsets, scheme) == spans


def test_unigram_pieces_carry_no_metaspace_and_white_space_is_one() -> None:
    found = tokens(TOKENIZERS["unigram"], "unigram", "心律 72\r\nHR")
    assert found == ["心", "律", "\u2581", "7", "2", "\u2581", "\u2581", "H", "R"]


def test_characters_are_looked_up_as_the_tokenizer_normalises_them() -> None:
    assert tokens(TOKENIZERS["unigram"], "unigram", "７２，／") == ["7", "2", ",", "/"]
    assert tokens(TOKENIZERS["word piece"], "word piece", "HR心") == ["h", "r", "心"]


def test_compatibility_form_is_tried_before_a_character_is_unknown() -> None:
    assert tokens(TOKENIZERS["word piece"], "word piece", "７Ｒ龘") == ["7", "r", "[UNK]"]
    assert tokens(TOKENIZERS["word piece"], "word piece", "⑴㎜") == ["(", "1", ")", "m", "m"]


def test_white_space_is_unknown_where_the_vocabulary_has_no_metaspace() -> None:
    assert tokens(TOKENIZERS["word piece"], "word piece", "7 \n2") == ["7", "[UNK]", "[UNK]", "2"]


def test_byte_level_spells_a_character_in_tokens_that_follow_it_with_empty_ranges() -> None:
    encoding = TOKENIZERS["byte level"].encode("心率")
    assert tokens(TOKENIZERS["byte level"], "byte level", "心率") == ["å¿ĥ", "ç", "İ", "ĩ"]
    assert encoding.offsets.tolist() == [[0, 1], [1, 2], [2, 2], [2, 2]]


def test_byte_level_keeps_white_space_apart() -> None:
    assert tokens(TOKENIZERS["byte level"], "byte level", "a a\n") == ["a", "Ġ", "a", "Ċ"]


def test_a_character_that_normalises_to_several_follows_with_empty_ranges() -> None:
    encoding = TOKENIZERS["unigram"].encode("℃率")
    assert tokens(TOKENIZERS["unigram"], "unigram", "℃率") == ["°", "C", "率"]
    assert encoding.offsets.tolist() == [[0, 1], [1, 1], [1, 2]]


@pytest.mark.parametrize("kind", ["unigram", "word piece"])
def test_characters_outside_the_vocabulary_are_one_unknown_token_each(kind: str) -> None:
    tokenizer = TOKENIZERS[kind]
    assert tokenizer.encode("龘𠀀龘").input_ids.tolist() == [tokenizer.unk_id] * 3


@EVERY_KIND
def test_half_a_surrogate_pair_is_unknown(tokenizer: TextTokenizer) -> None:
    assert tokenizer.unk_id in tokenizer.encode("心\ud83d率").input_ids.tolist()


@EVERY_KIND
def test_special_tokens_written_in_a_text_stay_text(tokenizer: TextTokenizer) -> None:
    special = {tokenizer.cls_id, tokenizer.sep_id, tokenizer.pad_id}
    assert not special & set(tokenizer.encode("[CLS]<s>[SEP]</s>[PAD]<pad>").input_ids.tolist())


def test_special_ids_are_those_of_the_vocabulary() -> None:
    sentence_piece, bert = TOKENIZERS["unigram"], TOKENIZERS["word piece"]
    assert (sentence_piece.cls_id, sentence_piece.pad_id, sentence_piece.sep_id, sentence_piece.unk_id) == (0, 1, 2, 3)
    assert (bert.pad_id, bert.unk_id, bert.cls_id, bert.sep_id) == (0, 1, 2, 3)


@pytest.mark.parametrize("kind", KINDS)
def test_a_saved_tokenizer_is_loaded_from_its_folder(kind: str, tmp_path: Path) -> None:
    KINDS[kind]().save(str(tmp_path / "tokenizer.json"))
    loaded, text = TextTokenizer.from_folder(tmp_path), "心率７２次/分 \n😀"
    assert loaded.encode(text).input_ids.tolist() == TOKENIZERS[kind].encode(text).input_ids.tolist()


def test_a_folder_without_tokenizer_is_named(tmp_path: Path) -> None:
    with pytest.raises(BaseModelError, match=r"no tokenizer\.json"):
        TextTokenizer.from_folder(tmp_path)


def test_a_damaged_tokenizer_is_named(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(BaseModelError, match="cannot be read"):
        TextTokenizer.from_folder(tmp_path)


def test_a_tokenizer_without_special_tokens_is_refused() -> None:
    with pytest.raises(BaseModelError, match=r"no cls token: \[CLS\] or <s>"):
        TextTokenizer(Tokenizer(WordPiece({"[UNK]": 0}, unk_token="[UNK]")))
