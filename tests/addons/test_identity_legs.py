"""A method that takes several legs (as Negotiate does) fits the interface: challenge, answer, and who it was."""

import asyncio

import httpx
import pytest
from tests_support import HOST
from worker_world import worker_at

from addons import chain, standing
from appliance.identity.method import Challenge, Identification, IdentityRequest, Refusal, wrong
from appliance.model.facts import Principal
from appliance.model.names import Assurance, RefusalReason

SCHEME = "Negotiate"


class Legs:
    """Two legs: the second token is only good on the connection of the first, after the challenge that it got."""

    def __init__(self):
        self.begun: dict[str, int] = {}
        self.known: dict[str, tuple[Principal, float]] = {}
        self.asked_again = 0
        self.forgotten = asyncio.Event()

    async def identify(self, request, now):
        if request.again:
            self.asked_again += 1
            principal, until = self.known[request.connection]
            return principal if now < until else wrong(request, "the ticket has ended", SCHEME, lapsed=True)
        sent = request.proxy_authorization or ""
        if not sent.startswith(f"{SCHEME} "):
            return None
        leg = sent.removeprefix(f"{SCHEME} ")
        if leg == "hello":
            self.begun[request.connection] = 1
            return Challenge(f"{SCHEME} riddle", RefusalReason.IDENTITY_REQUIRED)
        if leg == "answer" and self.begun.pop(request.connection, 0):
            principal = Principal("maria@EXAMPLE.TEST", request.address, "ldap", Assurance.HIGH, ("dev",))
            self.known[request.connection] = principal, now + 36_000
            return principal
        return wrong(request, "that answers no riddle", SCHEME)

    def forget(self, connection):
        self.begun.pop(connection, None)
        if self.known.pop(connection, None) is not None:
            self.forgotten.set()


async def test_legs_by_the_interface_alone():
    legs = Legs()
    who = Identification((legs,), required=True, challenge=SCHEME)

    def leg(text, connection="c1", **more):
        return who.identify(
            IdentityRequest("10.0.0.1", proxy_authorization=text, connection=connection, **more), 1_000.0
        )

    assert (await leg(None)).authenticate == SCHEME
    assert (await leg(f"{SCHEME} hello")).authenticate == f"{SCHEME} riddle"
    assert (await leg(f"{SCHEME} answer", "c2")).reason is RefusalReason.IDENTITY_FAILED  # another's connection
    assert (await leg(f"{SCHEME} answer")).name == "maria@EXAMPLE.TEST"
    assert (await leg(f"{SCHEME} answer")).detail == "that answers no riddle"  # once only
    assert (await leg(f"{SCHEME} answer", again=True)).name == "maria@EXAMPLE.TEST"
    late = await who.identify(IdentityRequest("10.0.0.1", "tunnel", connection="c1", again=True), 99_000.0)
    assert isinstance(late, Refusal)
    assert late.lapsed
    who.forget("c1")
    assert legs.known == {}


async def said(reader, writer, *credential) -> tuple[int, str]:
    """One CONNECT; its status and what is asked for."""
    shown = f"proxy-authorization: {SCHEME} {credential[0]}\r\n" if credential else ""
    writer.write(f"CONNECT {HOST}:443 HTTP/1.1\r\nhost: {HOST}:443\r\n{shown}\r\n".encode())
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    fields = httpx.Headers([tuple(line.split(": ", 1)) for line in head.split("\r\n")[1:-2]])
    await reader.readexactly(int(fields.get("content-length", 0)))
    return int(head.split()[1]), fields.get("proxy-authenticate", "")


async def test_legs_on_one_connection_to_a_worker(provider, tmp_path, monkeypatch):
    legs = Legs()
    made = Identification((legs,), required=True, challenge=SCHEME)
    monkeypatch.setattr(chain, "make_identification", lambda *_, **__: made)
    monkeypatch.setattr(standing.Known, "is_fresh", lambda *_: False)
    async with worker_at(tmp_path, provider) as worker:
        reader, writer = await asyncio.open_connection("127.0.0.1", worker.proxy)
        assert await said(reader, writer) == (407, SCHEME)
        assert await said(reader, writer, "hello") == (407, f"{SCHEME} riddle")
        assert await said(reader, writer, "answer") == (200, "")
        await writer.start_tls(worker.trust, server_hostname=HOST)
        for number in range(2):
            writer.write(f"GET /v1/models HTTP/1.1\r\nhost: {HOST}\r\n\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            assert b" 200 " in head.split(b"\r\n")[0]
            length = int(httpx.Headers([line.split(b": ", 1) for line in head.split(b"\r\n")[1:-2]])["content-length"])
            await reader.readexactly(length)
            assert legs.asked_again == number + 1
        assert len(legs.known) == 1
        writer.close()
        await asyncio.wait_for(legs.forgotten.wait(), 10)
        assert legs.known == {}
        assert worker.events("open")[0]["facts"]["groups"] == ["dev"]


@pytest.mark.parametrize("credential", ["answer", "nothing"])
async def test_a_leg_without_the_one_before_is_refused(provider, tmp_path, monkeypatch, credential):
    made = Identification((Legs(),), required=True, challenge=SCHEME)
    monkeypatch.setattr(chain, "make_identification", lambda *_, **__: made)
    async with worker_at(tmp_path, provider) as worker:
        reader, writer = await asyncio.open_connection("127.0.0.1", worker.proxy)
        assert await said(reader, writer, credential) == (407, SCHEME)
        writer.close()
