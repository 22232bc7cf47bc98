"""Reading what is imported: their configuration, and JSON as their API gives it; and single values of both.

Rules: sizes are bounded; a value of another kind than its key has is as if it were not there, and stays in the account
as unknown. Numbers may be written as YAML 1.1 has them (`20_000`), and as text.
"""

import re
from pathlib import Path

import msgspec

from appliance.config import yaml_source
from appliance.config.yaml_source import Document, Value
from appliance.model.errors import OperatorError

MAX_EXPORT = 64 << 20
KINDS = ("keys", "teams", "users")
"""The lists that an export may hold."""
_NUMBER = re.compile(r"[0-9][0-9_]*(\.[0-9_]+)?([eE][-+]?[0-9]{1,3})?\Z")
_SPAN = re.compile(r"([0-9]{1,6})\s*(s|m|h|d|w|mo)\Z")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400, "mo": 30 * 86400}
_YES = frozenset({"true", "yes", "on", "1"})
_VARIABLE = "os.environ/"


def read_config(path: Path) -> Document:
    """Their `config.yaml`; OperatorError where it is none."""
    document = yaml_source.read(path)
    if not isinstance(document.value, dict) or not document.value:
        raise OperatorError(f"{path}: not a configuration of LiteLLM; it has e.g. a list `model_list`")
    return document


def read_export(path: Path) -> Document:
    """JSON of `/key/list?return_full_object=true`, `/team/list`, `/user/list`: an object, or a list of one kind."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_EXPORT + 1)
    except OSError as error:
        raise OperatorError(f"{path}: cannot be read ({error.strerror}); check the name and its permissions") from error
    if len(data) > MAX_EXPORT:
        raise OperatorError(f"{path}: larger than {MAX_EXPORT >> 20} MiB; export fewer at a time")
    try:
        value = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise OperatorError(f"{path}: not JSON; save the answer of /key/list or /team/list as it comes") from None
    named = _named(value)
    if not named:
        raise OperatorError(f"{path}: holds none of {', '.join(KINDS)}, as /key/list, /team/list, /user/list give them")
    bare = any(isinstance(item, str) for item in items(named.get("keys")))
    if bare:
        raise OperatorError(f"{path}: keys without their settings; ask /key/list?return_full_object=true")
    return Document(path.name, named, {})


def _named(value: Value) -> dict[str, Value]:
    """A bare list under the name of what it holds."""
    if isinstance(value, dict):
        return value if any(isinstance(value.get(kind), list) for kind in KINDS) else {}
    first = value[0] if isinstance(value, list) and value else None
    if not isinstance(first, dict):
        return {}
    kind = "keys" if {"token", "key_name"} & first.keys() else "users" if "user_role" in first else "teams"
    return {kind: value} if {"team_id", "token", "user_id"} & first.keys() else {}


def section(value: Value, key: str | int) -> dict[str, Value]:
    """A section of a section or list; empty where it is none."""
    found = value.get(key) if isinstance(value, dict) and isinstance(key, str) else None
    return found if isinstance(found, dict) else {}


def items(value: Value) -> list[Value]:
    """A list; empty where it is none."""
    return value if isinstance(value, list) else []


def words(value: Value) -> tuple[str, ...]:
    """The texts of a list, or the one text."""
    found = [value] if isinstance(value, str) else items(value)
    return tuple(item for item in found if isinstance(item, str) and item)


def text(value: Value) -> str:
    """A text that is not empty; else empty."""
    return value if isinstance(value, str) else ""


def number(value: Value) -> float | None:
    """A number from 0 on."""
    if isinstance(value, str) and _NUMBER.match(value):
        return float(value.replace("_", ""))
    good = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < float("inf")
    return float(value) if good and isinstance(value, int | float) else None


def yes(value: Value) -> bool:
    """Whether something is switched on."""
    return value is True or (isinstance(value, str) and value.lower() in _YES)


def seconds(value: Value) -> float | None:
    """A span such as 30s, 1h, 1d, 1mo, or a number of seconds."""
    if isinstance(value, str) and (match := _SPAN.match(value)):
        return float(int(match[1]) * _SECONDS[match[2]])
    return number(value)


def environment(value: Value) -> str:
    """VARIABLE of `os.environ/VARIABLE`; empty for everything else, which may be a secret in clear."""
    return value.removeprefix(_VARIABLE) if isinstance(value, str) and value.startswith(_VARIABLE) else ""
