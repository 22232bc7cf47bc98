"""What a call is for, in coarse classes: told by the newest words of a person, the tools declared and the files sent.

Rules: pure; one label of use for each call, the strongest; where nothing speaks, none: a report then says `unknown`.
Beside it stands whether probabilities of tokens are asked for, which signals count.
"""

from appliance.inspect.topics.classes import phrases_by_first, signs, words_of
from appliance.inspect.topics.lexicon import USES
from appliance.inspect.view import RequestView
from appliance.model.detection import Label
from appliance.model.names import DetectionKind

AGENT = "USE_AGENT"
LOGPROBS = "LOGPROBS_ASKED"  # what copying a model takes, and evaluation, too
MANY_TOOLS = 3
_MAX_CHARS = 2000
_SURE = 4
_WORDS = {word: entity for entity, words in USES.items() for word in words}
_SINGLE = frozenset(word for word in _WORDS if " " not in word)
_PHRASES = phrases_by_first(_WORDS)


def told_of(view: RequestView) -> tuple[Label, ...]:
    """What it is for, and whether it asks for the probabilities of tokens."""
    use = use_of(view)
    return (*use, Label(LOGPROBS, DetectionKind.TOPIC, 1, 1.0)) if view.logprobs else use


def use_of(view: RequestView) -> tuple[Label, ...]:
    """At most one label."""
    if len(view.tools_declared) >= MANY_TOOLS or any(segment.role == "tool" for segment in view.segments):
        return (Label(AGENT, DetectionKind.TOPIC, 1, 1.0),)
    asked = [one.text for one in view.segments if one.role == "user" and one.channel == "content" and not one.fixed]
    if not asked:
        return ()
    text = asked[-1]
    text = text if len(text) <= _MAX_CHARS else text[: _MAX_CHARS // 2] + "\n" + text[-_MAX_CHARS // 2 :]
    counts: dict[str, int] = {}
    folded = text.lower()
    for word in signs(folded, words_of(folded), _SINGLE, _PHRASES):
        counts[_WORDS[word]] = counts.get(_WORDS[word], 0) + 1
    if not counts:
        return ()
    entity = max(counts, key=lambda one: counts[one])
    return (Label(entity, DetectionKind.TOPIC, 1, round(min(1.0, counts[entity] / _SURE), 2)),)
