"""Which header is ours, and what must not go on to a provider."""

import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokens_world import token

from appliance.identity.shown import OURS, Shown, shown_in, without_ours
from appliance.identity.virtual_keys import ID_BYTES, SECRET_BYTES, make_key

KEY, _ = make_key(secrets.token_bytes(ID_BYTES + SECRET_BYTES))
TOKEN = token()
PATH = "/openai/v1/chat/completions"


def shown(*headers, target=PATH, own_key=True, tokens=True):
    fields = tuple((name.encode(), value.encode("latin-1")) for name, value in headers)
    return shown_in(fields, target, own_key=own_key, tokens=tokens)


@pytest.mark.parametrize("own_key", [True, False])
def test_our_own_headers_are_always_ours(own_key):
    found = shown(
        ("X-Gnomon-Key", f" {KEY} "), ("x-gnomon-token", TOKEN), ("Proxy-Authorization", "Basic x"), own_key=own_key
    )
    assert found == Shown("Basic x", TOKEN, KEY)
    assert shown(("x-gnomon-key", ""), own_key=own_key).key == ""  # shown, and wrong


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("authorization", f"Bearer {KEY}"),
        ("authorization", f"bearer  {KEY}"),
        ("authorization", KEY),
        ("x-api-key", KEY),
        ("api-key", KEY),
        ("x-goog-api-key", KEY),
        ("xi-api-key", KEY),
    ],
)
def test_a_providers_header_holds_our_key_where_the_route_has_its_own(name, value):
    assert shown((name, value)) == Shown(key=KEY)
    found = shown((name, value), own_key=False)
    assert found == Shown(leak=True)


def test_a_token_in_the_providers_header_is_judged_where_tokens_are_taken():
    assert shown(("authorization", f"Bearer {TOKEN}")) == Shown(token=TOKEN)
    assert shown(("authorization", f"Bearer {TOKEN}"), tokens=False) == Shown()
    assert shown(("authorization", f"Bearer {TOKEN}"), own_key=False) == Shown()


@pytest.mark.parametrize("value", ["Bearer sk-live-123", "sk-ant-api03-x", "Basic dTpw", "", "Bearer", "Bearer x.y.z"])
def test_somebody_elses_key_is_nothing_of_ours(value):
    assert shown(("authorization", value)) == shown(("authorization", value), own_key=False) == Shown()


def test_a_key_in_the_address():
    assert shown(target=f"{PATH}?key={KEY}&alt=sse") == Shown(key=KEY)
    assert shown(target=f"{PATH}?alt=sse&api_key={KEY}") == Shown(key=KEY)
    for target in (f"{PATH}?key={KEY}", f"{PATH}?x={KEY}", f"/{KEY}/v1"):
        assert shown(target=target, own_key=False) == Shown(leak=True)
    assert shown(target=f"/{KEY}/v1") == Shown(leak=True)


@pytest.mark.parametrize("own_key", [True, False])
@pytest.mark.parametrize("name", ["x-custom", "cookie", "user-agent", "sec-websocket-protocol"])
def test_a_key_elsewhere_is_a_leak(own_key, name):
    assert shown((name, f"a={KEY}; b"), own_key=own_key).leak
    assert not shown((name, f"a={KEY[:-1]}; b"), own_key=own_key).leak


def test_the_first_of_several_counts():
    other, _ = make_key(secrets.token_bytes(ID_BYTES + SECRET_BYTES))
    assert shown(("x-gnomon-key", KEY), ("x-gnomon-key", other)).key == KEY
    assert shown(("x-gnomon-key", KEY), ("x-api-key", other)).key == KEY


@given(
    st.lists(
        st.tuples(
            st.sampled_from([b"X-Gnomon-Key", b"x-gnomon-token", b"PROXY-authorization", b"accept", b"authorization"]),
            st.binary(max_size=20),
        )
    )
)
def test_ours_never_stay_and_others_always_do(headers):
    kept = without_ours(headers)
    assert not {name.lower() for name, _ in kept} & OURS
    assert [header for header in headers if header[0] in (b"accept", b"authorization")] == list(kept)


def test_nothing_shows_in_a_repr():
    assert KEY not in repr(shown(("x-gnomon-key", KEY)))
    assert TOKEN not in repr(shown(("x-gnomon-token", TOKEN)))
