r"""What a provider keeps by itself, by the ids under which it does: responses, conversations, threads, cached content.

Theory. An API with a memory is told by an id what to remember or to go on from (`previous_response_id`,
`conversation`, `cachedContent`, an id in the path), and tells the id of what it remembers from now on. Names that stand
for values come back in answers that build on such a memory, so whoever keeps their values needs its id. Sources: the
API references of OpenAI (Responses, Conversations, Assistants), Google (cached contents, interactions, Live sessions),
Anthropic (message batches), and the web chats' own calls.

Rules: pure; ids are foreign text of at most `LONGEST` code points and are used as keys alone; an id that is not found
costs a name that stays a name.
"""

import re
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

import msgspec

from appliance.inspect.dialects import Call, EventReader
from appliance.inspect.stream.events import Event, EventView, Framing, Told
from appliance.model.detection import Segment

LONGEST: Final = 1024
MOST: Final = 8  # ids of one exchange
_FIRST_EVENTS: Final = 16  # of a stream: what it is called stands at its beginning
_LARGEST_EVENT: Final = 256 * 1024
_FOLLOWED: Final = frozenset(
    """
    /previous_response_id /previous_interaction_id /previousInteractionId /cachedContent /cached_content
    /setup/cachedContent /setup/sessionResumption/handle /response/previous_response_id
    """.split()  # noqa: SIM905 - a table reads better
)
_GROWING: Final = frozenset({"/conversation", "/conversation/id", "/conversation_id", "/thread_id"})
_BEGUN: Final = frozenset({"/id", "/conversation/id", "/conversation_id", "/thread_id", "/name"})
_HELD: Final = r"responses|conversations|threads|interactions|cachedContents|chat_conversations|batches|conversation"
# `/threads/ID/runs`, `/responses/ID`, `/cachedContents/ID`; what stands there and is no id has no digit.
_IN_PATH: Final = re.compile(rf"/(?:{_HELD})/(?=[A-Za-z_.~%-]*[0-9])([A-Za-z0-9_.~%-]{{6,{LONGEST}}})(?=[/:]|\Z)")
_BEGINS: Final = re.compile(
    r"/(?:responses(?:/compact)?|conversations|threads(?:/runs)?|interactions|cachedContents|batches"
    r"|backend-(?:api|anon)/(?:f/)?conversation|(?:[\w.]+\.)?BidiGenerateContent(?:Constrained)?)/?\Z"
)
_SOCKET: Final = re.compile(r"/responses/?\Z|BidiGenerateContent(?:Constrained)?/?\Z")
_NOT_STORED: Final = re.compile(rb'"store"\s*:\s*false')
_NESTED: Final = ("response", "interaction", "conversation", "thread", "v", "sessionResumptionUpdate")
_KEY: Final = "name"  # the channel of keys, which stand where their values do
_NAMED: Final = ("conversation_id", "thread_id", "newHandle")


class States(NamedTuple):
    """Ids of memories. `followed`: what the answer builds on; `growing`: those of them that what is said is added to.

    `begins`: the answer tells the id of a further one.
    """

    followed: tuple[str, ...] = ()
    growing: tuple[str, ...] = ()
    begins: bool = False


NONE: Final = States()


def asked(call: Call, segments: Iterable[Segment], body: bytes) -> States:
    """The memories that a request names or begins. `body`: decoded."""
    path = call.bare
    growing = [found[1] for found in _IN_PATH.finditer(path)]
    followed: list[str] = []
    for one in segments:
        if one.channel == _KEY:
            continue
        if one.pointer in _GROWING:
            growing.append(one.text)
        elif one.pointer in _FOLLOWED:
            followed.append(one.text)
    is_begun = begins(call) and _NOT_STORED.search(body) is None
    grown = tuple(_ids(growing))
    every = tuple(_ids([*growing, *followed]))
    return States(every, grown if _says(call) else (), is_begun) if every or is_begun else NONE


def begins(call: Call) -> bool:
    """Whether an answer to such a call is remembered by its provider under an id that it tells."""
    return _says(call) and _BEGINS.search(call.bare) is not None


def _says(call: Call) -> bool:
    """A call that says something, or begins a WebSocket on which something is said."""
    return call.method == "POST" or _SOCKET.search(call.bare) is not None


def told(segments: Iterable[Segment]) -> tuple[str, ...]:
    """The ids that an answer in one piece gives."""
    return tuple(_ids(one.text for one in segments if one.pointer in _BEGUN and one.channel != _KEY))


class Naming:
    """Reads for another reader, and remembers by which ids the answer is kept. Implements `EventReader`."""

    def __init__(self, reader: EventReader, tell: Callable[[tuple[str, ...]], None]) -> None:
        """`tell`: is told the ids, the newest first, whenever there are more."""
        self.framing: Framing = reader.framing
        self._ids: tuple[str, ...] = ()
        self._reader, self._tell = reader, tell
        self._left = _FIRST_EVENTS

    def read(self, event: Event) -> EventView:
        """See `EventReader`."""
        looks = self.framing is Framing.MESSAGE or self._left > 0  # a socket goes on to name them
        if looks and len(event.payload) <= _LARGEST_EVENT and _may_name(event.payload):
            self._left -= 1
            self._noticed(_in_event(event.payload))
        return self._reader.read(event)

    def _noticed(self, found: Iterable[str]) -> None:
        known = tuple(_ids([*found, *self._ids]))
        if known != self._ids:
            self._ids = known
            self._tell(known)

    def told(self) -> Told:
        """See `EventReader`."""
        return self._reader.told()

    def ending(self, reason: str) -> bytes:
        """See `EventReader`."""
        return self._reader.ending(reason)


def _may_name(payload: bytes) -> bool:
    """Whether an event may say what an answer is called: those with a piece of text do not."""
    return b'"delta":' not in payload and (b'id"' in payload or b'"newHandle"' in payload)


def _in_event(payload: bytes) -> Iterable[str]:
    try:
        said = msgspec.json.decode(payload)
    except (msgspec.DecodeError, RecursionError):
        return
    if not isinstance(said, dict):
        return
    yield from (said[name] for name in _NAMED if isinstance(said.get(name), str))
    if str(said.get("object", "")).startswith("thread") and isinstance(said.get("id"), str):
        yield said["id"]
    for name in _NESTED:
        inner = said.get(name)
        if isinstance(inner, dict):
            yield from (inner[key] for key in ("id", *_NAMED) if isinstance(inner.get(key), str))
            beside = inner.get("conversation")
            if isinstance(beside, dict) and isinstance(beside.get("id"), str):
                yield beside["id"]


def _ids(found: Iterable[str]) -> list[str]:
    """Each once, bare: `cachedContents/x` and a full resource name are called x."""
    bare = (one.rpartition("/")[2] for one in found if 0 < len(one) <= LONGEST)
    return list(dict.fromkeys(one for one in bare if one))[:MOST]
