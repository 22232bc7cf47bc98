"""What each string of a Gemini body is: whose text, on which channel, or media.

Rules: pure; pointers are those of `jsonspans` with names in lowerCamelCase (see gemini_words); a request may be wrapped
(countTokens, batches, Code Assist), so a string is placed by the content it belongs to, not by its whole pointer.
"""

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from appliance.inspect.dialects.gemini_words import ROLES, SNAKE, VALUES
from appliance.inspect.jsonspans import StringSpan
from appliance.inspect.media import is_base64
from appliance.inspect.segments import Place, words

SIGNATURE: Final = "signature"
"""Why a thought's signature is opaque."""
_WRAPPERS: Final = {
    form: name
    for name in (
        *("request", "generateContentRequest", "batch", "inputConfig", "requests", "response"),
        *("setup", "clientContent", "serverContent"),  # messages of the Live API
    )
    for form in (name, SNAKE[name])
}
_CARRIERS: Final = {
    form: (name, otherwise)
    for name, otherwise in (
        ("systemInstruction", "system"),
        ("contents", "user"),
        ("content", "user"),
        ("turns", "user"),
        ("modelTurn", "assistant"),
    )
    for form in (name, SNAKE[name])
}
"""What holds contents, and whose they are where they do not say."""
_MAX_WRAPPED: Final = 8
_KINDS: Final = {"image": "image", "audio": "audio", "video": "video"}
_DECLARED: Final = frozenset({"tools", "toolConfig", "responseSchema", "responseJsonSchema"})
_ELSEWHERE: Final = Place("unknown", "content")
_METADATA: Final = Place("unknown", "metadata")
_METADATA_NAMES: Final = words("""
    model modelVersion responseId cachedContent project userPromptId traceId createTime voiceName languageCode
""")
_UNDER_METADATA: Final = frozenset({"labels", "error", "safetyRatings"})


def member(value: Mapping[str, object], name: str) -> object:
    """A member by its name in lowerCamelCase (one of the known ones), as written in either way."""
    found = value.get(name)
    return value.get(SNAKE[name]) if found is None else found


class Carried(NamedTuple):
    """What strings below contents are, by the pointer of their content (roles) or part (thoughts, media)."""

    roles: dict[str, str]
    thoughts: frozenset[str]
    media: dict[str, str]


Roots = list[tuple[str, dict[str, object]]]


def roots(value: object) -> Roots:
    """Every object that may hold contents, with its pointer: the body itself and what is wrapped in it."""
    return list(_roots(value, "", 0))


def _roots(value: object, pointer: str, depth: int) -> Iterator[tuple[str, dict[str, object]]]:
    if isinstance(value, list):
        for number, item in enumerate(value):
            if depth < _MAX_WRAPPED:
                yield from _roots(item, f"{pointer}/{number}", depth + 1)
    elif isinstance(value, dict):
        yield pointer, value
        if depth < _MAX_WRAPPED:
            for name in [each for each in value if each in _WRAPPERS]:
                inner = value[name]
                if isinstance(inner, dict | list):
                    yield from _roots(inner, f"{pointer}/{_WRAPPERS[name]}", depth + 1)


def carried(found: Roots) -> Carried:
    """Roles, thoughts and media of all contents below these roots."""
    roles: dict[str, str] = {}
    thoughts: set[str] = set()
    media: dict[str, str] = {}
    for pointer, content, role in _contents(found):
        roles[pointer] = role
        parts = content.get("parts")
        listed = parts if isinstance(parts, list) else [parts]  # one object stands for a list of one
        for number, part in enumerate(listed):
            if not isinstance(part, dict):
                continue
            here = f"{pointer}/parts/{number}" if isinstance(parts, list) else f"{pointer}/parts"
            if part.get("thought") is True:
                thoughts.add(here)
            blob = member(part, "inlineData")
            if isinstance(blob, dict):
                kind = member(blob, "mimeType")
                family = kind.partition("/")[0].lower() if isinstance(kind, str) else ""
                media[here] = _KINDS.get(family, "file")
    return Carried(roles, frozenset(thoughts), media)


def _contents(found: Roots) -> Iterator[tuple[str, dict[str, object], str]]:
    for pointer, root in found:
        for form, inner in root.items():
            if form == "candidates":
                for number, candidate in enumerate(inner if isinstance(inner, list) else ()):
                    content = candidate.get("content") if isinstance(candidate, dict) else None
                    if isinstance(content, dict):
                        yield f"{pointer}/candidates/{number}/content", content, _role(content, "assistant")
            elif form in _CARRIERS:
                name, otherwise = _CARRIERS[form]
                yield from _listed(f"{pointer}/{name}", inner, otherwise)


def _listed(pointer: str, inner: object, otherwise: str) -> Iterator[tuple[str, dict[str, object], str]]:
    if isinstance(inner, dict):
        yield pointer, inner, _role(inner, otherwise)
    elif isinstance(inner, list):
        for number, item in enumerate(inner):
            if isinstance(item, dict):
                yield f"{pointer}/{number}", item, _role(item, otherwise)


def _role(content: dict[str, object], otherwise: str) -> str:
    given = content.get("role")
    if given is None or given == "":
        return otherwise
    return ROLES.get(given, "unknown") if isinstance(given, str) else "unknown"


def is_word(path: list[str], text: str) -> bool:
    """Whether a string is a word of the format, by the key it stands under."""
    known = VALUES.get(path[-1])
    if known is None and path[-1].isdecimal() and len(path) > 1:
        known = VALUES.get(path[-2])
    return known is not None and text in known


def place(span: StringSpan, known: Carried) -> Place | None:  # noqa: PLR0911 - one line for each kind
    """What a string is; None: a word of the format."""
    path = span.pointer.split("/")
    if is_word(path, span.text):
        return None
    if "parts" in path[2:]:
        at = path.index("parts", 2)
        content = "/".join(path[:at])
        if content in known.roles:
            return _part_place(content, path[at + 1 :], span.text, known)
    if "systemInstruction" in path:  # a bare string, which some servers take
        return Place("system", "content")
    if not _DECLARED.isdisjoint(path):
        return Place("developer", "name" if path[-1] == "name" else "description")
    if path[-1] in _METADATA_NAMES or not _UNDER_METADATA.isdisjoint(path):
        return _METADATA
    if "candidates" in path[:3]:
        return Place("assistant", "content")
    return _ELSEWHERE


def _part_place(content: str, rest: list[str], text: str, known: Carried) -> Place:  # noqa: PLR0911 - the same
    """A string below a content's parts; `rest`: what of its pointer stands below `parts`."""
    role = known.roles[content]
    part = f"{content}/parts"
    if rest and rest[0].isdecimal():
        part, rest = f"{part}/{rest[0]}", rest[1:]
    match rest:
        case ["text"]:
            return Place(role, "reasoning" if part in known.thoughts else "content")
        case ["inlineData", "data"]:
            return Place(role, "content", known.media.get(part, "file") if is_base64(text) else None)
        case ["functionResponse", *_, "inlineData", "data"]:
            return Place("tool", "content", "file" if is_base64(text) else None)
        case ["thoughtSignature"]:
            return Place(role, "metadata", SIGNATURE if is_base64(text) else None)
        case ["functionCall", "args", *_]:
            return Place("assistant" if role == "unknown" else role, "arguments")
        case ["functionResponse", "response", *_] | ["functionResponse", "parts", *_]:
            return Place("tool", "content")
        case ["functionCall" | "functionResponse", "name"] | [*_, "displayName"]:
            return Place("tool" if rest[0] == "functionResponse" else role, "name")
        case [*_, "mimeType" | "id" | "fileUri" | "startOffset" | "endOffset"]:
            return Place(role, "metadata")
    return Place(role, "content")
