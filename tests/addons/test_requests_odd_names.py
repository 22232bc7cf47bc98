"""Names with halves of surrogate pairs break neither the request nor the record."""

import pytest
from tests_support import HOST
from worker_world import worker_at

HALF = "\\ud83d"
CHAT = (
    f'{{"model": "m{HALF}", "messages": [{{"role": "user", "content": "hi{HALF}"}}], '
    f'"tools": [{{"type": "function", "function": {{"name": "t{HALF}"}}}}]}}'
)
RESPONSES = (
    f'{{"model": "m{HALF}", "previous_response_id": "r{HALF}", "input": "hi", '
    f'"tools": [{{"type": "mcp", "server_url": "https://h{HALF}.test/x", "connector_id": "c{HALF}"}}]}}'
)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/chat/completions", CHAT),
        ("/v1/chat/completions", CHAT.replace('"content"', '"pad": "' + "x" * 300_000 + '", "content"')),
        ("/v1/responses", RESPONSES),
        ("/elsewhere", CHAT),
    ],
    ids=["chat", "large", "responses", "walker"],
)
async def test_halves_of_pairs_are_recorded_as_well_as_they_can_be(provider, tmp_path, path, body):
    before = len(provider.arrivals())
    async with worker_at(tmp_path, provider) as worker, worker.client() as client:
        await client.post(f"https://{HOST}{path}", content=body, headers={"content-type": "application/json"})
    assert len(provider.arrivals()[before:]) == 1
    (opened,) = worker.events("open")
    assert opened["facts"]["model"] in "m?"
    assert len(worker.events("close")) == 1
    assert opened["facts"].get("tools_declared", ["t?"]) == ["t?"]
