"""A rule compiled to checks over facts: only the fields that say something cost anything.

Rules: pure; built once per snapshot; a check never raises on any facts. Globs go through `fnmatch`, whose patterns do
not backtrack, so hostile model names cost linear time.
"""

import fnmatch
import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, time, timedelta
from typing import NamedTuple

from appliance.model.detection import Coverage, Label
from appliance.model.errors import OperatorError
from appliance.model.facts import Facts
from appliance.model.names import Direction, Disposition, Layer, Stage
from appliance.model.paths import plain_path
from appliance.policy.answers import hidden_in_request
from appliance.policy.moments import Clock
from appliance.policy.rollout import Piece
from appliance.policy.rules import EVERYONE, Exemption, LabelMatch, Match, Rule, Size

type Check = Callable[[Facts, bool], bool]
type Digest = Callable[[str], str]
type Key = tuple[str, ...]

_UNKNOWN = "unknown"  # the catalogue does not say where the owner has its seat
RANK: dict[Layer, int] = {layer: rank for rank, layer in enumerate(Layer)}


class Site(NamedTuple):
    """What rules mean here. `percent_key`: secret key of the percentages; `timezone`: of days and hours.

    `seats`: country of the owner's seat, by service. `person`: digest of a clear name.
    """

    percent_key: bytes
    person: Digest
    timezone: str = "UTC"
    seats: Mapping[str, str | None] = {}


class CompiledExemption:
    """An exemption with digests and its end as epoch seconds."""

    def __init__(self, exemption: Exemption, digest: Digest) -> None:
        self.principals = frozenset(exemption.principals) | frozenset(map(digest, exemption.users))
        self.groups = frozenset(exemption.groups)
        self._keys = frozenset(exemption.virtual_keys)
        self._everybody = not (self.principals or self.groups or self._keys)
        self._services = frozenset(exemption.services)
        self._apis = frozenset(exemption.apis)
        self.ends = datetime.combine(exemption.expires + timedelta(days=1), time.min, UTC).timestamp()
        self.note = f"excepted until {exemption.expires}: {exemption.reason}"

    def covers(self, facts: Facts, now: float) -> bool:
        """It holds at `now` for whoever asks, and for what is asked."""
        if now >= self.ends or (self._services and facts.service not in self._services):
            return False
        if self._apis and facts.api not in self._apis:
            return False
        named = facts.principal in self.principals or facts.virtual_key in self._keys
        return self._everybody or named or not self.groups.isdisjoint(facts.groups)


class CompiledRule:
    """A rule, its checks and its index keys."""

    def __init__(self, piece: Piece, site: Site) -> None:
        rule = self.rule = piece.rule
        self.rank = RANK[rule.layer]
        self.hides_as = hidden_in_request(rule)
        self.wants_labels = rule.match.labels is not None
        self.needs_body = rule.match.needs_body or any(one.apis or one.virtual_keys for one in rule.exceptions)
        conditional = rule.stage is Stage.OBSERVE or rule.percent < EVERYONE or rule.match.by_class_alone
        self.always_acts = not conditional and not rule.exceptions
        self.exemptions = tuple(CompiledExemption(exemption, site.person) for exemption in rule.exceptions)
        self._principals = frozenset(rule.match.principals) | frozenset(map(site.person, rule.match.users))
        self.asks = Direction.REQUEST in rule.match.directions
        self.answers = Direction.RESPONSE in rule.match.directions
        self._checks = tuple(_checks(rule.match, self._principals, site))
        self.names = rule.then.names if self.asks else None
        # What it looks for has the request blocked, whatever else is in it.
        self.settles = self.asks and _rests_on_labels(rule)
        of_caller = self.answers or self.names or self.settles
        self._of_caller = tuple(_checks(rule.match.of_caller, self._principals, site)) if of_caller else ()
        self._percent_key = site.percent_key[:64]
        self._begins, self._later = piece.begins, piece.later
        self._clock = Clock(rule.match.time, site.timezone) if rule.match.time else None
        self.always_due = not piece.begins and not piece.later and self._clock is None
        self.called = glob(rule.match.tools_called) if rule.match.tools_called else None

    def due(self, facts: Facts, now: float) -> bool:
        """It is its time: of the day, and of its rollout for this principal."""
        if now < self._begins or (self._clock is not None and not self._clock.holds(now)):
            return False
        return not any(now >= later.begins and self._reached(facts.principal, later.percent) for later in self._later)

    def matches(self, facts: Facts, unapproved: bool) -> bool:
        """All checks hold. `unapproved`: an AI service without an approve decision for this caller."""
        for check in self._checks:  # a plain loop: half the cost of all() with a generator  # noqa: SIM110
            if not check(facts, unapproved):
                return False
        return True

    def watches(self, facts: Facts, unapproved: bool) -> bool:
        """It looks at the answer of this exchange: all checks hold that need no answer."""
        return self.answers and all(check(facts, unapproved) for check in self._of_caller)

    def concerns(self, facts: Facts, unapproved: bool) -> bool:
        """It may match this exchange once names are known: all checks hold that need no findings."""
        return all(check(facts, unapproved) for check in self._of_caller)

    def reaches(self, principal: str) -> bool:
        """The principal is within the rule's percentage. The same principal falls differently for each rule."""
        return self._reached(principal, self.rule.percent)

    def _reached(self, principal: str, percent: int) -> bool:
        if percent >= EVERYONE:
            return True
        data = f"{self.rule.id}\0{principal}".encode()
        digest = hashlib.blake2b(data, key=self._percent_key, digest_size=8).digest()
        return int.from_bytes(digest) % EVERYONE < percent

    def keys(self, *, answer: bool = False) -> tuple[Key, ...]:
        """Index keys, one of which every matching facts must have; empty: looked at always. `answer`: for `watches`."""
        match = self.rule.match.of_caller if answer else self.rule.match
        if self._principals:
            return tuple(("principal", principal) for principal in self._principals)
        if match.groups:
            return tuple(("group", group) for group in match.groups)
        if match.departments:
            return tuple(("department", department) for department in match.departments)
        return _service_keys(match) or _label_keys(match.labels) or _host_keys(match)


def _rests_on_labels(rule: Rule) -> bool:
    """A rule that blocks by one label, which nothing else that the request holds takes back."""
    match, labels = rule.match, rule.match.labels
    if rule.then.disposition is not Disposition.BLOCK or labels is None or (labels.kinds and labels.entities):
        return False
    calls = (match.apis, match.models, match.models_except, match.paths, match.tools)
    other = (*calls, match.hosted_mcp, match.unscanned_reasons)
    unknown = (match.request_bytes, match.virtual_keys, *(one.apis or one.virtual_keys for one in rule.exceptions))
    return not any((*other, *unknown)) and match.unscanned is None


def _service_keys(match: Match) -> tuple[Key, ...]:
    if match.services and match.apis:
        return tuple(("service", service, api) for service in match.services for api in match.apis)
    if match.services:
        return tuple(("service", service) for service in match.services)
    if match.apis:
        return tuple(("api", api) for api in match.apis)
    return tuple(("category", category) for category in match.categories)


def _label_keys(labels: LabelMatch | None) -> tuple[Key, ...]:
    if labels is None:
        return ()
    if labels.entities:
        return tuple(("entity", entity) for entity in labels.entities)
    return tuple(("kind", kind) for kind in labels.kinds)


def _host_keys(match: Match) -> tuple[Key, ...]:
    if any(character in host for host in match.hosts for character in "*?["):
        return ()
    return tuple(("host", host.lower()) for host in match.hosts)


def fact_keys(facts: Facts) -> list[Key]:
    """Every index key that these facts have."""
    keys: list[Key] = [("principal", facts.principal), ("host", host_of(facts))]
    keys += [("group", group) for group in facts.groups]
    if facts.department:
        keys.append(("department", facts.department))
    if facts.service:
        keys.append(("service", facts.service))
        if facts.api:
            keys.append(("service", facts.service, facts.api))
    if facts.category:
        keys.append(("category", facts.category))
    if facts.api:
        keys.append(("api", facts.api))
    for label in facts.labels:
        keys += (("entity", label.entity), ("kind", label.kind))
    return keys


def host_of(facts: Facts) -> str:
    """The host in the form that rules are compared with."""
    return facts.host.lower().removesuffix(".")


def _checks(match: Match, principals: frozenset[str], site: Site) -> Iterator[Check]:
    if principals:
        yield lambda facts, _: facts.principal in principals
    if groups := frozenset(match.groups):
        yield lambda facts, _: not groups.isdisjoint(facts.groups)
    yield from _one_of(match)
    yield from _globs(match)
    if (labels := match.labels) is not None:
        yield lambda facts, _: any(_fits(labels, label) for label in facts.labels)
    if wanted := frozenset(match.countries):
        there = frozenset(service for service, seat in site.seats.items() if (seat or _UNKNOWN) in wanted)
        yield lambda facts, _: facts.service in there
    yield from _flags(match)


def _one_of(match: Match) -> Iterator[Check]:
    if departments := frozenset(match.departments):
        yield lambda facts, _: facts.department in departments
    if services := frozenset(match.services):
        yield lambda facts, _: facts.service in services
    if categories := frozenset(match.categories):
        yield lambda facts, _: facts.category in categories
    if surfaces := frozenset(match.surfaces):
        yield lambda facts, _: facts.surface in surfaces
    if apis := frozenset(match.apis):
        yield lambda facts, _: facts.api in apis
    yield from _of_call(match)


def _of_call(match: Match) -> Iterator[Check]:
    if methods := frozenset(method.upper() for method in match.methods):
        yield lambda facts, _: facts.method.upper() in methods
    if listeners := frozenset(match.listeners):
        yield lambda facts, _: facts.listener in listeners
    if keys := frozenset(match.virtual_keys):
        yield lambda facts, _: facts.virtual_key in keys
    if assurances := frozenset(match.assurances):
        yield lambda facts, _: facts.assurance in assurances
    if accounts := frozenset(match.accounts):
        yield lambda facts, _: facts.account in accounts


def _names(models: re.Pattern[str], model: str | None) -> bool:
    return model is not None and models.match(model.lower()) is not None


def reads_only(facts: Facts) -> bool:
    """A list is read, which names no model; a message on a socket, which began with a GET as well, has bytes."""
    return facts.method.upper() in ("GET", "HEAD") and not facts.request_bytes


def _is_other(facts: Facts, but: re.Pattern[str]) -> bool:
    """Another model is asked for, or one that nobody could read; lists are read without one."""
    if facts.model is None:
        return not reads_only(facts)
    return any(but.match(one.lower()) is None for one in (facts.model, *facts.models_beside))


def _globs(match: Match) -> Iterator[Check]:
    if match.hosts:
        hosts = glob(match.hosts)
        yield lambda facts, _: hosts.match(host_of(facts)) is not None
    if match.models:
        models = glob(match.models)
        yield lambda facts, _: any(_names(models, one) for one in (facts.model, facts.model_sent, *facts.models_beside))
    if match.models_except:
        but = glob(match.models_except)
        yield lambda facts, _: _is_other(facts, but)
    if match.paths:
        paths, plain = re.compile("|".join(map(fnmatch.translate, match.paths))), glob(match.paths)
        # However it is spelt, also in other cases, which some front ends fold: matching more often can only tighten.
        yield lambda facts, _: bool(paths.match(facts.path) or plain.match(plain_path(facts.path).casefold()))
    if match.tools:
        tools = glob(match.tools)
        yield lambda facts, _: any(tools.match(name.lower()) for name in facts.tools_declared)
    if match.hosted_mcp:
        servers = glob(match.hosted_mcp)
        yield lambda facts, _: any(servers.match(host.lower()) for host in facts.hosted_mcp)


def _flags(match: Match) -> Iterator[Check]:
    if (size := match.request_bytes) is not None:
        yield _sized(size)
    if (ai := match.ai) is not None:
        yield lambda facts, _: (facts.service is not None) == ai
    if (wanted := match.unapproved) is not None:
        # "Approved" is said of AI services only: a rule about approval never touches anything else.
        yield lambda facts, unapproved: facts.service is not None and unapproved == wanted
    if (unscanned := match.unscanned) is not None:
        yield lambda facts, _: (facts.coverage is None or not facts.coverage.complete) == unscanned
    if reasons := frozenset(match.unscanned_reasons):
        yield lambda facts, _: facts.coverage is not None and unscanned_for(facts.coverage, reasons)


def _sized(size: Size) -> Check:
    least, most = size.min, float("inf") if size.max is None else size.max
    return lambda facts, _: least <= facts.request_bytes <= most


def unscanned_for(coverage: Coverage, reasons: frozenset[str]) -> bool:
    """Some of the body was not scanned for one of these reasons."""
    told = (*coverage.text_unscanned.items(), *coverage.opaque.items(), *coverage.partial.items())
    return any(size and reason in reasons for reason, size in told)


def glob(patterns: tuple[str, ...]) -> re.Pattern[str]:
    """Matches what fits one of them, in small letters."""
    return re.compile("|".join(fnmatch.translate(pattern.lower()) for pattern in patterns))


def _fits(wanted: LabelMatch, label: Label) -> bool:
    return (
        label.score >= wanted.min_score
        and (not wanted.kinds or label.kind in wanted.kinds)
        and (not wanted.entities or label.entity in wanted.entities)
    )


def matched_entities(wanted: LabelMatch, facts: Facts) -> tuple[str, ...]:
    """The entities of the labels that fit."""
    return tuple(label.entity for label in facts.labels if _fits(wanted, label))


def no_digest(name: str) -> str:
    """Stands where no site key is at hand: clear names cannot be compared, so they are refused."""
    raise OperatorError(f"policy: user {name!r}: clear names need the site key here; use principals (p_...) instead")
