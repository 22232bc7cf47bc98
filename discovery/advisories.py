"""What is known to be bad: releases with a payload or a published hole, receivers of what was stolen.

Owns: the strict reading of discovery/known/advisories.json, and which of them and of a site's own an observation meets.
Rules: pure but for the reading at the start; nothing is guessed: a release that shows no version meets no advisory of
versions; every advisory has its sources. A pre-release counts as the one before its release.
"""

import re
from collections.abc import Iterable
from typing import Final

from appliance.model.errors import OperatorError
from appliance.model.known import AdvisoriesFile, Advisory, Range
from appliance.model.names import Severity
from discovery.signatures import read

__all__ = ["Advisories", "Advisory", "Range", "load", "within"]

MAX_NAME: Final = 255
_VERSION: Final = re.compile(r"v?(\d{1,9}(?:\.\d{1,9}){0,4})(?P<rest>[\w.+-]{0,32})", re.ASCII)
_EARLY: Final = re.compile(r"[-._]?(?:a|b|c|rc|dev|alpha|beta|pre|preview|nightly)[-._]?\d*", re.IGNORECASE)
_PLACES: Final = 5


class Advisories:
    """Finds what an observation meets."""

    def __init__(self, advisories: Iterable[Advisory]) -> None:
        self.all = tuple(advisories)
        self._software: dict[str, list[Advisory]] = {}
        self._names: dict[str, list[Advisory]] = {}
        self._categories: dict[str, list[Advisory]] = {}
        for one in self.all:
            if one.software:
                self._software.setdefault(one.software, []).append(one)
            for name in one.names:
                self._names.setdefault(name, []).append(one)
            for category in one.categories:
                self._categories.setdefault(category, []).append(one)

    def of(
        self, *, software: str | None = None, name: str | None = None, category: str | None = None
    ) -> list[Advisory]:
        """What applies, the gravest first. `software`: name and version; `name`: a host; `category`: of the service."""
        found = [*self._released(software or ""), *self._named(name or "")]
        found += self._categories.get(category or "", ())
        unique = {one.id: one for one in found}
        return sorted(unique.values(), key=lambda one: -Severity(one.severity).rank)

    def _released(self, software: str) -> list[Advisory]:
        name, _, version = software.rpartition(" ")
        known = self._software.get(name.lower())
        return [one for one in known if any(within(version, part) for part in one.affected)] if known else []

    def _named(self, name: str) -> list[Advisory]:
        name = name.lower().removesuffix(".")
        if len(name) >= MAX_NAME:
            return []  # cut, perhaps so that it ends like one of ours
        found = [*self._names.get(name, ())]
        while name and self._names:
            found += self._names.get("." + name, ())
            name = name.partition(".")[2]
        return found


def within(version: str, affected: Range) -> bool:
    """Whether the release is one of them; what is no version is in none."""
    found = _key(version)
    if found is None:
        return False
    since, last, before = (_key(part or "") for part in (affected.since, affected.last, affected.before))
    return not ((since and found < since) or (last and found[0] > last[0]) or (before and found >= before))


def _key(version: str) -> tuple[tuple[int, ...], int] | None:
    """What orders releases: the numbers, and -1 for one that comes before its release."""
    match = _VERSION.fullmatch(version)
    if match is None:
        return None
    numbers = [int(part) for part in match[1].split(".")]
    early = -1 if _EARLY.match(match["rest"]) else 0
    return (*numbers, *[0] * (_PLACES - len(numbers))), early


def load(data: bytes | None = None, site: AdvisoriesFile | None = None) -> Advisories:
    """Those that come with the program (or those of `data`), less what the site withdraws, and the site's own.

    OperatorError: the program's are not what they must be.
    """
    found = read("advisories.json", Advisory, data)
    seen: set[str] = set()
    for one in found:
        where = f"discovery/known/advisories.json: {one.id}: "
        if one.id in seen:
            raise OperatorError(where + "stands twice")
        seen.add(one.id)
        if not (one.software or one.names or one.categories):
            raise OperatorError(where + "applies to nothing; give `software`, `names` or `categories`")
        if bool(one.software) != bool(one.affected):
            raise OperatorError(where + "`software` and `affected` belong together")
        if any((part.last is None) == (part.before is None) for part in one.affected):
            raise OperatorError(where + "each of `affected` has either `last` or `before`")
    if site is not None:
        found = (*(one for one in found if one.id not in site.withdraw), *site.advisories)
    return Advisories(found)
