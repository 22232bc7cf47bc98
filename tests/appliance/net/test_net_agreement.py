"""Names that must mean one service."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.model.catalogue import Catalogue, Service
from appliance.net.agreement import agree
from appliance.net.hostname import address_literal, canonical_host, canonical_name, split_authority

CATALOGUE = Catalogue(
    (
        Service(
            id="openai",
            name="OpenAI",
            owner="OpenAI",
            category="llm",
            domains=("api.openai.com", ".oaiusercontent.com"),
        ),
        Service(id="azure", name="Azure OpenAI", owner="Microsoft", category="llm", domains=(".openai.azure.com",)),
    ),
    "1",
)


@pytest.mark.parametrize(
    ("connect", "sni", "host", "ok", "service"),
    [
        ("api.openai.com", "api.openai.com", "api.openai.com", True, "openai"),
        ("API.OpenAI.com.", "api.openai.com", "api.openai.com:443", True, "openai"),
        ("api.openai.com", None, "api.openai.com", True, "openai"),
        ("api.openai.com", "api.openai.com", None, True, "openai"),
        (None, None, "api.openai.com:8443", True, "openai"),
        ("a.openai.azure.com", "b.openai.azure.com", "c.openai.azure.com", True, "azure"),
        ("api.openai.com", "files.oaiusercontent.com", None, True, "openai"),
        ("example.test", "example.test", "example.test:8080", True, None),
        ("xn--bcher-kva.example", "xn--bcher-kva.example", "bücher.example", True, None),
        ("93.184.216.34", "api.openai.com", "api.openai.com", True, "openai"),
        ("[2606:2800::1]", "api.openai.com", "api.openai.com", True, "openai"),
        ("10.0.0.1", None, "10.0.0.1:8080", True, None),
        ("[::ffff:10.0.0.1]", None, "10.0.0.1", True, None),
        # Fronting and its relatives.
        ("cdn.example", "cdn.example", "api.openai.com", False, "openai"),
        ("api.openai.com", "cdn.example", None, False, "openai"),
        ("api.openai.com", "api.openai.com", "evil.example", False, "openai"),
        ("api.openai.com", "api.openai.com", "x.openai.azure.com", False, "azure"),
        ("a.example", "b.example", None, False, None),
        ("93.184.216.34", None, "api.openai.com", False, "openai"),
        ("93.184.216.34", "api.openai.com", "93.184.216.34", False, "openai"),
        ("93.184.216.34", "api.openai.com", "other.example", False, "openai"),
        # Not names.
        ("api.openai.com", "api.openai.com", "api.openai.com:99999", False, None),
        ("api.openai.com", "api.openai.com", "api.openai.com@evil.example", False, None),
        ("api.openai.com", "api.openai.com", "", False, None),
        ("api.openai.com\x00.evil.example", None, None, False, None),
        ("2130706433", "api.openai.com", None, False, None),
        ("127.1", None, "127.1", False, None),
        ("a." * 200, None, None, False, None),
        (None, None, None, False, None),
    ],
)
def test_agreement_of_names(connect, sni, host, ok, service):
    agreement = agree(connect, sni, host, CATALOGUE)
    assert agreement.ok is ok
    assert (agreement.service.id if agreement.service else None) == service
    assert bool(agreement.detail) is not ok


def test_the_detail_shows_what_disagreed_and_nothing_raw():
    detail = agree("api.openai.com", "api.openai.com", "evil\n\x1b[31m" + "x" * 500, CATALOGUE).detail
    assert detail.startswith("Host is not a host name")
    assert detail.isprintable()
    assert len(detail) < 200
    assert (
        agree("api.openai.com", "a.example", None, CATALOGUE).detail
        == "CONNECT names 'api.openai.com', SNI names 'a.example'"
    )


def test_the_host_to_judge_by_is_the_innermost_name():
    assert agree("10.1.1.1", "API.openai.com", None, CATALOGUE).host == "api.openai.com"
    assert (
        agree("a.openai.azure.com", "a.openai.azure.com", "b.openai.azure.com:443", CATALOGUE).host
        == "b.openai.azure.com"
    )


any_name = st.one_of(
    st.none(),
    st.text(max_size=40),
    st.sampled_from(["api.openai.com", "x.openai.azure.com", "cdn.example", "10.0.0.1", "[::1]", "API.OPENAI.COM."]),
)


@given(any_name, any_name, any_name)
def test_agreement_never_raises_and_never_joins_two_services(connect, sni, host):
    agreement = agree(connect, sni, host, CATALOGUE)
    if not agreement.ok:
        assert agreement.detail
        return
    authority = split_authority(host) if host is not None else None
    names = [name for name in (connect, sni, authority and authority[0]) if name is not None]
    if sni is not None and connect is not None and address_literal(connect):
        names.remove(connect)
    meant = {
        found.id if (found := CATALOGUE.match(canonical_host(name) or "")) else canonical_host(name) for name in names
    }
    assert len(meant) == 1
    assert None not in meant


label = st.text(string.ascii_letters + string.digits, min_size=1, max_size=12).map(lambda text: "a" + text)


@given(st.lists(label, min_size=1, max_size=4).map(".".join))
def test_case_and_trailing_dot_do_not_matter(name):
    assert canonical_name(name) == canonical_name(name.upper() + ".") == name.lower()
    assert agree(name, name.swapcase(), name + ".:443", CATALOGUE).ok


@given(st.text(max_size=80))
def test_a_canonical_name_is_stable_ascii_and_no_address(text):
    name = canonical_name(text)
    if name is not None:
        assert name.isascii()
        assert canonical_name(name) == name
        assert address_literal(name) is None


@pytest.mark.parametrize(
    ("authority", "expected"),
    [
        ("a.example", ("a.example", None)),
        ("a.example:0443", ("a.example", 443)),
        ("[::1]:8080", ("[::1]", 8080)),
        ("[::1]", ("[::1]", None)),
        ("a.example:", ("a.example", None)),
        ("a.example:x", None),
        ("[::1", None),
        ("[::1]x", None),
        (":80", None),
        ("a.example:70000", None),
    ],
)
def test_authorities_are_split(authority, expected):
    assert split_authority(authority) == expected
