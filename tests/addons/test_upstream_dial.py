import asyncio
import socket

import pytest
import seam_world  # noqa: F401 - imports mitmproxy with its one known warning quietened

from addons.upstream.dial import MAX_ADDRESSES, DialError, Dialler, PrivateAddressRefused, SystemResolver
from addons.upstream.plan import FailureKind
from appliance.model.errors import OperatorError
from appliance.net.addresses import Allowance, exemptions_of


def answering(*addresses: str):
    asked: list[tuple[str, int]] = []

    async def resolve(host: str, port: int) -> list[str]:
        asked.append((host, port))
        return list(addresses)

    resolve.asked = asked
    return resolve


async def failing(_host: str, _port: int) -> list[str]:
    raise socket.gaierror("no such name")


@pytest.fixture
async def port():
    async def serve(_reader, writer):
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


async def closed(connection) -> tuple[str, int]:
    _, writer = connection
    peer = writer.get_extra_info("peername")[:2]
    writer.close()
    await asyncio.gather(writer.wait_closed(), return_exceptions=True)
    return peer


async def test_a_mapped_name_goes_to_its_place_unjudged_and_unresolved(port):
    dialler = Dialler({"Api.Test:443": f"127.0.0.1:{port}"}, resolver=failing)
    for name in ("api.test", "API.test.", "api.TEST"):
        assert await closed(await dialler.connect(name, 443)) == ("127.0.0.1", port)
    with pytest.raises(DialError) as caught:
        await dialler.connect("api.test", 444)
    assert caught.value.kind is FailureKind.RESOLVE


async def test_an_exempt_address_is_dialled_after_one_resolution(port):
    resolve = answering("127.0.0.1")
    allowance = Allowance(exemptions_of([("127.0.0.1", port, "test")]))
    assert await closed(await Dialler(allowance=allowance, resolver=resolve).connect("a.test", port))
    assert resolve.asked == [("a.test", port)]


@pytest.mark.parametrize("addresses", [("10.0.0.1",), ("1.1.1.1", "10.0.0.1"), ("10.0.0.1", "1.1.1.1"), ("::1",)])
async def test_one_refused_address_refuses_the_name(addresses):
    with pytest.raises(PrivateAddressRefused) as caught:
        await Dialler(resolver=answering(*addresses)).connect("a.test", 443)
    assert caught.value.kind is FailureKind.PRIVATE_ADDRESS
    assert caught.value.address in addresses
    assert not any(address in str(caught.value) for address in addresses)


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "::1", "169.254.169.254"])
async def test_a_refused_literal_is_never_resolved(host):
    with pytest.raises(PrivateAddressRefused):
        await Dialler(resolver=failing).connect(host, 443)


@pytest.mark.parametrize("host", ["127.1", "2130706433", "0x7f.1", "localhost"])
async def test_other_spellings_of_loopback_are_judged_as_what_they_resolve_to(host):
    with pytest.raises(PrivateAddressRefused):
        await Dialler(resolver=SystemResolver()).connect(host, 443)


async def test_the_next_address_is_tried(port):
    allowance = Allowance(exemptions_of([("127.0.0.1", port, "test"), ("::1", port, "test")]))
    dialler = Dialler(allowance=allowance, resolver=answering("::1", "127.0.0.1"))
    assert await closed(await dialler.connect("a.test", port)) == ("127.0.0.1", port)


async def test_a_name_with_too_many_addresses_is_refused():
    addresses = [f"1.1.1.{number}" for number in range(MAX_ADDRESSES + 1)]
    with pytest.raises(DialError, match="more than"):
        await Dialler(resolver=answering(*addresses)).connect("a.test", 443)


async def test_a_resolver_that_never_answers_is_a_timeout():
    async def never(_host: str, _port: int) -> list[str]:
        await asyncio.Event().wait()
        return []

    with pytest.raises(DialError, match="did not answer") as caught:
        await Dialler(resolver=never, timeout_s=0.01).connect("a.test", 443)
    assert caught.value.kind is FailureKind.TIMEOUT


@pytest.mark.parametrize("hosts", [{"a.test": "127.0.0.1:1"}, {"a.test:443": "127.0.0.1"}, {"a.test:x": "127.0.0.1:1"}])
def test_a_bad_map_is_refused(hosts):
    with pytest.raises(OperatorError, match=r"egress\.hosts"):
        Dialler(hosts)


async def test_a_connection_is_told_before_its_first_byte(port):
    told = []
    dialler = Dialler({"a.test:443": f"127.0.0.1:{port}"}, opened=lambda near, far: told.append((near, far)))
    reader, writer = await dialler.connect("a.test", 443)
    assert told == [(writer.get_extra_info("sockname")[:2], ("127.0.0.1", port))]
    await closed((reader, writer))
    with pytest.raises(DialError):
        await Dialler({"b.test:443": "127.0.0.1:1"}, opened=lambda *_: told.append("b")).connect("b.test", 443)
    assert "b" not in told
