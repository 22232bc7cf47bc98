"""A worker's analyser: real processes, killed at their deadline, unable to do anything but read."""

import asyncio
import gzip
import json
import os
import signal
from pathlib import Path

import pytest
from tests_support import HOST
from worker_world import worker_at

from addons.analysing import Analyser, AnalysisError, wants
from appliance.config.budget_schema import BudgetEntry
from appliance.config.tables import tables_folder
from appliance.inspect.detect.detectors import Detectors
from appliance.inspect.dialects import Call
from appliance.inspect.inspection import Inspector, Limits
from appliance.model.names import Stage

URL = f"https://{HOST}/v1/chat/completions"
JSON = {"content-type": "application/json"}
CALL = Call("POST", "/v1/chat/completions", "application/json")
KEY = "ghp_" + "a1B2" * 9


def body(text, size=0):
    return json.dumps({"model": "m", "messages": [{"role": "user", "content": text + " word" * (size // 5)}]}).encode()


@pytest.fixture
async def analyser(tmp_path):
    made = Analyser(tables_folder(tmp_path), Limits(), _nobody(), 20)
    made.start()
    yield made
    made.close()


def _nobody():
    return (65534, 65534) if os.geteuid() == 0 else None


async def test_it_says_what_the_inspector_says(analyser, tmp_path):
    inspector = Inspector(Detectors.load(tables_folder(tmp_path)))
    for text in (f"my key is {KEY}", "nothing here", "\ud800 half and " + KEY):
        raw = body(text, 400_000)
        here, there = inspector.request(CALL, None, raw, None), await analyser.request(CALL, None, raw, None)
        assert (there.labels, there.coverage, there.api, there.model) == (here.labels, here.coverage, here.api, "m")
        chosen = lambda found: found.kind.value == "secret"  # noqa: E731
        assert there.edited(chosen) == here.edited(chosen)


async def test_what_came_compressed_can_be_edited_though_nothing_was_found_in_it(analyser):
    raw = gzip.compress(body("nothing here"))
    there = await analyser.request(CALL, "gzip", raw, None)
    assert (there.raw, there.body) == (raw, body("nothing here"))
    sent = there.edited(None, shortened=(None, 7))
    assert json.loads(gzip.decompress(sent.body))["max_tokens"] == 7
    assert there.edited(None).body is raw


async def test_a_compressed_request_is_made_as_short_as_there_is_room(provider, tmp_path):
    entry = BudgetEntry(name="b", what="output_tokens", amount=20, window="day")
    headers = JSON | {"content-encoding": "gzip"}
    async with worker_at(tmp_path, provider, budgets=(entry,)) as worker, worker.client() as client:
        assert (await client.post(URL, content=gzip.compress(body("hi")), headers=headers)).status_code == 200
    sent = json.loads(gzip.decompress(bytes.fromhex(provider.arrivals()[-1]["raw"])))
    assert 0 < sent["max_completion_tokens"] <= 20
    assert worker.events("open")[0]["edits"] == ["max_tokens"]


async def test_a_job_that_takes_too_long_ends_its_process_and_the_next_one_is_served(tmp_path):
    made = Analyser(tables_folder(tmp_path), Limits(), _nobody(), 20)
    made.start()
    try:
        await made.request(CALL, None, body("warm"), None)
        first = made._beside.process.pid
        os.kill(first, signal.SIGSTOP)  # it will never answer
        made._deadline_s = 0.05
        with pytest.raises(AnalysisError, match="no answer"):
            await made.request(CALL, None, body("x"), None)
        made._deadline_s = 20
        assert (await made.request(CALL, None, body(KEY), None)).labels
        assert made._beside.process.pid != first
    finally:
        made.close()


async def test_a_process_that_was_killed_is_replaced(analyser):
    await analyser.request(CALL, None, body("warm"), None)
    os.kill(analyser._beside.process.pid, signal.SIGKILL)
    with pytest.raises(AnalysisError):
        await analyser.request(CALL, None, body("x"), None)
    assert (await analyser.request(CALL, None, body(KEY), None)).labels


async def test_jobs_that_come_together_are_served_in_turn(analyser):
    bodies = [body(f"{KEY} {number}", 10_000 * number) for number in range(4)]
    found = await asyncio.gather(*(analyser.request(CALL, None, raw, None) for raw in bodies))
    assert [one.coverage.length for one in found] == [len(raw) for raw in bodies]
    assert all(one.labels for one in found)


async def test_a_job_that_runs_at_the_end_fails_and_leaves_no_process(analyser):
    await analyser.request(CALL, None, body("warm"), None)
    process = analyser._beside.process
    os.kill(process.pid, signal.SIGSTOP)
    jobs = [asyncio.ensure_future(analyser.request(CALL, None, body("x"), None)) for _ in range(2)]
    while not analyser._turn.locked():  # noqa: ASYNC110 - a lock tells nobody that it is taken
        await asyncio.sleep(0)
    analyser.close()
    assert all(isinstance(one, AnalysisError) for one in await asyncio.gather(*jobs, return_exceptions=True))
    assert process.returncode == -signal.SIGKILL
    assert analyser._beside.process is None


@pytest.mark.parametrize("stage", list(Stage))
async def test_what_a_client_sees_when_its_reader_dies(provider, tmp_path, stage):
    async with worker_at(tmp_path, provider, stage) as worker, worker.client() as client:
        reader = analyser_of(worker)
        reader.warm()
        await reader._beside.ready
        os.kill(reader._beside.process.pid, signal.SIGSTOP)
        job = asyncio.ensure_future(client.post(URL, content=body(KEY, 400_000), headers=JSON))
        while not reader._turn.locked():  # noqa: ASYNC110 - a lock tells nobody that it is taken
            await asyncio.sleep(0.001)
        reader._beside.process.kill()
        answer = await job
        assert (await client.post(URL, content=body("next", 400_000), headers=JSON)).status_code == 200
    (refused,) = worker.events("refusal") or [None]
    first, *rest = worker.events("open")
    assert len(worker.events("close")) == 1 + len(rest)
    if stage is Stage.ENFORCE:
        assert (answer.status_code, refused["reason"], rest) == (503, "internal_fault", [])
    else:
        assert (answer.status_code, refused) == (200, None)
        assert first["facts"]["coverage"]["opaque"] == {"inspection_failed": len(body(KEY, 400_000))}
    assert KEY not in worker.journal()


def analyser_of(worker):
    """The analyser, out of a guarded hook of the chain."""
    guarded = next(one for one in worker.chain if type(one).__name__ == "GuardedAnalysingAddon")
    cells = (cell.cell_contents for cell in guarded.done.__closure__)
    return next(cell.__self__._analyser for cell in cells if hasattr(cell, "__self__"))


async def test_it_has_given_everything_up(analyser):
    await analyser.request(CALL, None, body("warm"), None)
    lines = Path(f"/proc/{analyser._beside.process.pid}/status").read_text().splitlines()
    status = dict(line.split(":\t", 1) for line in lines)
    assert status["CapEff"].strip("0") == ""
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    if os.geteuid() == 0:
        assert set(status["Uid"].split()) == {"65534"}


@pytest.mark.parametrize(
    ("content_type", "data", "wanted"),
    [
        ("application/json", b"{}", False),
        ("application/json", b"x" * 300_000, True),
        ("multipart/form-data; boundary=x", b"", True),
        ("application/json", b'{"d": "JVBERi0xLjQ"}', True),
        ("application/octet-stream", b"PK\x03\x04", True),
    ],
)
def test_what_is_read_beside_the_worker(content_type, data, wanted):
    assert wants(content_type, None, data) is wanted
    assert wants(content_type, "gzip", data)
