"""The operator's transformer in requests, the worker's side: what waits, what comes late, what its failure means.

The process stands in: a reader that knows one sentence.
"""

import asyncio
import json
from types import SimpleNamespace

import pytest
from seam_world import TestAuthority
from socket_world import SocketServer, connected
from tests_support import HOST
from worker_world import worker_at

from addons.beside import AnalysisError
from addons.classifying import FAILED, MODULE, classifying
from appliance.config.schema import ClassifierConfig, InspectConfig, PolicyConfig
from appliance.model.detection import Detection
from appliance.model.names import DetectionKind, Stage

URL = f"https://{HOST}/v1/chat/completions"
TEXT = "The quarterly numbers are below."
ATTACK = Detection(0, 12, "PROMPT_INJECTION", DetectionKind.INJECTION, 0.97, "classifier")
SYSTEM = {"role": "system", "content": "You are a kind assistant of ours."}
BODY = {"model": "stand-in", "messages": [SYSTEM, {"role": "user", "content": TEXT}]}
RULE = """
rules:
  - id: no-attacks
    match: {ai: true, labels: {entities: [PROMPT_INJECTION]}}
    then: {disposition: block}
"""


class StandIn:
    def __init__(self, fails):
        self.fails, self.asked, self.warmed, self.closed = fails, [], 0, 0

    async def read(self, texts, *, late=False):
        self.asked.append((list(texts), late))
        await asyncio.sleep(0)
        if self.fails:
            raise AnalysisError("the classifier gave no answer (TimeoutError)")
        return [(ATTACK,) if text == TEXT else () for text in texts]

    def warm(self):
        self.warmed += 1

    def close(self):
        self.closed += 1


def world(tmp_path, provider, monkeypatch, stage, *, fails=False, names="off", **more):
    reader = StandIn(fails)
    monkeypatch.setattr("addons.classifying.NamesReader", lambda *_: reader)
    monkeypatch.setattr("addons.chain.NamesReader", lambda *_: StandIn(False))
    said = ClassifierConfig(model="m", tokenizer="t", sha256="0" * 64, tokenizer_sha256="0" * 64, **more)
    (tmp_path / "policy.yaml").write_text(RULE)
    inspect = InspectConfig(classifier=said, names=names)
    return reader, worker_at(
        tmp_path, provider, stage, inspect=inspect, policy=PolicyConfig(file=str(tmp_path / "policy.yaml"))
    )


def test_its_process_learns_of_the_configuration_by_the_run_folder_alone(monkeypatch):
    told = []
    monkeypatch.setattr("addons.classifying.Beside", lambda *args, **more: told.append((args, more)))
    monkeypatch.setattr("addons.classifying.NamesReader", lambda *_: StandIn(False))
    said = ClassifierConfig(model="m", tokenizer="t", sha256="0" * 64, tokenizer_sha256="0" * 64)
    config = SimpleNamespace(inspect=InspectConfig(classifier=said), run_dir="/run/here")
    worker = SimpleNamespace(config=config, naming=SimpleNamespace(classifying=None))
    assert len(classifying(worker, (65534, 65534))) == 1
    ((args, more),) = told
    assert args == (MODULE, (65534, 65534), ("--run-dir", "/run/here"))
    assert more["environment"]["OMP_NUM_THREADS"] == "1"
    assert worker.naming.classifying is not None
    config.inspect = InspectConfig()
    assert classifying(worker, None) == []


async def ask(worker, body=BODY):
    async with worker.client() as client:
        return await client.post(URL, json=body)


async def test_what_waits_is_judged_by_it_and_only_foreign_words_are_read(provider, tmp_path, monkeypatch):
    before = len(provider.arrivals())
    reader, running = world(tmp_path, provider, monkeypatch, Stage.ENFORCE, when="wait")
    async with running as worker:
        assert (await ask(worker)).status_code == 403
    assert provider.arrivals()[before:] == []
    (opened,) = worker.events("open")
    assert [label["entity"] for label in opened["facts"]["labels"]] == ["PROMPT_INJECTION"]
    assert "classifier" in opened["facts"]["coverage"]["scanned_by"]
    assert reader.asked == [([TEXT], False)]
    assert reader.closed == 1


@pytest.mark.parametrize("names", ["off", "late"])
async def test_what_it_says_late_is_told_with_the_close_and_stops_nothing(provider, tmp_path, monkeypatch, names):
    reader, running = world(tmp_path, provider, monkeypatch, Stage.ENFORCE, when="late", names=names)
    async with running as worker:
        assert (await ask(worker)).status_code == 200
    (opened,), (closed,) = worker.events("open"), worker.events("close")
    assert opened["facts"].get("labels", []) == []
    assert "classifier" not in opened["facts"]["coverage"]["scanned_by"]
    told = {(one["entity"], one["count"]) for one in closed["late_labels"]}
    assert ("PROMPT_INJECTION", 1 if names == "off" else 2) in told
    assert reader.asked == [([TEXT], True)]


@pytest.mark.parametrize("stage", list(Stage))
@pytest.mark.parametrize("on_failure", ["close", "pass"])
async def test_its_failure_closes_where_verdicts_act_or_is_told(provider, tmp_path, monkeypatch, stage, on_failure):
    before = len(provider.arrivals())
    _, running = world(tmp_path, provider, monkeypatch, stage, when="wait", fails=True, on_failure=on_failure)
    async with running as worker:
        answer = await ask(worker)
    arrived = len(provider.arrivals()) - before
    if stage is Stage.ENFORCE and on_failure == "close":
        assert (answer.status_code, arrived, worker.events("open")) == (503, 0, [])
        assert [one["reason"] for one in worker.events("refusal")] == ["internal_fault"]
        return
    assert (answer.status_code, arrived) == (200, 1)
    (opened,) = worker.events("open")
    assert [label["entity"] for label in opened["facts"]["labels"]] == [FAILED] == ["CLASSIFIER_FAILED"]
    assert "classifier" not in opened["facts"]["coverage"]["scanned_by"]


async def test_a_late_failure_is_told_apart_from_finding_nothing(provider, tmp_path, monkeypatch):
    _, running = world(tmp_path, provider, monkeypatch, Stage.ENFORCE, when="late", fails=True)
    async with running as worker:
        assert (await ask(worker)).status_code == 200
    assert worker.events("close")[0].get("late_labels") is None


async def test_a_large_body_that_its_own_process_has_read_is_read_too(provider, tmp_path, monkeypatch):
    reader, running = world(tmp_path, provider, monkeypatch, Stage.ENFORCE, when="wait")
    padding = {"role": "user", "content": "word " * 60_000}
    async with running as worker:
        assert (await ask(worker, BODY | {"messages": [*BODY["messages"], padding]})).status_code == 403
    assert reader.asked == [([TEXT, padding["content"]], False)]


@pytest.mark.parametrize("when", ["wait", "late"])
async def test_messages_of_a_socket_are_read_like_requests(tmp_path, monkeypatch, when):
    part = {"type": "input_text", "text": TEXT}
    said = {"type": "conversation.item.create", "item": {"type": "message", "role": "user", "content": [part]}}
    authority = TestAuthority(tmp_path)
    async with asyncio.timeout(20), SocketServer(authority.context(HOST, alpn=["http/1.1"])) as server:
        far = SimpleNamespace(ca=authority.path, port=server.port)
        reader, running = world(tmp_path, far, monkeypatch, Stage.ENFORCE, when=when)
        async with (
            running as worker,
            connected(worker.proxy, HOST, "/v1/realtime?model=gpt-realtime", trust=worker.trust) as client,
        ):
            provider = await server.served.get()
            await client.send(json.dumps(said))
            if when == "wait":
                assert (await client.read()).code == 1008
            else:
                assert TEXT in await provider.read()
                await client.close(1000)
                while not hasattr(await client.read(), "code"):
                    pass
    assert reader.asked == [([TEXT], when == "late")]
