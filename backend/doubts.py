"""Where in a report the network of a version is unsure, token by token, for people who look at the queue."""

from __future__ import annotations

from typing import Any

import numpy as np

from backend.errors import BadRequest, Conflict
from backend.labelstudio.wire import LONGEST_REPORT
from backend.ner.decoding import viterbi
from backend.ner.uncertainty import token_entropy
from backend.predictor import TINY, ModelPredictor, Predictor, temper


def checked(text: object) -> str:
    """The text, if it is one a report can have; raises BadRequest without quoting it."""
    if not isinstance(text, str) or not text.strip():
        raise BadRequest("A report is needed", "text", 'send {"text": "..."}')
    if len(text) > LONGEST_REPORT:
        raise BadRequest("The report is too long", f"{len(text)} characters", f"at most {LONGEST_REPORT}")
    return text


def token_doubts(predictor: Predictor, text: str) -> list[dict[str, Any]]:
    """All tokens of the text: half-open code point range, entropy (0..1, 1 is no idea) and the best tag (BIO).

    The mean of the entropies is the uncertainty of the queue. A character that needs several tokens has the range
    of the first, the others are empty. Raises Conflict for a predictor without a network.
    """
    if not isinstance(predictor, ModelPredictor):
        hint = "the first round that trains a network brings them"
        raise Conflict("The rules have no uncertainty per token", predictor.version, hint)
    (tagged,) = predictor.tag([text])
    entropies = token_entropy(temper(tagged.probabilities, predictor.temperature))
    tags = viterbi(np.log(tagged.probabilities + TINY), predictor.scheme)
    return [
        {"start": int(start), "end": int(end), "entropy": round(float(entropy), 4), "tag": predictor.scheme.tags[tag]}
        for (start, end), entropy, tag in zip(tagged.encoding.offsets, entropies, tags, strict=True)
    ]
