"""Providers that speak dialects of their own behind a gateway with routes, for the tests of what is carried over."""

import asyncio
import json
import sys
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from types import MappingProxyType

import httpx
from seam_world import Upstream
from worker_world import worker_at

from appliance.config.credentials import write_key
from appliance.config.route_schema import ProviderEntry, RouteEntry, TargetEntry
from appliance.config.schema import Config, Egress, Gateway, PolicyConfig
from appliance.model.names import Stage

sys.path.append(str(Path(__file__).parents[1] / "appliance/route/translate"))
from translate_world import (  # noqa: F401
    CHAT,
    FAILURE,
    GEMINI,
    MESSAGES,
    OLLAMA,
    RESPONSES,
    SAID,
    THOUGHT,
    asked,
    failure,
    path_of,
    streamed,
    whole,
)

CLIENTS_KEY = "sk-of-the-client-000"
ANY = MappingProxyType({"*": "model-b"})


def answers(api, case="chat", size=0):
    """A provider of the dialect `api`; streams come in pieces of `size` bytes."""

    async def script(seen, reply):
        if asks_stream(api, seen):
            kind = "application/x-ndjson" if api == OLLAMA else "text/event-stream"
            await reply.head(200, {"content-type": kind})
            data = streamed(api, case)
            for at in range(0, len(data), size or len(data)):
                await reply.chunk(data[at : at + (size or len(data))])
            await reply.end()
        else:
            await reply.whole(200, whole(api, case))

    return script


def asks_stream(api, seen):
    return "streamGenerate" in seen.path if api == GEMINI else bool(json.loads(seen.body).get("stream"))


def says(status, body=b"{}", **headers):
    """An answer of one status."""

    async def script(_seen, reply):
        more = {name.replace("_", "-"): value for name, value in headers.items()}
        await reply.head(status, {"content-type": "application/json", "content-length": str(len(body)), **more})
        await reply.chunk(body)
        await reply.end()

    return script


class Site:
    """A worker, a client of its gateway, and its providers by name."""

    def __init__(self, worker, client, ups):
        self.worker, self.client, self.ups = worker, client, ups

    async def ask(self, api=CHAT, *features, route="smart", **more):
        body = asked(api, *features) | more
        return await self.client.post(f"/{route}{path_of(api, stream='stream' in features)}", json=body)

    def seen(self, name):
        (one,) = self.ups[name].seen
        return one

    @property
    def opened(self):
        return self.worker.events("open")[-1]

    @property
    def closed(self):
        return self.worker.events("close")[-1]


@asynccontextmanager
async def site_of(tmp_path, authority, scripts, *, models=ANY, stage=Stage.ENFORCE, policy="", credential="", more=()):
    """`scripts`: of providers by the id of their service, in the order of the route `smart`, whose `models` they have.

    `models`: by provider, or one for all. `credential`: of all; else each has a held key of its own.
    """
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    by_name = {name: models.get(name, models) if name in models else models for name in scripts}
    providers = {
        name: ProviderEntry(service=name, target=f"https://{name}.test", credential=credential or f"held:{name}")
        for name in scripts
    }
    targets = tuple(TargetEntry(provider=name, models=dict(by_name[name])) for name in scripts)
    settings = Gateway(routes={"smart": RouteEntry(targets=targets)}, default_route="smart")
    if not credential:
        for name in scripts:
            write_key(Config(state_dir=str(state), gateway=settings, providers=providers), name, f"sk-{name}".encode())
    sections = {"gateway": settings, "providers": providers, **dict(more)}
    if policy:
        (tmp_path / "policy.yaml").write_text(policy)
        sections["policy"] = PolicyConfig(file=str(tmp_path / "policy.yaml"))
    standin = type("P", (), {"ca": authority.path, "port": 1})
    async with asyncio.timeout(20), AsyncExitStack() as stack:
        ups = {
            name: await stack.enter_async_context(Upstream(authority, script, f"{name}.test"))
            for name, script in scripts.items()
        }
        hosts = {f"{name}.test:443": up.place for name, up in ups.items()}
        egress = Egress(ca_bundle=str(authority.path), hosts=hosts)
        worker = await stack.enter_async_context(worker_at(tmp_path, standin, stage, **({"egress": egress} | sections)))
        client = await stack.enter_async_context(
            httpx.AsyncClient(
                base_url=f"http://127.0.0.1:{worker.gateway}",
                timeout=15,
                headers={"authorization": f"Bearer {CLIENTS_KEY}"},
            )
        )
        yield Site(worker, client, ups)
