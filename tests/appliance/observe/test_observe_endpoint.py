"""The endpoint over real sockets: what it answers, to whom, and what it does not wait for."""

import asyncio

import pytest

from appliance.model.errors import OperatorError
from appliance.observe import endpoint as module
from appliance.observe.endpoint import MAX_HEAD, Endpoint


@pytest.fixture
async def serve():
    started = []

    async def start(clients=(), make=None):
        async def page():
            return "gnomon_up 1\n"

        found = Endpoint("127.0.0.1:0", clients, make or page)
        started.append(found)
        host, _, port = (await found.start()).rpartition(":")
        return found, (host, int(port))

    yield start
    for one in started:
        await one.close()


async def ask(place, data):
    reader, writer = await asyncio.open_connection(*place)
    writer.write(data)
    async with asyncio.timeout(5):
        answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


async def test_the_page_and_nothing_else(serve):
    _, place = await serve()
    answer = await ask(place, b"GET /metrics?x=1 HTTP/1.1\r\nHost: a\r\n\r\n")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n")
    assert (b"Content-Length: 12" in head, b"Connection: close" in head, body) == (True, True, b"gnomon_up 1\n")
    answer = await ask(place, b"HEAD /metrics HTTP/1.0\r\n\r\n")
    assert answer.endswith(b"\r\n\r\n")
    assert b"Content-Length: 12" in answer
    for request, status in (
        (b"GET / HTTP/1.1", b"404"), (b"POST /metrics HTTP/1.1", b"405"), (b"nonsense", b"400"),
        (b"GET /metrics", b"400"),
    ):  # fmt: skip
        assert (await ask(place, request + b"\r\n\r\n")).split()[1] == status


async def test_a_head_is_bounded_in_size_and_time(serve, monkeypatch):
    monkeypatch.setattr(module, "HEAD_S", 0.05)
    _, place = await serve()
    try:
        answer = await ask(place, b"GET /metrics HTTP/1.1\r\nX: " + b"a" * (MAX_HEAD + 1))
    except ConnectionResetError:
        answer = b""
    assert answer == b""
    assert await ask(place, b"GET /metrics HTTP/1.1\r\n") == b""  # and no more


async def test_many_who_ask_get_one_page(serve):
    made = []

    async def make():
        made.append(1)
        await asyncio.sleep(0)
        return "x 1\n"

    _, place = await serve(make=make)
    await asyncio.gather(*(ask(place, b"GET /metrics HTTP/1.1\r\n\r\n") for _ in range(5)))
    assert len(made) == 1


async def test_more_than_sixteen_at_once_are_cut_off(serve, monkeypatch):
    monkeypatch.setattr(module, "MAX_AT_ONCE", 1)
    found, place = await serve()
    first, writer = await asyncio.open_connection(*place)
    writer.write(b"GET")
    while found._busy == 0:  # noqa: ASYNC110 - the loop of the test is the server's own
        await asyncio.sleep(0)
    with pytest.raises(ConnectionResetError):
        await ask(place, b"GET /metrics HTTP/1.1\r\n\r\n")
    writer.write(b" /metrics HTTP/1.1\r\n\r\n")
    assert (await first.read()).startswith(b"HTTP/1.1 200")
    writer.close()
    await writer.wait_closed()


def test_who_may_read():
    found = Endpoint("0.0.0.0:1", ("10.1.0.0/16", "fd00::/8"), lambda: None)
    allowed = ("127.0.0.1", "::1", "::ffff:127.0.0.1", "10.1.2.3", "::ffff:10.1.2.3", "fd00::1", "fd00::1%eth0")
    strangers = ("10.2.0.1", "192.0.2.1", "2001:db8::1")
    assert [address for address in (*allowed, *strangers) if found.admits(address)] == [*allowed]


async def test_strangers_are_cut_off_before_they_are_read(serve, monkeypatch):
    found, place = await serve()
    monkeypatch.setattr(found, "admits", lambda _: False)
    with pytest.raises(ConnectionResetError):
        await ask(place, b"GET /metrics HTTP/1.1\r\n\r\n")


async def test_an_address_in_use_is_told(serve):
    _, (host, port) = await serve()
    with pytest.raises(OperatorError, match=r"metrics\.listen: cannot listen on 127\.0\.0\.1:\d+: .*set another"):
        await Endpoint(f"{host}:{port}", (), lambda: None).start()
