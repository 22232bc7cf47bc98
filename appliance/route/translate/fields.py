"""One JSON object while it is read: typed questions, and what nobody asked for is told.

Rules: the only place where decoded JSON without a type is held; a value of the wrong type is a fault that names its
path and never its value; null is nothing; a key that nobody took is a loss.
"""

import re
from collections.abc import Callable, Iterator
from typing import Final

import msgspec

from appliance.route.translate.losses import Losses, Refused

MAX_ITEMS: Final = 20_000
_SNAKE = re.compile(r"_([a-z])")
_ALL_SNAKE = re.compile(r"[a-z0-9_]+\Z")


def decoded(body: bytes) -> object:
    """A body as plain data; Refused where it is no JSON."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise Refused("the body is no JSON that can be translated") from error


def encoded(value: object) -> str:
    """JSON text of plain data."""
    try:
        return msgspec.json.encode(value).decode()
    except RecursionError as error:
        raise Refused("the body is nested too deeply to be translated") from error


def raw(text: str) -> msgspec.Raw:
    """JSON text where plain data is expected; the text has been decoded before."""
    return msgspec.Raw(text.encode())


class Fields:
    """One object. `where`: its path, empty at the top."""

    __slots__ = ("_left", "losses", "where")

    def __init__(self, value: object, where: str, losses: Losses) -> None:
        if not isinstance(value, dict):
            raise Refused(f"{where or 'the body'} must be an object")
        self._left: dict[str, object] = dict(value)
        self.losses = losses
        self.where = where

    def at(self, key: str) -> str:
        """The path of a key."""
        return f"{self.where}.{key}" if self.where else key

    def camel(self) -> "Fields":
        """The same with keys in camel case: Google's services take both, and no mixture of them.

        Refused where one key stands in both: who looked at the body may have gone by the other.
        """
        made: dict[str, object] = {}
        for key, value in self._left.items():
            name = _SNAKE.sub(lambda found: found[1].upper(), key) if _ALL_SNAKE.match(key) else key
            if name in made:
                raise Refused(f"{self.at(name)} stands there twice, in two spellings")
            made[name] = value
        self._left = made
        return self

    def has(self, key: str) -> bool:
        """Whether there is such a key, and not null."""
        return self._left.get(key) is not None

    def any(self, key: str) -> object:
        """The value, whatever it is."""
        return self._left.pop(key, None)

    def text(self, key: str, default: str = "") -> str:
        """A string."""
        value = self._left.pop(key, None)
        if value is None:
            return default
        if isinstance(value, str):
            return value
        raise self._wrong(key, "a string")

    def flag(self, key: str) -> bool | None:
        """True or false."""
        value = self._left.pop(key, None)
        if value is None or isinstance(value, bool):
            return value
        raise self._wrong(key, "true or false")

    def whole(self, key: str) -> int | None:
        """A whole number; 3.0 is one."""
        value = self.number(key)
        if value is None or value == int(value):
            return None if value is None else int(value)
        raise self._wrong(key, "a whole number")

    def number(self, key: str) -> float | None:
        """A number."""
        value = self._left.pop(key, None)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > 1e15:  # noqa: PLR2004
            raise self._wrong(key, "a number")
        return value

    def list(self, key: str) -> list[object]:
        """A list; empty where there is none."""
        value = self._left.pop(key, None)
        if value is None:
            return []
        if not isinstance(value, list):
            raise self._wrong(key, "a list")
        if len(value) > MAX_ITEMS:
            raise Refused(f"{self.at(key)} has more than {MAX_ITEMS} items")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of strings, or one string."""
        if isinstance(self._left.get(key), str):
            return (self.text(key),)
        found = self.list(key)
        if not all(isinstance(item, str) for item in found):
            raise self._wrong(key, "a list of strings")
        return tuple(str(item) for item in found)

    def objects(self, key: str) -> Iterator["Fields"]:
        """The objects of a list, each told for what was left when the next is asked for."""
        place = self.at(key)
        for number, item in enumerate(self.list(key)):
            inside = Fields(item, f"{place}[{number}]", self.losses)
            yield inside
            inside.done()

    def inside(self, key: str) -> "Fields | None":
        """An object; whoever asks tells it done."""
        value = self._left.pop(key, None)
        return None if value is None else Fields(value, self.at(key), self.losses)

    def json(self, key: str) -> str:
        """JSON text of an object; empty where there is none."""
        value = self._left.pop(key, None)
        if value is None:
            return ""
        if not isinstance(value, dict):
            raise self._wrong(key, "an object")
        return encoded(value)

    def lose(self, key: str, why: str = "") -> None:
        """The key is not carried over."""
        self._left.pop(key, None)
        self.losses.tell(self.at(key), why)

    def refuse(self, key: str, why: str) -> None:
        """The key is not carried over, and that is not harmless whatever its name."""
        self._left.pop(key, None)
        self.losses.refuse(self.at(key), why)

    def only(self, key: str, fits: Callable[[object], bool]) -> None:
        """Takes a key where it says what is so anyway; else it is a loss."""
        if self._left.get(key) is None or fits(self._left[key]):
            self._left.pop(key, None)

    def skip(self, *keys: str) -> None:
        """Keys of the format that say nothing."""
        for key in keys:
            self._left.pop(key, None)

    def forget(self) -> None:
        """All of it: the whole was told as one loss."""
        self._left.clear()

    def done(self) -> None:
        """Tell what nobody took."""
        for key, value in self._left.items():
            if value is not None:
                self.losses.tell(self.at(key))

    def _wrong(self, key: str, what: str) -> Refused:
        return Refused(f"{self.at(key)} must be {what}")
