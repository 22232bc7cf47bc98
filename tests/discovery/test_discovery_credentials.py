"""Whether a request carries a credential: whatever may be one counts, wherever it stands."""

import pytest

from discovery import marks
from discovery.marks import Mark


@pytest.mark.parametrize(
    ("head", "carries"),
    [
        ("X: y\r\n" * 200 + "Authorization: Bearer x", True),
        ("X: " + "y" * 20_000 + "\r\nAuthorization: Bearer x", True),
        ("Authorization : Bearer x", True),
        ("Cookie: a=b", True),
        ("Ocp-Apim-Subscription-Key: x", True),
        ("X-LiteLLM-API-Key: x", True),
        ("Idempotency-Key: x", False),
        ("Sec-WebSocket-Key: x", False),
        ("X: authorization: y", False),
        ("Host: token:80", False),
    ],
)
def test_whatever_may_be_a_credential_counts_as_one_wherever_it_stands(head, carries):
    lines = f"GET /v1/models HTTP/1.1\r\n{head}\r\n\r\n".encode()
    assert (Mark.CREDENTIAL in marks.of_request("GET", "/v1/models", lines, b"").marks) is carries


@pytest.mark.parametrize(
    ("path", "carries"), [("/v1?key=x", True), ("/v1?a=b&access_token=x", True), ("/v1?key=", False)]
)
def test_a_key_in_the_query_is_a_credential(path, carries):
    found = marks.of_request("GET", path, b"GET / HTTP/1.1\r\n\r\n", b"")
    assert (Mark.CREDENTIAL in found.marks) is carries
