"""What a decision would have done, and what cannot be decided."""

import msgspec
import pytest

from appliance.config.schema import RouteEntry
from appliance.model.decision import Proposal, Scope
from appliance.model.event import ExchangeOpened
from appliance.model.names import DecisionKind, Disposition, Layer, Leg, ObservationKind, Stage, Surface
from appliance.policy.disk import write_snapshot
from appliance.policy.rules import Match, Rule, Then
from appliance.policy.snapshot import PolicySnapshot
from appliance.store.bench import closed, opened
from appliance.store.decisions import ADMIN, Decisions
from appliance.store.feasible import Feasible
from appliance.store.finding_pages import PreviewRequest
from appliance.store.preview import preview
from appliance.store.wire import Decide

NOW = 1_763_700_000.0
UNAPPROVED = Rule(
    id="unapproved", layer=Layer.ORGANISATION, match=Match(unapproved=True), then=Then(disposition=Disposition.BLOCK)
)
POLICY = PolicySnapshot(version=1, created=1.0, stage=Stage.ENFORCE, rules=(UNAPPROVED,))
WORDS = ("allow", "observe", "redact", "coach", "redirect", "block")


def exchange(number, effective, *, ts=NOW, rule=None, surface=Surface.API, groups=(), service="openai"):
    event = opened(f"x{number}", "w0", ts)
    facts = msgspec.structs.replace(event.facts, surface=surface, groups=groups, service=service)
    verdict = msgspec.structs.replace(event.verdict, effective=Disposition(effective), rule=rule)
    return ExchangeOpened(f"x{number}", ts, "w0", facts, verdict, "d", "d")


def ask(connection, kind, since=0.0, policy=POLICY, **changed):
    proposal = Proposal(decision=DecisionKind(kind), **{"service": "openai"} | changed)
    return preview(connection, PreviewRequest(proposal=proposal, since=since), policy, None, NOW + 60)


@pytest.fixture
def one_of_each(desk):
    desk.see(*(exchange(number, word, ts=NOW + number) for number, word in enumerate(WORDS)))
    return desk.connection


@pytest.mark.parametrize(
    ("kind", "changed"),
    [("block", 5), ("redirect", 4), ("coach", 3), ("approve", 0), ("dismiss", 0)],
)
def test_what_is_less_strict_would_change(one_of_each, kind, changed):
    told = ask(one_of_each, kind, route="r")
    assert (told.exchanges, told.changed, told.people, told.hosts) == (6, changed, 6, 6)
    assert told.by_effect == dict.fromkeys(WORDS, 1)


def test_since_surface_and_service_bound_the_reach(desk):
    desk.see(
        exchange(1, "allow", ts=NOW - 50), exchange(2, "allow", surface=Surface.WEB),
        exchange(3, "allow", service="chatgpt"), exchange(4, "allow"),
    )  # fmt: skip
    assert ask(desk.connection, "block").exchanges == 3
    assert ask(desk.connection, "block", since=NOW).exchanges == 2
    assert ask(desk.connection, "block", since=NOW, surface=Surface.API).exchanges == 1


def test_a_scope_reaches_any_of_its_people_groups_and_clients(desk):
    events = [
        exchange(n, "allow", groups=groups) for n, groups in enumerate([("board",), ("board", "a b"), (), ("b",)])
    ]
    desk.see(*events)
    for scope, reached in (
        (Scope(groups=("board",)), 2),
        (Scope(groups=("a b",)), 1),
        (Scope(groups=("boar", "a")), 0),
        (Scope(principals=(events[2].facts.principal,)), 1),
        (Scope(clients=(events[3].facts.client,), groups=("board",)), 3),
    ):
        assert ask(desk.connection, "block", scope=scope).exchanges == reached


def test_approval_changes_what_a_rule_on_approval_decided(desk):
    desk.see(
        exchange(1, "block", rule="unapproved"), exchange(2, "observe", rule="unapproved"),
        exchange(3, "block", rule="secrets"), exchange(4, "allow"),
    )  # fmt: skip
    assert ask(desk.connection, "approve").changed == 1
    assert ask(desk.connection, "approve", policy=None).changed == 0


def test_what_went_past_is_told_and_nobody_can_touch_it(desk, observed):
    seen = {"service": "openai", "surface": Surface.API}
    desk.see(
        observed(**seen, count=3), observed(**seen, client="a_2"), observed(**seen, leg=Leg.PROXY),
        observed(**seen, seen=ObservationKind.DNS), observed(), observed(**seen, ts=NOW - 900),
    )  # fmt: skip
    told = ask(desk.connection, "block", since=NOW)
    assert (told.past, told.past_hosts, told.changed) == (4, 2, 0)
    assert ask(desk.connection, "block", since=NOW, scope=Scope(clients=("a_2",))).past == 1
    assert ask(desk.connection, "block", since=NOW, scope=Scope(groups=("board",))).past == 0
    assert ask(desk.connection, "block", since=NOW, surface=Surface.WEB).past == 0


def test_a_block_ends_what_is_running(desk):
    desk.see(exchange(1, "allow"), exchange(2, "allow"), closed("x1", NOW + 5), exchange(3, "allow", ts=NOW - 99_999))
    assert [ask(desk.connection, kind, route="r").running for kind in ("block", "redirect", "approve")] == [1, 0, 0]


class TestUndo:
    """The reach of an undo is that of what it undoes."""

    @pytest.fixture
    def decide(self, desk, tmp_path):
        write_snapshot(tmp_path, PolicySnapshot(version=1, created=1.0))
        decisions = Decisions(desk.connection, tmp_path, desk.clock, lambda _version: None)

        def decide(kind, **changed):
            proposal = Proposal(decision=DecisionKind(kind), service="openai", **changed)
            return decisions.decide(Decide(proposal=proposal, expected_version=1), "ada", ADMIN)

        return decide

    def test_of_what_turns_away(self, desk, decide):
        decide("block", surface=Surface.API)
        desk.see(
            exchange(1, "block", rule="decision:1"), exchange(2, "observe", rule="decision:1"),
            exchange(3, "block", rule="other"), exchange(4, "block", rule="decision:1", surface=Surface.WEB),
        )  # fmt: skip
        told = ask(desk.connection, "dismiss", service="chatgpt", undoes=1)
        assert (told.exchanges, told.changed, told.running) == (3, 1, 0)

    def test_of_an_approval(self, desk, decide):
        decide("approve")
        desk.see(exchange(1, "allow"), exchange(2, "redact"))
        assert ask(desk.connection, "dismiss", undoes=1).changed == 1
        assert ask(desk.connection, "dismiss", undoes=1, policy=None).changed == 0

    def test_of_nothing(self, desk):
        assert ask(desk.connection, "dismiss", undoes=77).changed == 0


ROUTES = {
    "openai": RouteEntry("openai", "https://api.openai.com"),
    "kept": RouteEntry("openai", "https://api.openai.com", "held:main"),
    "lost": RouteEntry("openai", "https://api.openai.com", "held:gone"),
}


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"decision": DecisionKind.BLOCK}, None),
        ({"decision": DecisionKind.BLOCK, "service": "nix"}, "no service 'nix'"),
        ({"decision": DecisionKind.DISMISS, "service": "nix"}, "no service 'nix'"),
        ({"decision": DecisionKind.DISMISS, "service": "front.example"}, None),  # there is a finding on it
        ({"decision": DecisionKind.BLOCK, "service": "front.example"}, "no service"),
        ({"decision": DecisionKind.REDIRECT, "route": "openai"}, None),
        ({"decision": DecisionKind.REDIRECT, "route": "kept"}, None),
        ({"decision": DecisionKind.REDIRECT, "route": "lost"}, "held credential gone"),
        ({"decision": DecisionKind.REDIRECT, "route": "nowhere"}, "nowhere is not configured"),
        ({"decision": DecisionKind.REDIRECT, "route": "openai", "service": "chatgpt"}, "cannot be redirected"),
        ({"decision": DecisionKind.REDIRECT, "route": "portal", "service": "chatgpt"}, None),
        ({"decision": DecisionKind.REDIRECT, "route": "portal"}, "programs"),
        ({"decision": DecisionKind.DISMISS, "service": "nix", "undoes": 4}, None),
    ],
)
def test_what_cannot_work_is_refused_with_its_reason(connection, catalogue, changed, why):
    connection.execute(
        """INSERT INTO findings SELECT 'f', 'name_disagreement', 'front.example', 'n', '', '', 'api', 'high', 3, 'new',
        'governed', 1, 1, 1, NULL, 1, 0, 0, 0, 0, 0, false, '', NULL, 1"""
    )
    judge = Feasible(catalogue, ROUTES, lambda: {"main"}, portal=True)
    said = judge.why_not(connection, Proposal(**{"service": "openai"} | changed))
    assert (said is None) if why is None else why in said


def test_a_refusal_is_told_before_it_is_asked_for(connection, catalogue, clock, tmp_path):
    decisions = Decisions(
        connection, tmp_path, clock, lambda _version: None, why_not=Feasible(catalogue, ROUTES, tuple).why_not
    )
    proposal = Proposal(decision=DecisionKind.REDIRECT, service="openai", route="openai")
    assert decisions.refusal(connection, proposal) is None
    assert "not configured" in decisions.refusal(connection, msgspec.structs.replace(proposal, route="x"))
    assert decisions.refusal(connection, msgspec.structs.replace(proposal, route=None)) == "a redirect needs a route"
    assert "no decision 9" in decisions.refusal(connection, msgspec.structs.replace(proposal, undoes=9))
