"""How much of a growing text waits for the next delta: prose through the stream editor, without any network.

Rules: counted after each delta, in characters that have come and have not left; prose is unique, with names, numbers
and marks as people write them; the editor, the watches and the selectors are those of a worker.
"""

import random
from collections.abc import Iterator, Sequence
from pathlib import Path

from appliance.bench.load import WORDS
from appliance.bench.streaming import event
from appliance.config.policy_file import load_policy
from appliance.config.tables import tables_folder
from appliance.inspect.detect.detectors import Detectors
from appliance.inspect.dialects.openai_stream import ChatEvents
from appliance.inspect.stream.editor import StreamEditor
from appliance.inspect.stream.watching import Watching
from appliance.model.detection import Selector
from appliance.model.names import DetectionKind
from appliance.policy.answers import hidden_of

DELTA_CHARS = 4
TEXTS = 20
TEXT_CHARS = 4000
EVERYTHING = (Selector(kinds=tuple(kind.value for kind in DetectionKind)),)


def held(folder: Path) -> dict[str, float]:
    """`folder`: where detection tables are built if the release has none."""
    watching = Watching(Detectors.load(tables_folder(folder)))
    usual = sorted(count for text in _texts() for count in waiting(watching, answer_hides(), text))
    wide = sorted(count for text in _texts() for count in waiting(watching, EVERYTHING, text))
    return {
        "held_chars_p50": usual[len(usual) // 2],
        "held_chars_p99": usual[len(usual) * 99 // 100],
        "held_everything_chars_p50": wide[len(wide) // 2],
        "held_everything_chars_p99": wide[len(wide) * 99 // 100],
    }


def answer_hides() -> tuple[Selector, ...]:
    """What the embedded policy hides in answers."""
    return tuple(hidden_of(rule) for rule in load_policy() if "response" in rule.match.directions)


def waiting(watching: Watching, hides: tuple[Selector, ...], text: str) -> Iterator[int]:
    """After each delta of `text`: characters that have come, less those of the events that have left."""
    editor = StreamEditor(ChatEvents(), watching, hides=hides, ends=())
    sizes: list[int] = []
    left = 0
    for start in range(0, len(text), DELTA_CHARS):
        delta = text[start : start + DELTA_CHARS]
        sizes.append(len(delta))
        left += sum(piece.count(b"data: ") for piece in editor.feed(event(delta)))
        yield sum(sizes[left:])


def _texts() -> Sequence[str]:
    source = random.Random(7)  # noqa: S311 - text for a load, not a secret
    return [prose(source, TEXT_CHARS) for _ in range(TEXTS)]


def prose(source: random.Random, size: int) -> str:
    """About `size` characters in sentences; some hold a name or a number."""
    text = ""
    while len(text) < size:
        words = source.choices(WORDS, k=source.randint(5, 14))
        if source.random() < 0.2:  # noqa: PLR2004 - a sentence in five
            told = source.choice(("Anna Berg", "Lee", str(source.randint(2, 2030))))
            words.insert(source.randrange(len(words)), told)
        text += " ".join(words).capitalize() + source.choice(".....?!:") + " "
    return text
