"""The examples that rules carry: each says of a text whether its rule must find something in it.

Owns: the cases of the shipped key rules and injection rules and of the operator's own recognisers, and the judgement.
Rules: pure; a case is judged by the name of its rule alone, so that a neighbour which finds the same hides nothing;
texts of keys are made up from the rule's notation and never shown.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from appliance.inspect.detect.candidates import CANDIDATES
from appliance.inspect.detect.keyrules import NAMED_RULES, SHAPED_RULES, example, named_examples, near
from appliance.inspect.detect.settings import Settings
from appliance.inspect.injection.rules import standard

Names = Callable[[str], frozenset[str]]
"""The names of the rules that find something in a text."""


class Case(NamedTuple):
    """`finds`: whether the rule must find something in the text; `which`: the number of the case, for people."""

    family: str
    rule: str
    entity: str
    text: str
    finds: bool
    which: str


def key_cases() -> Iterator[Case]:
    """For each key rule at least one text of its shape and one beside it; so for values that are told by a name."""
    for rule in (*SHAPED_RULES, *(one for one in CANDIDATES if one.near)):
        yield Case("keys", rule.name, rule.entity, example(rule), finds=True, which="example")
        yield Case("keys", rule.name, rule.entity, near(rule), finds=False, which="near")
    for named in NAMED_RULES:
        for number, (text, finds) in enumerate(named_examples(named), 1):
            yield Case("named keys", named.name, named.entity, text, finds=finds, which=f"text {number}")


def injection_cases() -> Iterator[Case]:
    """The examples of the injection rules, and texts that none of them may find."""
    for rule in standard().set.rule:
        for number, text in enumerate(rule.examples, 1):
            yield Case("injection", rule.name, rule.entity, text, finds=True, which=f"example {number}")
        for number, text in enumerate(rule.counters, 1):
            yield Case("injection", rule.name, rule.entity, text, finds=False, which=f"counter {number}")


def custom_cases(settings: Settings) -> Iterator[Case]:
    """What the operator wrote beside each recogniser."""
    for rule in settings.recognisers:
        for number, text in enumerate(rule.examples, 1):
            yield Case("custom", rule.name, rule.entity, text, finds=True, which=f"example {number}")
        for number, text in enumerate(rule.counter_examples, 1):
            yield Case("custom", rule.name, rule.entity, text, finds=False, which=f"counter {number}")


def by_injection_rules(text: str) -> frozenset[str]:
    """`Names` of the injection rules, each by itself, whatever they add up to."""
    return frozenset(hit.rule for hit in standard().hits(text, foreign=True))


def failing(cases: Iterable[Case], names: Names) -> Iterator[Case]:
    """Those that their rule does not judge as it must."""
    return (case for case in cases if (case.rule in names(case.text)) is not case.finds)
