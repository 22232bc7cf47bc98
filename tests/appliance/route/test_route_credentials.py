"""Stripping the caller's credentials, and fingerprints of keys."""

import pytest

from appliance.route.credentials import caller_key, fingerprint, strip_headers, strip_query


@pytest.mark.parametrize(
    "name",
    [
        b"Authorization",
        b"PROXY-AUTHORIZATION",
        b"x-api-key",
        b"Api-Key",
        b"x-goog-api-key",
        b"Ocp-Apim-Subscription-Key",
        b"Cookie",
        b"OpenAI-Organization",
        b"OpenAI-Project",
        b"X-Gnomon-Key",
        b"X-Amz-Security-Token",
        b"x-acme-api-key",
        b"My-Client-Secret",
        b"X-Auth-Token",
        b"Referer",
        b"X_Api_Key",
        b"X-Forwarded-Authorization",
        b"X-Acme-Token",
    ],
)
def test_credentials_go(name: bytes) -> None:
    kept = ((b"Host", b"x"), (b"Content-Type", b"application/json"), (b"OpenAI-Beta", b"a"), (b"Accept", b"*/*"))
    assert strip_headers((*kept[:2], (name, b"sk-hidden"), *kept[2:])) == kept


def test_a_key_that_is_repeated_by_another_name_goes_too() -> None:
    kept = ((b"x-trace", b"sk-other"), (b"x-short", b"1"))
    twice = ((b"Authorization", b"Bearer sk-hidden-1"), (b"x-debug", b"curl -H 'Bearer sk-hidden-1'"))
    assert strip_headers((*kept, *twice)) == kept
    assert strip_headers(((b"x-api-key", b"1"), *kept)) == kept  # too short to be told from other text


@pytest.mark.parametrize(
    ("target", "kept"),
    [
        ("/v1/x", "/v1/x"),
        ("/v1/x?", "/v1/x"),
        ("/v1/x?key=s", "/v1/x"),
        ("/v1/x?client_secret=s&x-api-key=s&api%5Ftoken=s", "/v1/x"),
        ("/v1/x?a=1&KEY=s&b=%20", "/v1/x?a=1&b=%20"),
        ("/v1/x?%6bey=s&a", "/v1/x?a"),
        ("/v1/x?api-key=s&api-version=2024", "/v1/x?api-version=2024"),
        ("/v1/x?access_token=s&keys=2", "/v1/x?keys=2"),
    ],
)
def test_queries(target: str, kept: str) -> None:
    assert strip_query(target) == kept


@pytest.mark.parametrize(
    ("headers", "key"),
    [
        ((), None),
        (((b"Authorization", b"Bearer sk-1"),), b"sk-1"),
        (((b"authorization", b"bearer  sk-1 "),), b"sk-1"),
        (((b"X-Api-Key", b"sk-2"),), b"sk-2"),
        (((b"api-key", b"az"), (b"Authorization", b"Bearer sk-1")), b"sk-1"),
        (((b"Authorization", b""), (b"x-api-key", b"sk-2")), b"sk-2"),
        (((b"Authorization", b"Bearer first"), (b"Authorization", b"Bearer second")), b"first"),
    ],
)
def test_the_key_of_the_caller(headers: tuple[tuple[bytes, bytes], ...], key: bytes | None) -> None:
    assert caller_key(headers) == key


def test_fingerprints_are_keyed_and_stable() -> None:
    one = fingerprint(b"sk-1", b"site")
    assert one == fingerprint(b"sk-1", b"site")
    assert len({one, fingerprint(b"sk-2", b"site"), fingerprint(b"sk-1", b"other")}) == 3
    assert one.startswith("k_")
    assert len(one) == 18
