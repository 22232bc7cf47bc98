"""What is known to be bad: releases with a payload or a published hole, receivers of what was stolen.

Owns: the records of discovery/known/advisories.json, their strict reading, and which of them an observation meets.
Rules: pure but for the reading at the start; nothing is guessed: a release that shows no version meets no advisory of
versions; every advisory has its sources. A pre-release counts as the one before its release.
"""

import re
from collections.abc import Iterable
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from appliance.model.errors import OperatorError
from appliance.model.names import FindingKind, Severity
from discovery.signatures import read

MAX_TEXT: Final = 200
MAX_NAME: Final = 255
_VERSION: Final = re.compile(r"v?(\d{1,9}(?:\.\d{1,9}){0,4})(?P<rest>[\w.+-]{0,32})", re.ASCII)
_EARLY: Final = re.compile(r"[-._]?(?:a|b|c|rc|dev|alpha|beta|pre|preview|nightly)[-._]?\d*", re.IGNORECASE)
_PLACES: Final = 5

type Version = Annotated[str, Meta(pattern=r"^\d{1,9}(\.\d{1,9}){0,4}$")]
type Text = Annotated[str, Meta(min_length=1, max_length=MAX_TEXT)]
type Source = Annotated[str, Meta(pattern="^https://", max_length=300)]
type Date = Annotated[str, Meta(pattern=r"^20\d\d(-[01]\d(-[0-3]\d)?)?$")]


class Range(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Releases from `since` (None: from the first) up to `last`, or those before `before`."""

    since: Version | None = None
    last: Version | None = None
    before: Version | None = None


class Advisory(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One of them; discovery/known/README.md says what the fields mean. `names`: hosts, `.name` with all below."""

    id: Annotated[str, Meta(pattern=r"^[A-Za-z0-9-]{4,40}$")]
    title: Text
    kind: Literal["compromise", "vulnerability", "caution"]
    severity: Literal["critical", "high", "medium"]
    published: Date
    sources: Annotated[tuple[Source, ...], Meta(min_length=1)]
    software: Text | None = None
    affected: tuple[Range, ...] = ()
    names: tuple[Text, ...] = ()
    categories: tuple[Text, ...] = ()

    @property
    def finding(self) -> FindingKind | None:
        """The finding that it raises; None: it stands in the evidence only."""
        if self.kind == "compromise":
            return FindingKind.COMPROMISED
        urgent = Severity(self.severity).rank >= Severity.HIGH.rank
        return FindingKind.VULNERABLE if self.kind == "vulnerability" and urgent else None

    @property
    def text(self) -> str:
        """As it stands in evidence."""
        return f"advisory {self.id} ({self.severity}, {self.published}): {self.title}"


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


def load(data: bytes | None = None) -> Advisories:
    """Those that come with the program, or those of `data`; OperatorError: they are not what they must be."""
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
    return Advisories(found)
