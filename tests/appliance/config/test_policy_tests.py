"""Imagined requests, and the table of cases in a policy file."""

from datetime import UTC, datetime

import pytest

from appliance.config.policy_imagined import imagine, moment_of
from appliance.config.policy_tests import try_cases
from appliance.model.catalogue import Catalogue, Service
from appliance.model.errors import OperatorError
from appliance.model.names import Assurance, Stage, Surface
from appliance.model.pseudonym import Pseudonyms
from appliance.policy.cases import Imagined
from appliance.policy.engine import compile_policy
from appliance.policy.snapshot import PolicySnapshot

NOW = 1_800_000_000.0
WEB = Service(id="web", name="Web", owner="W", category="assistant", surface=Surface.WEB, domains=("web.example",))
RULES = """rules:
- {id: hide, match: {ai: true, labels: {entities: [EMAIL_ADDRESS]}}, then: {disposition: redact}}
- {id: away, match: {services: [openai], groups: [lab]}, then: {disposition: redirect, route: house}}
- {id: new, match: {unapproved: true}, then: {disposition: coach}}
tests:
"""


def told(tmp_path, *cases):
    path = tmp_path / "policy.yaml"
    path.write_text(RULES + "".join(f"- {{name: c{n}, {case}}}\n" for n, case in enumerate(cases)))
    return try_cases(path, now=NOW)


def test_every_expectation_is_held_against_the_verdict(tmp_path):
    openai = "request: {host: api.openai.com, groups: [lab]}, approved: true"
    tried = told(
        tmp_path,
        f"{openai}, expect: {{disposition: redirect, route: house, rule: away, hidden: []}}",
        f"{openai}, expect: {{disposition: allow, route: other, rule: hide, hidden: [X]}}",
        "request: {host: api.openai.com}, expect: {disposition: coach}, stage: observe",
    )
    assert [one.wrong for one in tried.outcomes] == [
        (),
        (
            "redirect by away, not allow",
            "decided by away, not hide",
            "hidden is nothing, not X",
            "goes to house, not other",
        ),
        (),
    ]
    assert (tried.failed, tried.untried, tried.outcomes[1].line) == (1, ("hide",), 7)


@pytest.mark.parametrize(
    ("case", "said"),
    [
        ("request: {host: a.example, usr: x}, expect: {disposition: allow}", "unknown key; did you mean 'user'?"),
        ("request: {host: a.example}, expect: {disposition: alow}", "not one of allow"),
        ("request: {}, expect: {disposition: allow}", "tests.0.request.host: is missing"),
        ("request: {host: 'a b'}, expect: {disposition: allow}", "policy.yaml:6: tests.0: 'a b': not a host"),
        ("request: {host: a.example, entities: ['x=9']}, expect: {disposition: allow}", "tests.0: 'x=9': write ENTITY"),
    ],
)
def test_a_case_that_cannot_be_read_is_told_at_its_line(tmp_path, case, said):
    with pytest.raises(OperatorError) as caught:
        told(tmp_path, case)
    assert said in str(caught.value)


def test_an_imagined_request_has_the_facts_of_a_real_one():
    snapshot = PolicySnapshot(version=1, created=NOW, stage=Stage.ENFORCE)
    judged = compile_policy(snapshot, Catalogue((WEB,), "t"), b"k")
    request = Imagined(
        host="WEB.example",
        user="ann",
        virtual_key="k1",
        assurance=Assurance.HIGH,
        tools=("a",),
        bytes=7,
        entities=("secret:X=0.5",),
        unscanned=("image",),
    )
    facts = imagine(request, judged, Pseudonyms(b"k"))
    assert (facts.principal, facts.service, facts.surface) == (Pseudonyms(b"k").person("ann"), "web", Surface.WEB)
    assert (facts.virtual_key, facts.assurance, facts.tools_declared, facts.request_bytes) == (
        "k1", Assurance.HIGH, ("a",), 7,
    )  # fmt: skip
    assert (facts.labels[0].kind, facts.labels[0].score, facts.coverage.complete) == ("secret", 0.5, False)


def test_a_time_without_zone_is_the_sites():
    assert moment_of(datetime.fromisoformat("2027-01-15T09:00"), "Europe/Berlin") == NOW
    assert moment_of(datetime(2027, 1, 15, 8, tzinfo=UTC), "Europe/Berlin") == NOW
