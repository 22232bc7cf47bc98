"""Who may ship records to a central appliance, and what it takes: over real TLS, with the store's own judgement."""

import asyncio
import datetime as dt
import ssl

import msgspec
import pytest
from certificates_world import Authority
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from appliance.bus import framing
from appliance.bus.errors import RemoteError, Unreachable
from appliance.bus.framing import Message
from appliance.bus.verbs import Done
from appliance.journal.record import encode_line, genesis
from appliance.model.decision import Decision
from appliance.model.errors import OperatorError
from appliance.model.names import DecisionKind
from appliance.peers import receiver as module
from appliance.peers.receiver import Receiver
from appliance.peers.wire import FRAME_BYTES, Current, DecisionsRequest, Hello, Standing, Welcome
from appliance.policy.disk import write_snapshot
from appliance.policy.snapshot import PolicySnapshot
from appliance.store.bench import opened
from appliance.store.wire import Append, Appended, MarkRequest

HELLO = Hello(role="sidecar", version="1")


def lines(count, producer="w0", epoch=7):
    mark, made = genesis(producer, epoch), []
    for number in range(count):
        line, mark = encode_line(mark, opened(f"x{number}", producer, 1_763_700_000.0), {})
        made.append(line)
    head = Append(producer=producer, epoch=epoch, first_seq=1, last_seq=count, oldest=1)
    return head, b"".join(made)


async def told(caller):
    """What a caller that says hello learns when it is refused."""
    with pytest.raises((RemoteError, Unreachable)) as refused:
        await caller.call("hello", HELLO, reply=Welcome)
    return str(refused.value)


async def test_a_peer_is_welcome_and_its_records_are_stored_once(call, store, made, receiver):
    caller, (head, body) = call(made[1]), lines(3)
    assert (await caller.call("hello", HELLO, reply=Welcome))[0].now > 0
    assert (await caller.call("append", head, body, reply=Appended))[0] == Appended(3)
    assert (await caller.call("append", head, body, reply=Appended))[0] == Appended(3)
    assert (await caller.call("mark", MarkRequest(producer="w0", epoch=7), reply=Appended))[0] == Appended(3)
    await caller.call("standing", Standing(behind=12), reply=Current)
    assert store.exchanges() == ["pod-a:x0", "pod-a:x1", "pod-a:x2"]
    by_name = {one.name: one for one in receiver.standings()}
    assert sorted(by_name) == ["berlin", "pod-a", "pod-b"]
    assert (by_name["pod-a"].connected, by_name["pod-a"].behind, by_name["pod-a"].role) == (True, 12, "sidecar")
    assert by_name["pod-a"].last_seen > 0
    assert not by_name["pod-b"].connected


async def test_without_a_certificate_nothing_is_heard(call, store, caplog):
    assert await told(call(None))
    assert "127.0.0.1 was refused" in caplog.text
    assert "did not return a certificate" in caplog.text
    assert store.frames == 0


async def test_another_authority_is_not_believed(call, tmp_path, store):
    foreign, _ = Authority(tmp_path / "foreign", "Peers").issue("pod-a", names=[x509.DNSName("pod-a")])
    assert await told(call(foreign))
    assert store.frames == 0


@pytest.mark.parametrize(
    "more",
    [
        {"ends": dt.timedelta(hours=-1)},
        {"begins": dt.timedelta(hours=1)},
        {"purpose": ExtendedKeyUsageOID.SERVER_AUTH},
    ],
)
async def test_a_certificate_of_another_time_or_purpose_is_refused(call, peerage, more):
    assert await told(call(peerage.peer("pod-a", **more)))


async def test_older_tls_is_refused(call, made):
    assert await told(call(made[1], maximum_version=ssl.TLSVersion.TLSv1_2))


@pytest.mark.parametrize(
    ("names", "common", "words"),
    [
        (["pod-c"], "pod-a", "no name that stands"),
        (["*.pod-a"], "pod-a", "no name that stands"),
        (["pod-a.example"], "pod-a", "no name that stands"),
        (["pod-a", "pod-b"], "x", "several peers"),
        ([], "nobody", "no name that stands"),
    ],
)
async def test_a_name_that_is_not_accepted_is_turned_away_with_words(call, peerage, names, common, words):
    path, _ = peerage.authority.issue(common, names=[x509.DNSName(name) for name in names])
    assert words in await told(call(path))


async def test_without_dns_names_the_common_name_counts(call, peerage):
    path, _ = peerage.authority.issue("POD-A")
    assert (await call(path).call("hello", HELLO, reply=Welcome))[0].now


async def test_another_role_is_forbidden(call, made, peerage):
    with pytest.raises(RemoteError, match="accepted as sidecar, not as edge"):
        await call(made[1]).call("hello", Hello(role="edge"), reply=Welcome)
    assert "accepted as edge" in await told(call(peerage.peer("berlin")))


@pytest.mark.parametrize(
    ("verb", "request_"),
    [
        ("append", lines(1)[0]),
        ("mark", MarkRequest(producer="w0", epoch=1)),
        ("standing", Standing()),
        ("decisions", DecisionsRequest()),
    ],
)
async def test_hello_comes_first(call, made, store, verb, request_):
    with pytest.raises(RemoteError, match="hello first"):
        await call(made[1]).call(verb, request_, lines(1)[1], reply=Done)
    assert store.frames == 0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"peer": "pod-b"}, "speaks for itself"),
        ({"producer": "peer.pod-b.w0"}, "not the name of a worker"),
        ({"producer": "../w0"}, "not the name of a worker"),
        ({"producer": "W0"}, "not the name of a worker"),
    ],
)
async def test_a_peer_can_write_as_nobody_else(call, made, store, change, words):
    caller, (head, body) = call(made[1]), lines(1)
    await caller.call("hello", HELLO, reply=Welcome)
    with pytest.raises(RemoteError, match=words):
        await caller.call("append", msgspec.structs.replace(head, **change), body, reply=Appended)
    assert store.frames == 0


async def test_only_an_edge_hands_exchanges_over(call, made, store, peerage):
    """What was handed over counts by another record: a peer of another role would hide what it did."""
    event = msgspec.structs.replace(opened("x0", "w0", 1_763_700_000.0), edits=("central:here:1",))
    line, _ = encode_line(genesis("w0", 7), event, {})
    head = Append(producer="w0", epoch=7, first_seq=1, last_seq=1, edge=True)
    for certificate, role in ((made[1], "sidecar"), (peerage.peer("berlin"), "edge")):
        caller = call(certificate)
        await caller.call("hello", Hello(role=role), reply=Welcome)
        assert (await caller.call("append", head, line, reply=Appended))[0] == Appended(1)
    assert store.exchanges() == ["berlin:x0"]


async def test_another_verb_of_the_store_is_not_served(call, made):
    caller = call(made[1])
    await caller.call("hello", HELLO, reply=Welcome)
    for verb in ("appliance", "decide", "subscribe"):
        with pytest.raises(RemoteError):
            await caller.call(verb, Done(), reply=Done)


async def test_damaged_lines_are_told_as_damage_and_nothing_of_them_is_stored(call, made, store):
    caller, (head, body) = call(made[1]), lines(2)
    await caller.call("hello", HELLO, reply=Welcome)
    with pytest.raises(RemoteError) as refused:
        await caller.call("append", head, body.replace(b'"x1"', b'"y1"'), reply=Appended)
    assert refused.value.kind == "evidence"
    assert store.exchanges() == []


async def test_a_frame_beyond_the_limit_ends_the_connection(call, made):
    caller = call(made[1])
    await caller.call("hello", HELLO, reply=Welcome)
    with pytest.raises((RemoteError, Unreachable)):
        await caller.call("append", lines(1)[0], bytes(FRAME_BYTES), reply=Appended)


async def test_torn_at_any_byte_nothing_is_stored_by_halves(call, made, store, receiver):
    caller, (head, body) = call(made[1]), lines(2)
    frame = framing.encode(Message(2, "append", framing.raw(head), body))
    greeting = framing.encode(Message(1, "hello", framing.raw(HELLO)))
    for cut in (1, 4, 8, 40, len(frame) // 2, len(frame) - 1):
        reader, writer = await caller._open()
        writer.write(greeting + frame[:cut])
        await writer.drain()
        await reader.readexactly(4)  # the welcome has begun, so the server is at work
        writer.transport.abort()
    await caller.call("hello", HELLO, reply=Welcome)
    assert store.exchanges() == []
    assert (await caller.call("append", head, body, reply=Appended))[0] == Appended(2)
    assert store.exchanges() == ["pod-a:x0", "pod-a:x1"]


async def test_without_the_store_the_peer_is_told_to_ask_again(call, made, store):
    caller, (head, body) = call(made[1]), lines(1)
    await caller.call("hello", HELLO, reply=Welcome)
    await store.stop()
    with pytest.raises(RemoteError) as refused:
        await caller.call("append", head, body, reply=Appended)
    assert refused.value.kind == "away"
    await store.start()
    assert (await caller.call("append", head, body, reply=Appended))[0] == Appended(1)


async def test_no_acknowledgement_before_the_stores(call, made, store, monkeypatch):
    monkeypatch.setattr("appliance.peers.session.STORE_S", 0.1)
    caller, (head, body) = call(made[1]), lines(1)
    await caller.call("hello", HELLO, reply=Welcome)
    store.deaf = 0
    with pytest.raises(RemoteError, match="ask again"):
        await caller.call("append", head, body, reply=Appended)
    store.deaf = None
    assert (await caller.call("append", head, body, reply=Appended))[0] == Appended(1)
    assert store.exchanges() == ["pod-a:x0"]


async def test_one_name_has_two_connections_at_most(call, made):
    for _ in range(2):
        await call(made[1]).call("hello", HELLO, reply=Welcome)
    assert "has 2 connections already" in await told(call(made[1]))


async def test_a_connection_ends_with_the_certificate(call, made, monkeypatch):
    monkeypatch.setattr(module.tls, "ends_at", lambda _certificate: module.time.time() + 0.3)
    caller, over = call(made[1]), asyncio.Event()
    await caller.call("hello", HELLO, reply=Welcome)
    caller.on_lost = over.set
    async with asyncio.timeout(5):
        await over.wait()


async def test_handshakes_of_one_address_are_bounded(receiver, monkeypatch, call, made):
    monkeypatch.setattr(module, "MAX_HANDSHAKES_OF_ADDRESS", 2)
    silent = [await asyncio.open_connection("127.0.0.1", receiver.port) for _ in range(2)]
    while receiver._shaking.total() < 2:  # noqa: ASYNC110 - a turn of the loop, no time
        await asyncio.sleep(0)
    assert await told(call(made[1]))
    for _, writer in silent:
        writer.close()
    while receiver._shaking.total():  # noqa: ASYNC110 - likewise
        await asyncio.sleep(0)
    assert (await call(made[1]).call("hello", HELLO, reply=Welcome))[0].now


async def test_an_address_in_use_and_files_that_are_none_are_told(peers, store, receiver, monkeypatch, tmp_path):
    monkeypatch.setattr(module, "RETRY_S", 0.0)
    taken = msgspec.structs.replace(peers, journal=f"127.0.0.1:{receiver.port}")
    with pytest.raises(OperatorError, match=r"peers\.journal: .* is in use"):
        await Receiver(taken, store.run_dir, tmp_path).start()
    (tmp_path / "no.pem").write_text("nothing")
    with pytest.raises(OperatorError, match=r"peers\.ca: "):
        await Receiver(msgspec.structs.replace(peers, ca=str(tmp_path / "no.pem")), store.run_dir, tmp_path).start()


async def test_decisions_in_force_are_handed_on_whole(call, made, store):
    caller = call(made[1])
    await caller.call("hello", HELLO, reply=Welcome)
    assert (await caller.call("standing", Standing(), reply=Current))[0] == Current(0)
    assert await caller.call("decisions", DecisionsRequest(), reply=Current) == (Current(0), b"[]")
    decision = Decision(number=1, ts=1.0, author="a", role="analyst", decision=DecisionKind.BLOCK, service="openai")
    write_snapshot(store.run_dir / "policy", PolicySnapshot(version=7, created=1.0, decisions=(decision,)))
    assert (await caller.call("standing", Standing(), reply=Current))[0] == Current(7)
    told, body = await caller.call("decisions", DecisionsRequest(), reply=Current)
    assert (told, msgspec.json.decode(body, type=list[Decision])) == (Current(7), [decision])


async def test_more_decisions_than_a_frame_holds_are_an_error_and_not_a_part_of_them(call, made, store, monkeypatch):
    monkeypatch.setattr("appliance.peers.session.MAX_DECISIONS", 1)
    caller = call(made[1])
    await caller.call("hello", HELLO, reply=Welcome)
    write_snapshot(store.run_dir / "policy", PolicySnapshot(version=1, created=1.0))
    with pytest.raises(RemoteError, match="is the most"):
        await caller.call("decisions", DecisionsRequest(), reply=Current)
