"""The five dialects side by side: what reads and writes each one's requests, answers and streams."""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from appliance.route.translate import (
    chat_asked,
    chat_said,
    gemini_asked,
    gemini_said,
    messages_asked,
    messages_said,
    ollama_asked,
    ollama_said,
    responses_asked,
    responses_said,
    responses_written,
)
from appliance.route.translate.conversation import Answer, Conversation
from appliance.route.translate.losses import Losses
from appliance.route.translate.said import Reader, Stamp, Writer

Written = tuple[str, dict[str, object]]
"""Path and body."""


class Dialect(NamedTuple):
    """`writer(stamp, losses, usage=, framing=)`; `headers`: what a request needs beside its body."""

    read: Callable[[str, bytes, Losses], Conversation]
    write: Callable[[Conversation, Losses], Written]
    read_answer: Callable[[bytes, Losses], Answer]
    write_answer: Callable[[Answer, Stamp, Losses], dict[str, object]]
    reader: Callable[[Losses], Reader]
    writer: Callable[..., Writer]
    headers: tuple[tuple[str, str], ...] = ()
    lines: bool = False


DIALECTS: Final[Mapping[str, Dialect]] = {
    "openai.chat": Dialect(
        chat_asked.read,
        chat_asked.write,
        chat_said.read_answer,
        chat_said.write_answer,
        chat_said.ChatReader,
        chat_said.ChatWriter,
    ),
    "openai.responses": Dialect(
        responses_asked.read,
        responses_asked.write,
        responses_said.read_answer,
        responses_written.write_answer,
        responses_said.ResponsesReader,
        responses_written.ResponsesWriter,
    ),
    "anthropic.messages": Dialect(
        messages_asked.read,
        messages_asked.write,
        messages_said.read_answer,
        messages_said.write_answer,
        messages_said.MessagesReader,
        messages_said.MessagesWriter,
        (("anthropic-version", messages_asked.VERSION),),
    ),
    "gemini.generate": Dialect(
        gemini_asked.read,
        gemini_asked.write,
        gemini_said.read_answer,
        gemini_said.write_answer,
        gemini_said.GeminiReader,
        gemini_said.GeminiWriter,
    ),
    "ollama.chat": Dialect(
        ollama_asked.read,
        ollama_asked.write,
        ollama_said.read_answer,
        ollama_said.write_answer,
        ollama_said.OllamaReader,
        ollama_said.OllamaWriter,
        lines=True,
    ),
}
# What the path of a call ends with; calls beside it (tokens counted, older kinds) are others. Gemini's tell themselves.
CALLS: Final[Mapping[str, str]] = {
    "openai.chat": "/chat/completions",
    "openai.responses": "/responses",
    "anthropic.messages": "/messages",
    "ollama.chat": "/api/chat",
}
