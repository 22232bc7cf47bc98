"""Whether a redirect can be followed: one rule for decisions and requests, told in words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.config.schema import RouteEntry
from appliance.model.catalogue import Catalogue, Service
from appliance.model.names import Surface
from appliance.route.redirection import Sends, carried_over, caution, key_missing, sends, why_not, why_not_request
from appliance.route.translate.carriers import DIALECTS

CHAT = "openai.chat"


def service(name, owner="Us", dialect=CHAT, surface=Surface.API):
    return Service(id=name, name=name.title(), owner=owner, category="model_api", dialect=dialect, surface=surface)


ASKED = service("asked", "Them")
SERVICES = (
    ASKED, service("sister", "Them"), service("local"), service("plain", dialect=None),
    service("other", dialect="anthropic.messages"), service("odd", dialect="cohere.chat"),
)  # fmt: skip
CATALOGUE = Catalogue(SERVICES, "1")
ROUTES = {
    "sister": RouteEntry(service="sister", target="https://sister.test"),
    "local": RouteEntry(service="local", target="https://local.test"),
    "none": RouteEntry(service="sister", target="https://sister.test", credential="none"),
    "held": RouteEntry(service="local", target="https://local.test", credential="held:team"),
    "broken": RouteEntry(service="local", target="https://local.test", credential="held:../key"),
    "plain": RouteEntry(service="plain", target="https://plain.test"),
    "other": RouteEntry(service="other", target="https://other.test"),
    "odd": RouteEntry(service="odd", target="https://odd.test"),
    "ghost": RouteEntry(service="ghost", target="https://ghost.test"),
}
HELD = frozenset({"team"})


@pytest.mark.parametrize("route", ["sister", "local", "none", "held", "other"])
def test_nothing_stands_in_the_way(route):
    assert why_not(ASKED, route, ROUTES, CATALOGUE, HELD) is None


@pytest.mark.parametrize(
    ("asked", "route", "words"),
    [
        (ASKED, "", "not configured; routes: broken, ghost"),
        (ASKED, "elsewhere", "route elsewhere is not configured"),
        (None, "local", "does not know this service"),
        (service("chat", surface=Surface.WEB), "local", "pages cannot be redirected"),
        (service("files", surface=Surface.ASSETS), "local", "by way of assets"),
        (service("mcp", surface=Surface.MCP), "local", "by way of mcp"),
        (service("odd", dialect=None), "local", "no dialect"),
        (ASKED, "plain", "route plain speaks no dialect"),
        (ASKED, "odd", "route odd speaks cohere.chat"),
        (ASKED, "ghost", "leads to ghost"),
        (ASKED, "broken", "needs the held credential (not a name)"),
    ],
)
def test_what_stands_in_the_way_is_words(asked, route, words):
    assert words in why_not(asked, route, ROUTES, CATALOGUE, HELD)


def test_a_key_that_is_not_there():
    told = why_not(ASKED, "held", ROUTES, CATALOGUE, ())
    assert told == key_missing("held", ROUTES["held"], ())
    assert "gnomon credential set team" in told
    assert "../key" not in why_not(ASKED, "broken", ROUTES, CATALOGUE, ())


@pytest.mark.parametrize(
    ("route", "whose"),
    [("sister", Sends.CLIENT), ("local", Sends.NOTHING), ("none", Sends.NOTHING), ("held", Sends.HELD)],
)
def test_whose_key_goes_along(route, whose):
    assert sends(ASKED, ROUTES[route], CATALOGUE) is whose
    assert (caution(ASKED, route, ROUTES, CATALOGUE) is not None) == (whose is Sends.NOTHING)


@given(
    asked=st.sampled_from(SERVICES),
    route=st.sampled_from([*ROUTES, "nowhere"]),
    api=st.sampled_from([None, CHAT, "anthropic.messages", "openai.embeddings", "cohere.chat"]),
    method=st.sampled_from(["GET", "POST"]),
    path=st.sampled_from(["/v1/models", "/v1/files", "/v1/chat/completions"]),
)
def test_what_may_go_is_of_the_dialect_there_or_can_be_carried_over(asked, route, api, method, path):
    if why_not(asked, route, ROUTES, CATALOGUE, HELD) is None:
        there = CATALOGUE.services[ROUTES[route].service]
        assert there.dialect == asked.dialect is not None or {there.dialect, asked.dialect} <= set(DIALECTS)
        if why_not_request(asked, api, method, path, there) is None:
            listing = api is None and (method, path) == ("GET", "/v1/models") and there.dialect == asked.dialect
            carried = api in DIALECTS and there.dialect in DIALECTS and method == "POST"
            assert api == there.dialect or listing or carried


@pytest.mark.parametrize(
    ("api", "route", "words"),
    [
        (CHAT, "local", None),
        (CHAT, "nowhere", None),
        ("openai.embeddings", "other", None),
        (CHAT, "other", "carried over from the dialect openai.chat to anthropic.messages"),
    ],
)
def test_what_a_redirect_does_to_a_call_is_words(api, route, words):
    told = carried_over(api, route, ROUTES, CATALOGUE)
    assert told is None if words is None else words in told


def test_a_model_that_stands_in_the_path_stays_at_its_service():
    path = "/openai/deployments/mine/chat/completions?api-version=1"
    local = service("local")
    assert "stands in its path" in why_not_request(ASKED, CHAT, "POST", path, local)
    assert why_not_request(ASKED, CHAT, "POST", path, ASKED) is None
    assert why_not_request(ASKED, CHAT, "POST", "/openai/v1/chat/completions", local) is None
