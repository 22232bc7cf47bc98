"""Keys that browsers send as WebSocket subprotocols."""

import pytest

from appliance.route.credentials import caller_key, strip_headers

NAME = b"Sec-WebSocket-Protocol"
KEY = b"openai-insecure-api-key.sk-secret-of-the-client"


@pytest.mark.parametrize(
    ("value", "key", "kept"),
    [
        (b"realtime", None, b"realtime"),
        (
            b"realtime, " + KEY + b", openai-beta.realtime-v1",
            b"sk-secret-of-the-client",
            b"realtime, openai-beta.realtime-v1",
        ),
        (KEY.upper(), b"SK-SECRET-OF-THE-CLIENT", None),
        (b"openai-organization.org-1,openai-project.proj-1,realtime", None, b"realtime"),
        (b"openai-insecure-api-key.", None, None),
        (b"base64url.bearer.authorization.k8s.io.c2VjcmV0, v4.channel.k8s.io", None, b"v4.channel.k8s.io"),
        (b"", None, None),
    ],
)
def test_a_key_among_the_subprotocols_is_found_and_goes_to_nobody_else(value, key, kept):
    assert caller_key([(NAME, value)]) == key
    assert dict(strip_headers([(NAME, value), (b"x", b"")])) == {b"x": b"", **({NAME: kept} if kept else {})}


def test_a_header_outranks_a_subprotocol():
    assert caller_key([(NAME, KEY), (b"authorization", b"Bearer sk-other")]) == b"sk-other"
