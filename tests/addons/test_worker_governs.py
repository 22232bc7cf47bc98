"""One worker, the whole chain: what is asked arrives redacted, is answered unbroken, and stands in the journal."""

import httpx
import pytest
from tests_support import HOST
from worker_world import worker_at

from appliance.config.schema import Gateway, RouteEntry
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


async def test_what_is_hidden_in_a_path_or_a_user_agent_is_not_written_down(provider, tmp_path):
    route = RouteEntry("openai", target=f"https://{HOST}")
    async with worker_at(tmp_path, provider, gateway=Gateway(routes={"openai": route})) as worker:
        async with worker.client() as client:
            agent = {"user-agent": "AKIA" + "IOSFODNN7SAMPLED/1.0"}
            await client.post(
                f"https://{HOST}/v1/maria.keller%40corp-mail.com/chat/completions", json=BODY, headers=agent
            )
        async with httpx.AsyncClient(timeout=20) as client:
            lost = await client.get(f"http://127.0.0.1:{worker.gateway}/nowhere/maria.keller@corp-mail.com")
        assert lost.status_code == 404
        journal = worker.journal()
    assert '"path":"/v1/<EMAIL_ADDRESS>/chat/completions"' in journal
    assert '"client_name":"<AWS_ACCESS_KEY_ID>"' in journal
    assert '"detail":"/nowhere/<EMAIL_ADDRESS>"' in journal
    assert "maria.keller" not in journal
    assert "AKIA" not in journal


async def test_a_card_written_as_a_number_does_not_leave(provider, tmp_path):
    before = len(provider.arrivals())
    async with worker_at(tmp_path, provider) as worker, worker.client() as client:
        await client.post(URL, json=BODY | {"metadata": {"card": 4111111111111111}})
    (arrival,) = provider.arrivals()[before:]
    assert '"card":"<CREDIT_CARD>"' in arrival["body"].replace(" ", "")


async def test_new_clients_take_up_tls_sessions_of_earlier_ones(provider, tmp_path):
    before = len(provider.arrivals())
    async with worker_at(tmp_path, provider) as worker:
        for _ in range(8):  # a session is kept when its connection has ended, which may come after the next one began
            async with worker.client() as client:
                assert (await client.post(URL, json=BODY)).status_code == 200
    resumed = [arrival["resumed"] for arrival in provider.arrivals()[before:]]
    assert resumed[0] is False
    assert any(resumed)
