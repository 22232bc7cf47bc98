"""What is written down of WebSockets when things go wrong: every exchange ends in one record, and no byte is lost."""

import asyncio
import contextlib

import pytest
import wsproto.events
from seam_world import TestAuthority
from test_websocket import KEY, MAIL, balanced, delta, ended, finished, item, opened_bytes, socket

import addons.closing
from addons.metering import Metering
from addons.socket_answers import SocketAnswers
from addons.worker import Worker
from appliance.inspect.dialects.telling import MAX_TOLD
from appliance.inspect.stream.editor import StreamEditor
from appliance.model.names import Stage


class BrokenError(Exception):
    """What is thrown."""


def broken(*_: object, **__: object) -> None:
    raise BrokenError(KEY)


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return TestAuthority(tmp_path_factory.mktemp("standin-ca"))


def judge(world) -> list[dict]:
    """The close records: one for each open, balanced, without a part below nothing."""
    opens, closes = world.worker.events("open"), world.worker.events("close")
    assert sorted(one["exchange"] for one in opens) == sorted(one["exchange"] for one in closes)
    for event in closes:
        for coverage in (event["coverage"], event["sent"]):
            if coverage:
                assert balanced(coverage)
                parts = coverage["structure"], coverage["text_scanned"], *coverage["text_unscanned"].values()
                assert min(*parts, *coverage["opaque"].values()) >= 0
    return closes


async def over(world) -> None:
    """Read until the client's end has closed."""
    while not hasattr(await world.client.read(), "code"):
        pass


@pytest.mark.parametrize(
    ("owner", "name"),
    [(StreamEditor, "report"), (SocketAnswers, "account"), (addons.closing, "close_record"), (Metering, "settle")],
    ids=lambda part: getattr(part, "__name__", part),
)
async def test_a_fault_in_the_account_leaves_no_exchange_open(authority, tmp_path, monkeypatch, owner, name):
    async with socket(authority, tmp_path) as world:
        await world.client.send(item("one"))
        await world.server.read()
        await world.server.send(delta("words"))
        monkeypatch.setattr(owner, name, broken)
        await world.client.send(item("two"))
        await world.client.close()
        await over(world)
        monkeypatch.undo()
        closes = judge(world)
        assert sum(event["response_bytes"] for event in closes) == len(delta("words"))
        assert sum(event["coverage"]["length"] for event in closes) == len(delta("words"))
        assert "guard_fault" in world.worker.journal()
        assert KEY not in world.worker.journal()


async def test_a_fault_behind_what_was_read_leaves_no_part_below_nothing(authority, tmp_path, monkeypatch):
    async with socket(authority, tmp_path, stage=Stage.OBSERVE) as world:
        for text in ("one", "two"):
            await world.client.send(item(text))
            await world.server.read()
            await world.server.send(delta("words"))
            await world.client.read()
        monkeypatch.setattr(StreamEditor, "feed", broken)
        await world.server.send(delta("words"))
        await world.client.read()
        await ended(world)
        closes = judge(world)
    assert sum(event["coverage"]["length"] for event in closes) == 3 * len(delta("words"))


async def test_where_nobody_reads_any_more_nothing_passes_that_may_have_to_be_hidden(authority, tmp_path, monkeypatch):
    stage = [Stage.OBSERVE]
    monkeypatch.setattr(Worker, "stage", property(lambda _: stage[0]))
    async with socket(authority, tmp_path) as world:
        with monkeypatch.context() as patch:
            patch.setattr(StreamEditor, "feed", broken)
            await world.server.send(delta("before"))
            seen = await world.client.read()
        assert not isinstance(seen, str), "the exchange began where answers are guarded"
        judge(world)


async def test_a_quota_is_given_back_where_a_message_fails(authority, tmp_path, monkeypatch):
    settled = []
    settle = Metering.settle

    def noted(meter, exchange, *, used):
        settled.append(used)
        settle(meter, exchange, used=used)

    monkeypatch.setattr(Metering, "settle", noted)
    async with socket(authority, tmp_path) as world:
        monkeypatch.setattr("addons.socket_calls.as_told", broken)
        await world.client.send(item("hello"))
        await over(world)
        judge(world)
    assert False in settled


ENDS = ["client closes", "client drops", "server closes", "server drops", "half a frame", "bad frame", "drain"]


@pytest.mark.parametrize("stage", list(Stage))
@pytest.mark.parametrize("end", ENDS)
async def test_however_a_socket_ends_every_byte_is_accounted_for(authority, tmp_path, stage, end):
    said, answers = [item("hello"), item(f"mail {MAIL}")], [delta("some words "), delta("sk-ant-ap")]
    with contextlib.suppress(TimeoutError):
        async with socket(authority, tmp_path, stage=stage, drain_s=0.05) as world:
            for message in said:
                await world.client.send(message)
                await world.server.read()
            for answer in answers:
                await world.server.send(answer)
            await world.client.read()
            await _end(world, end)
            if end != "drain":
                await _settled(world)
    closes = judge(world)
    opens = world.worker.events("open")
    sent = sum(event["sent"]["length"] for event in closes if event["sent"])
    assert opened_bytes(opens) + sent == sum(map(len, said))
    assert sum(event["coverage"]["length"] for event in closes) == sum(map(len, answers))
    assert KEY[:9] not in world.worker.journal()


async def _end(world, how: str) -> None:
    match how:
        case "client closes":
            await ended(world)
        case "client drops":
            world.client.drop()
        case "server closes":
            await world.server.event(wsproto.events.CloseConnection(code=1011, reason="away"))
        case "server drops":
            world.server.drop()
        case "half a frame":
            await world.client.raw(b"\x81\xfe\x10")
            world.client.drop()
        case "bad frame":
            await world.client.raw(b"\xff\xff\xff\xff")


async def _settled(world) -> None:
    while len(world.worker.events("close")) < len(world.worker.events("open")):  # noqa: ASYNC110 - lines of a file
        await asyncio.sleep(0.005)


async def test_the_end_of_a_late_answer_is_told_like_that_of_the_first(authority, tmp_path):
    async with socket(authority, tmp_path) as world:
        for _ in range(MAX_TOLD + 2):
            await world.client.send(item("again"))
            await world.server.read()
            for answer in finished("well"):
                await world.server.send(answer)
                await world.client.read()
        closes = len(world.worker.events("close"))
        await ended(world)
        assert closes == MAX_TOLD + 2, "each answer ends its exchange"
        judge(world)
