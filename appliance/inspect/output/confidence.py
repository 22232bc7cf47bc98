"""How sure a model was of its words, where an answer tells it: log probabilities of tokens.

Owns: `Confidence`. Rules: hostile values count as not told; sums alone are kept; the geometric mean of the tokens'
probabilities, told as a label where it is low. Formats: `logprobs` of OpenAI's chat completions, completions and
responses, `logprobsResult` of Gemini.
"""

import math

import msgspec

from appliance.model.detection import Label
from appliance.model.names import DetectionKind

LOW_CONFIDENCE = "LOW_CONFIDENCE"
LOW = 0.6
LEAST_TOKENS = 16
_LEAST = -20.0
_MOST_BYTES = 4 * 1024 * 1024


class _Token(msgspec.Struct, gc=False):
    logprob: float | None = None
    logProbability: float | None = None  # noqa: N815 - the format's name


class _Told(msgspec.Struct, gc=False):
    content: list[_Token] | None = None
    chosenCandidates: list[_Token] | None = None  # noqa: N815 - the format's name
    token_logprobs: list[float | None] | None = None


_READER = msgspec.json.Decoder(list[_Token] | _Told)


class Confidence:
    """Of one answer."""

    def __init__(self) -> None:
        self._sum = 0.0
        self._count = 0

    def take(self, value: bytes) -> None:
        """One JSON value that tells of tokens; anything else is left alone."""
        if len(value) > _MOST_BYTES:
            return
        try:
            told = _READER.decode(value)
        except (msgspec.MsgspecError, RecursionError):
            return
        tokens = told if isinstance(told, list) else (told.content or told.chosenCandidates or ())
        numbers = [one.logProbability if one.logprob is None else one.logprob for one in tokens]
        if not isinstance(told, list):
            numbers += told.token_logprobs or ()
        sure = [max(_LEAST, min(0.0, one)) for one in numbers if one is not None]
        self._sum += sum(sure)
        self._count += len(sure)

    def labels(self) -> tuple[Label, ...]:
        """One where it was low; its score is how far from sure."""
        if self._count < LEAST_TOKENS:
            return ()
        mean = math.exp(self._sum / self._count)
        return (Label(LOW_CONFIDENCE, DetectionKind.TOPIC, 1, round(1 - mean, 3)),) if mean < LOW else ()


def confidence_of(body: bytes, spans: tuple[tuple[int, int], ...]) -> tuple[Label, ...]:
    """Of a whole answer; `spans`: values that repeat its text in pieces."""
    made = Confidence()
    for start, end in spans:
        made.take(body[start:end])
    return made.labels()
