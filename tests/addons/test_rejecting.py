"""What sensors are told of clients that reject our certificate: by real handshakes, and only by the client's word."""

import asyncio
import contextlib
import ssl
from types import SimpleNamespace

import pytest
from test_tls_addon import ISSUERS, UPSTREAM_ROOT, pem, proxy, raw_tunnel, trusting

from addons.rejecting import RejectingAddon
from addons.tls import TlsAddon, says_rejected
from appliance.bus import rejected
from appliance.bus.rejected import Rejected
from appliance.ca.leaf_cache import LeafCache

NOW = 1000.0


@pytest.fixture
def table(tmp_path):
    with Rejected(rejected.create(tmp_path), 3, write=True) as one:
        yield one


def data(error="tlsv1 alert unknown ca", *, sni="api.openai.com", host="api.openai.com", peer="10.0.0.9"):
    client = SimpleNamespace(error=error, sni=sni, peername=(peer, 5))
    server = SimpleNamespace(address=host and (host, 443))
    return SimpleNamespace(context=SimpleNamespace(client=client, server=server))


def addon(table, services=None):
    known = {"api.openai.com": "openai"} if services is None else services
    return RejectingAddon(table, known.get, lambda: NOW)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_client_that_does_not_trust_us_is_known_to_sensors(tmp_path, table, version):
    failed = asyncio.Event()
    tls = TlsAddon(LeafCache(ISSUERS), unservable=lambda *_: None)
    watching = SimpleNamespace(tls_failed_client=lambda _: failed.set())
    async with proxy(tmp_path, [tls, addon(table, {"localhost": "here"}), watching]) as port:
        stranger = ssl.create_default_context(cadata=pem(UPSTREAM_ROOT.certificate).decode())
        stranger.minimum_version = stranger.maximum_version = version
        sock = await asyncio.to_thread(raw_tunnel, port, "localhost:443")
        with sock, pytest.raises(ssl.SSLCertVerificationError):
            await asyncio.to_thread(stranger.wrap_socket, sock, server_hostname="localhost")
        await asyncio.wait_for(failed.wait(), 10)
    assert table.knows("127.0.0.1", "here", NOW)


async def test_who_leaves_without_a_word_is_not_taken_for_one(tmp_path, table):
    failed = asyncio.Event()
    tls = TlsAddon(LeafCache(ISSUERS), unservable=lambda *_: None)
    watching = SimpleNamespace(tls_failed_client=lambda _: failed.set())
    async with proxy(tmp_path, [tls, addon(table, {"localhost": "here"}), watching]) as port:
        sock = await asyncio.to_thread(raw_tunnel, port, "localhost:443")
        sent = ssl.MemoryBIO()
        hello = trusting().wrap_bio(ssl.MemoryBIO(), sent, server_hostname="localhost")
        with contextlib.suppress(ssl.SSLWantReadError):
            hello.do_handshake()
        await asyncio.to_thread(sock.sendall, sent.read())
        assert await asyncio.to_thread(sock.recv, 1)
        sock.close()
        await asyncio.wait_for(failed.wait(), 10)
    assert not table.knows("127.0.0.1", "here", NOW)


@pytest.mark.parametrize(
    "told",
    [
        data("connection closed"),
        data(None),
        data(sni=None, host="bank.example"),
        data(sni="bank.example"),
        data(host=None),
        data(peer="no address"),
    ],
)
def test_what_is_no_rejection_of_an_ai_services_certificate_is_not_noted(table, told):
    addon(table).tls_failed_client(told)
    assert not table.knows("10.0.0.9", "openai", NOW)


def test_the_host_of_the_tunnel_tells_where_the_hello_names_nobody(table):
    addon(table).tls_failed_client(data(sni=None))
    assert table.knows("10.0.0.9", "openai", NOW)


@pytest.mark.parametrize(
    ("error", "says"),
    [
        ("The client does not trust the proxy's certificate for a.example (tlsv1 alert unknown ca)", True),
        ("ssl/tls alert bad certificate", True),
        ("OpenSSL Error([('SSL routines', '', 'ssl/tls alert certificate unknown')])", True),
        ("The client disconnected during the handshake. [...] does not trust the proxy's certificate.", False),
        ("OpenSSL Error([('SSL routines', '', 'no shared cipher')])", False),
        (None, False),
    ],
)
def test_only_alerts_of_rejection_are_a_word(error, says):
    assert says_rejected(error) is says
