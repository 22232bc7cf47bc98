"""Tokens of acknowledgement, and what a lesson that was read leaves of a verdict."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.model.catalogue import Catalogue, Service
from appliance.model.decision import Decision, Scope
from appliance.model.facts import Facts
from appliance.model.names import DecisionKind, Disposition, Layer, Stage, Surface
from appliance.policy.acknowledgement import (
    TOKEN_LIFE_S,
    TOO_LATE,
    UNKNOWN,
    Acknowledged,
    claim_of,
    mint,
    place,
    read,
    who_of,
)
from appliance.policy.engine import compile_policy
from appliance.policy.instead import alternatives
from appliance.policy.rules import Match, Rule, Then
from appliance.policy.snapshot import PolicySnapshot

KEY = b"k" * 32
NOW = 1_700_000_000.0
SERVICES = tuple(
    Service(id=name, name=name.title(), owner=name, category=category, domains=(f"{name}.test",))
    for name, category in (("one", "chat"), ("two", "chat"), ("three", "chat"), ("four", "chat"), ("art", "image"))
)
CATALOGUE = Catalogue(SERVICES, "1")


def facts(**more) -> Facts:
    told = {"principal": "p_1", "client": "a_1", "identity_method": "basic", "service": "one", "category": "chat"}
    return Facts(**(told | {"host": "one.test", "port": 443, "method": "POST", "path": "/"} | more))


def decision(number, kind, service, **more) -> Decision:
    return Decision(number=number, ts=NOW, author="x", role="admin", decision=kind, service=service, **more)


def policy(*decisions, rules=(), stage=Stage.ENFORCE):
    snapshot = PolicySnapshot(version=1, created=NOW, stage=stage, rules=rules, decisions=decisions)
    return compile_policy(snapshot, CATALOGUE, KEY)


def test_a_token_says_whom_and_what_for():
    claim = read(mint(claim_of(facts(), NOW), KEY), KEY, NOW)
    assert claim == claim_of(facts(), NOW)
    assert (claim.service, claim.surface, claim.who, claim.client) == ("one", Surface.API, "p_1", "a_1")
    assert claim.is_of("p_1", "a_other")
    assert claim.is_of("p_other", "a_1")
    assert not claim.is_of("p_other", "a_other")


def test_who_is_not_known_stands_for_the_address():
    assert who_of(facts(identity_method="none", principal="p_anonymous")) == "a_1"


@pytest.mark.parametrize(("later", "told"), [(TOKEN_LIFE_S - 1, None), (TOKEN_LIFE_S, TOO_LATE), (10**9, TOO_LATE)])
def test_a_token_ends(later, told):
    found = read(mint(claim_of(facts(), NOW), KEY), KEY, NOW + later)
    assert found == (told or claim_of(facts(), NOW))


def test_another_sites_token_is_none():
    assert read(mint(claim_of(facts(), NOW), b"other"), KEY, NOW) == UNKNOWN


@given(st.text(max_size=2000))
def test_any_text_is_read_without_a_fault(text):
    assert read(text, KEY, NOW) == UNKNOWN


@given(st.integers(min_value=0), st.integers(min_value=1, max_value=255))
def test_a_changed_token_is_none(at, change):
    token = bytearray(mint(claim_of(facts(), NOW), KEY).encode())
    at %= len(token)
    token[at] ^= change
    assert read(token.decode("latin-1"), KEY, NOW) == UNKNOWN


@pytest.mark.parametrize(
    ("change", "holds"),
    [
        ({}, True),
        ({"principal": "p_2"}, False),
        ({"service": "two"}, False),
        ({"surface": Surface.WEB}, False),
        ({"client": "a_2"}, True),
    ],
)
def test_an_acknowledgement_is_for_one_caller_service_and_surface(change, holds):
    kept = Acknowledged(NOW, "p_1", "one", Surface.API)
    assert kept.holds(facts(**change), 60, NOW + 59) == holds
    assert not kept.holds(facts(), 60, NOW + 60)
    assert not kept.holds(facts(), 60, NOW - 1)
    assert (place("p_1", "one", Surface.API, KEY) == place(
        who_of(facts(**change)), facts(**change).service, facts(**change).surface, KEY
    )) == holds  # fmt: skip


COACH = decision(1, DecisionKind.COACH, "one", reason="read this")


def test_a_lesson_that_was_read_does_not_act():
    made = policy(COACH)
    assert made.decide(facts(), SERVICES[0], NOW).effective is Disposition.COACH
    verdict = made.decide(facts(), SERVICES[0], NOW, lambda: True)
    assert verdict.effective is verdict.disposition is Disposition.ALLOW
    assert verdict.rule is None
    (hit,) = verdict.hits
    assert (hit.rule, hit.layer, hit.disposition) == ("decision:1", Layer.BLOCK_DECISION, Disposition.COACH)
    assert (hit.acts, hit.note) == (False, "acknowledged")


def test_it_lifts_nothing_else():
    strict = Rule(id="strict", match=Match(services=("one",)), then=Then(disposition=Disposition.BLOCK))
    redact = Rule(id="hide", then=Then(disposition=Disposition.REDACT))
    for rule, effective in ((strict, Disposition.BLOCK), (redact, Disposition.REDACT)):
        verdict = policy(COACH, rules=(rule,)).decide(facts(), SERVICES[0], NOW, lambda: True)
        assert (verdict.effective, verdict.rule) == (effective, rule.id)


def test_nobody_is_asked_where_there_is_no_lesson():
    def asked() -> bool:
        raise AssertionError

    blocked = policy(decision(1, DecisionKind.BLOCK, "one"))
    assert blocked.decide(facts(), SERVICES[0], NOW, asked).effective is Disposition.BLOCK
    observed = policy(COACH, stage=Stage.OBSERVE)
    assert observed.decide(facts(), SERVICES[0], NOW, asked).effective is Disposition.OBSERVE


@pytest.mark.parametrize(
    ("decisions", "routes", "told"),
    [
        ((), {}, []),
        ((decision(2, DecisionKind.APPROVE, "two"),), {}, [("Two", "")]),
        ((decision(2, DecisionKind.APPROVE, "art"),), {}, []),
        ((decision(2, DecisionKind.APPROVE, "two", scope=Scope(principals=("p_9",))),), {}, []),
        ((), {"b": "two", "a": "two", "mine": "one", "paint": "art"}, [("Two", "a")]),
        ((decision(2, DecisionKind.BLOCK, "two"),), {"two": "two", "three": "three"}, [("Three", "three")]),
        (tuple(decision(n, DecisionKind.APPROVE, s) for n, s in ((2, "two"), (3, "three"), (4, "four"))), {},
         [("Four", ""), ("Three", ""), ("Two", "")]),
        ((), {"gone": "nowhere"}, []),
    ],
)  # fmt: skip
def test_what_to_use_instead(decisions, routes, told):
    assert [tuple(found) for found in alternatives(policy(COACH, *decisions), facts(), routes, NOW)] == told


def test_an_acknowledgement_is_small():
    assert len(msgspec.json.encode(Acknowledged(NOW, "p_" + "0" * 16, "x" * 64, Surface.AGENT))) < 1024
