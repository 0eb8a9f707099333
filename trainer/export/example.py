"""Find the spans of ECG reports with model.onnx. Needs onnxruntime, numpy and tokenizers, nothing else.

    python example.py report.txt [more.txt ...]     or:  python example.py < report.txt

Prints a line of JSON for each report: [{"start", "end", "label", "score", "text"}, ...]. Offsets count characters of
the text as it is in the file, half-open. Files are read as UTF-8.
"""

from __future__ import annotations

import json
import sys
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from tokenizers import Tokenizer
from tokenizers.pre_tokenizers import ByteLevel

FOLDER = Path(__file__).resolve().parent
METASPACE = "\u2581"


class Tokens:
    """Text -> token ids, one character at a time, so that no token ever covers an end of a span."""

    def __init__(self, path: Path) -> None:
        self.tokenizer = Tokenizer.from_file(str(path))
        self.begin, self.end = self.special("[CLS]", "<s>"), self.special("[SEP]", "</s>")
        self.unknown = self.special("[UNK]", "<unk>")
        space = self.tokenizer.token_to_id(METASPACE)
        self.space = self.unknown if space is None else space
        probe = self.tokenizer.pre_tokenizer
        spells_bytes = bool(probe) and any("å¿ĥ" in part for part, _ in probe.pre_tokenize_str("心"))
        self.bytes = ByteLevel(add_prefix_space=False, use_regex=False) if spells_bytes else None

    def special(self, *names: str) -> int:
        """Id of the first of the names that the vocabulary has."""
        return next(i for i in map(self.tokenizer.token_to_id, names) if i is not None)

    def encode(self, text: str) -> tuple[list[int], list[tuple[int, int]]]:
        """Ids and offsets; further tokens of a character have an empty range at its end."""
        ids: list[int] = []
        offsets: list[tuple[int, int]] = []
        for i, character in enumerate(text):
            found = self.look_up(character)
            ids += found
            offsets += [(i, i + 1)] + [(i + 1, i + 1)] * (len(found) - 1)
        return ids, offsets

    def look_up(self, character: str) -> list[int]:
        """At least one id: as it is, else in compatibility form (full-width digits), else unknown."""
        found: list[int] = []
        for spelling in (character, unicodedata.normalize("NFKC", character)):
            found = self.pieces(spelling)
            if found and self.unknown not in found:
                return found
        return [self.unknown] if found else [self.space]

    def pieces(self, spelling: str) -> list[int]:
        """What the vocabulary has for a spelling; nothing for white space."""
        normalizer = self.tokenizer.normalizer
        word = normalizer.normalize_str(spelling) if normalizer else spelling
        if self.bytes:
            parts = [part for part, _ in self.bytes.pre_tokenize_str(word)]
        else:
            parts = [part for part in word if not part.isspace() and part != METASPACE]
        return [token.id for part in parts for token in self.tokenizer.model.tokenize(part)]


class Tagger:
    """Token ids -> probabilities of the tags."""

    def __init__(self, path: Path) -> None:
        self.session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        about = self.session.get_modelmeta().custom_metadata_map
        self.tags: list[str] = json.loads(about["tags"])
        self.whole, self.window = int(about["whole"]), int(about["window"])

    def probabilities(self, ids: list[int], tokens: Tokens) -> NDArray[np.float64]:
        """Of each token [tokens, tags]: from the window in which it is farthest from an edge."""
        n, result = len(ids), np.zeros((len(ids), len(self.tags)))
        best = np.full(n, -1)
        for start, stop in self.windows(n):
            part = ids[start:stop]
            rows = np.array([[tokens.begin, *part, tokens.end]], dtype=np.int64)
            logits = self.session.run(None, {"input_ids": rows, "attention_mask": np.ones_like(rows)})[0][0, 1:-1]
            shifted = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
            end, steps = start + len(part), np.arange(len(part))
            margin = np.minimum(steps if start else n, steps[::-1] if end < n else n)
            better = margin > best[start:end]
            best[start:end][better] = np.broadcast_to(margin, better.shape)[better]
            result[start:end][better] = (shifted / shifted.sum(axis=1, keepdims=True))[better]
        return result

    def windows(self, n: int) -> list[tuple[int, int]]:
        """A long text in parts of which neighbours share a quarter, the last one moved back; others whole."""
        if n <= self.whole:
            return [(0, n)] if n else []
        last = n - self.window
        return [(start, start + self.window) for start in [*range(0, last, self.window - self.window // 4), last]]


def best_sequence(probabilities: NDArray[np.float64], tags: list[str]) -> list[int]:
    """The most probable tags of which each I-x follows a B-x or an I-x (Viterbi)."""
    labels = [tag[2:] for tag in tags]
    inside = np.array([tag.startswith("I-") for tag in tags])
    same = np.array([[a == b for b in labels] for a in labels])
    forbidden = np.where(inside[:, None] & ~same, -np.inf, 0.0)  # [tag, tag before it]
    rows = np.log(probabilities + 1e-12)
    score = rows[0] + np.where(inside, -np.inf, 0.0)
    before = []
    for row in rows[1:]:
        paths = forbidden + score
        before.append(paths.argmax(axis=1))
        score = paths.max(axis=1) + row
    found = [int(score.argmax())]
    for pointers in reversed(before):
        found.append(int(pointers[found[-1]]))
    return found[::-1]


def spans(text: str, tokens: Tokens, tagger: Tagger) -> list[dict[str, Any]]:
    """The spans of a text, in order."""
    ids, offsets = tokens.encode(text)
    if not ids:
        return []
    probabilities = tagger.probabilities(ids, tokens)
    tags = best_sequence(probabilities, tagger.tags)
    found: list[dict[str, Any]] = []
    start = 0
    while start < len(tags):
        name, end = tagger.tags[tags[start]], start + 1
        while end < len(tags) and tagger.tags[tags[end]] == f"I-{name[2:]}":
            end += 1
        first, last = offsets[start][0], offsets[end - 1][1]
        if name != "O" and first < last:
            score = float(np.mean([probabilities[i, tags[i]] for i in range(start, end)]))
            found.append({"start": first, "end": last, "label": name[2:], "score": score, "text": text[first:last]})
        start = end
    return found


def main() -> None:
    """Read, tag, print."""
    # Bytes, because reading as text would turn each CR LF into one character and move all offsets behind it.
    texts = [Path(name).read_bytes() for name in sys.argv[1:]] or [sys.stdin.buffer.read()]
    tokens, tagger = Tokens(FOLDER / "tokenizer.json"), Tagger(FOLDER / "model.onnx")
    for text in texts:
        sys.stdout.write(json.dumps(spans(text.decode("utf-8"), tokens, tagger), ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
