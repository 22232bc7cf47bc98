"""Answers in the dialect of OpenAI's Responses, whole and as a stream: written.

Source: as responses_said.py. Rules: a stream says everything twice there, in deltas and whole, so what was said is kept
(at most MAX_HELD bytes); the whole answer is what a stream of the same events would end with.
"""

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
    Problem,
    Said,
    Stop,
    Stopped,
    Thought,
    Usage,
)
from appliance.route.translate.losses import Losses
from appliance.route.translate.said import Kept, Stamp, as_events, sse
from appliance.route.translate.signatures import riding

API: Final = "openai.responses"
_CUT: Final = {Stop.LENGTH: "max_output_tokens", Stop.REFUSED: "content_filter"}


def write_answer(answer: Answer, stamp: Stamp, losses: Losses) -> dict[str, object]:
    """A whole answer."""
    writer = ResponsesWriter(stamp, losses, usage=True, framing="sse")
    for event in as_events(answer):
        writer.write(event)
    writer.close()
    return writer.response()


class ResponsesWriter:
    """The events of a stream: one item open at a time."""

    def __init__(self, stamp: Stamp, losses: Losses, *, usage: bool, framing: str) -> None:
        del losses, usage, framing
        self._stamp = stamp
        self._model = stamp.model
        self._number = 0
        self._begun = False
        self._items: list[dict[str, object]] = []
        self._open = ""  # text | refusal | reasoning | call
        self._item: dict[str, object] = {}
        self._kept = Kept()
        self._stop: Stop | None = None
        self._problem: Problem | None = None
        self._usage: Usage | None = None

    def write(self, event: Event) -> bytes:  # noqa: PLR0911 - one for each event
        """See Writer."""
        head = b"" if self._begun else self._begin(event)
        if isinstance(event, Said):
            return head + self._said(event)
        if isinstance(event, Thought):
            return head + self._thought(event)
        if isinstance(event, Called):
            return head + self._called(event)
        if isinstance(event, Argued):
            self._kept.add(event.fragment)
            return self._event("response.function_call_arguments.delta", delta=event.fragment)
        if isinstance(event, CallDone):
            return head + self._close_item()
        if isinstance(event, Stopped):
            self._stop = event.stop
            return head + self._close_item()
        if isinstance(event, Counted):
            self._usage = event.usage
        if isinstance(event, Failed):
            return head + self._failed(event.problem)
        return head

    def close(self) -> bytes:
        """See Writer."""
        if self._problem is not None:
            return b""
        kind = "response.incomplete" if self._stop in _CUT else "response.completed"
        return self._sent(kind, {"response": self.response()})

    def response(self) -> dict[str, object]:
        """The response as it stands now."""
        status = "in_progress" if self._stop is None else "incomplete" if self._stop in _CUT else "completed"
        error: object = None
        if self._problem is not None:
            status = "failed"
            error = {"code": self._problem.code or "server_error", "message": self._problem.message}
        cut = {"reason": _CUT[self._stop]} if self._stop in _CUT else None
        made: dict[str, object] = {
            "id": f"resp_{self._stamp.id}",
            "object": "response",
            "created_at": self._stamp.created,
            "status": status,
            "error": error,
            "incomplete_details": cut,
            "instructions": None,
            "metadata": {},
            "model": self._model,
            "output": list(self._items),
            "parallel_tool_calls": True,
            "temperature": None,
            "tool_choice": "auto",
            "tools": [],
            "top_p": None,
            "usage": _written_usage(self._usage) if self._usage is not None else None,
        }
        return made

    def _begin(self, event: Event) -> bytes:
        self._begun = True
        if isinstance(event, Began):
            self._model = event.model or self._model
            self._usage = event.usage
        # A response that has begun tells no usage yet.
        response = self.response() | {"usage": None}
        first = self._sent("response.created", {"response": response})
        return first + self._sent("response.in_progress", {"response": response})

    def _said(self, event: Said) -> bytes:
        kind = "refusal" if event.refusal else "text"
        head = b""
        if self._open != kind:
            if self._open in ("text", "refusal"):
                head = self._close_item()
            head += self._start(kind, {"type": "message", "role": "assistant", "content": []}, "msg")
            head += self._event("response.content_part.added", content_index=0, part=_content(kind, ""))
        self._kept.add(event.text)
        if event.refusal:
            return head + self._event("response.refusal.delta", content_index=0, delta=event.text)
        return head + self._event("response.output_text.delta", content_index=0, delta=event.text, logprobs=[])

    def _thought(self, event: Thought) -> bytes:
        head = b""
        if self._open != "reasoning":
            head = self._start("reasoning", {"type": "reasoning", "summary": []}, "rs")
            if event.text:
                head += self._event("response.reasoning_summary_part.added", summary_index=0, part=_summary(""))
        if event.text:
            self._kept.add(event.text)
            head += self._event("response.reasoning_summary_text.delta", summary_index=0, delta=event.text)
        if event.signature:
            self._item["encrypted_content"] = event.signature
            head += self._close_item()
        return head

    def _called(self, event: Called) -> bytes:
        call = riding(event.id, event.signature)
        return self._start(
            "call", {"type": "function_call", "call_id": call, "name": event.name, "arguments": ""}, "fc"
        )

    def _start(self, kind: str, item: dict[str, object], prefix: str) -> bytes:
        before = self._close_item()
        self._open = kind
        name = f"{prefix}_{self._stamp.id}_{len(self._items)}"
        self._item = {"id": name, "status": "in_progress", **item}
        return before + self._sent("response.output_item.added", self._placed(item=self._item))

    def _close_item(self) -> bytes:
        if not self._open:
            return b""
        kind, text = self._open, self._kept.take()
        self._open = ""
        out = self._last_words(kind, text)
        self._item["status"] = "completed"
        out += self._sent("response.output_item.done", self._placed(item=self._item))
        self._items.append(self._item)
        self._item = {}
        return out

    def _last_words(self, kind: str, text: str) -> bytes:
        """What says an item's text once more."""
        if kind == "call":
            self._item["arguments"] = text or "{}"
            told = {"arguments": text or "{}", "name": self._item["name"]}
            return self._event("response.function_call_arguments.done", **told)
        if kind == "reasoning":
            if not text:
                return b""
            self._item["summary"] = [_summary(text)]
            done = self._event("response.reasoning_summary_text.done", summary_index=0, text=text)
            return done + self._event("response.reasoning_summary_part.done", summary_index=0, part=_summary(text))
        part = _content(kind, text)
        self._item["content"] = [part]
        if kind == "refusal":
            done = self._event("response.refusal.done", content_index=0, refusal=text)
        else:
            done = self._event("response.output_text.done", content_index=0, text=text, logprobs=[])
        return done + self._event("response.content_part.done", content_index=0, part=part)

    def _failed(self, problem: Problem) -> bytes:
        self._problem = problem
        code = problem.code or str(problems.written(API, problem)["error"]["type"])  # type: ignore[index]
        first = self._sent("error", {"code": code, "message": problem.message, "param": None})
        return first + self._sent("response.failed", {"response": self.response()})

    def _event(self, kind: str, **told: object) -> bytes:
        return self._sent(kind, self._placed(item_id=self._item["id"], **told))

    def _placed(self, **told: object) -> dict[str, object]:
        return {"output_index": len(self._items), **told}

    def _sent(self, kind: str, told: dict[str, object]) -> bytes:
        self._number += 1
        return sse({"type": kind, "sequence_number": self._number - 1, **told}, kind)


def _content(kind: str, text: str) -> dict[str, object]:
    if kind == "refusal":
        return {"type": "refusal", "refusal": text}
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _summary(text: str) -> dict[str, object]:
    return {"type": "summary_text", "text": text}


def _written_usage(usage: Usage) -> dict[str, object]:
    return {
        "input_tokens": usage.input,
        "input_tokens_details": {"cached_tokens": usage.cached, "cache_write_tokens": usage.cache_write},
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.input + usage.output,
    }
