"""One worker whose parts can be made to fail, a provider that says what it is told to, and what came of one exchange.

Rules: real sockets on loopback; every part that can fail is wrapped once, before the chain is made, and fails only
while `faults.of(...)` says so; what was written down is noted where the journal has written it; nothing sleeps.
"""

import asyncio
import contextlib
import functools
import inspect
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from unittest import mock

from fixtures_world import Fixture
from policies import HANDED_OVER, embedded_without
from socket_world import SocketServer
from worker_world import Running, worker_at

import addons.exchange
from addons.chain import Worker
from addons.follow import FollowAddon
from addons.upstream import GovernedHandler
from appliance.config.schema import Egress, Gateway, RouteEntry
from appliance.inspect.dialects import Call
from appliance.inspect.inspection import Inspection
from appliance.journal.writer import Journal
from appliance.model.names import Stage

HOST = "api.openai.com"
SOCKET_HOST = "api.groq.com"
ROUTE = "ai"
SECRET = "ada.lovelace@corp-mail.com"
PATIENCE_S = 20


class Panic(BaseException):
    """What some extension modules raise instead of an exception."""


class Beside:
    """Reads bodies in place of the analyser's process."""

    def __init__(self, inside: Worker) -> None:
        self._inside = inside

    async def request(self, call: Call, coding: str | None, raw: bytes, dialect: str | None) -> Inspection:
        await asyncio.sleep(0)
        return self._inside.inspector.request(call, coding, raw, dialect)


class Faults:
    """Wraps parts of the product; a wrapped part raises what is set for it."""

    def __init__(self) -> None:
        self._set: dict[str, tuple[BaseException | type[BaseException], int]] = {}
        self._stack = contextlib.ExitStack()
        self.struck = 0

    def wrap(self, owner: object, name: str, label: str) -> None:
        """From now on `name` of a class or module fails as `label` is set to."""
        function = getattr(owner, name)

        @functools.wraps(function)
        def failing(*args, **more):
            self._strike(label)
            return function(*args, **more)

        @functools.wraps(function)
        async def failing_later(*args, **more):
            self._strike(label)
            return await function(*args, **more)

        made = failing_later if inspect.iscoroutinefunction(function) else failing
        made = staticmethod(made) if isinstance(inspect.getattr_static(owner, name), staticmethod) else made
        self.enter(mock.patch.object(owner, name, made))

    def enter(self, patch) -> None:
        """Have this as well until `close`."""
        self._stack.enter_context(patch)

    def _strike(self, label: str) -> None:
        error, after = self._set.get(label, (None, 0))
        if error is None:
            return
        self._set[label] = (error, after - 1)
        if after <= 0:
            self.struck += 1
            raise error

    @contextlib.contextmanager
    def of(self, label: str, error: BaseException | type[BaseException], after: int = 0) -> Iterator[None]:
        """`label` raises `error` from its call number `after` (counted from 0) on."""
        self._set[label], self.struck = (error, after), 0
        try:
            yield
        finally:
            self._set.clear()

    def close(self) -> None:
        self._stack.close()


@dataclass
class Provider:
    """Answers each request as `answer` says; `seen` are the bodies that arrived, `halfway` ends an answer early."""

    status: int = 200
    content_type: str = "application/json"
    body: bytes = b"{}"
    pieces: int = 2
    ends: str = "whole"  # whole | halfway | before | waits
    gone: int = 0  # bytes of the last answer that have been sent
    seen: list[bytes] = field(default_factory=list)
    waiting: asyncio.Event = field(default_factory=asyncio.Event)
    left: asyncio.Event = field(default_factory=asyncio.Event)

    def begin(self, content_type: str, body: bytes, ends: str) -> None:
        """Answer the next request so."""
        self.content_type, self.body, self.ends = content_type, body, ends
        self.seen.clear()
        self.waiting.clear()
        self.left.clear()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await self._one(reader, writer)
        writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        size = int(head.partition("content-length: ")[2].partition("\r")[0] or 0)
        self.seen.append(await reader.readexactly(size))
        if self.ends == "before":
            return
        lines = [f"HTTP/1.1 {self.status} X", f"content-type: {self.content_type}", "transfer-encoding: chunked"]
        writer.write("\r\n".join((*lines, "connection: close", "", "")).encode())
        step = -(-len(self.body) // self.pieces) or 1
        parts = [self.body[at : at + step] for at in range(0, len(self.body), step)]
        self.gone = 0
        for part in parts if self.ends == "whole" else parts[: len(parts) // 2]:
            writer.write(b"%x\r\n%s\r\n" % (len(part), part))
            await writer.drain()
            self.gone += len(part)
            await asyncio.sleep(0)
        if self.ends == "waits":
            self.waiting.set()
            await reader.read()
            self.left.set()
        elif self.ends == "whole":
            writer.write(b"0\r\n\r\n")
            await writer.drain()


@dataclass(frozen=True)
class Heard:
    """What the client got. `ended`: whole | cut | closed; cut: the body broke off; closed: not even a head came."""

    status: int
    refusal: str
    body: bytes
    ended: str


class Counter:
    """How many connections were made and how many the worker has let go of."""

    def __init__(self) -> None:
        self.made = self._ended = 0
        self._changed = asyncio.Event()

    def one(self) -> None:
        self._ended += 1
        self._changed.set()

    async def reached(self) -> None:
        while self._ended < self.made:
            self._changed.clear()
            await self._changed.wait()


@dataclass
class World:
    """One worker of one stage."""

    worker: Running
    provider: Provider
    faults: Faults
    inside: Worker
    follow: FollowAddon
    events: list
    over: Counter
    sockets: SocketServer
    enforces: bool
    baselines: dict[str, Heard] = field(default_factory=dict)

    async def ask(self, fixture: Fixture, body: bytes, *, leave: str = "") -> Heard:
        """One request through the gateway. `leave`: `asking` or `hearing`, where the client goes away half-way."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.worker.gateway)
        self.over.made += 1
        lines = [f"{fixture.call.method} /{ROUTE}{fixture.call.path} HTTP/1.1", "host: gateway", "connection: close"]
        if body:
            lines += [f"content-type: {fixture.call.content_type}", f"content-length: {len(body)}"]
        head = "\r\n".join((*lines, "", "")).encode()
        try:
            async with asyncio.timeout(PATIENCE_S):
                if leave == "asking":
                    writer.write(head + body[: len(body) // 2])
                    await writer.drain()
                    return Heard(0, "", b"", "closed")
                writer.write(head + body)
                if leave == "hearing":
                    await self.provider.waiting.wait()
                    return Heard(0, "", b"", "closed")
                return heard(await _all(reader))
        finally:
            writer.transport.abort()

    @contextlib.contextmanager
    def beside(self) -> Iterator[None]:
        """Bodies are read beside the loop."""
        with (
            mock.patch.object(self.inside, "analyse", Beside(self.inside).request),
            mock.patch.object(addons.exchange, "wants", return_value=True),
        ):
            yield

    async def settled(self) -> None:
        """Until the worker has let go of the client, and nothing runs in it any more."""
        async with asyncio.timeout(PATIENCE_S):
            await self.over.reached()
        assert not self.inside.running, "an exchange was left running"


async def _all(reader: asyncio.StreamReader) -> bytes:
    told = bytearray()
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65536):
            told += data
    return bytes(told)


def heard(told: bytes) -> Heard:
    """The bytes of one answer, read."""
    head, end, rest = told.partition(b"\r\n\r\n")
    if not end:
        return Heard(0, "", b"", "closed")
    first, *lines = head.decode("latin-1").split("\r\n")
    fields = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    status, refusal = int(first.split()[1]), fields.get("x-gnomon-refusal", "")
    if fields.get("transfer-encoding") != "chunked":
        whole = len(rest) == int(fields.get("content-length", len(rest)))
        return Heard(status, refusal, rest, "whole" if whole else "cut")
    body, ended = _unchunked(rest)
    return Heard(status, refusal, body, "whole" if ended else "cut")


def _unchunked(data: bytes) -> tuple[bytes, bool]:
    body = bytearray()
    while data:
        size, _, data = data.partition(b"\r\n")
        length = int(size or b"0", 16)
        if not length:
            return bytes(body), True
        body += data[:length]
        data = data[length + 2 :]
    return bytes(body), False


@contextlib.asynccontextmanager
async def world_at(folder, stage: Stage, wrapped: dict[str, list[tuple[object, str]]]) -> AsyncIterator[World]:
    """A worker of `stage` with a provider behind the one route of its gateway."""
    faults, provider, made, events, over = Faults(), Provider(), {}, [], Counter()
    _note(faults, events, over)
    for kind in (Worker, FollowAddon):
        _keep(faults, kind, made)
    for label, places in wrapped.items():
        for owner, name in places:
            faults.wrap(owner, name, label)
    server = await asyncio.start_server(provider.serve, "127.0.0.1", 0)
    place = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    routes = {ROUTE: RouteEntry(service="openai", target=f"http://{HOST}")}
    nobody = SimpleNamespace(ca=None, port=0)
    more = {"gateway": Gateway(routes=routes, default_route=ROUTE)}
    try:
        async with SocketServer() as sockets:
            hosts = {f"{HOST}:80": place, f"{SOCKET_HOST}:80": sockets.place}
            more["egress"] = Egress(hosts=hosts)
            more.setdefault("policy", embedded_without(folder, *HANDED_OVER))  # each dialect is to be answered
            async with worker_at(folder, nobody, stage, **more) as worker:
                inside, follow = made[Worker], made[FollowAddon]
                inside.analyse = None  # bodies are read here: what its process does is shown elsewhere
                yield World(worker, provider, faults, inside, follow, events, over, sockets, stage is Stage.ENFORCE)
    finally:
        faults.close()
        server.close()


def _note(faults: Faults, events: list, over: Counter) -> None:
    """Keep what the journal has written, and how many connections have ended."""
    append, serve = Journal.append, GovernedHandler.handle_client

    def appending(journal, event, persons):
        number = append(journal, event, persons)
        events.append(event)
        return number

    async def serving(handler):
        try:
            await serve(handler)
        finally:
            over.one()

    faults.enter(mock.patch.object(GovernedHandler, "handle_client", serving))
    faults.enter(mock.patch.object(Journal, "append", appending))


def _keep(faults: Faults, kind: type, made: dict[type, object]) -> None:
    """Keep the one of this kind that the chain makes."""
    make = kind.__init__

    def making(it, *args, **more):
        make(it, *args, **more)
        made[kind] = it

    faults.enter(mock.patch.object(kind, "__init__", making))
