"""Headers after an edit: true again, or gone; mirrors of MCP say what the body says."""

import base64
import hashlib

import pytest

from appliance.route.bodyheaders import after_edit, mirrored

BODY = b'{"to":"<EMAIL_ADDRESS>"}'
SHA = hashlib.sha256(BODY)


@pytest.mark.parametrize(
    ("header", "becomes"),
    [
        ((b"Content-MD5", b"x"), base64.b64encode(hashlib.md5(BODY).digest())),  # noqa: S324 - RFC 1864
        ((b"content-digest", b"sha-512=:x:"), b"sha-256=:" + base64.b64encode(SHA.digest()) + b":"),
        ((b"X-Amz-Content-Sha256", b"a" * 64), SHA.hexdigest().encode()),
        ((b"x-amz-content-sha256", b"UNSIGNED-PAYLOAD"), b"UNSIGNED-PAYLOAD"),
        ((b"x-amz-checksum-crc32", b"x"), None),
        ((b"Digest", b"x"), None),
        ((b"content-type", b"application/json"), b"application/json"),
    ],
)
def test_what_speaks_of_the_bytes(header, becomes):
    assert after_edit([header], BODY) == ([(header[0], becomes)] if becomes is not None else [])


def test_mirrors_say_what_the_body_says():
    became = {"a@x.test": "<EMAIL_ADDRESS>"}
    coded = b"=?base64?" + base64.b64encode(b"a@x.test") + b"?="
    headers = [(b"Mcp-Param-To", b"a@x.test"), (b"mcp-name", coded), (b"x-else", b"a@x.test"), (b"mcp-param-n", b"1")]
    assert mirrored(headers, became) == [
        (b"Mcp-Param-To", b"<EMAIL_ADDRESS>"),
        (b"mcp-name", b"=?base64?" + base64.b64encode(b"<EMAIL_ADDRESS>") + b"?="),
        (b"x-else", b"a@x.test"),
        (b"mcp-param-n", b"1"),
    ]


def test_a_mirror_that_holds_more_than_the_text_is_edited_inside():
    assert mirrored([(b"mcp-param-to", b"to: a@x.test;")], {"a@x.test": "<E>"}) == [(b"mcp-param-to", b"to: <E>;")]
    odd = [(b"mcp-param-to", b"=?base64?%%?=")]
    assert mirrored(odd, {"a@x.test": "<E>"}) == odd
