"""The operator's file of known package names: `inspect.packages`, made by `gnomon packages build`.

Rules: lists are read line by line and are not kept; a list with a line that is no name is refused whole, told by its
number; the file is written whole, beside its place, and renamed.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from appliance.inspect.output import packages_known
from appliance.inspect.output.packages_known import ECOSYSTEMS, LONGEST, MOST_NAMES, NPM, Known, made_of, normal, read
from appliance.model.errors import OperatorError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    type Tell = Callable[[int], None]

MOST_BYTES = 64 << 20
_NAMES = {
    NPM: re.compile(r"(?:@[A-Za-z0-9._~-]+/)?[A-Za-z0-9._~!'()*-]+\Z"),  # old names have capitals and marks
}
_PYPI = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?\Z")


def load_packages(path: Path) -> tuple[Known, ...]:
    """OperatorError: it cannot be used."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise OperatorError(f"inspect.packages: {path}: more than {MOST_BYTES >> 20} MiB; build it again")
        return read(path.read_bytes())
    except OSError as error:
        raise OperatorError(f"inspect.packages: {path}: {error.strerror}") from None
    except ValueError as error:
        raise OperatorError(f"inspect.packages: {path}: {error}") from None


def build(
    lists: Mapping[str, Sequence[Path]], target: Path, shown: Callable[[int], AbstractContextManager[Tell]]
) -> tuple[Known, ...]:
    """Make `target` of lists of names by registry. OperatorError: a list cannot be read, or has no names.

    `shown`: given how many names there are, yields what hears of each that is in.
    """
    read_from: dict[str, set[str]] = {}
    for ecosystem in ECOSYSTEMS:
        names: set[str] = set()
        for path in lists.get(ecosystem, ()):
            names |= _names(ecosystem, path)
        if names:
            read_from[ecosystem] = names
    if not read_from:
        raise OperatorError("no names: give --pypi FILE or --npm FILE with one name a line")
    with shown(sum(map(len, read_from.values()))) as tell:
        made = [made_of(ecosystem, sorted(names), tell) for ecosystem, names in read_from.items()]
    _write(target, packages_known.written(made))
    return tuple(made)


def _names(ecosystem: str, path: Path) -> set[str]:
    shape, found = _NAMES.get(ecosystem, _PYPI), set[str]()
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                name = line.strip()
                if not name or name.startswith("#"):
                    continue
                if len(name) > LONGEST or not shape.match(name):
                    raise OperatorError(f"{path}:{number}: no name of a package of {ecosystem}; one name a line")
                found.add(normal(ecosystem, name))
                if len(found) > MOST_NAMES:
                    raise OperatorError(f"{path}: more than {MOST_NAMES:,} names")
    except OSError as error:
        raise OperatorError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise OperatorError(f"{path}: not UTF-8 text with one name a line") from None
    return found


def _write(target: Path, data: bytes) -> None:
    fresh = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        fresh.write_bytes(data)
        fresh.replace(target)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        raise OperatorError(f"{target}: cannot be written ({error.strerror})") from None
