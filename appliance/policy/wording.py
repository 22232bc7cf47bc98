"""Rules in words: whom one is about, what then holds, and what a new version of them changes.

Rules: pure; driven by the records' own fields, so a new field is told without being taught here.
"""

from collections.abc import Iterable, Iterator

import msgspec

from appliance.policy.rules import EVERYONE, Match, Rule

_WHO = ("users", "principals", "groups", "departments", "virtual_keys", "assurances", "accounts")


def who(rule: Rule) -> str:
    """Whom a rule is about: `users ann, bob; groups lab`, or everybody."""
    told = [
        f"{name.replace('_', ' ')} {_listed(getattr(rule.match, name))}" for name in _WHO if getattr(rule.match, name)
    ]
    share = "" if rule.percent >= EVERYONE else f", {rule.percent} % of them"
    return f"{' and '.join(told) if told else 'everybody'}{share}"


def where(match: Match) -> str:
    """What beside the caller must fit."""
    fields = {name: getattr(match, name) for name in match.__struct_fields__ if name not in _WHO}
    defaults = Match()
    told = [
        f"{name.replace('_', ' ')} {_said(value)}" for name, value in fields.items() if value != getattr(defaults, name)
    ]
    return "; ".join(told) or "anything"


def what(rule: Rule) -> str:
    """What then holds."""
    then = msgspec.to_builtins(rule.then)
    more = [f"{name} {_said(value)}" for name, value in then.items() if name != "disposition"]
    steps = [f"{step.disposition} from {step.begins} for {step.percent} %" for step in rule.rollout]
    stage = ["only recorded"] if rule.stage == "observe" else []
    return "; ".join([str(rule.then.disposition), *more, *steps, *stage])


def described(rule: Rule) -> str:
    """One line: `block for everybody: services openai`."""
    return f"{what(rule)} for {who(rule)}: {where(rule.match)}"


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """How one rule differs. `kind`: added, removed, changed. `affected`: who may notice."""

    rule: str
    kind: str
    affected: str
    details: tuple[str, ...]


def differences(before: Iterable[Rule], after: Iterable[Rule]) -> tuple[Difference, ...]:
    """Rule by rule, in the order of the newer version; what went comes last. The order of rules is told apart."""
    old = {rule.id: rule for rule in before}
    new = {rule.id: rule for rule in after}
    found = [_compared(old.get(name), rule) for name, rule in new.items() if old.get(name) != rule]
    gone = [
        Difference(rule=name, kind="removed", affected=who(rule), details=(described(rule),))
        for name, rule in old.items()
        if name not in new
    ]
    kept_old, kept_new = [name for name in old if name in new], [name for name in new if name in old]
    moved = (
        [
            Difference(
                rule="",
                kind="order",
                affected="requests with more than one route",
                details=("the rules stand in another order",),
            )
        ]
        if kept_old != kept_new
        else []
    )
    return (*found, *gone, *moved)


def _compared(before: Rule | None, after: Rule) -> Difference:
    if before is None:
        return Difference(rule=after.id, kind="added", affected=who(after), details=(described(after),))
    affected = who(after) if who(after) == who(before) else f"{who(before)}; now {who(after)}"
    return Difference(rule=after.id, kind="changed", affected=affected, details=tuple(_changes(before, after)))


def _changes(before: Rule, after: Rule) -> Iterator[str]:
    old, new = dict(_flat("", msgspec.to_builtins(before))), dict(_flat("", msgspec.to_builtins(after)))
    for key in dict.fromkeys((*old, *new)):
        if old.get(key) != new.get(key):
            yield f"{key}: {_change(old.get(key), new.get(key))}"


def _change(old: object, new: object) -> str:
    if isinstance(old, list | tuple) and isinstance(new, list | tuple):
        came = [f"+ {_said(one)}" for one in new if one not in old]
        went = [f"- {_said(one)}" for one in old if one not in new]
        return ", ".join((*came, *went)) or "another order"
    if old is None:
        return f"now {_said(new)}"
    return f"no longer {_said(old)}" if new is None else f"{_said(new)}, was {_said(old)}"


def _flat(prefix: str, value: object) -> Iterator[tuple[str, object]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flat(f"{prefix}.{key}" if prefix else str(key), inner)
    else:
        yield prefix, value


def _said(value: object) -> str:
    if isinstance(value, msgspec.Struct):
        value = msgspec.to_builtins(value)
    if isinstance(value, dict):
        return ", ".join(f"{key} {_said(inner)}" for key, inner in value.items())
    if isinstance(value, list | tuple):
        return _listed(value)
    return {True: "yes", False: "no"}.get(value, str(value)) if isinstance(value, bool) else str(value)


def _listed(values: Iterable[object]) -> str:
    return ", ".join(_said(value) for value in values)
