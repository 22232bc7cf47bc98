"""Plain values to typed records, with every fault found told at its line.

Rules: driven by msgspec's description of the type, so a new field needs nothing here; the values themselves are shown
only where they are words of a closed list, because a mistyped value may be a secret.
"""

import difflib
import math
import re
from collections.abc import Iterator, Sequence
from datetime import date
from importlib import resources
from pathlib import Path

import msgspec
from msgspec import inspect

from appliance.config import yaml_source
from appliance.config.yaml_source import Document, Path_, Value
from appliance.model.errors import OperatorError

MAX_FAULTS = 50
_LISTS = (inspect.VarTupleType, inspect.ListType)


def load_struct[T](path: Path, kind: type[T]) -> T:
    """A YAML file as one record; OperatorError lists every fault as `FILE:LINE: key: what`."""
    return convert(yaml_source.read(path), kind)


def load_resource[T](package: str, name: str, kind: type[T]) -> T:
    """A YAML file inside a package, e.g. the fixed policy of `gnomon scan`."""
    data = (resources.files(package) / name).read_bytes()
    return convert(yaml_source.parse(data, f"{package.replace('.', '/')}/{name}"), kind)


def convert[T](document: Document, kind: type[T]) -> T:
    """The document's value as a record of type `kind`."""
    faults = [document.fault(path, what) for path, what in _faults(document.value, inspect.type_info(kind), ())]
    refuse(faults)
    try:
        return msgspec.convert(document.value, kind)
    except msgspec.ValidationError as error:
        what, _, place = str(error).partition(" - at `$")
        raise OperatorError(document.fault(_place(place.removesuffix("`")), what)) from error


def _place(text: str) -> Path_:
    """`.rules[0].id` as msgspec writes it, as the path of a value; `[...]`, some value of a mapping, ends it."""
    found = re.findall(r"\.(\w+)|\[(\d+|\.\.\.)\]", text)
    parts = [name or (int(number) if number.isdecimal() else "...") for name, number in found]
    return tuple(parts[: parts.index("...")] if "..." in parts else parts)


def refuse(faults: Sequence[str]) -> None:
    """OperatorError with the first faults and the number of the others, when there are any."""
    if not faults:
        return
    more = [f"and {len(faults) - MAX_FAULTS} more"] if len(faults) > MAX_FAULTS else []
    raise OperatorError("\n".join([*faults[:MAX_FAULTS], *more]))


def nearest(word: str, known: Sequence[str]) -> str:
    """`; did you mean 'x'?` or the list of what there is."""
    if close := difflib.get_close_matches(word, known, n=1, cutoff=0.6):
        return f"; did you mean {close[0]!r}?"
    return f"; known: {', '.join(sorted(known))}" if known else ""


def _faults(value: Value, info: inspect.Type, path: Path_) -> Iterator[tuple[Path_, str]]:
    if isinstance(info, inspect.StructType):
        yield from _struct_faults(value, info, path)
    elif isinstance(info, inspect.DictType):
        yield from _dict_faults(value, info, path)
    elif isinstance(info, _LISTS):
        yield from _list_faults(value, info, path)
    elif isinstance(info, inspect.UnionType):
        yield from _union_faults(value, info, path)
    elif isinstance(info, inspect.Metadata):
        yield from _faults(value, info.type, path)
    elif what := _leaf_fault(value, info):
        yield path, what


def _struct_faults(value: Value, info: inspect.StructType, path: Path_) -> Iterator[tuple[Path_, str]]:
    if not isinstance(value, dict):
        yield path, f"must be a section with keys ({', '.join(field.encode_name for field in info.fields)})"
        return
    fields = {field.encode_name: field for field in info.fields}
    for key, item in value.items():
        if key not in fields:
            yield (*path, key), f"unknown key{nearest(key, tuple(fields))}"
        else:
            yield from _faults(item, fields[key].type, (*path, key))
    for name, field in fields.items():
        if field.required and name not in value:
            yield (*path, name), "is missing"


def _dict_faults(value: Value, info: inspect.DictType, path: Path_) -> Iterator[tuple[Path_, str]]:
    if not isinstance(value, dict):
        yield path, "must be a list of `key: value`"
        return
    for key, item in value.items():
        yield from _faults(item, info.value_type, (*path, key))


def _list_faults(
    value: Value, info: inspect.VarTupleType | inspect.ListType, path: Path_
) -> Iterator[tuple[Path_, str]]:
    if not isinstance(value, list):
        yield path, "must be a list"
        return
    for place, item in enumerate(value):
        yield from _faults(item, info.item_type, (*path, place))


def _union_faults(value: Value, info: inspect.UnionType, path: Path_) -> Iterator[tuple[Path_, str]]:
    if value is None and info.includes_none:
        return
    for member in info.types:
        if not isinstance(member, inspect.NoneType):  # the schemas know only `X | None`
            yield from _faults(value, member, path)


def _leaf_fault(value: Value, info: inspect.Type) -> str:
    if isinstance(info, inspect.BoolType):
        return "" if isinstance(value, bool) else "must be true or false"
    if isinstance(info, inspect.IntType | inspect.FloatType):
        return _number_fault(value, info)
    if isinstance(info, inspect.EnumType | inspect.LiteralType):
        return _choice(value, info)
    if isinstance(info, inspect.StrType):
        return _text_fault(value, info)
    if isinstance(info, inspect.DateType):
        return "" if _is_date(value) else "must be a date such as 2027-01-31"
    return ""  # anything else is left to the final conversion


def _choice(value: Value, info: inspect.EnumType | inspect.LiteralType) -> str:
    members = [member.value for member in info.cls] if isinstance(info, inspect.EnumType) else info.values
    known = [str(member) for member in members]
    return "" if isinstance(value, str) and value in known else f"not one of {', '.join(known)}"


def _number_fault(value: Value, info: inspect.IntType | inspect.FloatType) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return "must be a number"
    if isinstance(info, inspect.IntType) and not isinstance(value, int):
        return "must be a whole number"
    low, high = info.ge, info.le
    inside = (low is None or value >= low) and (high is None or value <= high)
    return "" if inside else f"must lie between {low} and {high}"


def _text_fault(value: Value, info: inspect.StrType) -> str:
    if not isinstance(value, str):
        return "must be text (quote it)"
    if info.min_length and len(value) < info.min_length:
        return "must not be empty"
    if info.pattern is not None and not re.search(info.pattern, value):
        return f"must fit {info.pattern}"
    return ""


def _is_date(value: Value) -> bool:
    try:
        msgspec.convert(value, date)
    except msgspec.ValidationError:
        return False
    return True
