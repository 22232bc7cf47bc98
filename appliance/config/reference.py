"""docs/reference/config.md, made from the schema: every key with type, default and the comment beside it.

Rules: the comments in schema.py are the only place where a key is described; a test compares the page with this.
"""

import inspect as source_of
import re
from collections.abc import Iterator

import msgspec
from msgspec import inspect

from appliance.config import schema
from appliance.config.schema import RETENTION_DAYS, Config

_FIELD = re.compile(r"    (\w+): .*?#\s(?P<words>.+)\Z")
_HEAD = """\
# Configuration

`gnomon up --config FILE` reads one YAML file. Every key may be left out. Unknown keys, wrong types and keys that stand
twice are refused, with file and line, and so are anchors, aliases and tags. Relative paths start at the file's folder.
`gnomon config check FILE` tells every fault, `gnomon config show` the values in force.

Made from `appliance/config/schema.py` by `python -m appliance.config.reference`.
"""


def render_reference() -> str:
    """The whole page."""
    parts = [_HEAD, *_section("", Config), _retention()]
    return "\n".join(parts) + "\n"


def _section(prefix: str, record: type[msgspec.Struct]) -> Iterator[str]:
    title = f"`{prefix.rstrip('.')}`" if prefix else "Top level"
    yield f"## {title}\n\n{(record.__doc__ or '').strip()}\n"
    yield "| key | type | default | meaning |\n|---|---|---|---|"
    words = _comments(record)
    inner: list[tuple[str, type[msgspec.Struct]]] = []
    rows = []
    info = inspect.type_info(record)
    for field in info.fields if isinstance(info, inspect.StructType) else ():
        name, nested = _type_name(field.type)
        if nested:
            inner.append((f"{prefix}{field.encode_name}{_suffix(field.type)}.", nested))
        rows.append(f"| `{field.encode_name}` | {name} | {_default(field)} | {words.get(field.encode_name, '')} |")
    yield "\n".join(rows) + "\n"
    for path, nested in inner:
        yield from _section(path, nested)


def _comments(record: type[msgspec.Struct]) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in source_of.getsource(record).splitlines():
        if match := _FIELD.match(line):
            found[match[1]] = match["words"]
    return found


def _suffix(info: inspect.Type) -> str:
    if isinstance(info, inspect.DictType):
        return ".NAME"
    return "[]" if isinstance(info, inspect.VarTupleType) else ""


def _type_name(info: inspect.Type) -> tuple[str, type[msgspec.Struct] | None]:
    """Words for a type, and the record inside it that has its own table."""
    if isinstance(info, inspect.StructType):
        return "section", info.cls
    if isinstance(info, inspect.VarTupleType):
        name, nested = _type_name(info.item_type)
        return f"list of {name}", nested
    if isinstance(info, inspect.DictType):
        name, nested = _type_name(info.value_type)
        return f"map of {name}", nested
    if isinstance(info, inspect.UnionType):
        return _type_name(next(kind for kind in info.types if not isinstance(kind, inspect.NoneType)))
    return _leaf_name(info), None


def _leaf_name(info: inspect.Type) -> str:
    if isinstance(info, inspect.EnumType):
        return ", ".join(f"`{member.value}`" for member in info.cls)
    if isinstance(info, inspect.LiteralType):
        return ", ".join(f"`{value}`" for value in info.values)
    names = {inspect.StrType: "text", inspect.IntType: "whole number", inspect.FloatType: "number"}
    return names.get(type(info), "true or false")


_FIXED = {"state_dir": "`/var/lib/gnomon` (root) or `~/.local/state/gnomon`", "run_dir": "`/run/gnomon` (root)"}


def _default(field: inspect.Field) -> str:
    if field.required:
        return "required"
    if field.encode_name in _FIXED:
        return _FIXED[field.encode_name]
    if field.default_factory is schema.default_routes:
        return "`openai`"
    value = field.default
    if value is None or value is msgspec.NODEFAULT or value in ((), {}, "") or isinstance(value, msgspec.Struct):
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _retention() -> str:
    rows = "\n".join(f"| `{table}` | {days} |" for table, days in RETENTION_DAYS.items())
    return f"## Tables of `store.retention`\n\n| table | days unless told otherwise |\n|---|---|\n{rows}"


if __name__ == "__main__":
    import sys

    sys.stdout.write(render_reference())
