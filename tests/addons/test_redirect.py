"""Where a redirect may lead, and what goes along."""

import pytest
from mitmproxy import http
from mitmproxy.test import tflow

from addons.keys import Sender
from addons.redirect import Asked, Move, Redirects, Stuck
from addons.upstream import PLAN, Target
from appliance.config.credentials import Keys
from appliance.config.schema import RouteEntry
from appliance.model.catalogue import Catalogue, Service
from appliance.model.names import Surface
from appliance.route.held import HeldKey

CHAT = "openai.chat"


def service(name, owner, dialect=CHAT):
    return Service(id=name, name=name, owner=owner, category="model_api", domains=(f"{name}.test",), dialect=dialect)


ASKED = service("asked", "Them")
CATALOGUE = Catalogue((ASKED, service("sister", "Them"), service("local", "Us"), service("odd", "Us", None)), "1")
ROUTES = {
    "sister": RouteEntry(service="sister", target="https://sister.test"),
    "sister-none": RouteEntry(service="sister", target="https://sister.test", credential="none"),
    "local": RouteEntry(service="local", target="http://local.test:8000", fallbacks=("https://b.local.test",)),
    "odd": RouteEntry(service="odd", target="https://odd.test"),
    "locked": RouteEntry(service="local", target="https://local.test", credential="held:team"),
    "keyless": RouteEntry(service="local", target="https://local.test", credential="held:lost"),
    "ghost": RouteEntry(service="ghost", target="https://ghost.test"),
}
SENDER = Sender(Keys({"team": HeldKey(b"sk-held")}, {}))
REDIRECTS = Redirects(ROUTES, CATALOGUE, SENDER)


def asked(service=ASKED, api=CHAT, method="POST", path="/v1/chat/completions"):
    return Asked(service, api, method, path)


@pytest.mark.parametrize(
    ("route", "strip", "edits"),
    [
        ("sister", False, ("route:sister",)),
        ("sister-none", True, ("route:sister-none", "credentials_stripped")),
        ("local", True, ("route:local", "credentials_stripped")),
        ("locked", True, ("route:locked", "credentials_stripped", "held:team")),
    ],
)
def test_keys_stay_with_their_owner(route, strip, edits):
    move = REDIRECTS.move(route, asked())
    assert isinstance(move, Move)
    assert (move.strip, move.edits) == (strip, edits)


@pytest.mark.parametrize(
    ("route", "api", "words", "status"),
    [
        (None, CHAT, "not configured", 403),
        ("", CHAT, "not configured", 403),
        ("nowhere", CHAT, "not configured", 403),
        ("odd", CHAT, "dialect", 403),
        ("ghost", CHAT, "catalogue", 403),
        ("local", "cohere.chat", "dialect", 403),
        ("local", "openai.embeddings", "dialect", 403),
        ("local", None, "dialect", 403),
        ("keyless", CHAT, "gnomon credential set lost", 503),
    ],
)
def test_what_cannot_be_followed_is_words(route, api, words, status):
    told = REDIRECTS.move(route, asked(api=api))
    assert isinstance(told, Stuck)
    assert words in told.reason
    assert told.status == status


def test_the_list_of_models_may_be_read_there():
    assert isinstance(REDIRECTS.move("local", asked(api=None, method="GET", path="/v1/models?limit=1")), Move)
    assert isinstance(REDIRECTS.move("local", asked(api=None, method="GET", path="/v1/files")), Stuck)
    assert isinstance(REDIRECTS.move("local", asked(api=None, method="POST", path="/v1/models")), Stuck)


def moved(route):
    flow = tflow.tflow()
    flow.request.path = "/v1/chat/completions?key=sk-1&stream=1"
    flow.request.headers = http.Headers(
        [(b"Authorization", b"Bearer sk-1"), (b"X-Api-Key", b"sk-1"), (b"Cookie", b"a=sk-1"), (b"x-kept", b"1")]
    )
    flow.request.content = b"{}"
    move = REDIRECTS.move(route, asked())
    assert isinstance(move, Move)
    move.apply(flow, SENDER)
    return flow


def test_applied_it_changes_the_destination_and_nothing_else():
    flow = moved("local")
    assert flow.metadata[PLAN].targets == (Target("local.test", 8000, "http"), Target("b.local.test", 443))
    assert flow.request.path == "/v1/chat/completions?stream=1"
    assert "sk-1" not in str(flow.request.headers.fields)
    assert flow.request.headers["x-kept"] == "1"
    assert "authorization" not in flow.request.headers
    assert flow.request.content == b"{}"


def test_pages_lead_to_the_approved_portal_and_nothing_else_does():
    web = Service(id="web", name="Web", owner="Them", category="assistant", surface=Surface.WEB, domains=("web.test",))
    there = Redirects(ROUTES, CATALOGUE, SENDER, portal="https://chat.test")
    assert there.move("portal", asked(web, api=None)) == Stuck("", 403, "https://chat.test")
    assert "no approved portal" in REDIRECTS.move("portal", asked(web, api=None)).reason
    assert "programs" in there.move("portal", asked()).reason
    assert "cannot be redirected" in there.move("local", asked(web, api=None)).reason


def test_a_held_key_goes_instead_of_the_clients():
    flow = moved("locked")
    assert flow.request.headers["authorization"] == "Bearer sk-held"
    assert "sk-1" not in str(flow.request.headers.fields) + flow.request.path


def test_the_path_is_the_other_services_own():
    flow = tflow.tflow()
    flow.request.path = "/api/v1/chat/completions?key=sk-1&stream=1"
    move = REDIRECTS.move("local", asked(path=flow.request.path))
    assert move.edits == ("route:local", "path", "credentials_stripped")
    move.apply(flow, SENDER)
    assert flow.request.path == "/v1/chat/completions?stream=1"
