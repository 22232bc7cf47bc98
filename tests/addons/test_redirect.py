"""Where a redirect may lead, and what goes along."""

import pytest
from mitmproxy import http
from mitmproxy.test import tflow

from addons.redirect import Move, Redirects
from addons.upstream import PLAN, Target
from appliance.config.schema import RouteEntry
from appliance.model.catalogue import Catalogue, Service

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
    "ghost": RouteEntry(service="ghost", target="https://ghost.test"),
}
REDIRECTS = Redirects(ROUTES, CATALOGUE)


@pytest.mark.parametrize(
    ("route", "strip", "edits"),
    [
        ("sister", False, ("route:sister",)),
        ("sister-none", True, ("route:sister-none", "credentials_stripped")),
        ("local", True, ("route:local", "credentials_stripped")),
    ],
)
def test_keys_stay_with_their_owner(route, strip, edits):
    move = REDIRECTS.move(route, ASKED, CHAT)
    assert isinstance(move, Move)
    assert (move.strip, move.edits) == (strip, edits)


@pytest.mark.parametrize(
    ("route", "api", "words"),
    [
        (None, CHAT, "not configured"),
        ("", CHAT, "not configured"),
        ("nowhere", CHAT, "not configured"),
        ("odd", CHAT, "dialect"),
        ("ghost", CHAT, "dialect"),
        ("local", "anthropic.messages", "dialect"),
    ],
)
def test_what_cannot_be_followed_is_words(route, api, words):
    told = REDIRECTS.move(route, ASKED, api)
    assert isinstance(told, str)
    assert words in told


def test_a_body_without_a_dialect_goes_by_its_services():
    assert isinstance(REDIRECTS.move("local", ASKED, None), Move)
    assert isinstance(REDIRECTS.move("odd", service("plain", "Us", None), None), str)


def test_applied_it_changes_the_destination_and_nothing_else():
    flow = tflow.tflow()
    flow.request.path = "/v1/chat/completions?key=sk-1&stream=1"
    flow.request.headers = http.Headers(
        [(b"Authorization", b"Bearer sk-1"), (b"X-Api-Key", b"sk-1"), (b"x-kept", b"1")]
    )
    flow.request.content = b"{}"
    move = REDIRECTS.move("local", ASKED, CHAT)
    assert isinstance(move, Move)
    move.apply(flow)
    assert flow.metadata[PLAN].targets == (Target("local.test", 8000, "http"), Target("b.local.test", 443))
    assert flow.request.path == "/v1/chat/completions?stream=1"
    assert "sk-1" not in str(flow.request.headers.fields)
    assert flow.request.headers["x-kept"] == "1"
    assert flow.request.content == b"{}"
