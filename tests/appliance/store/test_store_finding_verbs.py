"""The verbs over findings and of the appliance's state, and the pushes, over real sockets."""

import asyncio

import msgspec
import pytest

from appliance.bus.client import AsyncClient
from appliance.bus.errors import RemoteError
from appliance.bus.verbs import Done
from appliance.config.schema import Config, StoreConfig
from appliance.model.decision import Proposal
from appliance.model.finding import Finding
from appliance.model.names import DecisionKind, FindingState
from appliance.policy.disk import write_snapshot
from appliance.policy.snapshot import PolicySnapshot
from appliance.store import service as module
from appliance.store.bench import opened
from appliance.store.finding_pages import (
    APPLIANCE,
    FINDINGS,
    ApplianceRequest,
    ApplianceState,
    FindingDetail,
    FindingRequest,
    FindingsHead,
    FindingsRequest,
    Overview,
    OverviewRequest,
    Preview,
    PreviewRequest,
    TriageRequest,
    WorkerState,
)
from appliance.store.finding_verbs import FindingVerbs
from appliance.store.pages import Health, HealthRequest
from appliance.store.pushes import Coalescer, FindingsPush
from appliance.store.service import Store
from appliance.store.wire import Appended, Decide, Decided

NOW = 1_763_700_000.0


class World:
    """A store with a clock that tests move, and its two clients."""

    def __init__(self, store, times, ingest, analyst, life):
        self.store, self.times, self.ingest, self.analyst = store, times, ingest, analyst
        self.journal = life("s0")

    async def take(self, *events):
        first = len(self.journal.lines) + 1
        self.journal.add(*events)
        reply, _ = await self.ingest.call("append", *self.journal.frame(first), reply=Appended)
        assert reply.expected is None

    async def listen(self, topic, kind):
        heard = asyncio.Queue()
        await self.analyst.subscribe(topic, kind, lambda head, _: heard.put_nowait(head))
        return heard

    async def findings(self):
        _, body = await self.analyst.call("findings", FindingsRequest(), reply=FindingsHead)
        return msgspec.json.decode(body, type=list[Finding])

    async def ask(self, verb, request, reply):
        return (await self.analyst.call(verb, request, reply=reply))[0]


@pytest.fixture
async def world(tmp_path, life, monkeypatch):
    monkeypatch.setattr(module, "EXPIRY_EVERY_S", 0.01)
    (tmp_path / "run").mkdir()
    write_snapshot(tmp_path / "state" / "policy", PolicySnapshot(version=1, created=1.0))
    config = Config(
        state_dir=str(tmp_path / "state"), run_dir=str(tmp_path / "run"), store=StoreConfig(memory_limit="256MB")
    )
    times, failures = [NOW], []
    store = Store(config, failures.append, lambda: times[0])
    await store.start()
    async with (
        AsyncClient(tmp_path / "run/ingest.sock") as ingest,
        AsyncClient(tmp_path / "run/analyst.sock") as analyst,
    ):
        yield World(store, times, ingest, analyst, life)
    await store.close()
    assert failures == []


async def test_from_an_event_to_a_decision_and_back(world, observed):
    heard = await world.listen(FINDINGS, FindingsPush)
    await world.take(observed())
    await heard.get()
    (found,) = await world.findings()
    assert (found.subject, found.bypass, found.state) == ("chatgpt", 1, FindingState.NEW)
    await world.ask("triage", TriageRequest(finding=found.id, expected=FindingState.NEW), Done)
    await heard.get()
    block = Proposal(decision=DecisionKind.BLOCK, service="chatgpt", reason="no")
    told = await world.ask("preview", PreviewRequest(proposal=block), Preview)
    assert (told.refusal, told.past, told.exchanges) == (None, 1, 0)
    await world.ask("decide", Decide(proposal=block, expected_version=1), Decided)
    await heard.get()
    await world.take(observed(ts=NOW + 1))
    await heard.get()
    detail = await world.ask("finding", FindingRequest(finding=found.id), FindingDetail)
    assert (detail.finding.state, detail.finding.severity, detail.finding.bypass) == ("blocked", "critical", 2)
    assert [(step.before, step.after) for step in detail.history] == [("triaged", "blocked"), ("new", "triaged")]
    undo = Proposal(decision=DecisionKind.DISMISS, service="chatgpt", undoes=1)
    await world.ask("decide", Decide(proposal=undo, expected_version=2), Decided)
    assert [each.state for each in await world.findings()] == [FindingState.TRIAGED]


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"service": "nix"}, "no service 'nix'"),
        ({"decision": DecisionKind.REDIRECT, "route": "nowhere"}, "nowhere is not configured"),
        ({"decision": DecisionKind.REDIRECT, "service": "chatgpt", "route": "openai"}, "cannot be redirected"),
    ],
)
async def test_what_cannot_work_is_neither_previewed_as_possible_nor_decided(world, changed, why):
    proposal = Proposal(**{"decision": DecisionKind.BLOCK, "service": "openai"} | changed)
    told = await world.ask("preview", PreviewRequest(proposal=proposal), Preview)
    assert why in told.refusal
    with pytest.raises(RemoteError, match=why):
        await world.ask("decide", Decide(proposal=proposal, expected_version=1), Decided)
    health = await world.ask("health", HealthRequest(), Health)
    assert health.rows["decisions"] == 0


async def test_a_decision_that_expires_lets_its_findings_go(world, observed):
    heard = await world.listen(FINDINGS, FindingsPush)
    await world.take(observed())
    await heard.get()
    block = Proposal(decision=DecisionKind.BLOCK, service="chatgpt", expires=NOW + 60)
    await world.ask("decide", Decide(proposal=block, expected_version=1), Decided)
    await heard.get()
    world.times[0] = NOW + 60
    await heard.get()
    assert [each.state for each in await world.findings()] == [FindingState.NEW]


async def test_the_appliances_state_is_relayed_and_pushed_once(world):
    assert await world.ask("appliance", ApplianceRequest(), ApplianceState) == ApplianceState()
    heard = await world.listen(APPLIANCE, ApplianceState)
    state = ApplianceState(phase="running", stage="enforce", version=3, workers=(WorkerState("w0", ready=True),))
    for _ in range(3):
        await world.ingest.call("appliance", state, reply=Done)
    assert await world.ask("appliance", ApplianceRequest(), ApplianceState) == state
    assert await heard.get() == state
    await world.ingest.call("appliance", msgspec.structs.replace(state, version=4), reply=Done)
    assert (await heard.get()).version == 4
    assert heard.empty()


async def test_each_socket_has_its_verbs_over_findings(world):
    assert isinstance(world.store._verbs, FindingVerbs)
    assert set(world.store._verbs.for_ingest()) == {"appliance"}
    for client, verb in ((world.ingest, "findings"), (world.analyst, "learn")):
        with pytest.raises(RemoteError, match="no verb"):
            await client.call(verb, FindingsRequest(), reply=FindingsHead)


async def test_the_overview_and_a_finding_that_is_not_there(world, observed):
    await world.take(opened("x", "w0", NOW), observed(count=3))
    told = await world.ask("overview", OverviewRequest(), Overview)
    assert (told.exchanges, told.bypass) == (1, 3)
    with pytest.raises(RemoteError, match="there is no finding"):
        await world.ask("finding", FindingRequest(finding="f_x"), FindingDetail)


async def test_many_changes_make_few_pushes_and_none_is_missed(world, observed):
    heard = await world.listen(FINDINGS, FindingsPush)
    for number in range(30):
        await world.take(observed(client=f"b_{number}"))
    pushes = 0
    while not (found := await world.findings()) or found[0].hosts < 30 or not heard.empty():
        await heard.get()
        pushes += 1
    assert pushes <= 30


async def test_a_push_comes_at_once_and_the_last_change_is_always_told():
    pushed = asyncio.Queue()
    coalescer = Coalescer(asyncio.get_running_loop(), pushed.put_nowait, 0.01)
    for _ in range(5):
        coalescer.changed()
    assert pushed.get_nowait() == FindingsPush(1)
    assert pushed.empty()
    assert await pushed.get() == FindingsPush(2)
    coalescer.changed_elsewhere()
    assert await pushed.get() == FindingsPush(3)
    coalescer.changed()
    coalescer.close()
    coalescer.changed()
    coalescer.close()
    assert (pushed.empty(), coalescer.count) == (True, 4)
