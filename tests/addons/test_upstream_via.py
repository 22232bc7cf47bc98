"""Parent proxies: what goes by them, what never does, and how they fail."""

import asyncio
import base64

import pytest
from seam_world import TestAuthority

from addons.dialling import trusting
from addons.upstream.dial import DialError, Dialler, PrivateAddressRefused
from addons.upstream.plan import FailureKind
from addons.upstream.via import Parent, is_local, parent_of
from appliance.net.addresses import Allowance, exemptions_of

OK = b"HTTP/1.1 200 Connection established\r\n\r\n"


class Proxy:
    """A parent on loopback: answers every CONNECT with `answer`, then echoes."""

    def __init__(self, answer=OK, tls=None):
        self.answer, self.tls, self.heads = answer, tls, []

    async def __aenter__(self):
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self.tls)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_):
        self.server.close()

    async def _serve(self, reader, writer):
        try:
            self.heads.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(self.answer)
            while data := await reader.read(1000):
                writer.write(data)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


def dialler(proxy, *, allowed=True, **more):
    allowance = Allowance(exemptions_of([("127.0.0.1", proxy.port, "the parent")] if allowed else []))
    return Dialler(parents=[Parent("127.0.0.1", proxy.port, **more)], allowance=allowance, timeout_s=5)


async def test_a_name_goes_by_the_parent_unresolved_with_its_credentials():
    async with Proxy() as proxy:
        reader, writer = await dialler(proxy, secret=b"me:secret").connect("Api.Example.com.", 443)
        writer.write(b"hello")
        assert await reader.readexactly(5) == b"hello"
        writer.close()
        (head,) = proxy.heads
        assert head.startswith(b"CONNECT api.example.com:443 HTTP/1.1\r\nHost: api.example.com:443\r\n")
        assert base64.b64encode(b"me:secret") in head
        assert "secret" not in repr(Parent("p", 1, secret=b"me:secret"))


async def test_a_parent_may_speak_tls_itself(tmp_path):
    authority = TestAuthority(tmp_path)
    context = authority.context("proxy.example.com", alpn=["http/1.1"])
    trust = trusting(str(authority.path))
    async with Proxy(tls=context) as proxy:
        hosts = {f"proxy.example.com:{proxy.port}": f"127.0.0.1:{proxy.port}"}
        parent = Parent("proxy.example.com", proxy.port, trust)
        reader, writer = await Dialler(hosts, parents=[parent]).connect("api.example.com", 443)
        writer.write(b"hello")
        assert await reader.readexactly(5) == b"hello"
        writer.close()
        strange = Parent("proxy.example.com", proxy.port, trusting(None))
        with pytest.raises(DialError) as caught:
            await Dialler(hosts, parents=[strange]).connect("api.example.com", 443)
        assert caught.value.kind is FailureKind.TLS


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "credentials"),
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", "403"),
        (b"SSH-2.0-x\r\n\r\n", "no HTTP"),
        (b"HTTP/1.1 abc\r\n\r\n", "no HTTP"),
        (b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 5000 + b"\r\n", "no HTTP"),
        (b"x" * 200_000, "no HTTP"),
    ],
)
async def test_what_the_parent_answers_is_bounded_and_told(answer, words):
    async with Proxy(answer) as proxy:
        with pytest.raises(DialError, match=words) as caught:
            await dialler(proxy, secret=b"me:secret").connect("api.example.com", 443)
        assert "secret" not in str(caught.value)


async def test_a_parent_that_breaks_off_or_says_nothing():
    async with Proxy(b"") as proxy:
        made = dialler(proxy)
        made._timeout_s = 0.05
        with pytest.raises(DialError, match="did not answer") as caught:
            await made.connect("api.example.com", 443)
        assert caught.value.kind is FailureKind.TIMEOUT
    with pytest.raises(DialError, match="parent proxy cannot be reached"):
        await dialler(proxy).connect("api.example.com", 443)


async def test_the_parents_own_address_is_judged():
    async with Proxy() as proxy:
        with pytest.raises(PrivateAddressRefused):
            await dialler(proxy, allowed=False).connect("api.example.com", 443)
        assert proxy.heads == []


@pytest.mark.parametrize("host", ["127.0.0.1", "10.1.2.3", "169.254.169.254", "::1", "[fd00::1]"])
async def test_a_private_address_never_goes_there(host):
    async with Proxy() as proxy:
        with pytest.raises(PrivateAddressRefused):
            await dialler(proxy).connect(host, 443)
        assert proxy.heads == []


@pytest.mark.parametrize("host", ["localhost", "intranet", "metadata.google.internal", "printer.local", "a.localhost"])
def test_a_local_name_never_goes_there(host):
    assert is_local(host)
    assert parent_of([Parent("p.example.com", 3128)], host) is None


@pytest.mark.parametrize("address", ["64:ff9b::a00:1", "168.63.129.16", "2002:a00:1::1", "::ffff:10.0.0.1"])
def test_an_address_that_wraps_another_or_is_special_never_goes_there(address):
    assert is_local(address)


async def test_an_address_in_other_numerals_is_no_name_that_a_parent_is_asked_for():
    async with Proxy() as proxy:
        with pytest.raises(DialError, match="no name"):
            await dialler(proxy).connect("0x7f.0.0.0x1", 443)
        assert len(proxy.heads) == 0


async def test_a_name_with_anything_else_in_it_is_refused():
    async with Proxy() as proxy:
        with pytest.raises(DialError, match="no name"):
            await dialler(proxy).connect("a.example.com\r\nx: y.com", 443)


async def test_a_mapped_name_goes_where_it_is_mapped():
    async with Proxy() as proxy, Proxy() as place:
        made = Dialler({"api.example.com:443": f"127.0.0.1:{place.port}"}, parents=[Parent("127.0.0.1", proxy.port)])
        _, writer = await made.connect("api.example.com", 443)
        assert writer.get_extra_info("peername")[1] == place.port
        writer.close()


def test_the_first_that_fits_takes_a_destination():
    one, two = Parent("one", 1, hosts=(".openai.com", "api.x.ai")), Parent("two", 2)
    for name, parent in [("api.openai.com", one), ("openai.com", one), ("api.x.ai", one), ("b.api.x.ai", two)]:
        assert parent_of([one, two], name) is parent
    assert parent_of([one], "notopenai.com") is None
    assert parent_of([one, two], "93.184.216.34") is two
    assert parent_of([one], "93.184.216.34") is None


async def test_a_parent_without_its_credential_is_no_way_round():
    async with Proxy() as proxy:
        with pytest.raises(DialError, match="is not there"):
            await dialler(proxy, fault="the parent proxy's credential x is not there").connect("api.example.com", 443)
        assert proxy.heads == []
