"""One call carried over from its caller's dialect to a service's, and the answer back.

Theory: each dialect reads into one conversation and writes from it, and the same with answers and events of streams; so
five dialects make twenty translations. What happens between reading and writing is the same for all: signatures
of reasoning are wrapped and unwrapped, calls are sorted, ends are made whole.

Rules: pure; nothing here raises but for a fault of ours: what cannot be carried over is a Refusal, and in an answer an
error in the caller's own shape. An answer that ends before its end is an error, never a short answer.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from appliance.route.translate import problems
from appliance.route.translate.carriers import CALLS, DIALECTS
from appliance.route.translate.conversation import Conversation, Problem, Usage
from appliance.route.translate.losses import Loss, Losses, Refused
from appliance.route.translate.said import Stamp, Unfit
from appliance.route.translate.sealing import unwrapped_turns, wrapped_part
from appliance.route.translate.streaming import Stream

# Headers of a caller's own service: another one would not know them. Those that switch something on are told.
_DROPPED: Final = (
    "anthropic-version",
    "openai-organization",
    "openai-project",
    "x-goog-api-client",
    "x-goog-user-project",
)
_TOLD: Final = ("anthropic-beta", "openai-beta")
_JSON: Final = "application/json"
_MAX_MODEL: Final = 200


class Refusal(msgspec.Struct, frozen=True):
    """Why a request is not carried over, for a person; `status` and `body` say it in the caller's own shape."""

    reason: str
    status: int
    body: bytes


class Asked(msgspec.Struct, frozen=True):
    """A request as the service takes it.

    `path`: with its query, as the dialect has it by default; `set_headers` take the place of any of their name,
    `drop_headers` go; `losses` are for the record. `conversation`: what answers are written for.
    """

    path: str
    body: bytes
    conversation: Conversation
    set_headers: tuple[tuple[str, str], ...] = ()
    drop_headers: tuple[str, ...] = ()
    losses: tuple[Loss, ...] = ()


class Answered(msgspec.Struct, frozen=True):
    """A whole answer as the caller takes it. `usage`, `model`: as the service told them; None, empty: it did not."""

    status: int
    content_type: str
    body: bytes
    losses: tuple[Loss, ...] = ()
    usage: Usage | None = None
    model: str = ""


def plan(
    source_api: str | None,
    target_dialect: str | None,
    models: Mapping[str, str],
    *,
    older: bool = False,
    asks_usage: bool = True,
) -> "Translation | Refusal":
    """How calls of one dialect are carried over to another.

    `models`: the caller's name of a model to the service's; `*`: any other. The same dialect on both sides is no
    case for this: there only the model's name changes, where it stands (appliance/inspect/dialects/other_model.py).
    Of Chat Completions: `older`: the service is not OpenAI's own and knows a limit of tokens by its older name only;
    `asks_usage`: it can be asked for a stream's usage.
    """
    if source_api == target_dialect and source_api is not None:
        return _refusal(source_api, f"both sides speak {source_api}: nothing has to be carried over", 500)
    for api in (source_api, target_dialect):
        if api not in DIALECTS:
            known = ", ".join(DIALECTS)
            return _refusal(source_api or "", f"{api or 'this request'} cannot be carried over; what can: {known}", 403)
    return Translation(str(source_api), str(target_dialect), models, older=older, asks_usage=asks_usage)


def _refusal(api: str, reason: str, status: int) -> Refusal:
    problem = problems.of_status(status, reason)
    return Refusal(reason, problems.status_for(api, problem), msgspec.json.encode(problems.written(api, problem)))


class Translation:
    """Between two dialects. `source` is the caller's."""

    def __init__(
        self, source: str, target: str, models: Mapping[str, str], *, older: bool = False, asks_usage: bool = True
    ) -> None:
        self._older = older
        self._asks_usage = asks_usage
        self.source = source
        self.target = target
        self._models = models

    def request(self, path: str, body: bytes, headers: tuple[str, ...] = ()) -> Asked | Refusal:
        """The request as the service takes it. `headers`: names of those that the caller sent, in lower case."""
        losses = Losses()
        try:
            asked = self._read(path, body, losses)
            there, made = DIALECTS[self.target].write(asked, losses)
            self._fit(made)
            for name in set(_TOLD).intersection(headers):
                losses.tell(name)
            told = losses.settle()
        except Refused as refused:
            return _refusal(self.source, str(refused), refused.status)
        target = DIALECTS[self.target]
        return Asked(
            there,
            msgspec.json.encode(made),
            asked,
            (("content-type", _JSON), *target.headers),
            tuple(name for name in (*_DROPPED, *_TOLD) if name not in dict(target.headers)),
            told,
        )

    def answer(self, status: int, body: bytes, stamp: Stamp) -> Answered:
        """A whole answer, or an error, as the caller takes it."""
        if not 200 <= status <= 299:  # noqa: PLR2004 - HTTP
            # An answer that sends the caller elsewhere names a place at the other service.
            return self._problem(problems.read_body(status if status >= 400 else 502, body))  # noqa: PLR2004 - HTTP
        losses, usage, model = Losses(), None, ""
        try:
            answer = DIALECTS[self.target].read_answer(body, losses)
            usage, model = answer.usage, answer.model
            parts = tuple(wrapped_part(part, self.target) for part in answer.parts)
            answer = msgspec.structs.replace(answer, parts=parts)
            made = DIALECTS[self.source].write_answer(answer, stamp, losses)
        except Refused as refused:
            usage = refused.usage if isinstance(refused, Unfit) else usage
            told = self._problem(problems.of_status(max(refused.status, 500), str(refused)))
            return msgspec.structs.replace(told, usage=usage, model=model)
        return Answered(200, _JSON, msgspec.json.encode(made), losses.told(), answer.usage, answer.model)

    def stream(self, asked: Asked, stamp: Stamp, content_type: str = "") -> Stream:
        """For a streamed answer of status 200. `content_type`: the service's own, where it tells the framing."""
        return Stream(self.source, self.target, asked.conversation, stamp, content_type)

    def _fit(self, body: dict[str, object]) -> None:
        """What other servers than OpenAI's have otherwise in the same dialect."""
        if self._older and "max_completion_tokens" in body:
            body["max_tokens"] = body.pop("max_completion_tokens")
        if not self._asks_usage:
            body.pop("stream_options", None)

    def _read(self, path: str, body: bytes, losses: Losses) -> Conversation:
        if not path.partition("?")[0].endswith(CALLS.get(self.source, "")):
            raise Refused("this call of the dialect cannot be carried over")
        asked = DIALECTS[self.source].read(path, body, losses)
        turns = unwrapped_turns(asked, self.target, losses)
        return msgspec.structs.replace(asked, model=self._model(asked.model), turns=turns)

    def _problem(self, problem: Problem) -> Answered:
        body = msgspec.json.encode(problems.written(self.source, problem))
        return Answered(problems.status_for(self.source, problem), _JSON, body)

    def _model(self, model: str) -> str:
        name = self._models.get(model, self._models.get("*", model))
        if not name or len(name) > _MAX_MODEL or any(letter in name for letter in "?#%") or not name.isprintable():
            raise Refused("the request names no model that can be carried over")
        return name
