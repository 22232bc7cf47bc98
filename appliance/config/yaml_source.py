"""The only place of YAML: text in, plain values and the line of every key out, and back.

Rules: size, depth and number of nodes are bounded; duplicate keys, anchors, aliases, merge keys and tags are refused,
so that a file means what a person reads in it. Plain scalars follow the core schema of YAML 1.2.2 (chapter 10.3): true,
false, null and numbers are typed, everything else is text: `no`, `on`, `12:30` and dates stay text.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import yaml
from yaml.events import AliasEvent, DocumentStartEvent, Event, MappingStartEvent, ScalarEvent, SequenceStartEvent

from appliance.model.errors import OperatorError

type Value = dict[str, Value] | list[Value] | str | int | float | bool | None
type Path_ = tuple[str | int, ...]

MAX_BYTES = 4 << 20
MAX_DEPTH = 32
MAX_NODES = 200_000

_INT = re.compile(r"[-+]?[0-9]{1,18}\Z")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]{1,3})?\Z")
_WORDS: dict[str, Value] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


class Document(msgspec.Struct, frozen=True):
    """The values of one file. `lines`: line (from 1) of every key and item, by its path."""

    name: str
    value: Value
    lines: dict[Path_, int]

    def line(self, path: Path_) -> int:
        """The line of a path, or of the nearest thing around it that exists."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def fault(self, path: Path_, what: str) -> str:
        """`FILE:LINE: a.b.c: what`."""
        key = ".".join(str(part) for part in path)
        return f"{self.name}:{self.line(path)}: {key + ': ' if key else ''}{what}"


def read(path: Path) -> Document:
    """Read a file; OperatorError when it is missing, unreadable, too large or not such YAML."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise OperatorError(f"{path}: cannot be read ({error.strerror}); check the name and its permissions") from error
    return parse(data, str(path))


def parse(data: bytes, name: str) -> Document:
    """Parse the bytes of a file called `name`. An empty file is an empty mapping."""
    if len(data) > MAX_BYTES:
        raise OperatorError(f"{name}: larger than {MAX_BYTES} bytes; nothing of this kind is")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise OperatorError(f"{name}:{line}: not UTF-8; save the file as UTF-8") from error
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        builder = _Builder(name, yaml.parse(text, Loader=loader))
        value = builder.document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = " ".join(part for part in (error.problem, error.context) if part)
        raise OperatorError(f"{name}:{mark.line + 1 if mark else 1}: not YAML: {what}") from error
    except yaml.YAMLError as error:
        raise OperatorError(f"{name}: not YAML: {getattr(error, 'reason', 'unreadable character')}") from error
    return Document(name, value, builder.lines)


def render(value: Value) -> str:
    """The value as YAML that `parse` reads back."""
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=120)


class _Builder:
    """Values from the parser's events, with the place of each."""

    def __init__(self, name: str, events: Iterator[Event]) -> None:
        self.lines: dict[Path_, int] = {}
        self._name = name
        self._events = events
        self._nodes = 0

    def document(self) -> Value:
        """The one document of the file."""
        documents = 0
        value: Value = {}
        for event in self._events:
            if isinstance(event, DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise self._refusal(event, "a second document; one file holds one")
                value = self._node(self._next(), ())
        return {} if value is None else value

    def _next(self) -> Event:
        return next(self._events)

    def _refusal(self, event: Event, what: str) -> OperatorError:
        return OperatorError(f"{self._name}:{_line(event)}: {what}")

    def _node(self, event: Event, path: Path_) -> Value:
        self._admit(event, path)
        if isinstance(event, MappingStartEvent):
            return self._mapping(path)
        if isinstance(event, SequenceStartEvent):
            return self._sequence(path)
        if isinstance(event, ScalarEvent):
            return _scalar(event)
        raise self._refusal(event, "unexpected end of the file")

    def _admit(self, event: Event, path: Path_) -> None:
        self._nodes += 1
        if self._nodes > MAX_NODES or len(path) > MAX_DEPTH:
            raise self._refusal(event, f"more than {MAX_NODES} values or {MAX_DEPTH} levels")
        if isinstance(event, AliasEvent) or getattr(event, "anchor", None):
            raise self._refusal(event, "anchors and aliases are not read; write the value out")
        if getattr(event, "tag", None) not in (None, "!"):
            raise self._refusal(event, "tags are not read; write a plain value")
        self.lines.setdefault(path, _line(event))

    def _mapping(self, path: Path_) -> Value:
        found: dict[str, Value] = {}
        while not isinstance(event := self._next(), yaml.MappingEndEvent):
            if not isinstance(event, ScalarEvent) or event.tag not in (None, "!") or event.anchor:
                raise self._refusal(event, "a key must be plain text")
            key = event.value
            if key == "<<" and event.implicit[0]:
                raise self._refusal(event, "merge keys are not read; write the keys out")
            if key in found:
                first = self.lines[*path, key]
                raise self._refusal(
                    event, f"{'.'.join(map(str, (*path, key)))}: key stands twice, first in line {first}"
                )
            self.lines[*path, key] = _line(event)
            found[key] = self._node(self._next(), (*path, key))
        return found

    def _sequence(self, path: Path_) -> Value:
        found: list[Value] = []
        while not isinstance(event := self._next(), yaml.SequenceEndEvent):
            found.append(self._node(event, (*path, len(found))))
        return found


def _line(event: Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1


def _scalar(event: ScalarEvent) -> Value:
    text: str = event.value
    if not event.implicit[0]:  # quoted or a block: always text
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _INT.match(text):
        return int(text)
    return float(text) if _FLOAT.match(text) else text
