"""Targets of a route with injected faults, over real sockets: nothing is lost, each gets what is its own."""

import asyncio
import hashlib
import json
from contextlib import asynccontextmanager
from types import MappingProxyType

import httpx
import pytest
from seam_world import TestAuthority, Upstream
from worker_world import worker_at

from appliance.config.credentials import write_key
from appliance.config.route_schema import Health, ProviderEntry, RouteEntry, TargetEntry, Tries
from appliance.config.schema import Config, Egress, Gateway, PolicyConfig, Portal
from appliance.model.names import Stage

PATH = "/v1/chat/completions"
KEYS = {"authorization": "Bearer sk-of-the-client-000"}
ANSWER = {"choices": [{"message": {"role": "assistant", "content": "hello"}, "finish_reason": "stop"}], "usage": {}}


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    return TestAuthority(tmp_path_factory.mktemp("targets-ca"))


def body(text="hi", stream=False, model="fast"):
    return {"model": model, "stream": stream, "messages": [{"role": "user", "content": text}]}


async def ok(seen, reply):
    if json.loads(seen.body).get("stream"):
        await reply.head(200, {"content-type": "text/event-stream"})
        for text in ("one", "two"):
            await reply.chunk(b'data: {"choices":[{"index":0,"delta":{"content":"%s"}}]}\n\n' % text.encode())
        await reply.chunk(b"data: [DONE]\n\n")
        await reply.end()
    else:
        await reply.whole(200, json.dumps(ANSWER).encode())


def status(code, **headers):
    async def script(_seen, reply):
        content = b'{"error":{"message":"no"}}'
        more = {name.replace("_", "-"): value for name, value in headers.items()}
        await reply.head(code, {"content-type": "application/json", "content-length": str(len(content)), **more})
        await reply.chunk(content)
        await reply.end()

    return script


async def reset(_seen, _reply):
    raise ConnectionError


async def hang(_seen, _reply):
    await asyncio.Event().wait()


class Appliance:
    """A worker with a gateway client."""

    def __init__(self, worker, client):
        self.worker, self.client = worker, client

    async def ask(self, **more):
        return await self.client.post(f"/smart{PATH}", json=body(**more))

    def attempts(self):
        """Of all exchanges: provider's port does not matter, who and with which result does."""
        return [[(one["service"], one["status"]) for one in event["attempts"]] for event in self.worker.events("close")]


@asynccontextmanager
async def appliance(
    tmp_path,
    authority,
    scripts,
    *,
    targets=None,
    stage=Stage.ENFORCE,
    policy=None,
    broken=("", ""),
    more=(),
    keys=MappingProxyType({}),
    **gateway,
):
    """`scripts`: provider name (its service) to script. `broken`: one of them, and how."""
    (tmp_path / "stranger").mkdir()
    strange = TestAuthority(tmp_path / "stranger")
    ups = {
        name: Upstream(strange if broken == (name, "untrusted") else authority, script, f"{name}.test")
        for name, script in scripts.items()
    }
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    providers = {
        name: ProviderEntry(service=name, target=f"https://{name}.test", credential=keys.get(name, f"held:{name}"))
        for name in scripts
    }
    entries = targets or tuple(TargetEntry(provider=name) for name in scripts)
    routes = {"smart": RouteEntry(targets=entries)}
    settings = Gateway(routes=routes, default_route="smart", **gateway)
    for name in scripts:
        if broken != (name, "keyless"):
            held = Config(state_dir=str(state), gateway=settings, providers=providers)
            write_key(held, name, f"sk-of-{name}".encode())
    async with asyncio.timeout(20):
        for up in ups.values():
            await up.__aenter__()
        hosts = {
            f"{name}.test:443": "127.0.0.1:1" if broken == (name, "refused") else up.place for name, up in ups.items()
        }
        sections = {"gateway": settings, "providers": providers, **dict(more)}
        if policy:
            (tmp_path / "policy.yaml").write_text(policy)
            sections["policy"] = PolicyConfig(file=str(tmp_path / "policy.yaml"))
        egress = Egress(ca_bundle=str(authority.path), hosts=hosts)
        standin = type("P", (), {"ca": authority.path, "port": 1})
        try:
            async with (
                worker_at(tmp_path, standin, stage, **(sections | {"egress": egress})) as worker,
                httpx.AsyncClient(base_url=f"http://127.0.0.1:{worker.gateway}", timeout=15, headers=KEYS) as client,
            ):
                yield Appliance(worker, client), ups
        finally:
            for up in ups.values():
                await up.__aexit__()


FAULTS = {
    "refused": (ok, 0),
    "untrusted": (ok, 0),
    "reset before the head": (reset, 0),
    "500": (status(500), 500),
    "429": (status(429, retry_after="30"), 429),
    "529": (status(529), 529),
    "hang": (hang, 0),
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("fault", list(FAULTS))
async def test_a_fault_before_the_first_byte_loses_no_request(tmp_path, authority, fault, stream):
    script, code = FAULTS[fault]
    tries = Tries(head_s=0.3 if fault == "hang" else 5)
    async with appliance(
        tmp_path, authority, {"openai": script, "groq": ok}, broken=("openai", fault), tries=tries
    ) as (site, ups):
        answer = await site.ask(stream=stream)
        assert answer.status_code == 200
        assert answer.text.endswith("data: [DONE]\n\n") == stream
        (seen,) = ups["groq"].seen
        assert (seen.host, seen.headers["authorization"]) == ("groq.test", "bearer sk-of-groq")
        assert seen.path == "/openai/v1/chat/completions"  # where that service has its calls
        assert "sk-of-the-client" not in str(seen.headers)
        assert all(one.headers["authorization"] == "bearer sk-of-openai" for one in ups["openai"].seen)
        assert site.attempts() == [[("openai", code), ("groq", 200)]]
        assert site.worker.events("open")[0]["edits"] == [
            *("credentials_stripped", "held:openai"),
            *(("include_usage",) if stream else ()),
            "target:openai",
        ]


@pytest.mark.parametrize("stage", list(Stage))
async def test_after_the_first_byte_nothing_is_tried_again(tmp_path, authority, stage):
    async def cut(_seen, reply):
        await reply.head(200, {"content-type": "text/event-stream"})
        await reply.chunk(b'data: {"choices":[{"index":0,"delta":{"content":"one"}}]}\n\n')
        raise ConnectionError

    async with appliance(tmp_path, authority, {"openai": cut, "groq": ok}, stage=stage) as (site, ups):
        found = []

        async def read():
            async with site.client.stream("POST", f"/smart{PATH}", json=body(stream=True)) as answer:
                async for line in answer.aiter_lines():
                    found.append(line)  # noqa: PERF401 - it ends in an exception

        with pytest.raises(httpx.RemoteProtocolError):
            await read()
        events = [json.loads(line.removeprefix("data: ")) for line in found if line and line != "data: [DONE]"]
        ends = [event["error"]["code"] for event in events if "error" in event]
        assert ends == ["upstream_abort"] * (stage is Stage.ENFORCE)
        assert ("data: [DONE]" in found) == (stage is Stage.ENFORCE)
        assert ups["groq"].seen == []
        assert site.attempts() == [[("openai", 200)]]


async def test_all_targets_are_tried_again_within_the_budget(tmp_path, authority):
    calls = []

    async def third(seen, reply):
        calls.append(1)
        await (ok if len(calls) > 2 else status(503))(seen, reply)

    tries = Tries(retries=2, wait_s=0.01)
    async with appliance(tmp_path, authority, {"openai": third, "groq": status(500)}, tries=tries) as (site, _):
        assert (await site.ask()).status_code == 200
        assert site.attempts() == [[("openai", 503), ("groq", 500), ("openai", 503), ("groq", 500), ("openai", 200)]]


async def test_a_target_that_asks_for_longer_is_not_asked_again(tmp_path, authority):
    tries = Tries(retries=3, max_wait_s=1)
    async with appliance(tmp_path, authority, {"openai": status(429, retry_after="60")}, tries=tries) as (site, _):
        answer = await site.ask()
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "60")
        assert site.attempts() == [[("openai", 429)]]


async def test_a_target_that_fails_comes_last_until_it_is_well(tmp_path, authority):
    health = Health(failures=2, open_s=3600)
    scripts = {"openai": status(503), "groq": ok}
    async with appliance(tmp_path, authority, scripts, health=health) as (site, ups):
        for _ in range(5):
            assert (await site.ask()).status_code == 200
        assert len(ups["openai"].seen) == 2
        ups["groq"].script = status(503)
        assert (await site.ask()).status_code == 503  # nobody is well: all are tried
        assert len(ups["openai"].seen) == 3


async def test_a_conversation_stays_and_shares_follow_weights(tmp_path, authority):
    targets = (TargetEntry(provider="openai", weight=1), TargetEntry(provider="groq", weight=1))
    async with appliance(tmp_path, authority, {"openai": ok, "groq": ok}, targets=targets) as (site, ups):
        for number in range(12):
            for _ in range(3):
                assert (await site.ask(text=f"conversation {number}")).status_code == 200
        for up in ups.values():
            texts = [json.loads(seen.body)["messages"][0]["content"] for seen in up.seen]
            assert texts
            assert all(texts.count(text) == 3 for text in texts)


async def test_a_model_has_another_name_at_each_target(tmp_path, authority):
    targets = (
        TargetEntry(provider="openai", models={"fast": "gpt-4o-mini"}),
        TargetEntry(provider="groq", models={"fast": "llama-3"}),
    )
    async with appliance(tmp_path, authority, {"openai": status(500), "groq": ok}, targets=targets) as (site, ups):
        assert (await site.ask()).status_code == 200
        sent = {name: up.seen[0].body for name, up in ups.items()}
        assert json.loads(sent["openai"]) == body(model="gpt-4o-mini")
        assert json.loads(sent["groq"]) == body(model="llama-3")
        (opened,), (closed,) = site.worker.events("open"), site.worker.events("close")
        assert opened["facts"]["model"] == "fast"
        assert "model:gpt-4o-mini" in opened["edits"]
        assert opened["sent_digest"] == hashlib.sha256(sent["openai"]).hexdigest()
        assert [one["model"] for one in closed["attempts"]] == ["gpt-4o-mini", "llama-3"]
        assert (await site.ask(model="other")).status_code == 200
        assert json.loads(ups["groq"].seen[1].body)["model"] == "other"


BLOCKED = """rules:
- id: no-groq
  match: {services: [groq]}
  then: {disposition: block}
- id: hide-mail-from-mistral
  match: {services: [mistral], labels: {kinds: [pii]}}
  then: {disposition: redact}
"""


async def test_policy_holds_for_every_target(tmp_path, authority):
    scripts = {"openai": status(500), "groq": ok, "mistral": ok}
    async with appliance(tmp_path, authority, scripts, policy=BLOCKED) as (site, ups):
        answer = await site.ask(text="mail maria.keller@corp-mail.com now")
        assert answer.status_code == 200
        assert ups["groq"].seen == []
        assert b"maria" not in ups["openai"].seen[0].body + ups["mistral"].seen[0].body
        assert site.attempts() == [[("openai", 500), ("mistral", 200)]]


SENSITIVE = """rules:
- id: sensitive-stays-here
  match: {services: [openai], labels: {kinds: [pii]}}
  then: {disposition: redirect, route: smart}
"""


async def test_what_is_sensitive_goes_to_the_route_for_it(tmp_path, authority):
    """A rule by labels with a redirect: the same client, the same address, another provider."""
    async with appliance(tmp_path, authority, {"mistral": ok}, policy=SENSITIVE) as (site, ups):
        async with site.worker.client(headers=KEYS) as client:
            answer = await client.post(
                f"https://api.openai.com{PATH}", json=body(text="mail maria.keller@corp-mail.com now")
            )
        assert (answer.status_code, answer.headers["x-gnomon-route"]) == (200, "smart")
        (seen,) = ups["mistral"].seen
        assert seen.headers["authorization"] == "bearer sk-of-mistral"


@pytest.mark.parametrize("stage", list(Stage))
async def test_a_target_without_its_key_is_none(tmp_path, authority, stage):
    scripts = {"openai": ok, "groq": ok}
    async with appliance(tmp_path, authority, scripts, stage=stage, broken=("openai", "keyless")) as (site, ups):
        assert (await site.ask()).status_code == 200
        assert ups["openai"].seen == []
        assert site.attempts() == [[("groq", 200)]]


@pytest.mark.parametrize(
    ("keys", "sent"),
    [
        ({"openai": "client", "groq": "client"}, ("bearer sk-of-the-client-000", None)),  # never to another owner
        ({"openai": "client"}, ("bearer sk-of-the-client-000", "bearer sk-of-groq")),
        ({"openai": "none", "groq": "none"}, (None, None)),
        ({"groq": "client"}, ("bearer sk-of-openai", None)),
    ],
)
async def test_a_key_goes_to_its_owner_and_to_nobody_else(tmp_path, authority, keys, sent):
    async with appliance(tmp_path, authority, {"openai": status(500), "groq": ok}, keys=keys) as (site, ups):
        assert (await site.ask()).status_code == 200
        assert (await site.ask()).status_code == 200
        for up, key in zip(ups.values(), sent, strict=True):
            assert [seen.headers.get("authorization") for seen in up.seen] == [key, key]


async def test_a_route_without_any_key_is_refused(tmp_path, authority):
    async with appliance(tmp_path, authority, {"openai": ok}, broken=("openai", "keyless")) as (site, ups):
        assert (await site.ask()).status_code == 503
        assert ups["openai"].seen == []


TO_PORTAL = """rules:
- id: chats-go-to-ours
  reason: We have our own chat
  match: {surfaces: [web]}
  then: {disposition: redirect, route: portal}
"""


async def test_a_web_chat_leads_to_the_approved_portal(tmp_path, authority):
    portal = {"portal": Portal(approved="https://chat.corp.example")}
    async with appliance(tmp_path, authority, {"mistral": ok}, policy=TO_PORTAL, more=portal) as (site, _):
        async with site.worker.client() as client:
            page = await client.get(
                "https://chatgpt.com/", headers={"accept": "text/html", "sec-fetch-mode": "navigate"}
            )
            called = await client.post("https://chatgpt.com/backend-api/conversation", json={})
        for answer in (page, called):
            assert (answer.status_code, answer.headers["x-gnomon-route"]) == (403, "portal")
            assert "We have our own chat" in answer.text
        assert '<a href="https://chat.corp.example" rel="noreferrer">' in page.text
        assert "https://chat.corp.example" in called.text
        assert {one["outcome"] for one in site.worker.events("close")} == {"blocked"}


@pytest.mark.parametrize(
    ("fault", "tried"), [(reset, 1), (status(500), 1), (status(503), 2), (status(429, retry_after="30"), 2)]
)
async def test_what_makes_something_that_stays_goes_to_no_second_target_that_may_have_acted(
    tmp_path, authority, fault, tried
):
    allowed = "rules:\n- {id: all, match: {}, then: {disposition: observe}}\n"
    async with appliance(tmp_path, authority, {"openai": fault, "groq": ok}, policy=allowed) as (site, ups):
        await site.client.post("/smart/v1/batches", json={"input_file_id": "file-1", "endpoint": PATH})
        assert [len(up.seen) for up in ups.values()] == [1, tried - 1]
