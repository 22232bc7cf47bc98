"""What the dialects share in what they carry: data URLs, arguments of calls, results as text, efforts, schemas.

Rules: pure; nothing is fetched: a URL stays a URL, and where the other dialect takes none it is refused by its user.
"""

import hashlib
import re
from collections import OrderedDict, deque
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from appliance.route.translate.conversation import Media, Part, Reasoning, Role, Text, ToolResult, ToolUse, Turn
from appliance.route.translate.losses import Losses, Refused

_DATA_URL = re.compile(r"data:([\w.+/-]*)(?:;[\w=.-]+)*;base64,")
_TOKENS: Final = {"none": 0, "minimal": 512, "low": 1024, "medium": 8192, "high": 24576}
EFFORTS: Final = ("none", "minimal", "low", "medium", "high", "xhigh", "max")


def media_of_url(kind: str, url: str, name: str = "", detail: str = "") -> Media:
    """A data URL's bytes, or the URL as it is."""
    found = _DATA_URL.match(url)
    if found is None:
        return Media(kind, url=url, name=name, detail=detail)
    return Media(kind, found[1], url[found.end() :], name=name, detail=detail)


def data_url(media: Media) -> str:
    """Its URL, or its bytes as one."""
    return media.url or f"data:{media.media_type or 'application/octet-stream'};base64,{media.data}"


def arguments_of(text: str, where: str) -> str:
    """Arguments as the JSON text of an object, whatever the caller wrote for none; Refused where they are none."""
    if not text.strip():
        return "{}"
    try:
        value = msgspec.json.decode(text.encode())
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise Refused(f"{where} is no JSON") from error
    if not isinstance(value, dict):
        raise Refused(f"{where} is no JSON object")
    return text


def plain(result: ToolResult, losses: Losses, where: str) -> str:
    """A result of a tool as one text; pictures in it are a loss, and not a harmless one."""
    if any(not isinstance(part, Text) for part in result.parts):
        losses.refuse(where, "the other dialect takes only text as a tool's result")
    if result.is_error:
        losses.lack("is_error")
    return "\n".join(part.text for part in result.parts if isinstance(part, Text))


def result_or_text(text: str) -> str:
    """JSON text of an object for services that want one as a tool's result."""
    try:
        value = msgspec.json.decode(text.encode())
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        value = None
    return text if isinstance(value, dict) else msgspec.json.encode({"result": text}).decode()


def merged(turns: Iterable[Turn]) -> list[tuple[Role, list[Part]]]:
    """Turns of one side that follow each other become one."""
    found: list[tuple[Role, list[Part]]] = []
    for turn in turns:
        if found and found[-1][0] is turn.role:
            found[-1][1].extend(turn.parts)
        else:
            found.append((turn.role, list(turn.parts)))
    return found


def in_front(system: tuple[str, ...], turns: Iterable[Turn], losses: Losses) -> tuple[list[str], list[Turn]]:
    """All instructions in front, for dialects that take none between turns."""
    front, rest = list(system), []
    for turn in turns:
        if turn.role is not Role.SYSTEM:
            rest.append(turn)
            continue
        losses.lack("system")
        front += [part.text for part in turn.parts if isinstance(part, Text)]
    return front, rest


def effort_of(tokens: int) -> str:
    """The effort that a number of tokens comes nearest to; negative: the model decides, which is medium."""
    if tokens < 0:
        return "medium"
    return next((word for word, most in _TOKENS.items() if tokens <= most), "high")


def effort_in_words(word: str, where: str) -> str:
    """An effort that every dialect knows."""
    if word not in EFFORTS:
        raise Refused(f"{where} must be one of {', '.join(EFFORTS)}")
    return "high" if word in ("xhigh", "max") else word


def tokens_of(reasoning: Reasoning) -> int:
    """Tokens for an effort."""
    return _TOKENS[reasoning.effort]


_LETTERS: Final = str.maketrans("0123456789abcdef", "ghjkmnpqrstvwxyz")


def lettered(digits: str) -> str:
    """Hexadecimal digits as letters: among them, no run of digits looks like a person's number to whoever scans."""
    return digits.translate(_LETTERS)


def made_id(prefix: str, *parts: str | int) -> str:
    """An id that hangs on the parts alone."""
    return prefix + lettered(hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()[:24])


class Pending:
    """Calls that wait for their results, for dialects that give calls no ids."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[int, tuple[str, str]] = OrderedDict()
        self._called: dict[str, deque[int]] = {}
        self._named: dict[str, deque[int]] = {}
        self._made = 0

    def call(self, call: str, name: str) -> str:
        """The id of a call, made where it has none."""
        self._made += 1
        made = call or made_id("call_", self._made, name)
        self._waiting[self._made] = made, name
        self._called.setdefault(made, deque()).append(self._made)
        self._named.setdefault(name, deque()).append(self._made)
        return made

    def result(self, call: str, name: str) -> tuple[str, str]:
        """Id and name of the call that a result belongs to: by id, by name, by order."""
        if call or name:
            numbers = (self._called.get(call) if call else self._named.get(name)) or deque()
            while numbers and numbers[0] not in self._waiting:
                numbers.popleft()  # by the other name it has its result already
            number = numbers.popleft() if numbers else None
        else:
            number = next(iter(self._waiting), None)
        if number is None:
            raise Refused("a tool's result belongs to no call that came before it")
        return self._waiting.pop(number)


def names_of_calls(turns: Sequence[Turn]) -> dict[str, str]:
    """Name of the tool by the id of its call."""
    return {part.id: part.name for turn in turns for part in turn.parts if isinstance(part, ToolUse)}
