"""An external data-loss system is asked before the verdict; what it says is a label, and it never fails in silence."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from tests_support import HOST
from worker_world import worker_at

from addons.external import FAILED, FOUND
from appliance.config.schema import IcapConfig, InspectConfig, PolicyConfig
from appliance.model.names import Stage

URL = f"https://{HOST}/v1/chat/completions"
BODY = {"model": "stand-in-echo", "messages": [{"role": "user", "content": "the plan"}]}
POLICY = """
rules:
  - id: external
    match: {ai: true, labels: {entities: [EXTERNAL_DLP]}}
    then: {disposition: block}
"""


@asynccontextmanager
async def icap(answer: bytes):
    """A data-loss system that always says the same; yields its address and what it was asked."""
    asked = []

    async def serve(reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        inside = await reader.readuntil(b"0\r\n\r\n") if b"req-body" in head else b""
        asked.append(head + inside)
        writer.write(answer)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"icap://127.0.0.1:{server.sockets[0].getsockname()[1]}/reqmod", asked


async def ask(tmp_path, provider, address, *, stage=Stage.ENFORCE, **more):
    (tmp_path / "policy.yaml").write_text(POLICY)
    inspect = InspectConfig(icap=IcapConfig(address=address, deadline_s=2, **more))
    policy = PolicyConfig(file=str(tmp_path / "policy.yaml"))
    headers = {"authorization": "Bearer own-key"}
    async with (
        worker_at(tmp_path, provider, stage, policy=policy, inspect=inspect) as worker,
        worker.client() as client,
    ):
        answer = await client.post(URL, json=BODY, headers=headers)
    return answer, worker


def labels(worker):
    return {label["entity"] for label in worker.events("open")[0]["facts"].get("labels", ())}


async def test_what_it_finds_is_a_label_and_policy_decides(provider, tmp_path):
    async with icap(b"ICAP/1.0 200 OK\r\nX-Violations-Found: 1\r\n\r\n") as (address, asked):
        answer, worker = await ask(tmp_path, provider, address)
    assert answer.status_code == 403
    assert FOUND in labels(worker)
    assert b"the plan" in asked[0]
    assert b"own-key" not in asked[0], "the caller's credentials stay here"


async def test_what_is_clean_goes_on(provider, tmp_path):
    async with icap(b"ICAP/1.0 204 No Content\r\n\r\n") as (address, asked):
        answer, worker = await ask(tmp_path, provider, address)
    assert answer.status_code == 200
    assert len(asked) == 1
    assert not labels(worker) & {FOUND, FAILED}


@pytest.mark.parametrize("said", [b"ICAP/1.0 500 x\r\n\r\n", b"nonsense\r\n\r\n", b""])
async def test_a_failure_closes_unless_the_operator_says_otherwise(provider, tmp_path, said):
    async with icap(said) as (address, _):
        for name in ("closes", "passes"):
            (tmp_path / name).mkdir()
        answer, _ = await ask(tmp_path / "closes", provider, address)
        assert answer.status_code == 503
        answer, worker = await ask(tmp_path / "passes", provider, address, on_failure="pass")
    assert answer.status_code == 200
    assert FAILED in labels(worker)


async def test_in_stage_observe_a_failure_passes_and_stands_in_the_record(provider, tmp_path):
    answer, worker = await ask(tmp_path, provider, "icap://127.0.0.1:1/reqmod", stage=Stage.OBSERVE)
    assert answer.status_code == 200
    assert FAILED in labels(worker)
