"""What requests of the OpenAI family have in common: tools, hosted tool servers, roles, the model in a path.

Rules: pure readings of decoded JSON, in which anything may stand anywhere; nothing here raises on a strange shape.
"""

import re
from collections.abc import Iterator
from urllib.parse import unquote

from appliance.inspect.dialects.fields import hosts, objects, texts
from appliance.inspect.dialects.repeats import value_after
from appliance.inspect.jsonspans import parse
from appliance.inspect.view import Opaque
from appliance.model.detection import Segment

ROLES = frozenset({"system", "user", "assistant", "tool", "developer"})
"""Roles of a message, as segments call them (`function` is the old name of `tool`)."""
MAX_TOOLS = 4096
_MAX_ID = 10**7  # no vocabulary is as large, and no card or account number as small
_NESTED = 4  # namespaces in namespaces of tools
_DEPLOYMENT = re.compile(r"/(?:deployments|engines)/([^/]+)/")


def role_of(given: object) -> str:
    """The role of a message in the words of segments."""
    if given == "function":
        return "tool"
    return given if isinstance(given, str) and given in ROLES else "unknown"


def deployment(path: str) -> str | None:
    """The deployment (Azure) or engine that a path names: what stands for the model when the body names none."""
    found = _DEPLOYMENT.search(path)
    return unquote(found[1]) if found else None


def tool_names(*declared: object) -> tuple[str, ...]:
    """Names of declared functions, in order; `declared`: lists of tools or of functions, in any of their shapes."""
    names: list[str] = []
    for tool in _tools(declared):
        for holder in (tool, tool.get("function"), tool.get("custom")):
            name = holder.get("name") if isinstance(holder, dict) else None
            if isinstance(name, str) and name:
                names.append(name)
    return tuple(dict.fromkeys(names))[:MAX_TOOLS]


def hosted_mcp(*declared: object) -> tuple[str, ...]:
    """Hosts of tool servers that the provider is asked to call; of a connector or tunnel its id."""
    found: list[str] = []
    for tool in _tools(declared):
        if tool.get("type") == "mcp":
            url = tool.get("server_url")
            named = texts((tool.get("connector_id"), tool.get("tunnel_id")))
            found += hosts([url]) if url is not None or not named else ()
            found += named
    return tuple(dict.fromkeys(found))[:MAX_TOOLS]


def _tools(declared: tuple[object, ...], depth: int = 0) -> Iterator[dict[str, object]]:
    for tools in declared:
        for tool in objects(tools):
            yield tool
            if depth < _NESTED and "tools" in tool:
                yield from _tools((tool["tools"],), depth + 1)


Spans = tuple[tuple[Segment, ...], tuple[Opaque, ...]]


def token_ids(body: bytes, value: object, name: str, spans: Spans) -> Spans:
    """`spans`, segments and opaque ones, with lists of token ids as opaque: only the model's tokeniser can read them.

    `value` stands in `body` under the top-level key `name`. Only a list through and through of numbers counts.
    """
    segments, opaque = spans
    if not isinstance(value, list) or not value or not _are_ids(value):
        return spans
    span = value_after(body, _end_of_key(body, name))
    if span is None:
        return spans
    start, end = span
    segments = tuple(one for one in segments if not start <= one.start < end)
    return segments, tuple(sorted((*opaque, Opaque(start, end, "token_ids")), key=lambda span: span.start))


def _are_ids(value: list[object]) -> bool:
    rows = value if isinstance(value[0], list) else [value]
    return all(isinstance(row, list) and all(type(one) is int and 0 <= one < _MAX_ID for one in row) for row in rows)


def _end_of_key(body: bytes, name: str) -> int:
    """Where the inside of the last top-level key `name` ends: readers take the last of several."""
    document = parse(body)
    return [span.end for span in document.strings if span.is_key and span.pointer == f"/{name}"][-1]
