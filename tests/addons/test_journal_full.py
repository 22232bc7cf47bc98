"""A full journal: AI traffic fails closed in stage enforce, passes and is counted in observe; no reservation leaks."""

import pytest
from tests_support import HOST
from worker_world import worker_at

from appliance.config.schema import JournalConfig
from appliance.model.names import Stage

BODY = {"model": "stand-in", "messages": [{"role": "user", "content": "hello"}]}
MOST, MORE = 200, 3
URL = f"https://{HOST}/v1/chat/completions"


def is_full(statuses, worker):
    return 503 in statuses or "guard_fault" in worker.journal()


@pytest.mark.parametrize(("stage", "passes"), [(Stage.ENFORCE, False), (Stage.OBSERVE, True)])
async def test_full_journal(provider, tmp_path, stage, passes):
    before = len(provider.arrivals())
    statuses: list[int] = []
    small = JournalConfig(max_bytes=61_700)  # so that refusals still fit where no open does
    async with worker_at(tmp_path, provider, stage, journal=small) as worker, worker.client() as client:
        while len(statuses) < MOST and not is_full(statuses, worker):
            statuses.append((await client.post(URL, json=BODY)).status_code)
        statuses.extend([(await client.post(URL, json=BODY)).status_code for _ in range(MORE)])
        told = worker.journal()
    assert statuses[0] == 200
    assert statuses[-1] == (200 if passes else 503)
    assert ("journal_full" in told) is not passes
    assert ("guard_fault" in told) is passes
    arrived = len(provider.arrivals()) - before
    assert arrived == (len(statuses) if passes else statuses.count(200))
