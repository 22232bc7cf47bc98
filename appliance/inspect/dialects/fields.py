"""Members of a decoded JSON document, as dialects ask for them: by name, of the type expected, bounded.

Rules: pure; what is missing or of another type is None or empty, never an error: a hostile body may hold anything
anywhere; numbers that go into records are bounded.
"""

import hashlib
from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

from appliance.inspect.jsonspans import Document, MalformedBody
from appliance.inspect.view import Opaque, Part
from appliance.model.detection import Segment

MAX_COUNT: Final = 2**48
"""The greatest number of tokens that is believed."""
MAX_HOSTS: Final = 4096
UNREADABLE_HOST: Final = "unknown"
"""Stands for a tool server whose address cannot be read: it must not go unnoticed."""
SEALED: Final = frozenset({"signature", "encrypted"})
"""Reasons for which a string is opaque although it is no file."""
_MAX_HOST = 253
_LOGPROBS = ("logprobs", "top_logprobs", "responseLogprobs", "response_logprobs")
_OPENING_ROLES = frozenset({"system", "developer", "user"})


def top(document: Document, what: str) -> dict[str, object]:
    """The document's object. MalformedBody when it is something else; `what` names the body for people."""
    if not isinstance(document.value, dict):
        raise MalformedBody("wrong_shape", f"{what} is a JSON object")
    return document.value


def table(value: object) -> dict[str, object]:
    """`value` if it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def objects(value: object) -> list[dict[str, object]]:
    """The objects of an array; what else stands in it is left out."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def within(value: object, *names: str | int) -> object:
    """What stands below `value` at these names and places, None where there is nothing."""
    for name in names:
        if isinstance(value, dict) and isinstance(name, str):
            value = value.get(name)
        elif isinstance(value, list) and isinstance(name, int) and 0 <= name < len(value):
            value = value[name]
        else:
            return None
    return value


def at(value: object, path: Iterable[str]) -> object:
    """What stands at the parts of a JSON pointer, None where there is nothing."""
    for part in path:
        if isinstance(value, list):
            value = value[int(part)] if part.isdecimal() and len(part) <= 9 and int(part) < len(value) else None  # noqa: PLR2004
        elif isinstance(value, dict):
            value = value.get(part.replace("~1", "/").replace("~0", "~"))
        else:
            return None
    return value


def asks_logprobs(asked: dict[str, object]) -> bool:
    """Whether the probabilities of tokens are asked for, in the words of any dialect's request (or its configuration).

    Sources: the API references of OpenAI (logprobs, top_logprobs, include), Gemini (responseLogprobs, logprobs), Ollama
    and Cohere (logprobs).
    """
    named = (asked.get(name) for name in _LOGPROBS)
    if any(told is True or (type(told) is int and told > 0) for told in named):
        return True
    included = asked.get("include")
    return isinstance(included, list) and "message.output_text.logprobs" in included


def text(value: object) -> str | None:
    """A string that is not empty."""
    return value if isinstance(value, str) and value else None


def texts(values: Iterable[object]) -> tuple[str, ...]:
    """The strings among `values`, in order."""
    return tuple(value for value in values if isinstance(value, str) and value)


def count(value: object) -> int | None:
    """A number of tokens, 0 to 2**48; some services write whole numbers with a fraction of zero."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MAX_COUNT:
        return None
    return value


def hosts(addresses: Iterable[object]) -> tuple[str, ...]:
    """The hosts of URLs, each once, at most `MAX_HOSTS`; `unknown` for one that cannot be read."""
    found = dict.fromkeys(_host(address) for address in addresses)
    return tuple(found)[:MAX_HOSTS]


def files(parts: Iterable[Part], opaque: tuple[Opaque, ...]) -> tuple[Part, ...]:
    """The files among what was base64: not what only the provider can read."""
    sealed = {(span.start, span.end) for span in opaque if span.reason in SEALED}
    return tuple(part for part in parts if (part.start, part.end) not in sealed)


def seed(segments: tuple[Segment, ...]) -> str | None:
    """Digest of the first system (or developer) and the first user text; the texts themselves stay here."""
    first: dict[str, str] = {}
    for segment in segments:
        if segment.channel == "content" and segment.role in _OPENING_ROLES:
            first.setdefault("user" if segment.role == "user" else "system", segment.text)
            if len(first) == len(("system", "user")):
                break
    if not first:
        return None
    opening = f"{first.get('system', '')}\0{first.get('user', '')}"
    return hashlib.blake2b(opening.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _host(address: object) -> str:
    try:
        host = urlsplit(address).hostname if isinstance(address, str) else None
    except ValueError:
        host = None
    return host[:_MAX_HOST] if host else UNREADABLE_HOST
