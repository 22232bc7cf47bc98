"""Runs inside the environment of the SDKs: whether request bodies are what each SDK's own types allow.

Reads lines {"target": dialect, "body": ..., "name": ...} from its input and prints a JSON list of what is wrong.
Nothing of the project is imported here.
"""

import json
import sys

import anthropic.types.message_create_params as messages
import openai.types.chat.completion_create_params as chat
import openai.types.responses.response_create_params as responses
from google.genai import types
from ollama._types import ChatRequest
from pydantic import TypeAdapter


def spent(value):
    """Iterables are checked while they are walked."""
    if isinstance(value, dict):
        for each in value.values():
            spent(each)
    elif isinstance(value, (list, tuple)) or hasattr(value, "__next__"):
        for each in value:
            spent(each)


def gemini(body):
    assert set(body) <= {"contents", "systemInstruction", "tools", "toolConfig", "generationConfig"}
    for content in (*body["contents"], *([body["systemInstruction"]] if "systemInstruction" in body else ())):
        types.Content.model_validate(content)
    for tool in body.get("tools", ()):
        types.Tool.model_validate(tool)
    types.ToolConfig.model_validate(body.get("toolConfig", {}))
    types.GenerationConfig.model_validate(body.get("generationConfig", {}))


def typed(module, name):
    kinds = {False: getattr(module, f"{name}NonStreaming"), True: getattr(module, f"{name}Streaming")}
    base = next(getattr(module, each) for each in dir(module) if each.endswith("ParamsBase"))
    known = {*base.__annotations__, "stream"}
    checks = {stream: TypeAdapter(kind) for stream, kind in kinds.items()}

    def check(body):
        assert set(body) <= known, set(body) - known
        spent(checks[bool(body.get("stream"))].validate_python(body))

    return check


CHECKS = {
    "openai.chat": typed(chat, "CompletionCreateParams"),
    "openai.responses": typed(responses, "ResponseCreateParams"),
    "anthropic.messages": typed(messages, "MessageCreateParams"),
    "gemini.generate": gemini,
    "ollama.chat": ChatRequest.model_validate,
}


def main():
    wrong = []
    for line in sys.stdin:
        told = json.loads(line)
        try:
            CHECKS[told["target"]](told["body"])
        except Exception as error:  # noqa: BLE001 - whatever is wrong is told
            wrong.append(f"{told['name']}: {str(error)[:400]}")
    json.dump(wrong, sys.stdout)


main()
