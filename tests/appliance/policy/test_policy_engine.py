"""Verdicts: precedence, stages, percentages, exceptions, what is hidden, where it goes."""

from datetime import date

import msgspec
import pytest
from policy_facts import NOW, OPENAI, decision, facts, label, policy, rule

from appliance.model.catalogue import Catalogue, Service
from appliance.model.decision import Scope
from appliance.model.detection import Coverage
from appliance.model.errors import OperatorError
from appliance.model.names import DecisionKind, DetectionKind, Direction, Disposition, Layer, Stage, Surface
from appliance.policy.engine import MAX_HITS, compile_policy
from appliance.policy.rules import Exemption, LabelMatch, Match, Redact, Size
from appliance.policy.snapshot import PolicySnapshot

D = Disposition
K = DecisionKind


def test_no_rule_allows() -> None:
    verdict = policy().judge(facts(), NOW)
    assert (verdict.disposition, verdict.effective, verdict.rule, verdict.hits) == (D.ALLOW, D.ALLOW, None, ())


def test_the_strictest_holds_and_all_hits_are_kept() -> None:
    verdict = policy(rule("a", D.OBSERVE), rule("b", D.BLOCK, reason="no"), rule("c", D.REDACT)).judge(facts(), NOW)
    assert (verdict.disposition, verdict.rule, verdict.reason) == (D.BLOCK, "b", "no")
    assert [hit.rule for hit in verdict.hits] == ["a", "b", "c"]


def test_a_lower_layer_only_tightens() -> None:
    department = Match(departments=("lab",))
    low = rule("low", D.ALLOW, department, layer=Layer.DEPARTMENT)
    strict = rule("strict", D.BLOCK, department, layer=Layer.DEPARTMENT)
    high = rule("high", D.REDACT)
    assert policy(low, high).judge(facts(department="lab"), NOW).rule == "high"
    assert policy(strict, high).judge(facts(department="lab"), NOW).disposition is D.BLOCK


def test_the_highest_layer_is_named_when_two_are_equally_strict() -> None:
    user = rule("user", D.BLOCK, Match(users=("alice",)), layer=Layer.USER)
    floor = rule("floor", D.BLOCK, layer=Layer.SAFETY)
    assert policy(user, rule("org", D.BLOCK), floor).judge(facts(), NOW).rule == "floor"
    blocked = policy(user, rule("org", D.BLOCK), decisions=(decision(7, K.BLOCK),))
    assert blocked.judge(facts(), NOW).rule == "decision:7"


@pytest.mark.parametrize(
    ("match", "fits", "not_fits"),
    [
        (Match(services=("openai",)), {}, {"service": "other"}),
        (Match(categories=("model_api",)), {}, {"category": "coding"}),
        (Match(surfaces=(Surface.API,)), {}, {"surface": Surface.WEB}),
        (Match(hosts=("*.OpenAI.com",)), {"host": "API.openai.com."}, {"host": "openai.com.example"}),
        (Match(hosts=("api.openai.com",)), {"host": "API.OPENAI.COM"}, {"host": "x.api.openai.com"}),
        (Match(apis=("openai.chat",)), {}, {"api": None}),
        (Match(services=("openai",), apis=("openai.chat",)), {}, {"api": "openai.embeddings"}),
        (Match(models=("gpt-5*",)), {"model": "GPT-5-mini"}, {"model": "gpt-4"}),
        (Match(models=("*",)), {}, {"model": None}),
        (Match(models_except=("gpt-5*", "o3")), {"model": "GPT-4"}, {"model": "GPT-5-mini"}),
        (Match(models_except=("o3",)), {"model": None}, {"model": None, "method": "GET"}),
        (Match(models_except=("o3",)), {"model": None, "method": "GET", "request_bytes": 9}, {"model": "o3"}),
        (Match(models_except=("o3",)), {"model": "o3", "models_beside": ("o4",)}, {"model": "o3"}),
        (
            Match(models=("o4*",)),
            {"model": "o3", "models_beside": ("x", "O4")},
            {"model": "o3", "models_beside": ("x",)},
        ),
        (Match(models_except=("o3",)), {"model": "o4", "method": "GET"}, {"model": "o3"}),
        (Match(methods=("post",)), {}, {"method": "GET"}),
        (Match(listeners=("proxy",)), {}, {"listener": "gateway"}),
        (Match(principals=("p_alice",)), {}, {"principal": "p_bob"}),
        (Match(users=("alice",)), {}, {"principal": "alice"}),
        (Match(groups=("a", "b")), {"groups": ("x", "b")}, {"groups": ("c",)}),
        (Match(departments=("lab",)), {"department": "lab"}, {"department": None}),
        (Match(labels=LabelMatch(kinds=(DetectionKind.PII,))), {"labels": (label(),)}, {"labels": ()}),
        (Match(labels=LabelMatch(entities=("X",))), {"labels": (label("X"),)}, {"labels": (label("Y"),)}),
        (Match(labels=LabelMatch(min_score=0.5)), {"labels": (label(score=0.5),)}, {"labels": (label(score=0.4),)}),
        (
            Match(labels=LabelMatch(kinds=(DetectionKind.SECRET,), entities=("X",))),
            {"labels": (label("X", DetectionKind.SECRET),)},
            {"labels": (label("X"), label("Y", DetectionKind.SECRET))},
        ),
        (Match(ai=True), {}, {"service": None}),
        (Match(ai=False), {"service": None}, {}),
        (Match(unapproved=True), {}, {"service": None}),
        (Match(unscanned=True), {"coverage": Coverage(length=1, opaque={"image": 1})}, {}),
        (Match(unscanned=True), {"coverage": None}, {}),
        (Match(unscanned=False), {}, {"coverage": None}),
        (Match(paths=("/v1/files*", "*/x")), {"path": "/a/b/x"}, {"path": "/v1/chat/completions"}),
        (Match(tools=("shell*",)), {"tools_declared": ("weather", "Shell_Run")}, {"tools_declared": ("weather",)}),
        (Match(request_bytes=Size(min=5, max=7)), {"request_bytes": 7}, {"request_bytes": 8}),
        (Match(request_bytes=Size(min=5)), {"request_bytes": 5}, {"request_bytes": 4}),
        (Match(virtual_keys=("k1",)), {"virtual_key": "k1"}, {"virtual_key": None}),
        (Match(countries=("unknown",)), {}, {"service": None}),
        (
            Match(labels=LabelMatch(kinds=(DetectionKind.INJECTION,), min_score=0.8)),
            {"labels": (label("INJECTION", DetectionKind.INJECTION, 0.9),)},
            {"labels": (label("INJECTION", DetectionKind.INJECTION, 0.7),)},
        ),
    ],
)
def test_matching(match: Match, fits: dict[str, object], not_fits: dict[str, object]) -> None:
    judged = policy(rule("r", D.BLOCK, match))
    assert judged.judge(facts(**fits), NOW).disposition is D.BLOCK
    assert judged.judge(facts(**not_fits), NOW).disposition is D.ALLOW


def test_fields_of_a_match_are_joined_by_and() -> None:
    judged = policy(rule("r", D.BLOCK, Match(services=("openai",), groups=("staff",))))
    assert judged.judge(facts(), NOW).disposition is D.ALLOW
    assert judged.judge(facts(service="x", groups=("staff",)), NOW).disposition is D.ALLOW
    assert judged.judge(facts(groups=("staff",)), NOW).disposition is D.BLOCK


def test_a_rule_found_by_two_keys_counts_once() -> None:
    judged = policy(rule("r", D.OBSERVE, Match(groups=("a", "b"))))
    assert len(judged.judge(facts(groups=("a", "b")), NOW).hits) == 1


def test_an_approval_lifts_unapproved_and_nothing_else() -> None:
    rules = (rule("new", D.BLOCK, Match(unapproved=True)), rule("pii", D.REDACT, Match(unapproved=False)))
    assert policy(*rules).judge(facts(), NOW).disposition is D.BLOCK
    approved = policy(*rules, decisions=(decision(1, K.APPROVE),)).judge(facts(), NOW)
    assert (approved.disposition, approved.rule) == (D.REDACT, "pii")
    blocked = policy(rule("b", D.BLOCK), decisions=(decision(1, K.APPROVE),)).judge(facts(), NOW)
    assert blocked.disposition is D.BLOCK


@pytest.mark.parametrize(
    ("changes", "binds"),
    [
        ({}, True),
        ({"service": "other"}, False),
        ({"surface": Surface.API}, True),
        ({"surface": Surface.WEB}, False),
        ({"scope": Scope(principals=("p_alice",))}, True),
        ({"scope": Scope(principals=("p_bob",))}, False),
        ({"scope": Scope(principals=("p_bob",), groups=("staff",))}, True),
        ({"scope": Scope(clients=("a_1",))}, True),
        ({"expires": NOW + 1}, True),
        ({"expires": NOW}, False),
    ],
)
def test_whom_a_decision_binds(changes: dict[str, object], binds: bool) -> None:
    judged = policy(decisions=(decision(1, K.BLOCK, **changes),))
    assert (judged.judge(facts(groups=("staff",)), NOW).disposition is D.BLOCK) == binds


def test_undo_and_undo_of_undo() -> None:
    block, undo, redo = decision(1, K.BLOCK), decision(2, K.DISMISS, undoes=1), decision(3, K.DISMISS, undoes=2)
    assert policy(decisions=(block, undo)).judge(facts(), NOW).disposition is D.ALLOW
    assert policy(decisions=(redo, undo, block)).judge(facts(), NOW).disposition is D.BLOCK
    early = decision(1, K.DISMISS, undoes=2)
    assert policy(decisions=(early, decision(2, K.BLOCK))).judge(facts(), NOW).disposition is D.BLOCK


def test_dismiss_changes_nothing_and_coach_and_redirect_do() -> None:
    assert policy(decisions=(decision(1, K.DISMISS),)).judge(facts(), NOW).hits == ()
    assert policy(decisions=(decision(1, K.COACH),)).judge(facts(), NOW).disposition is D.COACH
    redirected = policy(decisions=(decision(1, K.REDIRECT, route="house"),)).judge(facts(), NOW)
    assert (redirected.disposition, redirected.route) == (D.REDIRECT, "house")


def test_a_redirect_to_nowhere_blocks() -> None:
    assert policy(decisions=(decision(1, K.REDIRECT),)).judge(facts(), NOW).disposition is D.BLOCK


def test_stage_observe_records_and_changes_nothing() -> None:
    verdict = policy(rule("b", D.BLOCK), stage=Stage.OBSERVE).judge(facts(), NOW)
    assert (verdict.disposition, verdict.effective) == (D.BLOCK, D.OBSERVE)
    assert policy(stage=Stage.OBSERVE).judge(facts(), NOW).effective is D.ALLOW


def test_a_rule_in_stage_observe_decides_nothing_and_stops_nothing() -> None:
    judged = policy(rule("try", D.BLOCK, stage=Stage.OBSERVE), rule("real", D.REDACT))
    verdict = judged.judge(facts(), NOW)
    assert (verdict.disposition, verdict.rule) == (D.REDACT, "real")
    assert [(hit.rule, hit.acts) for hit in verdict.hits] == [("try", False), ("real", True)]


def test_percentages_are_shares_of_principals_and_stay() -> None:
    judged = policy(rule("some", D.BLOCK, percent=30))
    blocked = [judged.judge(facts(principal=f"p_{n}"), NOW).disposition is D.BLOCK for n in range(2000)]
    assert 500 < sum(blocked) < 700
    assert blocked == [judged.judge(facts(principal=f"p_{n}"), NOW + 9e6).disposition is D.BLOCK for n in range(2000)]
    assert policy(rule("none", D.BLOCK, percent=0)).judge(facts(), NOW).hits[0].note == "outside 0 %"


def test_an_exception_holds_until_its_day_ends() -> None:
    excepted = Exemption(users=("alice",), reason="trial", expires=date(2027, 1, 15))
    judged = policy(rule("b", D.BLOCK, exceptions=(excepted,)))
    last = 1_800_057_600.0 - 1  # 2027-01-15T23:59:59Z
    verdict = judged.judge(facts(), last)
    assert (verdict.disposition, verdict.hits[0].acts) == (D.ALLOW, False)
    assert "2027-01-15: trial" in verdict.hits[0].note
    assert judged.judge(facts(), last + 1).disposition is D.BLOCK
    assert judged.judge(facts(principal="p_bob"), last).disposition is D.BLOCK


def test_what_is_hidden_is_the_union() -> None:
    labels = Match(labels=LabelMatch(entities=("B", "C"), min_score=0.5))
    seen = facts(labels=(label("B"), label("C", score=0.2), label("Z")))
    first = rule("first", D.REDACT, then={"redact": Redact(entities=("A",), kinds=(DetectionKind.SECRET,))})
    verdict = policy(first, rule("second", D.REDACT, labels)).judge(seen, NOW)
    assert (verdict.entities, verdict.kinds) == (("A", "B"), ("secret",))


def test_to_hide_without_saying_what_hides_every_pii_and_secret() -> None:
    verdict = policy(rule("all", D.REDACT)).judge(facts(labels=(label(),)), NOW)
    assert (verdict.entities, verdict.kinds) == ((), ("pii", "secret"))


def test_a_redirect_still_hides() -> None:
    verdict = policy(rule("hide", D.REDACT), rule("go", D.REDIRECT, then={"route": "house"})).judge(facts(), NOW)
    assert (verdict.disposition, verdict.route, verdict.kinds) == (D.REDIRECT, "house", ("pii", "secret"))


def test_rules_that_do_not_act_hide_nothing() -> None:
    assert policy(rule("try", D.REDACT, stage=Stage.OBSERVE)).judge(facts(), NOW).kinds == ()


def test_the_route_of_a_redirect_goes_before_other_routes() -> None:
    rules = (rule("a", D.ALLOW, then={"route": "x"}), rule("b", D.REDIRECT, then={"route": "y"}))
    assert policy(*rules).judge(facts(), NOW).route == "y"
    assert policy(rules[0]).judge(facts(), NOW).route == "x"


def test_the_destination_is_judged_without_a_body() -> None:
    judged = policy(
        rule("pii", D.BLOCK, Match(labels=LabelMatch())),
        rule("model", D.BLOCK, Match(models=("*",))),
        rule("hide", D.REDACT),
        rule("unscanned", D.BLOCK, Match(unscanned=True)),
        rule("teach", D.COACH, Match(services=("openai",), groups=("staff",))),
    )
    verdict = judged.destination(
        OPENAI, principal="p_alice", client="a_1", groups=("staff",), host="api.openai.com", now=NOW
    )
    assert (verdict.disposition, [hit.rule for hit in verdict.hits]) == (D.COACH, ["teach"])
    other = judged.destination(None, principal="p_alice", client="a_1", groups=("staff",), host="x.example", now=NOW)
    assert other.disposition is D.ALLOW


def test_a_block_decision_is_judged_at_the_destination() -> None:
    judged = policy(decisions=(decision(1, K.BLOCK),))
    verdict = judged.destination(OPENAI, principal="p_x", client="a_x", host="api.openai.com", now=NOW)
    assert verdict.effective is D.BLOCK


def test_hits_are_bounded_and_keep_the_deciding_one() -> None:
    rules = [rule(f"r{n}", D.OBSERVE) for n in range(MAX_HITS + 10)] + [rule("last", D.BLOCK)]
    verdict = policy(*rules).judge(facts(), NOW)
    assert len(verdict.hits) == MAX_HITS
    assert verdict.hits[-1].rule == "last"


def test_unsound_rules_are_refused_together() -> None:
    rules = (
        rule("dep", D.BLOCK, layer=Layer.DEPARTMENT),
        rule("usr", D.BLOCK, layer=Layer.USER),
        rule("dec", D.BLOCK, layer=Layer.BLOCK_DECISION),
        rule("safe", D.BLOCK, layer=Layer.SAFETY, percent=5),
        rule("go", D.REDIRECT),
        rule("exc", D.BLOCK, exceptions=(Exemption(reason="x", expires=date(2027, 1, 1)),)),
        rule("exc", D.BLOCK),
    )
    with pytest.raises(OperatorError) as caught:
        policy(*rules)
    said = str(caught.value)
    assert [name for name in ("dep", "usr", "dec", "safe", "go", "exc") if f"rule {name}:" not in said] == []
    assert "used twice" in said


def test_clear_names_need_the_site_key() -> None:
    snapshot = PolicySnapshot(version=1, created=NOW, rules=(rule("u", D.BLOCK, Match(users=("alice",))),))
    with pytest.raises(OperatorError, match="site key"):
        compile_policy(snapshot, policy().catalogue, b"k")


@pytest.mark.parametrize(
    ("match", "acts"),
    [
        (Match(unapproved=True), False),
        (Match(ai=True), False),
        (Match(categories=("productivity",)), False),
        (Match(), True),
        (Match(services=("notes",)), True),
        (Match(hosts=("notes.example",), ai=True), True),
        (Match(ai=True, apis=("openai.chat",)), True),
        (Match(ai=True, labels=LabelMatch(kinds=(DetectionKind.PII,))), True),
    ],
)
def test_access_to_a_shared_host_is_never_denied_by_its_class_alone(match: Match, acts: bool) -> None:
    notes = Service(
        id="notes", name="Notes", owner="N", category="productivity", domains=("notes.example",), shared_host=True
    )
    judged = policy(rule("b", D.BLOCK, match), catalogue=Catalogue((notes, OPENAI), "t"))
    seen = facts(service="notes", category="productivity", host="notes.example", labels=(label(),))
    verdict = judged.judge(seen, NOW)
    assert (verdict.disposition is D.BLOCK, verdict.hits[0].acts) == (acts, acts)


def test_a_shared_host_is_still_observed_redacted_and_blocked_by_decision() -> None:
    notes = Service(id="notes", name="Notes", owner="N", category="c", domains=("n.example",), shared_host=True)
    seen = facts(service="notes", host="n.example")
    catalogue = Catalogue((notes,), "t")
    floor = rule("f", D.BLOCK, Match(ai=True), layer=Layer.SAFETY)
    assert policy(floor, catalogue=catalogue).judge(seen, NOW).disposition is D.BLOCK
    hide = rule("r", D.REDACT, Match(ai=True))
    assert policy(hide, catalogue=catalogue).judge(seen, NOW).disposition is D.REDACT
    blocked = policy(decisions=(decision(1, K.BLOCK, service="notes"),), catalogue=catalogue)
    assert blocked.judge(seen, NOW).disposition is D.BLOCK


def test_what_is_hidden_in_a_request_has_a_score_of_its_own() -> None:
    secrets = Match(labels=LabelMatch(kinds=(DetectionKind.SECRET,), min_score=0.5))
    implied, named = (
        rule("a", D.REDACT, secrets),
        rule("b", D.REDACT, secrets, then={"redact": Redact(kinds=(DetectionKind.PII,))}),
    )
    sure = rule("c", D.REDACT, secrets, then={"redact": Redact(kinds=(DetectionKind.SECRET,), min_score=0.8)})
    hides = policy(implied, named, sure).judge(facts(labels=(label("KEY", DetectionKind.SECRET, 0.9),)), NOW).hides
    assert [(one.rule, one.kinds, one.min_score) for one in hides] == [
        ("a", ("secret",), 0.5),
        ("b", ("pii",), 0.0),
        ("c", ("secret",), 0.8),
    ]


def test_what_only_pseudonymises_gets_names() -> None:
    mail, card = label("EMAIL_ADDRESS"), label("CREDIT_CARD")
    both = Match(labels=LabelMatch(entities=("EMAIL_ADDRESS", "CREDIT_CARD")))
    cards = Match(labels=LabelMatch(entities=("CREDIT_CARD",)))
    verdict = policy(rule("a", D.PSEUDONYMISE, both), rule("b", D.REDACT, cards)).judge(facts(labels=(mail, card)), NOW)
    assert verdict.named == ("EMAIL_ADDRESS",), "what a rule redacts has no name"
    assert policy(rule("b", D.REDACT, cards)).judge(facts(labels=(card,)), NOW).named == ()


def test_countries_are_those_of_the_owners_seat() -> None:
    known = Catalogue((msgspec.structs.replace(OPENAI, jurisdiction="US"),), "test")
    judged = policy(rule("r", D.BLOCK, Match(countries=("US", "CN"))), catalogue=known)
    assert judged.judge(facts(), NOW).disposition is D.BLOCK
    assert judged.judge(facts(service="elsewhere"), NOW).disposition is D.ALLOW
    away = policy(rule("r", D.BLOCK, Match(countries=("CN", "unknown"))), catalogue=known)
    assert away.judge(facts(), NOW).disposition is D.ALLOW


@pytest.mark.parametrize(
    ("exempt", "fits", "not_fits"),
    [
        ({"services": ("openai",)}, {}, {"service": "other"}),
        ({"apis": ("openai.chat",)}, {}, {"api": "openai.files"}),
        ({"virtual_keys": ("k1",)}, {"virtual_key": "k1"}, {"virtual_key": "k2"}),
        ({"services": ("openai",), "groups": ("data",)}, {"groups": ("data",)}, {"groups": ("other",)}),
        ({"services": ("openai",), "users": ("ann",)}, {"principal": "p_ann"}, {"principal": "p_bob"}),
        ({"apis": ("openai.chat",), "groups": ("data",)}, {"groups": ("data",)}, {"groups": ("data",), "api": "x"}),
    ],
)
def test_an_exception_may_be_for_services_and_calls(exempt, fits, not_fits) -> None:
    exemption = Exemption(reason="agreed", expires=date(2027, 12, 31), **exempt)
    judged = policy(rule("r", D.BLOCK, exceptions=(exemption,)))
    assert judged.decide(facts(**fits), OPENAI, NOW).disposition is D.ALLOW
    assert judged.decide(facts(**not_fits), OPENAI, NOW).disposition is D.BLOCK


def test_an_exception_for_calls_waits_for_the_call() -> None:
    exemption = Exemption(reason="agreed", expires=date(2027, 12, 31), apis=("openai.chat",))
    judged = policy(rule("r", D.BLOCK, exceptions=(exemption,)))
    denied = judged.destination(OPENAI, principal="p_a", client="a_1", now=NOW, host="api.openai.com")
    assert denied.disposition is D.ALLOW


def test_a_tool_that_an_answer_calls_is_told_to_the_rules_that_ask() -> None:
    shell = rule("shell", D.OBSERVE, Match(tools_called=("shell*",), directions=(Direction.RESPONSE,)))
    others = rule("others", D.OBSERVE, Match(tools_called=("shell*",), groups=("x",), directions=(Direction.RESPONSE,)))
    judged = policy(shell, others)
    assert judged.called(facts(), ("weather", "Shell_Run"), NOW) == ("shell",)
    assert judged.called(facts(groups=("x",)), ("shell",), NOW) == ("shell", "others")
    assert judged.called(facts(), ("weather",), NOW) == judged.called(facts(), (), NOW) == ()
    assert judged.judge(facts(), NOW).hits == ()


def test_a_destination_that_is_denied_comes_before_what_would_be_hidden() -> None:
    hide = rule("hide", D.REDACT, Match(labels=LabelMatch(entities=("EMAIL_ADDRESS",))))
    lesson = rule("lesson", D.COACH, Match(services=("openai",)))
    seen = facts(labels=(label(),))
    assert policy(hide, lesson).decide(seen, OPENAI, NOW).rule == "lesson"
    assert policy(hide, decisions=(decision(1, K.COACH),)).decide(seen, OPENAI, NOW).rule == "decision:1"
    assert policy(hide, lesson).decide(seen, OPENAI, NOW, lambda: True).rule == "hide"
    assert policy(hide, lesson, stage=Stage.OBSERVE).decide(seen, OPENAI, NOW).rule == "hide"


@pytest.mark.parametrize("path", ["/v1/files", "/v1/%66iles", "/v1//files", "/V1/Files", "/v1/./files", "/v1/files/"])
def test_a_rule_for_a_path_holds_however_it_is_spelt(path: str) -> None:
    found = policy(rule("files", D.BLOCK, Match(paths=("*/v1/files",)))).judge(facts(path=path, api=None), NOW)
    assert found.effective is D.BLOCK


def test_names_that_a_rule_names_are_never_left_out_for_others() -> None:
    many = tuple(f"tool_{number}" for number in range(200))
    judging = policy(rule("shells", D.BLOCK, Match(tools=("shell*",))))
    assert judging.foremost((*many, "Shell_run"), 128) == ("Shell_run", *many[:127])
    assert judging.foremost(("a", "shell"), 128) == ("a", "shell")
    assert policy().foremost(many, 3) == many[:3]
