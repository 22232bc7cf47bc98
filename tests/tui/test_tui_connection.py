"""The link to the store: what is told while it is away, refused, or back."""

import asyncio

import msgspec
import pytest
from fake_store import FakeStore, finding

from appliance.bus.errors import RemoteError, Unreachable
from appliance.bus.server import Server
from appliance.bus.tasks import cancel, spawn
from appliance.model.errors import PeerError
from appliance.store.finding_pages import ApplianceState, FindingsRequest
from tui.client_state.rows import Asked
from tui.client_state.spans import plain
from tui.desk import Desk
from tui.refresher import Refresher


async def until(condition, patience=10.0):
    async with asyncio.timeout(patience):
        while not condition():  # noqa: ASYNC110 - conditions of many kinds
            await asyncio.sleep(0.005)


@pytest.fixture
async def desk(tmp_path):
    made = Desk(tmp_path)
    made.heard = []
    made.listen(made.heard.append)
    task = spawn(made.link.run(), "link")
    yield made
    await cancel(task)


async def test_away_up_away_and_up_again(desk, tmp_path):
    await until(lambda: "away" in desk.heard)
    assert "the store is away since" in plain(desk.link.banner())
    with pytest.raises(Unreachable):
        await desk.overview()
    store = FakeStore(tmp_path, [finding(1)])
    async with store:
        await until(lambda: desk.link.up)
        assert desk.link.banner() == []
        assert desk.standing.version == 7
        assert (await desk.findings(FindingsRequest(), Asked(None, 10))).total == 1
        store.tell(version=9)
        await until(lambda: desk.standing.version == 9)
    await until(lambda: not desk.link.up)
    assert "showing what was read then; retrying" in plain(desk.link.banner())
    async with FakeStore(tmp_path) as again:
        await until(lambda: desk.link.up)
        again.put(finding(2))
        await until(lambda: desk.heard[-1] == "findings")


async def test_who_may_not_connect_is_told_what_to_do(desk, tmp_path):
    async with Server(tmp_path / "analyst.sock", {}, allow=lambda _peer: False):
        await until(lambda: desk.link.refused)
        assert "store.analyst_group" in plain(desk.link.banner())


async def test_a_store_that_does_not_answer_counts_as_away(desk, tmp_path):
    store = FakeStore(tmp_path)
    silent = asyncio.Event()

    async def never(*_):
        await silent.wait()

    store.server.verbs["overview"] = (store.server.verbs["overview"][0], never)
    async with store:
        await until(lambda: desk.link.up)
        with pytest.raises(Unreachable):
            await desk.link.ask("overview", ApplianceState(), reply=ApplianceState, within=0.05)
        await until(lambda: "away" in desk.heard)
        await until(lambda: desk.link.up)
        silent.set()


async def test_rows_that_cannot_be_read_are_a_refusal(desk, tmp_path, monkeypatch):
    async with FakeStore(tmp_path, [finding(1)]):
        await until(lambda: desk.link.up)
        monkeypatch.setattr("tui.desk.Finding", ApplianceState)
        with pytest.raises(RemoteError, match="rows cannot be read"):
            await desk.findings(FindingsRequest(), Asked(None, 10))


async def test_names_that_may_not_be_told_stay_digests(desk, tmp_path):
    store = FakeStore(tmp_path)

    async def refuse(*_):
        raise PeerError("not for you", 403)

    store.server.verbs["persons"] = (store.server.verbs["persons"][0], refuse)
    async with store:
        await until(lambda: desk.link.up)
        await desk.learn_names(["p_ann"])
        await desk.learn_names(["p_bob"])
        assert desk.names_refused
        assert desk.names.show("p_ann") == "p_ann"


async def test_many_wishes_become_one_question_more():
    asked, told = [], []
    gate = asyncio.Event()

    async def fetch():
        asked.append(1)
        await gate.wait()

    refresher = Refresher("r", fetch, told.append)
    for _ in range(50):
        refresher.due()
    await until(lambda: asked)
    for _ in range(50):
        refresher.due()
    gate.set()
    await until(lambda: len(asked) == 2)
    await refresher.stop()
    assert (len(asked), told) == (2, [])


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (RemoteError("peer", "look again"), "look again"),
        (Unreachable("gone"), "gone"),
        (KeyError("x"), "fault of the terminal's own"),
    ],
)
async def test_a_failure_is_told_and_ends_nothing(error, words):
    told = []

    async def fetch():
        raise error

    refresher = Refresher("r", fetch, told.append)
    refresher.due()
    await until(lambda: told)
    assert words in told[0]
    refresher.due()
    await until(lambda: len(told) == 2)
    await refresher.stop()


def test_a_push_may_carry_anything():
    from tui.connection import Changed

    assert msgspec.json.decode(b'{"rows": 3}', type=Changed) == Changed()
