"""Edits of requests that touch more than the body: signatures, digests, mirrors, facts; and what cannot be edited."""

import base64
import hashlib
import io
import json
import zipfile

import pytest
from tests_support import HOST
from worker_world import worker_at

from appliance.model.names import Stage

URL = f"https://{HOST}/v1/chat/completions"
MAIL = "maria.keller@corp-mail.com"
BODY = {"model": "stand-in", "messages": [{"role": "user", "content": f"mail {MAIL} now"}]}
SIGNED = {
    "authorization": "AWS4-HMAC-SHA256 Credential=AK/20260101/eu/bedrock/aws4_request, SignedHeaders=host;x-amz-date, "
    "Signature=00"
}


async def ask(worker, body=BODY, **headers):
    async with worker.client() as client:
        return await client.post(URL, json=body, headers=headers)


async def test_a_signed_body_is_blocked_rather_than_sent_broken(provider, tmp_path):
    before = len(provider.arrivals())
    async with worker_at(tmp_path, provider) as worker:
        answer = await ask(worker, **SIGNED)
        clean = await ask(worker, {**BODY, "messages": [{"role": "user", "content": "hello"}]}, **SIGNED)
    assert (answer.status_code, clean.status_code) == (403, 200)
    assert "signature" in answer.json()["error"]["message"]
    assert len(provider.arrivals()[before:]) == 1
    opened = worker.events("open")[0]
    assert opened["verdict"]["effective"] == "block"
    assert opened["verdict"]["reason"].startswith("signed_body")
    assert opened["sent_digest"] == ""


async def test_stage_observe_sends_a_signed_body_as_it_is(provider, tmp_path):
    before = len(provider.arrivals())
    async with worker_at(tmp_path, provider, Stage.OBSERVE) as worker:
        assert (await ask(worker, **SIGNED)).status_code == 200
    assert MAIL in provider.arrivals()[before:][0]["body"]


async def test_what_stands_in_a_document_cannot_be_hidden_and_is_blocked(provider, tmp_path):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        made.writestr("[Content_Types].xml", "<Types/>")
        made.writestr(
            "word/document.xml",
            '<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body><w:p><w:r>'
            f"<w:t>mail {MAIL} now</w:t></w:r></w:p></w:body></w:document>",
        )
    kind = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
    before = len(provider.arrivals())
    async with worker_at(tmp_path, provider) as worker, worker.client() as client:
        files = {"file": ("a.docx", file.getvalue(), kind)}
        answer = await client.post(f"https://{HOST}/v1/elsewhere", files=files)
    assert answer.status_code == 403
    assert provider.arrivals()[before:] == []
    opened = worker.events("open")[0]
    assert opened["verdict"]["reason"].startswith("not_editable")
    (upload,) = opened["facts"]["uploads"]
    assert upload["digest"] == hashlib.sha256(file.getvalue()).hexdigest()
    assert "EMAIL_ADDRESS" in {label["entity"] for label in upload["labels"]}


async def test_digests_and_mirrors_follow_the_edit(provider, tmp_path):
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "send", "arguments": {"to": MAIL}}}
    raw = json.dumps(call).encode()
    headers = {
        "content-type": "application/json",
        "content-md5": base64.b64encode(hashlib.md5(raw, usedforsecurity=False).digest()).decode(),
        "digest": "sha-256=x",
        "mcp-name": "send",
        "mcp-param-to": MAIL,
    }
    before = len(provider.arrivals())
    async with worker_at(tmp_path, provider) as worker, worker.client() as client:
        await client.post(f"https://{HOST}/mcp", content=raw, headers=headers)
    (arrival,) = provider.arrivals()[before:]
    assert json.loads(arrival["body"])["params"]["arguments"]["to"] == "<EMAIL_ADDRESS>"
    assert "digest" not in arrival["headers"]
    assert {"content-md5", "mcp-param-to"} <= set(arrival["headers"])


async def test_facts_tell_what_was_declared(provider, tmp_path):
    body = {
        **BODY,
        "max_tokens": 77,
        "tools": [
            {"type": "function", "function": {"name": "look_up"}},
            {"type": "function", "function": {"name": MAIL}},
        ],
    }
    async with worker_at(tmp_path, provider) as worker:
        await ask(worker, body)
        await ask(worker, {**body, "max_tokens": 10**30})
    first, second = (event["facts"] for event in worker.events("open"))
    assert (first["max_tokens"], second.get("max_tokens")) == (77, None)
    assert first["tools_declared"] == ["look_up", "<EMAIL_ADDRESS>"]
    assert first["conversation"] == second["conversation"]
    assert MAIL not in worker.journal().replace(f'"{MAIL}"', "")


@pytest.mark.parametrize("asked", ["bytes=0-9", None])
async def test_no_part_of_an_answer_is_asked_for_where_it_must_be_read(provider, tmp_path, asked):
    before = len(provider.arrivals())
    async with worker_at(tmp_path, provider) as worker:
        await ask(worker, **({"range": asked} if asked else {}))
    assert "range" not in provider.arrivals()[before:][0]["headers"]


async def test_what_stands_in_a_path_or_query_is_hidden_there_too(provider, tmp_path):
    before = len(provider.arrivals())
    target = f"/v1/threads/{MAIL}/search?q=mail+{MAIL}&key=AIzaSyA1234567890abcdefghijklmnopqrstuvw"
    async with worker_at(tmp_path, provider) as worker, worker.client() as client:
        await client.get(f"https://{HOST}{target}")
        refused = await client.get(f"https://{HOST}{target}", headers=SIGNED)
    (arrival,) = provider.arrivals()[before:]
    assert arrival["path"] == target.replace(MAIL, "%3CEMAIL_ADDRESS%3E")
    assert refused.status_code == 403
    opened, signed = worker.events("open")
    assert ("EMAIL_ADDRESS", 2) in [(label["entity"], label["count"]) for label in opened["facts"]["labels"]]
    assert (opened["redactions"], opened["verdict"]["effective"]) == (2, "redact")
    assert signed["verdict"]["reason"].startswith("signed_body")
    assert "maria" not in worker.journal()


async def test_stage_observe_leaves_the_target_as_it_is_and_tells(provider, tmp_path):
    before = len(provider.arrivals())
    async with worker_at(tmp_path, provider, Stage.OBSERVE) as worker, worker.client() as client:
        await client.get(f"https://{HOST}/search?q={MAIL}")
    assert provider.arrivals()[before:][0]["path"] == f"/search?q={MAIL}"
    assert worker.events("open")[0]["facts"]["labels"][0]["entity"] == "EMAIL_ADDRESS"
    assert "maria" not in worker.journal()
