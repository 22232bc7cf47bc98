"""Policy files, the embedded default, and what `policy check` and `policy explain` tell."""

import json
from pathlib import Path

import msgspec
import pytest

from appliance.config.policy_command import check, explain_request
from appliance.config.policy_file import load_policy
from appliance.config.route_schema import RouteEntry
from appliance.model.errors import OperatorError
from appliance.model.names import Disposition, Stage
from appliance.policy.cases import Imagined
from appliance.policy.document import PolicyFile, json_schema

D = Disposition


def refusal(tmp_path: Path, text: str) -> str:
    path = tmp_path / "policy.yaml"
    path.write_text(text)
    with pytest.raises(OperatorError) as caught:
        load_policy(path)
    return str(caught.value).replace(str(path), "FILE")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rule: []\n", "FILE:1: rule: unknown key; did you mean 'rules'?"),
        ("rules:\n  - id: a\n", "FILE:2: rules.0.then: is missing"),
        ("rules:\n  - {id: A b, then: {disposition: block}}\n", "FILE:2: rules.0.id: must fit"),
        ("rules:\n  - id: a\n    then: {disposition: stop}\n", "FILE:3: rules.0.then.disposition: not one of allow"),
        (
            "rules:\n  - id: a\n    then: {disposition: redirect}\n",
            "FILE:3: rules.0.then.route: rule a: redirect needs",
        ),
        ("rules:\n  - id: a\n    percent: 101\n    then: {disposition: block}\n", "FILE:3: rules.0.percent: must lie"),
        (
            "rules:\n  - id: a\n    layer: user\n    then: {disposition: block}\n",
            "rules.0.match.users: rule a: a rule of",
        ),
        (
            "rules:\n  - {id: a, then: {disposition: block}}\n  - {id: a, then: {disposition: allow}}\n",
            "FILE:3: rules.1.id: a stands twice, first in line 2",
        ),
        (
            "rules:\n- id: a\n  then: {disposition: block}\n  exceptions:\n  - {users: [x], reason: y, expires: z}\n",
            "FILE:5: rules.0.exceptions.0.expires: must be a date",
        ),
    ],
)
def test_faults_are_told_at_their_line(tmp_path: Path, text: str, said: str) -> None:
    assert said in refusal(tmp_path, text)


def test_a_full_rule(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text("""
rules:
  - id: lab
    layer: department
    match: {departments: [lab], models: ["gpt-*"], labels: {kinds: [pii], min_score: 0.4}, unapproved: true}
    then: {disposition: redact, redact: {entities: [EMAIL_ADDRESS]}}
    stage: observe
    percent: 20
    exceptions: [{groups: [staff], reason: trial, expires: 2027-01-31}]
    reason: because
""")
    (rule,) = load_policy(path)
    assert msgspec.convert(msgspec.to_builtins(PolicyFile(rules=(rule,))), PolicyFile).rules == (rule,)
    assert rule.exceptions[0].expires.isoformat() == "2027-01-31"


def test_the_schema_names_every_key_of_a_rule() -> None:
    assert {"id", "layer", "match", "then", "exceptions"} <= set(json_schema()["$defs"]["Rule"]["properties"])


def test_the_embedded_policy_is_sound() -> None:
    report = check(None)
    assert report.warnings == ()
    assert report.rules == len(load_policy())
    assert "rules are sound" in report.text()


def test_rules_that_can_never_match_are_told(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text("rules:\n  - {id: a, match: {services: [opnai], categories: [zzz]}, then: {disposition: block}}\n")
    assert check(path).warnings == (
        "rule a: no service 'opnai'; did you mean 'openai'?",
        "rule a: no category 'zzz' in the catalogue",
    )


@pytest.mark.parametrize(
    ("request_", "disposition", "rule", "entities", "kinds"),
    [
        (Imagined(host="www.example.com", entities=("EMAIL_ADDRESS",)), D.ALLOW, None, (), ()),
        (Imagined(host="api.openai.com"), D.OBSERVE, "unapproved-service", (), ()),
        (
            Imagined(host="api.openai.com", entities=("EMAIL_ADDRESS", "US_BANK_NUMBER=0.05", "URL")),
            D.REDACT,
            "personal-data-to-ai",
            ("EMAIL_ADDRESS",),
            (),
        ),
        (Imagined(host="claude.ai", entities=("secret:AWS_KEY=0.9",)), D.REDACT, "secrets-to-ai", (), ("secret",)),
        (Imagined(host="models.litellm.cloud"), D.BLOCK, "known-bad", (), ()),
    ],
)
def test_the_embedded_policy(request_, disposition, rule, entities, kinds) -> None:
    verdict = explain_request(request_).verdict
    assert (verdict.disposition, verdict.rule, verdict.entities, verdict.kinds) == (disposition, rule, entities, kinds)


def test_an_explanation_names_the_deciding_rule() -> None:
    text = explain_request(Imagined(host="models.litellm.cloud"), stage=Stage.OBSERVE).text
    assert "Verdict (would be): block." in text
    assert "safety rule known-bad of policy 1: This host is known" in text
    assert "stage observe: block is recorded, nothing is changed" in text
    assert "Also matched: organisation rule unapproved-service, observe." in text
    assert "No rule of policy 1 matches" in explain_request(Imagined(host="example.com")).text


def test_an_explanation_says_where_a_redirect_carries_a_call_over(tmp_path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(
        "rules:\n- id: away\n  match: {services: [mistral]}\n  then: {disposition: redirect, route: ours}\n"
    )
    asked = Imagined(host="api.mistral.ai")
    for service, told in (("anthropic", True), ("openai", False)):
        routes = {"ours": RouteEntry(service=service, target="https://x.test")}
        text = explain_request(asked, path=path, routes=routes).text
        assert ("from the dialect openai.chat to anthropic.messages" in text) == told


@pytest.mark.parametrize("label", ["secrt:X", "EMAIL_ADDRESS=7", "EMAIL_ADDRESS=-1", "EMAIL_ADDRESS=nan"])
def test_a_label_that_cannot_be_read_is_named(label) -> None:
    with pytest.raises(OperatorError, match=label):
        explain_request(Imagined(host="api.openai.com", entities=(label,)))


@pytest.mark.parametrize("host", ["", "https://api.openai.com/v1", "api.openai.com:443", "api openai com"])
def test_what_is_no_host_gets_no_verdict(host) -> None:
    with pytest.raises(OperatorError, match="not a host"):
        explain_request(Imagined(host=host, entities=("EMAIL_ADDRESS",)))


def test_a_lesson_about_the_service_is_told_before_what_would_be_hidden_in_it(tmp_path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(
        "rules:\n- {id: lesson, match: {services: [openai]}, then: {disposition: coach}}\n"
        "- {id: hide, match: {ai: true, labels: {entities: [EMAIL_ADDRESS]}}, then: {disposition: redact}}\n"
    )
    verdict = explain_request(Imagined(host="api.openai.com", entities=("EMAIL_ADDRESS",)), path=path).verdict
    assert (verdict.disposition, verdict.rule) == (D.COACH, "lesson")


def test_the_published_schema_is_current() -> None:
    page = Path(__file__).parents[3] / "docs" / "reference" / "policy.schema.json"
    assert json.loads(page.read_text()) == json.loads(json.dumps(json_schema()))


def test_what_was_not_scanned_and_tool_servers_can_be_imagined(tmp_path):
    path = tmp_path / "policy.yaml"
    path.write_text("""rules:
  - {id: unread, match: {ai: true, unscanned_reasons: [encrypted]}, then: {disposition: block}}
  - {id: tools, match: {ai: true, hosted_mcp: ["*.evil.test"]}, then: {disposition: block}}
""")

    def rule(**more):
        return explain_request(Imagined(host="api.openai.com", **more), path=path).verdict.rule

    assert (rule(unscanned=("encrypted",)), rule(unscanned=("image",))) == ("unread", None)
    assert (rule(hosted_mcp=("a.evil.test",)), rule(hosted_mcp=("evil.test",))) == ("tools", None)
