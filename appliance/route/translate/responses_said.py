"""Answers in the dialect of OpenAI's Responses, whole and as a stream: read.

Source: openai-python `types/responses/response.py`, `response_stream_event.py` and what they name. Rules: what is said
again in `*.done` events and in the last one is read once, where it is said first; a reasoning item's id goes along with
what it holds sealed (`id|sealed`), for both are wanted back.
"""

from collections.abc import Mapping
from typing import Final

from appliance.route.translate import problems
from appliance.route.translate.conversation import (
    Answer,
    Argued,
    Began,
    CallDone,
    Called,
    Counted,
    Event,
    Failed,
    Fault,
    Problem,
    Said,
    Stop,
    Stopped,
    Thought,
    Usage,
)
from appliance.route.translate.fields import Fields, decoded
from appliance.route.translate.losses import Losses
from appliance.route.translate.parts import made_id
from appliance.route.translate.said import gathered, unmatched

_CUT: Final[Mapping[str, Stop]] = {"max_output_tokens": Stop.LENGTH, "content_filter": Stop.REFUSED}
# Events that only frame what others say, or say it again.
_FRAMES: Final = frozenset(
    {
        "response.queued",
        "response.in_progress",
        "response.content_part.added",
        "response.content_part.done",
        "response.output_text.done",
        "response.refusal.done",
        "response.reasoning_text.done",
        "response.reasoning_summary_text.done",
        "response.reasoning_summary_part.done",
        "response.function_call_arguments.done",
        "keepalive",
    }
)
_TEXTS: Final = frozenset({"response.reasoning_summary_text.delta", "response.reasoning_text.delta"})
_ENDS: Final = frozenset({"response.completed", "response.incomplete", "response.failed"})


def read_answer(body: bytes, losses: Losses) -> Answer:
    """A whole answer."""
    fields = Fields(decoded(body), "", losses)
    events: list[Event] = [Began(fields.text("id"), fields.text("model"))]
    for number, item in enumerate(fields.objects("output")):
        events += _whole_item(item, number, losses)
        item.forget()
    return gathered([*events, *_ending(fields)])


def _whole_item(item: Fields, key: int, losses: Losses) -> list[Event]:
    kind = item.text("type")
    if kind == "message":
        return [event for part in item.objects("content") for event in _content(part, losses)]
    if kind == "function_call":
        return [_called(item, key), Argued(key, item.text("arguments")), CallDone(key)]
    if kind == "reasoning":
        texts = _texts(item, "summary") + _texts(item, "content")
        signature = _sealed(item)
        if not any(texts) and not signature:
            return []
        return [Thought("\n\n".join(texts), signature)]
    unmatched(losses, f"output.{kind}")
    return []


def _texts(item: Fields, key: str) -> list[str]:
    texts = []
    for part in item.objects(key):
        part.skip("type")
        texts.append(part.text("text"))
    return texts


def _sealed(item: Fields) -> str:
    signature, name = item.text("encrypted_content"), item.text("id")
    return f"{name}|{signature}" if signature else ""


def _content(part: Fields, losses: Losses) -> list[Event]:
    kind = part.text("type")
    part.only("annotations", lambda value: value == [])
    part.only("logprobs", lambda value: value == [])
    if kind == "output_text":
        return [Said(part.text("text"))]
    if kind == "refusal":
        return [Said(part.text("refusal"), refusal=True)]
    part.forget()
    unmatched(losses, f"content.{kind}")
    return []


def _called(item: Fields, key: int) -> Called:
    name = item.text("name")
    return Called(key, item.text("call_id") or made_id("call_", item.text("id"), key), name)


def _ending(response: Fields) -> list[Event]:
    """How a whole response ended, and what it used."""
    status = response.text("status")
    if status == "failed":
        error = response.any("error")
        return [Failed(problems.read({"error": error if isinstance(error, dict) else {}}))]
    if status not in ("completed", "incomplete"):
        return [Failed(Problem(Fault.SERVER, f"the answer's status is {status[:40] or 'not told'}", 502))]
    details = response.inside("incomplete_details")
    stop = _CUT.get(details.text("reason") if details else "", Stop.FAULT if status == "incomplete" else Stop.END)
    events: list[Event] = [Stopped(stop)]
    usage = response.inside("usage")
    if usage is not None:
        asked, said = usage.inside("input_tokens_details"), usage.inside("output_tokens_details")
        counted = Usage(
            input=usage.whole("input_tokens") or 0,
            output=usage.whole("output_tokens") or 0,
            cached=(asked.whole("cached_tokens") if asked else None) or 0,
            cache_write=(asked.whole("cache_write_tokens") if asked else None) or 0,
            reasoning=(said.whole("reasoning_tokens") if said else None) or 0,
        )
        events.append(Counted(counted))
    return events


class ResponsesReader:
    """The events of a stream."""

    def __init__(self, losses: Losses) -> None:
        self.done = False
        self._losses = losses
        self._argued: set[int] = set()
        self._thought = False

    def read(self, payload: bytes) -> list[Event]:
        """See Reader."""
        if payload.strip() == b"[DONE]":
            self.done = True
            return []
        fields = Fields(decoded(payload), "", self._losses)
        kind = fields.text("type")
        index = fields.whole("output_index") or 0
        if kind == "response.output_text.delta":
            return [Said(fields.text("delta"))]
        if kind == "response.refusal.delta":
            return [Said(fields.text("delta"), refusal=True)]
        if kind == "response.function_call_arguments.delta":
            self._argued.add(index)
            return [Argued(index, fields.text("delta"))]
        if kind in _TEXTS:
            self._thought = True
            return [Thought(fields.text("delta"))]
        return [] if kind in _FRAMES else self._seldom(kind, index, fields)

    def _seldom(self, kind: str, index: int, fields: Fields) -> list[Event]:  # noqa: PLR0911 - one for each kind
        """What comes a few times in a stream."""
        if kind == "response.created":
            response = fields.inside("response")
            return [Began(response.text("id"), response.text("model"))] if response else []
        if kind in _ENDS:
            self.done = True
            response = fields.inside("response")
            return _ending(response) if response else []
        if kind == "error":
            self.done = True
            inside = fields.any("error")
            told = {"message": fields.any("message"), "code": fields.any("code")}
            return [Failed(problems.read({"error": inside if isinstance(inside, dict) else told}))]
        if kind == "response.reasoning_summary_part.added":
            return [Thought("\n\n")] if self._thought else []
        item = fields.inside("item")
        if item is not None and kind == "response.output_item.added":
            return self._added(item, index)
        if item is not None and kind == "response.output_item.done":
            return self._ended(item, index)
        unmatched(self._losses, kind)
        return []

    def _added(self, item: Fields, index: int) -> list[Event]:
        kind = item.text("type")
        if kind == "function_call":
            return [_called(item, index)]
        if kind not in ("message", "reasoning"):
            unmatched(self._losses, f"output.{kind}")
        self._thought = False
        return []

    def _ended(self, item: Fields, index: int) -> list[Event]:
        kind = item.text("type")
        if kind == "function_call":
            whole: list[Event] = [] if index in self._argued else [Argued(index, item.text("arguments"))]
            return [*whole, CallDone(index)]
        signature = _sealed(item) if kind == "reasoning" else ""
        return [Thought("", signature)] if signature else []
