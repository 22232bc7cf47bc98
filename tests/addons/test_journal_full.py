"""A full journal: AI traffic fails closed in stage enforce, passes and is counted in observe; no reservation leaks."""

import pytest
from tests_support import HOST
from worker_world import worker_at

from appliance.config.schema import JournalConfig
from appliance.model.names import Stage

BODY = {"model": "stand-in", "messages": [{"role": "user", "content": "hello"}]}
REQUESTS = 45
URL = f"https://{HOST}/v1/chat/completions"


@pytest.mark.parametrize(("stage", "passes"), [(Stage.ENFORCE, False), (Stage.OBSERVE, True)])
async def test_full_journal(provider, tmp_path, stage, passes):
    before = len(provider.arrivals())
    statuses = []
    small = JournalConfig(max_bytes=60_000)
    async with worker_at(tmp_path, provider, stage, journal=small) as worker, worker.client() as client:
        statuses.extend([(await client.post(URL, json=BODY)).status_code for _ in range(REQUESTS)])
        told = worker.journal()
    assert statuses[0] == 200
    assert statuses[-1] == (200 if passes else 503)
    assert ("journal_full" in told) is not passes
    assert ("guard_fault" in told) is passes
    arrived = len(provider.arrivals()) - before
    assert arrived == (REQUESTS if passes else statuses.count(200))
