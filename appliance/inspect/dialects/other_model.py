"""A request for one model made one for another: the name in the body, or in the path where the dialect has it there.

Sources: the API references of OpenAI, Anthropic, Ollama, Cohere (`model` in the body), Google (`/models/NAME:method`),
Amazon Bedrock (`/model/NAME/operation`).

Rules: pure; all other bytes stay as they are; where the name stands twice, or a reader could understand the body in two
ways, nothing is edited and the caller is told.
"""

import json
import re
from typing import Final
from urllib.parse import quote

from appliance.inspect.jsonspans import MalformedBody, parse
from appliance.inspect.redact import apply

_IN_PATH: Final = ("gemini.", "bedrock.")
_GEMINI = re.compile(r"(/models/)([^/:]+)(?=:\w+\Z)")
_BEDROCK = re.compile(r"(/model/)(.+)(?=/[^/]+\Z)")


def stands_in_path(api: str | None) -> bool:
    """The dialect tells the model in the path."""
    return (api or "").startswith(_IN_PATH)


def body_for(body: bytes, model: str) -> bytes | None:
    """The body with `model` in the place of its own; None: that cannot be done."""
    try:
        document = parse(body)
    except MalformedBody:
        return None
    if document.duplicate_keys or not isinstance(document.value, dict):
        return None
    places = [span for span in document.strings if span.pointer == "/model" and not span.is_key]
    if len(places) != 1 or not isinstance(document.value.get("model"), str):
        return None
    return apply(body, [(places[0].start, places[0].end, json.dumps(model)[1:-1].encode())])


def path_for(api: str | None, target: str, model: str) -> str | None:
    """The request target with `model` in it; None: it names none."""
    path, question, query = target.partition("?")
    form = _GEMINI if (api or "").startswith("gemini.") else _BEDROCK
    made, count = form.subn(lambda found: found[1] + quote(model, safe="-_.~:" if form is _BEDROCK else "-_.~"), path)
    return f"{made}{question}{query}" if count == 1 else None
