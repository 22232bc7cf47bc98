"""Fetching an issuer's keys: from the configured host over verified TLS, within bounds, or not at all."""

from ipaddress import ip_network

import pytest
from issuer_world import NAME, issuer_at
from tokens_world import RSA_ONE, jwks, public

from addons.issuers import IssuerKeys
from addons.upstream.dial import Dialler
from appliance.identity.jwks import MAX_JWKS
from appliance.model.errors import OperatorError, PeerError
from appliance.net.addresses import Allowance, Exemption

KEYS = jwks(public(RSA_ONE, "one"))


def fetching(server, *, allowed=True, path="/keys?v=1", ca=None, **more):
    async def resolve(*_):
        return ("127.0.0.1",)

    exemptions = (Exemption(ip_network("127.0.0.1"), server.port, "test"),) if allowed else ()
    keys = IssuerKeys(Dialler(allowance=Allowance(exemptions), resolver=resolve), str(ca or server.ca), **more)
    return keys(f"https://{NAME}:{server.port}{path}", None)


async def test_keys_come_from_the_configured_host(tmp_path):
    async with issuer_at(tmp_path) as server:
        server.publish(KEYS)
        assert await fetching(server)() == KEYS
        head = server.heads[0].decode()
        assert head.startswith(f"GET /keys?v=1 HTTP/1.1\r\nHost: {NAME}:{server.port}\r\n")
        server.answer = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (
            len(KEYS),
            KEYS,
        )
        assert await fetching(server)() == KEYS


async def test_a_private_address_needs_its_exception(tmp_path):
    async with issuer_at(tmp_path) as server:
        server.publish(KEYS)
        with pytest.raises(PeerError, match="does not connect to"):
            await fetching(server, allowed=False)()
        assert server.heads == []


async def test_who_is_somebody_else_is_not_asked(tmp_path):
    async with issuer_at(tmp_path, "other.example") as server, issuer_at(tmp_path / "good") as good:
        for made in (fetching(server), fetching(good, ca=server.ca)):
            with pytest.raises(PeerError, match="TLS failed"):
                await made()
        assert server.heads == good.heads == []


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"nonsense",
        b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n{}",
        b"HTTP/1.1 302 Found\r\nlocation: https://evil.example/keys\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx: " + b"y" * 20_000,
        b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * (2 * MAX_JWKS + 1),
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
    ],
)
async def test_what_is_no_answer_is_told_and_not_quoted(tmp_path, answer):
    async with issuer_at(tmp_path) as server:
        server.answer = answer
        with pytest.raises(PeerError) as told:
            await fetching(server)()
        assert len(str(told.value)) < 100
        assert "evil" not in str(told.value)
        assert len(server.heads) == 1


async def test_an_issuer_that_says_nothing_is_left(tmp_path):
    async with issuer_at(tmp_path) as server:
        server.mute = True
        with pytest.raises(PeerError, match="did not answer"):
            await fetching(server, timeout_s=0.3)()


def test_a_bundle_must_be_readable(tmp_path):
    (tmp_path / "bad").write_text("nothing")
    with pytest.raises(OperatorError, match="PEM"):
        IssuerKeys(Dialler(), str(tmp_path / "bad"))("https://a.example/", None)
