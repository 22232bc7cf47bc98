"""Attacks in one text by a transformer that says of each window of tokens what it is.

Owns: windows, batches, from outputs to detections. Rules: pure; tokenizer and model are handed in; the text is judged
as a person reads it; windows overlap, so that what one cuts is whole in the next; at most `MOST_WINDOWS` of a text,
`BATCH` at a time; a text whose outputs are no numbers, or not as many as there are labels, is a fault.
"""

import hashlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from appliance.config.schema import ClassifierConfig
from appliance.inspect.looking import RAW, View
from appliance.inspect.views_canonical import canonical
from appliance.model.detection import Detection
from appliance.model.names import DetectionKind

RULE: Final = "classifier"
ENTITIES: Final[Mapping[str, str]] = {"injection": "PROMPT_INJECTION", "jailbreak": "JAILBREAK"}
"""What a label of the configuration is told as; `benign` is told as nothing."""
BATCH: Final = 4
MOST_WINDOWS: Final = 64  # of one piece of text, which has some 2,000 characters
SHARED: Final = 8  # one part in so many of a window stands in the next one, too


class Token(NamedTuple):
    """`start`, `end`: its place in the text, in code points."""

    number: int
    start: int
    end: int


class Settings(msgspec.Struct, frozen=True):
    """`labels`: what the outputs mean, in their order. `threshold`: the probability from which it is a finding.

    `max_tokens`: of one window, with those that the tokenizer adds around it. `model`: digests of the files.
    """

    labels: tuple[str, ...]
    threshold: float
    max_tokens: int
    model: str

    @property
    def version(self) -> str:
        """Of all that decides what is found, 8 hex digits."""
        return hashlib.sha256(msgspec.json.encode(self)).hexdigest()[:8]


class Transformer(NamedTuple):
    """`tokens`: of a text, without those that are added. `around`: those that are added before and behind a window.

    `judge`: windows of token numbers to a row of outputs each, in the order of the labels.
    """

    tokens: Callable[[str], Sequence[Token]]
    around: tuple[tuple[int, ...], tuple[int, ...]]
    judge: Callable[[Sequence[Sequence[int]]], Sequence[Sequence[float]]]


def settings_of(config: ClassifierConfig) -> Settings:
    """As the configuration says."""
    digests = f"{config.sha256} {config.tokenizer_sha256}"
    return Settings(config.labels, config.threshold, config.max_tokens, digests)


def attacks_in(text: str, transformer: Transformer, settings: Settings) -> tuple[Detection, ...]:
    """The best window for each entity that reaches the threshold. ValueError: the model does not fit the labels."""
    view = canonical(text) or View(RAW, text)
    windows = list(windows_of(transformer.tokens(view.text), transformer.around, settings.max_tokens))
    best: dict[str, Detection] = {}
    for at in range(0, len(windows), BATCH):
        batch = windows[at : at + BATCH]
        rows = transformer.judge([_numbers(window, transformer.around) for window in batch])
        for window, row in zip(batch, rows, strict=True):
            start, end = view.placed(window[0].start, window[-1].end)
            for found in _told(row, start, end, settings):
                if found.entity not in best or found.score > best[found.entity].score:
                    best[found.entity] = found
    return tuple(sorted(best.values()))


def windows_of(
    tokens: Sequence[Token], around: tuple[Sequence[int], Sequence[int]], most: int
) -> Iterator[Sequence[Token]]:
    """All tokens in windows of at most `most`, with what is added; at most `MOST_WINDOWS`."""
    size = max(1, most - len(around[0]) - len(around[1]))
    step = max(1, size - size // SHARED)
    for number, start in enumerate(range(0, len(tokens), step)):
        yield tokens[start : start + size]
        if start + size >= len(tokens) or number + 1 == MOST_WINDOWS:
            return


def probabilities(row: Sequence[float]) -> list[float]:
    """Softmax. ValueError: an output is no number."""
    if not all(map(math.isfinite, row)):
        raise ValueError("an output of the model is no number")
    largest = max(row, default=0.0)
    powers = [math.exp(one - largest) for one in row]
    return [one / sum(powers) for one in powers]


def _numbers(window: Sequence[Token], around: tuple[tuple[int, ...], tuple[int, ...]]) -> list[int]:
    before, behind = around
    return [*before, *(token.number for token in window), *behind]


def _told(row: Sequence[float], start: int, end: int, settings: Settings) -> Iterator[Detection]:
    if len(row) != len(settings.labels):
        raise ValueError(f"the model has {len(row)} outputs, and {len(settings.labels)} labels are given")
    shares: dict[str, float] = {}
    for label, share in zip(settings.labels, probabilities(row), strict=True):
        if label in ENTITIES:
            shares[ENTITIES[label]] = shares.get(ENTITIES[label], 0.0) + share
    for entity, share in shares.items():
        if share >= settings.threshold:
            yield Detection(start, end, entity, DetectionKind.INJECTION, round(share, 3), RULE)
