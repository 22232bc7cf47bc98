"""Shapes of keys, tokens and private keys, as data.

Owns: the rule files in `secret_rules`, read once, and what a rule is. Rules: ASCII classes only, no look-around wider
than one character, every repeat bounded; the part to hide is the group `secret`, or the whole match without one, and
`user` is the account that it opens. Each rule names the rule set that tells the fact, or that its keys show it, and how
a text of its shape looks (`shapes`): no real key stands in the files.
A key is known by its letters (`SHAPED_RULES`), or by the name that it is assigned to (`NAMED_RULES`).
"""

import hashlib
from collections.abc import Iterator
from importlib import resources
from typing import NamedTuple

import msgspec

from appliance.inspect.detect.shapes import cut_short, expression, sample

_LEFT = r"(?<![A-Za-z0-9])"
_RIGHT = r"(?![A-Za-z0-9])"
_FILES = ("models", "clouds", "developers", "services", "general")
_FOLDER = resources.files("appliance.inspect.detect") / "secret_rules"
_SURE = 0.9


class KeyRule(NamedTuple):
    """`shape`: for `re` with ASCII. `signal`: what to look for first, where the shape is too long for that.

    `check`: of `checks`, or empty. `judge`: of `assigned`: the shape finds candidates only. `version`: of that
    judgement. `example`, `near`: in the notation of `shapes`; the rule matches the first and not the second.
    """

    name: str
    entity: str
    shape: str
    score: float = 0.95
    signal: str = ""
    check: str = ""
    judge: str = ""
    version: str = ""
    example: str = ""
    near: str = ""


class NamedRule(NamedTuple):
    """A value without a shape of its own: one of `shapes`, assigned to a name that holds one of `words`.

    `written`: the shapes in the notation.
    """

    name: str
    entity: str
    words: tuple[str, ...]
    shapes: tuple[str, ...]
    example: str
    written: tuple[str, ...]


class _Written(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A rule as it stands in a file: by `shape` in the notation, or by `expression` with an `example`.

    `edges`: no letter or digit beside it. `source`: of the fact.
    """

    name: str
    entity: str
    source: str
    score: float
    shape: str = ""
    expression: str = ""
    signal: str = ""
    edges: bool = True
    check: str = ""
    example: str = ""
    near: str = ""


class _WrittenNamed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    entity: str
    source: str
    words: tuple[str, ...]
    shapes: tuple[str, ...]


def example(rule: KeyRule | NamedRule) -> str:
    """A text that the rule matches."""
    return sample(rule.example, rule.name)


def near(rule: KeyRule | NamedRule) -> str:
    """A text close to it that the rule does not match."""
    if isinstance(rule, KeyRule) and rule.near:
        return sample(rule.near, rule.name)
    return cut_short(rule.example, rule.name)


def named_examples(rule: NamedRule) -> Iterator[tuple[str, bool]]:
    """Texts about a rule by name, and whether it is to find something in them.

    Each word with a value of the first shape, and the first word with a value of each; then a value that is too short,
    one to be filled in, one of a single letter, and the value under a name that says nothing.
    """
    for word in rule.words:
        yield f"{word}_api_key: {sample(rule.written[0], rule.name)}", True
    for shape in rule.written[1:]:
        yield f"{rule.words[0]}_api_key: {sample(shape, rule.name)}", True
    yield near(rule), False
    yield f"{rule.words[0]}_api_key: ${{{rule.words[0].upper()}_API_KEY}}", False
    yield f"{rule.words[0]}_api_key: {'x' * len(sample(rule.written[0], rule.name))}", False
    yield f"row: {sample(rule.written[0], rule.name)}", False


def _read(name: str) -> bytes:
    return (_FOLDER / f"{name}.json").read_bytes()


def _rule(written: _Written) -> KeyRule:
    body = written.expression or expression(written.shape)
    return KeyRule(
        written.name,
        written.entity,
        f"{_LEFT}{body}{_RIGHT}" if written.edges else body,
        written.score,
        written.signal,
        written.check or ("drawn" if written.score < _SURE and written.shape else ""),
        example=written.example or written.shape,
        near=written.near,
    )


def _named(written: _WrittenNamed) -> NamedRule:
    example = f"{written.words[0]}_api_key: {written.shapes[0]}"
    shapes = tuple(map(expression, written.shapes))
    return NamedRule(written.name, written.entity, written.words, shapes, example, written.shapes)


_NAMED = _read("named")
NAMED_RULES = tuple(map(_named, msgspec.json.decode(_NAMED, type=tuple[_WrittenNamed, ...])))
NAMED_VERSION = hashlib.blake2b(_NAMED, digest_size=8).hexdigest()
SHAPED_RULES = tuple(
    _rule(one) for file in _FILES for one in msgspec.json.decode(_read(file), type=tuple[_Written, ...])
)
