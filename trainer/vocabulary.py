"""Cut the 250,002-piece vocabulary of multilingual-e5-small down to what Chinese ECG reports need.

What stays: the special tokens, the bare metaspace, every single Han character, other single characters
below U+3100, and ASCII pieces of up to three characters or of digits only, with and without the leading
metaspace. Pieces of several Han characters go, so that every Han character is exactly one token and any
span of characters is a span of tokens.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

METASPACE = "\u2581"
SPECIAL = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")

HAN = ((0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x3FFFF))
"""Inclusive code point ranges: extension A, the basic block, compatibility, the planes 2 and 3."""

OTHER_SINGLE_BELOW = 0x3100
ASCII_CHARACTERS = 3


def is_kept(piece: str) -> bool:
    """Whether the pruned vocabulary has this piece.

    >>> [piece for piece in ("窦", "窦性", "\u2581ST", "QRS", "sinus", "2024", "<mask>") if is_kept(piece)]
    ['窦', '\u2581ST', 'QRS', '2024', '<mask>']
    """
    if piece in SPECIAL:
        return True
    if len(piece) == 1:
        return ord(piece) < OTHER_SINGLE_BELOW or any(first <= ord(piece) <= last for first, last in HAN)
    core = piece.removeprefix(METASPACE)
    return core.isascii() and (len(core) <= ASCII_CHARACTERS or core.isdigit())


def prune(tokenizer: dict[str, Any], keep: Callable[[str], bool] = is_kept) -> tuple[dict[str, Any], list[int]]:
    """Cut a parsed tokenizer.json: the new one, and the old id of each new id.

    Raises ValueError when it is not a unigram tokenizer with the five special tokens.
    """
    model = tokenizer["model"]
    if model["type"] != "Unigram":
        raise ValueError(f"tokenizer of type {model['type']!r}, expected 'Unigram'")
    kept = [old for old, (piece, _) in enumerate(model["vocab"]) if keep(piece)]
    pieces = [model["vocab"][old] for old in kept]
    new_ids = {piece: new for new, (piece, _) in enumerate(pieces)}
    if missing := [token for token in SPECIAL if token not in new_ids]:
        raise ValueError(f"tokenizer without the special tokens {missing}")
    added = [{**token, "id": new_ids[token["content"]]} for token in tokenizer["added_tokens"]]
    pruned_model = {**model, "vocab": pieces, "unk_id": new_ids["<unk>"]}
    return {**tokenizer, "added_tokens": added, "model": pruned_model, "post_processor": _frame(new_ids)}, kept


def _frame(ids: dict[str, int]) -> dict[str, Any]:
    """The template `<s> text </s>` under the new ids."""
    begin, end = ({"SpecialToken": {"id": token, "type_id": 0}} for token in ("<s>", "</s>"))
    first, second = ({"Sequence": {"id": name, "type_id": 0}} for name in "AB")
    return {
        "type": "TemplateProcessing",
        "single": [begin, first, end],
        "pair": [begin, first, end, end, second, end],
        "special_tokens": {token: {"id": token, "ids": [ids[token]], "tokens": [token]} for token in ("<s>", "</s>")},
    }
