"""Dictionaries of the operator's own values on disk: made from a list, kept as keyed digests, read by whoever detects.

Owns: `state_dir/dictionaries/NAME.dictionary` (0600 in a 0700 folder). Rules: the list itself is read once and never
copied; no value is told, in faults neither; a list is taken whole or refused whole; a file that is damaged, or was made
under another site key, stops the start, because a dictionary that finds nothing would pass what it was made to find.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
from typing import TYPE_CHECKING

import msgspec

from appliance.config.conversion import refuse
from appliance.config.detection import DICTIONARIES
from appliance.config.site_key import derive
from appliance.model.errors import OperatorError
from appliance.model.names import DetectionKind  # noqa: TC001 - msgspec asks for it at run time

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from appliance.inspect.detect.settings import Dictionary

MAX_DICTIONARIES = 32
MOST_VALUES = 1_000_000
_SUFFIX = ".dictionary"
_MAGIC = b"gnomon-dictionary-1\n"
_DIGEST = 32
_LARGEST_FILE = 64 << 20
_LONGEST_LINE = 2000
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}\Z")
_ENTITY = re.compile(r"[A-Z][A-Z0-9_]{1,62}\Z")
_PURPOSE = b"gnomon-words"


class _Kept(msgspec.Struct, frozen=True, array_like=True):
    """What the file holds; `site` is the site key's mark."""

    site: bytes
    entity: str
    kind: DetectionKind
    firsts: bytes
    counts: bytes
    values: bytes


def build(state_dir: Path, site_key: bytes, source: Path, entity: str, kind: DetectionKind, name: str) -> int:
    """Make a dictionary of the values in `source`, one a line; how many it holds. OperatorError: nothing changed."""
    if not _NAME.match(name):
        raise OperatorError("a dictionary's name is lower-case letters, digits, - and _, at most 63, a letter first")
    if not _ENTITY.match(entity):
        raise OperatorError("an entity is capital letters, digits and _, e.g. CUSTOMER")
    from appliance.inspect.detect.dictionaries import made  # loads the engines

    key = derive(site_key, _PURPOSE)
    one = made(name, entity, kind, key, _values(source))
    _write(_path(state_dir, name), _Kept(_mark(key), entity, kind, one.firsts, one.counts, one.values))
    return len(one.values) // 8


def load(state_dir: Path, site_key: bytes) -> tuple[Dictionary, ...]:
    """Every dictionary, by name. OperatorError: one cannot be used."""
    paths = sorted((state_dir / DICTIONARIES).glob(f"[a-z]*{_SUFFIX}"))
    if len(paths) > MAX_DICTIONARIES:
        raise OperatorError(f"{state_dir / DICTIONARIES}: more than {MAX_DICTIONARIES} dictionaries; join some")
    key = derive(site_key, _PURPOSE)
    return tuple(_read(path, key) for path in paths)


def remove(state_dir: Path, name: str) -> bool:
    """Forget a dictionary; whether there was one."""
    if not _NAME.match(name) or not _path(state_dir, name).exists():
        return False
    _path(state_dir, name).unlink()
    return True


def _path(state_dir: Path, name: str) -> Path:
    return state_dir / DICTIONARIES / f"{name}{_SUFFIX}"


def _mark(key: bytes) -> bytes:
    return hashlib.blake2b(b"mark", key=key, digest_size=8).digest()


def _values(source: Path) -> Iterator[str]:
    """The values of a list; every fault by its line, none by its text."""
    from appliance.inspect.detect.dictionaries import problem

    faults: list[str] = []
    count = 0
    for number, line in enumerate(_lines(source), 1):
        try:
            value = line.decode("utf-8-sig" if number == 1 else "utf-8").strip()
        except UnicodeDecodeError:
            faults.append(f"{source}:{number}: not UTF-8")
            continue
        if not value:
            continue
        if what := problem(value):
            faults.append(f"{source}:{number}: {what}")
            continue
        count += 1
        if count > MOST_VALUES:
            raise OperatorError(f"{source}:{number}: more than {MOST_VALUES} values; part the list")
        yield value
    refuse(faults)
    if not count:
        raise OperatorError(f"{source}: holds no value; write one a line")


def _lines(source: Path) -> Iterator[bytes]:
    try:
        with source.open("rb") as file:
            while line := file.readline(_LONGEST_LINE):
                if len(line) == _LONGEST_LINE and not line.endswith(b"\n"):
                    raise OperatorError(f"{source}: a line has more than {_LONGEST_LINE} bytes; write one value each")
                yield line
    except OSError as error:
        raise OperatorError(f"{source}: cannot be read ({error.strerror}); check the name") from error


def _write(path: Path, kept: _Kept) -> None:
    body = msgspec.msgpack.encode(kept)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh.unlink(missing_ok=True)
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(_MAGIC + hashlib.sha256(body).digest() + body)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
    except OSError as error:
        raise OperatorError(f"{path}: cannot be written ({error.strerror}); check state_dir") from error


def _read(path: Path, key: bytes) -> Dictionary:
    from appliance.inspect.detect.settings import Dictionary

    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST_FILE + 1)
    except OSError as error:
        raise OperatorError(f"{path}: cannot be read ({error.strerror}); mend its permissions") from error
    body = data[len(_MAGIC) + _DIGEST :]
    whole = len(data) <= _LARGEST_FILE and data[: len(_MAGIC) + _DIGEST] == _MAGIC + hashlib.sha256(body).digest()
    again = f"make it again: gnomon dictionary build FILE --name {path.name.removesuffix(_SUFFIX)}"
    try:
        kept = msgspec.msgpack.decode(body, type=_Kept) if whole else None
    except msgspec.MsgspecError:
        kept = None
    if kept is None:
        raise OperatorError(f"{path}: damaged; {again}")
    if not hmac.compare_digest(kept.site, _mark(key)):
        raise OperatorError(f"{path}: was made under another site key; {again}")
    return Dictionary(
        name=path.name.removesuffix(_SUFFIX),
        entity=kept.entity,
        kind=kept.kind,
        key=key,
        firsts=kept.firsts,
        counts=kept.counts,
        values=kept.values,
    )
