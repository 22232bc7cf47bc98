"""The decision form: what it proposes, what it refuses, and what it says of the consequence."""

import pytest
from fake_store import finding, party

from appliance.model.decision import Scope
from appliance.model.names import DecisionKind, Surface
from appliance.store.finding_pages import Preview
from tui.client_state import form as forms
from tui.client_state.form import EVERYONE, GROUP, Form, consequence, headline, scopes, surfaces
from tui.client_state.spans import plain

NOW = 1_790_000_000.0
PREVIEW = Preview(None, 52, 41, 6, 9, 13, 4, 2)


def about(kind=DecisionKind.REDIRECT, routes=("approved", "other")) -> Form:
    return Form.about(finding(1), kind, routes)


def test_it_opens_with_everyone_this_surface_and_the_first_route():
    proposal = about().proposal(NOW)
    assert (proposal.decision, proposal.service, proposal.surface) == (DecisionKind.REDIRECT, "service-1", Surface.API)
    assert (proposal.scope, proposal.route, proposal.expires, proposal.reason) == (Scope(), "approved", None, "")


@pytest.mark.parametrize(
    ("scope", "group", "made"),
    [
        (EVERYONE, "", Scope()),
        ("p_ann", "", Scope(principals=("p_ann",))),
        ("a_ten", "", Scope(clients=("a_ten",))),
        (GROUP, " staff ", Scope(groups=("staff",))),
    ],
)
def test_whom_it_binds(scope, group, made):
    assert about().having(scope=scope, group=group).proposal(NOW).scope == made


def test_the_end_counts_from_now():
    assert about().having(lasts=3_600.0).proposal(NOW).expires == NOW + 3_600


def test_only_a_redirect_has_a_route():
    assert about(DecisionKind.BLOCK).having(route="approved").proposal(NOW).route is None


@pytest.mark.parametrize(
    ("form", "words"),
    [
        (about(routes=()), "needs a route"),
        (about().having(scope=GROUP, group="  "), "group's name"),
        (about().having(reason="x" * 2_001), "longer than 2,000"),
    ],
)
def test_what_must_be_mended(form, words):
    (fault,) = form.faults()
    assert words in fault
    assert words in plain(consequence(form, PREVIEW, enforcing=True))


def test_stopping_and_moving_traffic_is_dangerous():
    assert {kind for kind in DecisionKind if about(kind).dangerous} == {DecisionKind.BLOCK, DecisionKind.REDIRECT}


def test_the_consequence_in_words():
    told = plain(consequence(about(), PREVIEW, enforcing=False))
    assert "would have changed 41 of 52 exchanges by 6 people in 7 days" in told
    assert "13 sightings of 4 hosts went past the appliance: not touched by this" in told
    assert "2 exchanges under way would be ended now" in told
    assert "stage OBSERVE" in told
    assert "OBSERVE" not in plain(consequence(about(), PREVIEW, enforcing=True))


def test_a_dismissal_touches_no_traffic():
    told = plain(consequence(about(DecisionKind.DISMISS), PREVIEW, enforcing=False))
    assert "traffic is not touched" in told
    assert "ended now" not in told
    assert "OBSERVE" not in told


def test_a_refusal_and_the_unknown_are_told():
    refused = Preview("another\x1b[31m dialect", 0, 0, 0, 0, 0, 0, 0)
    assert "refused: another\\x1b[31m dialect" in plain(consequence(about(), refused, enforcing=True))
    assert "not known: the store is away" in plain(
        consequence(about(), None, enforcing=True, unknown="the store is away")
    )
    assert "looking" in plain(consequence(about(), None, enforcing=True))


def test_choices():
    labels = scopes((party("p_ann", "person"),), (party("a_ten", "host"),), lambda digest: digest[2:])
    assert labels == [
        ("everyone", ""),
        ("user ann", "p_ann"),
        ("address ten", "a_ten"),
        ("a group, named below", GROUP),
    ]
    assert surfaces(finding(1)) == [("api only", "api"), ("every surface", "")]
    assert {kind for kind in DecisionKind if kind in forms.VERBS} == set(DecisionKind)
    assert plain([headline(about())]) == "Redirect Service 1"
