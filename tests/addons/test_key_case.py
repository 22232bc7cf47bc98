"""Keys in other letters at a whole worker: what such a request says is judged, and in stage enforce it does not go."""

import pytest
from tests_support import HOST
from worker_world import worker_at

from appliance.model.names import Stage

URL = f"https://{HOST}/v1/chat/completions"
MESSAGES = [{"role": "user", "content": "hello"}]
BODIES = (
    {"model": "stand-in", "Model": "other", "messages": MESSAGES},
    {"MODEL": "stand-in", "messages": MESSAGES},
    {"model": "stand-in", "messages": MESSAGES, "Tools": [{"type": "function", "function": {"name": "delete_all"}}]},
    {"model": "stand-in", "me\u017f\u017fages": MESSAGES},
)


@pytest.mark.parametrize("body", BODIES)
async def test_such_a_request_is_refused(provider, tmp_path, body):
    before = len(provider.arrivals())
    async with worker_at(tmp_path, provider) as worker, worker.client() as client:
        answer = await client.post(URL, json=body)
        assert answer.status_code == 400
        assert "key_case" in answer.text
        assert [event["reason"] for event in worker.events("refusal")] == ["malformed_request"]
    assert provider.arrivals()[before:] == []


async def test_in_stage_observe_it_passes_as_it_is_and_its_record_says_what_it_asks_for(provider, tmp_path):
    before = len(provider.arrivals())
    async with worker_at(tmp_path, provider, Stage.OBSERVE) as worker, worker.client() as client:
        assert (await client.post(URL, json=BODIES[0])).status_code == 200
        (opened,) = worker.events("open")
    (arrival,) = provider.arrivals()[before:]
    assert '"Model"' in arrival["body"]
    assert opened["facts"]["model"] == "other"
