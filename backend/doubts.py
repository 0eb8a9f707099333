"""Where in a report the network of a version is unsure, token by token, for people who look at the queue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.errors import BadRequest, Conflict
from backend.labelstudio.wire import LONGEST_REPORT
from backend.ner.decoding import viterbi
from backend.ner.uncertainty import token_entropy
from backend.predictor import TINY, ModelPredictor, Predictor, TaggerPredictor, temper


def checked(text: object) -> str:
    """The text, if it is one a report can have; raises BadRequest without quoting it."""
    if not isinstance(text, str) or not text.strip():
        raise BadRequest("A report is needed", "text", 'send {"text": "..."}')
    if len(text) > LONGEST_REPORT:
        raise BadRequest("The report is too long", f"{len(text)} characters", f"at most {LONGEST_REPORT}")
    return text


def token_doubts(predictor: Predictor, text: str) -> list[dict[str, Any]]:
    """All tokens of the text: half-open code point range, entropy (0..1, 1 is no idea) and the best tag (BIO).

    The uncertainty of the queue is made of these entropies. A character that needs several tokens has the range
    of the first, the others are empty. Raises Conflict for the rules.
    """
    if isinstance(predictor, TaggerPredictor):
        (said,) = predictor.tag([text])
        return _rows(said.offsets, said.entropies, [predictor.tagger.scheme.tags[tag] for tag in said.tags])
    if not isinstance(predictor, ModelPredictor):
        hint = "the first round brings them"
        raise Conflict("The rules have no uncertainty per token", predictor.version, hint)
    (tagged,) = predictor.tag([text])
    entropies = token_entropy(temper(tagged.probabilities, predictor.temperature))
    tags = viterbi(np.log(tagged.probabilities + TINY), predictor.scheme)
    return _rows(tagged.encoding.offsets, entropies, [predictor.scheme.tags[tag] for tag in tags])


def _rows(offsets: NDArray[np.int64], entropies: NDArray[np.float64], tags: Sequence[str]) -> list[dict[str, Any]]:
    return [
        {"start": int(start), "end": int(end), "entropy": round(float(entropy), 4), "tag": tag}
        for (start, end), entropy, tag in zip(offsets, entropies, tags, strict=True)
    ]
