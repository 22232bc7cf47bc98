"""`gnomon rules`: the examples of every rule, judged by the rule itself."""

import json
from types import SimpleNamespace

import pytest

from appliance import cli
from appliance.inspect.detect import detectors as module
from appliance.inspect.detect.keyrules import NAMED_RULES, SHAPED_RULES
from appliance.inspect.detect.settings import CustomRule, Settings
from appliance.inspect.evaluation.rule_cases import (
    Case,
    by_injection_rules,
    custom_cases,
    failing,
    injection_cases,
    key_cases,
)
from tests.real_detectors import detectors


def test_every_shipped_key_rule_finds_its_example_and_not_what_is_near():
    scanner = detectors()
    cases = tuple(key_cases())
    for finds in (True, False):
        assert len({case.rule for case in cases if case.finds is finds}) >= len(SHAPED_RULES) + len(NAMED_RULES)
        assert len({case.entity for case in cases if case.finds is finds}) >= 300
    assert [case[:3] for case in failing(cases, lambda text: {one.rule for one in scanner.scan(text)})] == []


def test_every_injection_rule_finds_its_examples():
    assert [case[:3] for case in failing(injection_cases(), by_injection_rules)] == []


def test_what_a_rule_misses_and_what_it_finds_too_much():
    rule = CustomRule(
        name="staff", entity="STAFF", patterns=("S[0-9]{5}",), examples=("S12345", "none"), counter_examples=("S54321",)
    )
    cases = tuple(custom_cases(Settings(recognisers=(rule,))))
    failed = failing(cases, lambda text: frozenset({"staff"} if text.startswith("S") else ()))
    assert [case.which for case in failed] == ["example 2", "counter 1"]


@pytest.mark.parametrize(("names", "code"), [({"r"}, 0), (set(), 1)])
def test_the_command_fails_where_a_rule_does(monkeypatch, capsys, names, code):
    made = SimpleNamespace(scan=lambda _: [SimpleNamespace(rule=name) for name in names])
    monkeypatch.setattr(module, "Detectors", SimpleNamespace(load=lambda *_, **_more: made))
    cases = "appliance.inspect.evaluation.rule_cases"
    monkeypatch.setattr(f"{cases}.key_cases", lambda: iter([Case("keys", "r", "KEY", "sk-secret", True, "example")]))
    monkeypatch.setattr(f"{cases}.injection_cases", lambda: iter(()))
    assert cli.main(["rules", "test", "--json"]) == code
    told = capsys.readouterr().out
    assert len(json.loads(told)["failed"]) == code
    assert "sk-secret" not in told
