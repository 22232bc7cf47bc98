"""Imports single modules of a package without running the package's own start-up code.

Owns: the stand-in packages, while they are needed. Rules: afterwards `sys.modules` is as it was, so that the real
package can still be imported in the same process; a module loaded here keeps working through its own globals.

Why: presidio's recognisers and spaCy's English tokenizer rules are plain Python, but the packages around them load
spaCy, thinc and numpy, which no proxy worker needs (docs/DECISIONS.md has the seconds and megabytes).
"""

import importlib
import importlib.util
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType


def _directory(package: str) -> Path:
    """Where a top-level package lives, found without importing it."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        message = f"the package {package} is not installed"
        raise ImportError(message)
    return Path(next(iter(spec.submodule_search_locations)))


def _stand_in(name: str, path: Path, contents: Mapping[str, object]) -> ModuleType:
    """A package object that holds `contents` and finds its submodules at `path`."""
    module = ModuleType(name)
    module.__path__ = [str(path)]
    for key, value in contents.items():
        setattr(module, key, value)
    return module


def _belongs(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")


@contextmanager
def _set_aside(package: str) -> Iterator[None]:
    """Take every module of `package` out of `sys.modules`; put them back at the end."""
    kept = {name: sys.modules.pop(name) for name in list(sys.modules) if _belongs(name, package)}
    try:
        yield
    finally:
        for name in list(sys.modules):
            if _belongs(name, package):
                del sys.modules[name]
        sys.modules.update(kept)


def load(
    package: str,
    stand_ins: Mapping[str, Mapping[str, object]],
    base: Sequence[tuple[str, Sequence[str]]],
    wanted: Sequence[str],
) -> dict[str, ModuleType]:
    """Import the modules `wanted` (dotted names below `package`) and return them by name.

    `stand_ins`: dotted names below `package` ("" is the package itself) that are replaced, with their contents.
    `base`: modules to import first, each with the names to copy from it into the package itself, in order.
    Raises ImportError where the package or one of its modules is missing or needs more than it is given.
    """
    directory = None if package in sys.modules else _directory(package)
    if directory is None:
        directory = Path(next(iter(sys.modules[package].__path__)))
    with _set_aside(package):
        for below, contents in stand_ins.items():
            name = f"{package}.{below}" if below else package
            sys.modules[name] = _stand_in(name, directory.joinpath(*below.split(".")), contents)
        for below, exported in base:
            module = importlib.import_module(f"{package}.{below}")
            for key in exported:
                setattr(sys.modules[package], key, getattr(module, key))
        return {below: importlib.import_module(f"{package}.{below}") for below in wanted}
