"""Drives one line of the failure matrix: makes the part fail, sends one exchange of one dialect, says what came of it.

Rules: what a part is called in `failure_table.py` stands here with its place in the product; a line that is not struck
by its fault shows nothing, and says so.
"""

import asyncio
import contextlib
import json
from collections.abc import Iterator
from functools import cache

from failure_table import Outcome, Row
from failures_world import SECRET, SOCKET_HOST, Beside, Heard, Panic, World
from fixtures_world import Fixture, fixtures
from socket_world import connected

import addons.closing
import addons.exchange
from addons.analysing import AnalysisError
from addons.answer_ways import Ways
from addons.egress import EgressAddon
from addons.exchange import ExchangeAddon
from addons.gateway import GatewayAddon
from addons.identity import IdentityAddon
from addons.portal import PortalAddon
from addons.socket_answers import SocketAnswers
from addons.streaming import StreamingAddon
from addons.telemetry import Telemetry
from addons.upstream import Dialler
from addons.websocket import Socket, WebsocketAddon
from addons.worker import Worker
from appliance.inspect.detect.detectors import Detectors
from appliance.inspect.detect.failure import DetectorFailure
from appliance.inspect.inspection import Inspector, ResponseInspection
from appliance.inspect.stream import watching
from appliance.inspect.stream.editor import StreamEditor
from appliance.inspect.stream.events import Framing
from appliance.inspect.stream.watching import Watching
from appliance.journal.tail import JournalFull
from appliance.journal.writer import Journal
from appliance.ledger.ledger import Ledger
from appliance.model.event import Event, ExchangeClosed, ExchangeOpened, Notice, Refused
from appliance.policy.engine import Policy

ERRORS: dict[str, type[BaseException]] = {
    "exception": RuntimeError,
    "time-out": TimeoutError,
    "out of memory": MemoryError,
    "panic": Panic,
    "cancelled": asyncio.CancelledError,
    "analyser down": AnalysisError,
    "detector down": DetectorFailure,
    "journal full": JournalFull,
    "disk": OSError,
}
HOOKS = (IdentityAddon, GatewayAddon, EgressAddon, PortalAddon, ExchangeAddon, WebsocketAddon)
CUT_BODY = 2 / 3  # of a request that is cut off, so that it cannot be read
ALIKE = 16  # bytes by which an answer is told to have begun


def parts() -> dict[str, list[tuple[object, str]]]:
    """Where each part stands."""
    places = [(addon, "requestheaders") for addon in HOOKS]
    places += [(StreamingAddon, name) for name in ("responseheaders", "response")]
    places += [(ExchangeAddon, "request"), (ExchangeAddon, "_forward"), (Worker, "facts"), (Policy, "judge")]
    places += [(Inspector, "request"), (Inspector, "response"), (ResponseInspection, "edited"), (Detectors, "look")]
    places += [(Ledger, "reserve"), (Telemetry, "opened"), (Telemetry, "closed"), (Journal, "append")]
    places += [(Dialler, "connect"), (Ways, "follow"), (Watching, "watch"), (StreamEditor, "feed")]
    places += [(Beside, "request"), (StreamEditor, "close"), (Socket, "_client"), (SocketAnswers, "take")]
    made: dict[str, list[tuple[object, str]]] = {f"{owner.__name__}.{name}": [(owner, name)] for owner, name in places}
    made["hiding.edited"] = [(addons.exchange, "edited")]
    made["close_record"] = [(addons.closing, "close_record")]
    made["Watch.feed"] = [(watching._Watch, "feed"), (watching._EscapedWatch, "feed")]
    made["EventReader.read"] = [(reader, "read") for reader in _readers()]
    return made


@cache
def cases(answer: str) -> dict[str, Fixture]:
    """By dialect: its fixture for an answer of that kind; `any`: a stream where it has one that follows a body."""
    if answer == "any":
        return cases("whole") | {api: found for api, found in cases("stream").items() if found.request}
    case = "plain" if answer == "whole" else "stream"
    found = (fixture for fixture in fixtures() if fixture.case == case and fixture.absent is None)
    return {fixture.api: fixture for fixture in found if fixture.answer_type != "websocket"}


def sockets() -> dict[str, Fixture]:
    """By dialect: a fixture whose answer is a socket."""
    return {found.api: found for found in fixtures() if found.absent is None and found.answer_type == "websocket"}


def _readers() -> Iterator[type]:
    seen: set[type] = set()
    for fixture in cases("stream").values():
        reader = fixture.dialect.events(fixture.call, fixture.answer_type)
        for owner in type(reader).__mro__:
            if "read" in vars(owner) and owner not in seen and reader.framing is not Framing.MESSAGE:
                seen.add(owner)
                yield owner
                break


def asked(fixture: Fixture) -> bytes:
    """The request, with something in it that is to be hidden."""
    body = fixture.request
    for _role, channel, text in fixture.expect.get("request_texts", ()):
        written = json.dumps(text, ensure_ascii=False)[1:-1].encode()
        if channel == "content" and written and written in body:
            return body.replace(written, written + f" {SECRET}".encode(), 1)
    return body.rstrip()[:-1] + f', "metadata": {{"note": "{SECRET}"}}}}'.encode() if body else body


async def outcome(world: World, fixture: Fixture, row: Row, fault: str) -> Outcome | None:
    """What comes of one exchange while `row` happens; None: the fault was not met on the way."""
    before = await _baseline(world, fixture)
    if fault in ERRORS:
        beside = world.beside() if row.label == "Beside.request" else contextlib.nullcontext()
        with beside, world.faults.of(row.label, ERRORS[fault], row.after):
            got, sent = await _exchange(world, fixture, asked(fixture))
        if not world.faults.struck:
            return None
    else:
        body = asked(fixture)
        body = body[: int(len(body) * CUT_BODY)] if row.label == "malformed body" else body
        ends = {"hearing": "waits", "before": "before", "halfway": "halfway"}.get(row.label, "whole")
        leave = row.label if row.label in ("asking", "hearing") else ""
        got, sent = await _exchange(world, fixture, body, ends, leave)
    return Outcome(_client(got, before), sent, written(world.events))


async def socket_outcome(world: World, fixture: Fixture, row: Row, fault: str) -> Outcome:
    """What comes of a message of the client and, where it arrives, of one that the provider says after it."""
    said, heard = json.dumps({"text": f"mail {SECRET}"}), json.dumps({"text": "hello"})
    world.events.clear()
    world.over.made += 1
    client, sent = "", "nothing"
    with world.faults.of(row.label, ERRORS[fault]):
        async with connected(world.worker.proxy, SOCKET_HOST, fixture.call.path) as near:
            far = await world.sockets.served.get()
            await near.send(said)
            got = await far.read()
            if isinstance(got, str):
                sent = _sent([got.encode()], said.encode())
                await far.send(heard)
            got = await near.read()
            client = "message" if got == heard else f"closed with {got.code}"
            await near.close()
            await world.settled()
    assert world.faults.struck
    _sound(world.events)
    return Outcome(client, sent, written(world.events))


async def undisturbed(world: World, fixture: Fixture) -> None:
    """One exchange while nothing fails."""
    await _exchange(world, fixture, asked(fixture))
    assert written(world.events) == "open, close completed"


async def halfway(world: World, fixture: Fixture) -> tuple[ExchangeClosed, int]:
    """The close record of an answer that the provider ends half-way, and how many bytes it had sent."""
    await _exchange(world, fixture, asked(fixture), "halfway")
    (closed,) = (event for event in world.events if isinstance(event, ExchangeClosed))
    return closed, world.provider.gone


async def _baseline(world: World, fixture: Fixture) -> Heard:
    """What the client gets when nothing fails."""
    key = fixture.name
    if key not in world.baselines:
        got, sent = await _exchange(world, fixture, asked(fixture))
        assert (got.status, got.ended, got.refusal) == (200, "whole", ""), fixture.name
        assert written(world.events) == "open, close completed"
        assert sent == ("edited" if world.enforces and fixture.request else "as it came"), fixture.name
        assert world.enforces or got.body == fixture.answer
        world.baselines[key] = got
    return world.baselines[key]


async def _exchange(
    world: World, fixture: Fixture, body: bytes, ends: str = "whole", leave: str = ""
) -> tuple[Heard, str]:
    provider = world.provider
    provider.begin(fixture.answer_type, fixture.answer, ends)
    world.events.clear()
    got = await world.ask(fixture, body, leave=leave)
    await world.settled()
    if leave == "hearing":
        await provider.left.wait()
    _sound(world.events)
    return got, _sent(provider.seen, body)


def _sound(events: list[Event]) -> None:
    """No exchange ends twice or without having begun, and every byte of an answer is accounted for."""
    opened = [event.exchange for event in events if isinstance(event, ExchangeOpened)]
    closed = [event for event in events if isinstance(event, ExchangeClosed)]
    assert {event.exchange for event in closed} <= set(opened)
    assert len({event.exchange for event in closed}) == len(closed)
    for event in closed:
        assert event.coverage is not None
        assert event.coverage.balanced


def _client(got: Heard, before: Heard) -> str:
    if got == before:
        return "answer"
    if got.ended == "closed":
        return "closed"
    if got.refusal or got.status != before.status:
        return f"{got.status} {got.refusal}".strip()
    how = "in part" if got.body[:ALIKE] == before.body[:ALIKE] else "nothing of it"
    return f"{got.status} {how}, {'ended' if got.ended == 'whole' else 'broken off'}"


def _sent(seen: list[bytes], body: bytes) -> str:
    if not seen:
        return "nothing"
    return "as it came" if seen[0] == body else "not edited" if SECRET.encode() in seen[0] else "edited"


def written(events: list[Event]) -> str:
    """The records, in words; of equal notices the first."""
    words: list[str] = []
    for event in events:
        if isinstance(event, ExchangeOpened):
            words.append("open")
        elif isinstance(event, ExchangeClosed):
            words.append(f"close {event.outcome.value}")
        elif isinstance(event, Refused):
            words.append(f"refusal {event.reason.value}")
        elif isinstance(event, Notice) and (notice := f"notice {event.note}") not in words:
            words.append(notice)
    return ", ".join(words)
