"""Our pages hold nothing but what we put there, and acknowledgements have an end and a bound."""

import base64
import hashlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mitmproxy.test import tflow

from addons import acknowledged, pages
from addons.acknowledged import Acknowledgements, Full
from addons.answers import refuse, wants_page
from addons.keys import Sender
from addons.pages import Button, Page, render
from appliance.config.credentials import Keys
from appliance.model.catalogue import Service
from appliance.model.names import Surface
from appliance.policy.acknowledgement import Claim
from appliance.route.held import HeldKey

SKELETON = re.sub(rb">[^<>]*<", b"><", render(Page("a", "b", (("c", "d"),), Button("/e", "f"))))


@given(st.text(), st.text(), st.text(), st.text())
def test_no_text_becomes_markup(title, lead, word, told):
    page = render(Page(title, lead, ((word, told),), Button("/e", lead)))
    assert re.sub(rb">[^<>]*<", b"><", page) == SKELETON


@given(st.text())
def test_no_address_leaves_its_attribute(action):
    page = render(Page("a", "b", button=Button(action, "f"))).decode("utf-8", "surrogatepass")
    assert page.count('"') == render(Page("a", "b", button=Button("", "f"))).decode().count('"')


def test_the_one_style_is_the_one_that_is_allowed():
    style = re.search(rb"<style>(.*?)</style>", render(Page("a", "b")))[1]
    assert base64.b64encode(hashlib.sha256(style).digest()).decode() in pages.HEADERS["content-security-policy"]


@pytest.mark.parametrize(
    ("headers", "page"),
    [
        ({"accept": "text/html,*/*"}, True),
        ({"accept": "text/html", "sec-fetch-mode": "navigate"}, True),
        ({"accept": "text/html", "sec-fetch-mode": "cors"}, False),
        ({"accept": "*/*", "sec-fetch-mode": "navigate"}, False),
        ({"accept": "application/json"}, False),
        ({}, False),
    ],
)
def test_who_gets_a_page(headers, page):
    flow = tflow.tflow()
    flow.request.headers.clear()
    flow.request.headers.update(headers)
    assert wants_page(flow.request) == page
    refuse(flow, 403, "some_code", "<words>")
    assert flow.response.headers["content-type"].startswith("text/html" if page else "application/json")
    assert ("content-security-policy" in flow.response.headers) == page
    assert flow.response.headers["cache-control"] == "no-store"


def claim(who):
    return Claim(2_000_000_000, "one", Surface.API, who, "a_1")


def test_acknowledgements_are_bounded_and_expired_ones_make_room(tmp_path, monkeypatch):
    monkeypatch.setattr(acknowledged, "MOST", 3)
    now = [1000.0]
    kept = Acknowledgements(tmp_path, b"k" * 32, 60, lambda: now[0])
    for who in ("p_1", "p_2", "p_3"):
        kept.take(claim(who))
    assert kept.stands(claim("p_1"))
    with pytest.raises(Full):
        kept.take(claim("p_4"))
    now[0] += 60
    assert not kept.stands(claim("p_1"))
    kept.take(claim("p_4"))
    assert len(list((tmp_path / "acknowledged").iterdir())) == 1


def test_a_damaged_acknowledgement_counts_as_none(tmp_path):
    kept = Acknowledgements(tmp_path, b"k" * 32, 60, lambda: 1000.0)
    kept.take(claim("p_1"))
    (path,) = (tmp_path / "acknowledged").iterdir()
    for damaged in (b"", b"{}", path.read_bytes()[:-3], b"[" * 5000):
        path.write_bytes(damaged)
        assert not kept.stands(claim("p_1"))


def test_a_key_is_put_where_its_service_expects_it():
    sender = Sender(Keys({"team": HeldKey(b"sk-held")}, {}))
    flow = tflow.tflow()
    flow.request.headers["x-api-key"] = "sk-client"
    flow.request.headers["anthropic-version"] = "2023-06-01"
    sender.send(flow.request, Service(id="anthropic", name="A", owner="A", category="c"), "held:team")
    assert flow.request.headers["x-api-key"] == "sk-held"
    assert flow.request.headers["anthropic-version"] == "2023-06-01"
    assert (sender.missing("held:team"), sender.missing("client"), sender.missing("none")) == (None, None, None)
    assert "held credential other" in sender.missing("held:other")
    assert "sk-held" not in repr(vars(sender))
