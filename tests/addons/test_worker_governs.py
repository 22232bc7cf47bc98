"""One worker, the whole chain: what is asked arrives redacted, is answered unbroken, and stands in the journal."""

import pytest
from tests_support import HOST
from worker_world import worker_at

from appliance.model.names import Stage

BODY = {"model": "stand-in", "messages": [{"role": "user", "content": "mail maria.keller@corp-mail.com now"}]}
URL = f"https://{HOST}/v1/chat/completions"


async def test_redacted_and_journalled(provider, tmp_path):
    before = len(provider.arrivals())
    async with worker_at(tmp_path, provider) as worker:
        async with worker.client() as client:
            answer = await client.post(URL, json=BODY)
        assert answer.status_code == 200, answer.text
        assert answer.json()["choices"][0]["message"]["content"].startswith("Noon")
        assert "alt-svc" not in answer.headers
    (arrival,) = provider.arrivals()[before:]
    assert "maria.keller" not in arrival["body"]
    assert arrival["sha256"] in worker.journal()
    assert '"kind":"close"' in worker.journal()
    assert "maria.keller" not in worker.journal()


@pytest.mark.parametrize("stage", [Stage.ENFORCE, Stage.OBSERVE])
async def test_what_is_hidden_in_the_name_of_a_model_is_not_written_down(provider, tmp_path, stage):
    async with worker_at(tmp_path, provider, stage) as worker, worker.client() as client:
        await client.post(URL, json=BODY | {"model": "for-maria.keller@corp-mail.com"})
        assert '"model":"<EMAIL_ADDRESS>"' in worker.journal()
        assert "maria.keller" not in worker.journal().partition('"kind":"close"')[0]


async def test_what_a_broken_answer_said_is_not_written_down(provider, tmp_path):
    async with worker_at(tmp_path, provider) as worker, worker.client() as client:
        answer = await client.post(URL, json=BODY | {"model": "stand-in-garbage"})
        assert answer.status_code == 502
        assert '"reason":"Cannot parse HTTP response' in worker.journal()
        assert "this is no HTTP" not in worker.journal()
