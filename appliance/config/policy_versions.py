"""What `gnomon policy diff` and `gnomon policy replay` hold against each other: two versions of the rules.

Rules: changes nothing; decisions, stage and time zone are those in force, so only the rules differ.
"""

import msgspec

from appliance.model.catalogue import Catalogue
from appliance.model.pseudonym import Pseudonyms
from appliance.policy.engine import Policy, compile_policy
from appliance.policy.replaying import Replay, Replayed
from appliance.policy.rules import Rule
from appliance.policy.snapshot import PolicySnapshot
from appliance.policy.wording import Difference, differences

_DOLLAR = 10**6


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """How two versions differ, rule by rule."""

    differences: tuple[Difference, ...]

    def text(self) -> str:
        """For a person."""
        if not self.differences:
            return "The rules are the same."
        told = []
        for one in self.differences:
            told.append(f"{one.kind} {one.rule}".rstrip())
            told += [f"  {detail}" for detail in one.details]
            told.append(f"  affects: {one.affected}")
        return "\n".join(told)


def compare(before: tuple[Rule, ...], after: tuple[Rule, ...]) -> Compared:
    """How the rules differ."""
    return Compared(differences=differences(before, after))


def replay_of(
    rules: tuple[Rule, ...], held: PolicySnapshot, catalogue: Catalogue, site_key: bytes, *, against_record: bool
) -> Replay:
    """A replay of `rules` against the snapshot in force, or against what was recorded."""
    after = _compiled(msgspec.structs.replace(held, version=held.version + 1, rules=rules), catalogue, site_key)
    return Replay(after, None if against_record else _compiled(held, catalogue, site_key), catalogue)


def _compiled(snapshot: PolicySnapshot, catalogue: Catalogue, site_key: bytes) -> Policy:
    return compile_policy(snapshot, catalogue, site_key, Pseudonyms(site_key).person)


def effect(told: Replayed) -> str:
    """A replay for a person."""
    more = "at least " if told.at_least else ""
    head = (
        f"{told.changed} of {told.exchanges} exchanges would be treated otherwise, "
        f"of {more}{told.people_changed} of {more}{told.people} people; "
        f"they cost {_dollars(told.cost_changed_micros)} of {_dollars(told.cost_micros)}."
    )
    lines = [head]
    for one in told.changes:
        by = f" by {one.rule}" if one.rule else ""
        told_cost = _dollars(one.cost_micros) + (f" and {one.unpriced} without a price" if one.unpriced else "")
        what = f"{one.before} -> {one.after}" if one.before != one.after else f"{one.after}, done otherwise"
        lines.append(f"  {what}{by}: {one.exchanges} exchanges, {one.people} people, {told_cost}")
    return "\n".join(lines)


def _dollars(micros: int) -> str:
    return f"${micros / _DOLLAR:,.2f}"
