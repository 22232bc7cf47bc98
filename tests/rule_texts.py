"""Texts that an expression matches, made from its parse tree; for tests of everything that looks for them."""

import random
import re
import string
from importlib import import_module

PARSER = import_module("re._parser")
_PRINTABLE = string.ascii_letters + string.digits + " -_./:,;!\n"
_CATEGORIES = {
    "CATEGORY_DIGIT": string.digits,
    "CATEGORY_NOT_DIGIT": string.ascii_letters,
    "CATEGORY_SPACE": " \n",
    "CATEGORY_NOT_SPACE": string.ascii_letters + string.digits,
    "CATEGORY_WORD": string.ascii_letters + string.digits + "_é中",
    "CATEGORY_NOT_WORD": " -.",
}


def seeded(seed):
    """Chance that can be repeated."""
    return random.Random(seed)  # noqa: S311 - for texts of tests


def matching(expression, flags, rng, longest=8):
    """One text; repeats go up to `longest` beyond their least. Look-arounds are not minded: some are near misses."""
    return _Maker(rng, longest, bool(flags & re.IGNORECASE)).sequence(PARSER.parse(expression, flags))


class _Maker:
    def __init__(self, rng, longest, any_case):
        self.rng, self.longest, self.any_case, self.groups = rng, longest, any_case, {}

    def sequence(self, tree):
        return "".join(self.item(str(operation), value) for operation, value in tree)

    def item(self, name, value):  # noqa: PLR0911 - one line per kind of item
        if name in {"AT", "ASSERT", "ASSERT_NOT"}:
            return ""
        if name == "LITERAL":
            return self.cased(chr(value))
        if name in {"NOT_LITERAL", "ANY"}:
            return self.rng.choice([one for one in _PRINTABLE if name == "ANY" or ord(one) != value])
        if name == "IN":
            return self.one_of(value)
        if name == "BRANCH":
            return self.sequence(self.rng.choice(value[1]))
        if name == "SUBPATTERN":
            return self.group(value)
        if name == "GROUPREF":
            return self.groups[value]
        least, most, tree = value
        longest = self.longest
        count = self.rng.randint(int(least), min(int(most), int(least) + longest))
        self.longest = min(longest, 2)  # repeats inside repeats stay short
        text = "".join(self.sequence(tree) for _ in range(count))
        self.longest = longest
        return text

    def group(self, value):
        number, more, less, tree = value
        any_case = self.any_case
        self.any_case = (any_case or bool(more & re.IGNORECASE)) and not less & re.IGNORECASE
        self.groups[number] = text = self.sequence(tree)
        self.any_case = any_case
        return text

    def cased(self, character):
        return self.rng.choice([character, character.swapcase()]) if self.any_case else character

    def one_of(self, items):
        items = [(str(name), value) for name, value in items]
        if items[0][0] == "NEGATE":
            return self.rng.choice([one for one in _PRINTABLE if not any(_holds(one, *item) for item in items[1:])])
        name, value = self.rng.choice(items)
        if name == "RANGE":
            return self.cased(chr(self.rng.randint(*value)))
        return self.rng.choice(_CATEGORIES[str(value)]) if name == "CATEGORY" else self.cased(chr(value))


def _holds(character, name, value):
    if name == "RANGE":
        return value[0] <= ord(character) <= value[1]
    return character in _CATEGORIES[str(value)] if name == "CATEGORY" else ord(character) == value
