"""A request whose targets speak other dialects: carried over once for each, and the answer of the one that answered.

Theory of operation. `Carrying` hangs on its exchange. It is told the request's body as it goes on (what is hidden of it
is hidden, and the most tokens are written in) and gives each target the request in the target's dialect; the plan says
before each attempt which one is tried, so that when the head of an answer comes, `answering` is the one to read it by.
What goes to the client from there on is in the client's own dialect: everything that reads answers reads that.

Rules: a request is carried over from the body that goes on, never from the one that came; which model is sent is
written in the configuration, and a model that it does not name is refused; tokens are counted as the target told them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from addons.ongoing import Account
from appliance.config.schema import RouteEntry
from appliance.inspect.dialects.asking_usage import asks_usage
from appliance.inspect.dialects.capping import takes_older_name
from appliance.inspect.dialects.fields import MAX_COUNT
from appliance.model.catalogue import Service
from appliance.model.event import Usage
from appliance.model.paths import plain_path
from appliance.route.carrying import ANY
from appliance.route.credentials import is_credential_parameter
from appliance.route.translate import Answered, Asked, Loss, Refusal, Stamp, Stream, Translation, plan
from appliance.route.translate.conversation import Usage as Tokens

CARRIED_OVER: Final = "dialect:"  # in the edits of a record: the one it was carried over to
LOST: Final = "lost:"  # likewise: a field that was left out on the way
MAX_LOST: Final = 64
_QUERY: Final = frozenset({"alt", "$alt"})  # what the translation reads itself
_NO_MODEL: Final = 404
_NAMES_NONE: Final = "the request names no model, and which one is sent elsewhere hangs on that"
_NO_GOOD: Final = 300
_BAD_REQUEST: Final = 400
_BAD_GATEWAY: Final = 502
_NO_STREAM: Final = b'{"error":"the other service answered in one piece where a stream was asked for"}'


@dataclass(frozen=True, slots=True)
class Carried:
    """A request as one target takes it."""

    service: Service
    translation: Translation
    asked: Asked
    stamp: Stamp

    @property
    def model(self) -> str:
        """The one that is sent."""
        return self.asked.conversation.model

    @property
    def streams(self) -> bool:
        """Whether a stream was asked for."""
        return self.asked.conversation.stream

    def stream(self, content_type: str) -> Stream:
        """For its streamed answer."""
        return self.translation.stream(self.asked, self.stamp, content_type)

    def answer(self, status: int, body: bytes) -> Answered:
        """Its answer in one piece, or its error, as the client reads it; one that should be a stream is an error."""
        if self.streams and status < _NO_GOOD:
            status, body = _BAD_GATEWAY, _NO_STREAM
        return self.translation.answer(status, body, self.stamp)

    def edits(self, word: Callable[[str], str]) -> tuple[str, ...]:
        """In the words of a record. `word`: makes a name fit to be written down."""
        return (f"{CARRIED_OVER}{self.translation.target}", *lost(self.asked.losses, word))


class Carrying:
    """One request, for all its targets.

    `api`: the caller's dialect; `path`: the request's target; `heads`: names of its headers, in lower case; `names`: of
    the targets that it is carried over for.
    """

    def __init__(self, api: str, path: str, heads: tuple[str, ...], names: frozenset[str], stamp: Stamp) -> None:
        self._api = api
        bare, question, query = path.partition("?")
        self._path = f"{plain_path(bare)}{question}{query}"
        self._heads = heads
        self._names = names
        self._stamp = stamp
        self._beside = _beside(query)
        self._body = b""
        self._made: dict[tuple[str | None, bool, bool, str], Carried | Refusal] = {}
        self.first: Carried | None = None  # whose losses the open record tells
        self.answering: Carried | None = None  # who is tried now; None: one that takes the request as it is

    def concerns(self, name: str) -> bool:
        """Whether the target of this name gets the request carried over."""
        return name in self._names

    def read(self, body: bytes) -> None:
        """The body, not encoded, as it goes on."""
        self._body, self._made = body, {}

    def of(self, service: Service, models: Mapping[str, str], asked: str | None) -> Carried | Refusal:
        """The request for a target. `models`: its names of models; `asked`: the one that was asked for."""
        if not asked:  # nobody has judged what would be sent
            return Refusal(_NAMES_NONE, _BAD_REQUEST, b"")
        sent = models.get(asked, models.get(ANY))
        if sent is None:
            return Refusal("", _NO_MODEL, b"")
        key = (service.dialect, takes_older_name(service.id), asks_usage(service.id), sent)
        if key not in self._made:
            self._made[key] = self._carried(service, sent)
        made = self._made[key]
        return made if isinstance(made, Refusal) or made.service is service else _for(made, service)

    def _carried(self, service: Service, sent: str) -> Carried | Refusal:
        translation = plan(
            self._api,
            service.dialect,
            {} if sent == ANY else {ANY: sent},
            older=takes_older_name(service.id),
            asks_usage=asks_usage(service.id),
        )
        if isinstance(translation, Refusal):
            return translation
        asked = translation.request(self._path, self._body, self._heads)
        if isinstance(asked, Refusal):
            return asked
        losses = (*asked.losses, *(Loss(f"query.{name}", "an address of another service") for name in self._beside))
        stamp = Stamp(self._stamp.id, self._stamp.created, asked.conversation.model)
        return Carried(service, translation, _with(asked, losses), stamp)


def _for(made: Carried, service: Service) -> Carried:
    return Carried(service, made.translation, made.asked, made.stamp)


def _with(asked: Asked, losses: tuple[Loss, ...]) -> Asked:
    if losses == asked.losses:
        return asked
    return Asked(asked.path, asked.body, asked.conversation, asked.set_headers, asked.drop_headers, losses)


def _beside(query: str) -> tuple[str, ...]:
    """Names in the query that neither the translation reads nor are credentials."""
    names = (pair.partition("=")[0].lower() for pair in query.split("&")[:MAX_LOST] if pair)
    return tuple(dict.fromkeys(name for name in names if name not in _QUERY and not is_credential_parameter(name)))


def is_stream(dialect: str, content_type: str) -> bool:
    """Whether an answer of this type is a stream of the dialect; Gemini's can be an array, Ollama's are lines."""
    kind = content_type.partition(";")[0].strip().lower()
    if dialect == "ollama.chat":
        return kind in ("application/x-ndjson", "application/ndjson", "application/jsonl", "application/json")
    return kind == "text/event-stream" or (dialect == "gemini.generate" and kind == "application/json")


def unnamed(route: str, entry: RouteEntry, service: Service, asked: str) -> str:
    """Why a model that the configuration does not name is not sent to a service of another dialect."""
    place = f"gateway.routes.{route}.models" + (", or models of that target" if entry.targets else "")
    name = asked or "NAME"
    told = f"route {route} leads to {service.name}, whose models have other names, and none is set for {asked or 'it'}"
    return f"{told}: set {place}, e.g. {{{name}: NAME-THERE}}, or '*' for all others"


def lost_on_the_way(carrying: Carrying | None, losses: Sequence[Loss], word: Callable[[str], str]) -> tuple[str, ...]:
    """For the close record: what the answer lost, and the request for a target that the open record does not name."""
    if carrying is None or carrying.answering is None:
        return ()
    told = carrying.answering
    asked = told.edits(word) if carrying.first is None or carrying.first.asked is not told.asked else ()
    return tuple(dict.fromkeys((*asked, *lost(losses, word))))


def lost(losses: Sequence[Loss], word: Callable[[str], str]) -> tuple[str, ...]:
    """What was left out, in the words of a record; bounded."""
    return tuple(dict.fromkeys(f"{LOST}{word(loss.field)}" for loss in losses[:MAX_LOST]))


def of_carried(account: Account, made: Answered | None) -> Account:
    """The account of an answer in one piece, with what only the target's own form tells."""
    if made is None:
        return account
    usage = usage_of(made.usage)
    return replace(account, model=made.model or account.model, usage=usage or account.usage, lost=made.losses)


def usage_of(told: Tokens | None) -> Usage | None:
    """Tokens as a record has them; what cannot be is bounded."""
    if told is None:
        return None
    names = ("input", "output", "cached", "cache_write", "reasoning", "audio_input", "audio_output")
    kept = (max(0, min(getattr(told, name), MAX_COUNT)) for name in names)
    received, made, cached, written, reasoning, heard, sounded = kept
    return Usage(
        input_tokens=received,
        output_tokens=made,
        cached_tokens=cached,
        cache_write_tokens=written,
        reasoning_tokens=reasoning,
        audio_input_tokens=heard,
        audio_output_tokens=sounded,
    )
