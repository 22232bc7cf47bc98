"""An exception in any hook of any addon, and in the stream callable: nothing unmodified goes upstream in stage enforce.

The whole worker runs in the test's own loop; one method at a time is broken; the provider tells what arrived.
"""

import inspect

import httpx
import pytest
from tests_support import HOST
from worker_world import worker_at

from addons.egress import EgressAddon
from addons.exchange import ExchangeAddon
from addons.failclosed import HOOKS
from addons.follow import FollowAddon
from addons.gateway import GatewayAddon
from addons.identity import IdentityAddon
from addons.portal import PortalAddon
from addons.refusals import RefusalsAddon
from addons.shipping import ShippingAddon
from addons.streaming import StreamingAddon
from addons.telemetry import Telemetry
from addons.tls import TlsAddon
from addons.worker import Worker
from appliance.inspect.detect.detectors import Detectors
from appliance.inspect.inspection import Inspection, Inspector
from appliance.inspect.stream.editor import StreamEditor
from appliance.inspect.stream.watching import Watching
from appliance.journal.writer import Journal
from appliance.ledger.ledger import Ledger
from appliance.model.names import Stage
from appliance.policy.engine import Policy

SECRET = "maria.keller@corp-mail.com"
BODY = {"model": "stand-in", "messages": [{"role": "user", "content": f"mail {SECRET} now"}]}
PATH = "/v1/chat/completions"
ADDONS = (
    IdentityAddon, GatewayAddon, EgressAddon, TlsAddon, PortalAddon, ExchangeAddon, StreamingAddon, RefusalsAddon,
    FollowAddon, ShippingAddon,
)  # fmt: skip
BREAKABLE = [
    (addon, name)
    for addon in ADDONS
    for name, function in inspect.getmembers(addon, inspect.isfunction)
    if name in HOOKS and name not in {"running", "done"} and function.__qualname__.startswith(addon.__name__)
]
# Collaborators that a hook calls: whatever breaks inside, the hook around it closes.
BREAKABLE += [
    (Detectors, "look"),
    (Inspection, "edited"),
    (Inspector, "response"),
    (StreamEditor, "feed"),
    (Watching, "watch"),
    (Policy, "judge"),
    (Policy, "destination"),
    (Ledger, "reserve"),
    (Telemetry, "opened"),
    (Worker, "facts"),
    (Journal, "append"),
]


class Broken(Exception):
    """What is thrown."""


def broken(*_: object, **__: object) -> None:
    raise Broken(f"a message that holds {SECRET}")


@pytest.mark.parametrize(("owner", "name"), BREAKABLE, ids=lambda part: getattr(part, "__name__", part))
async def test_nothing_unmodified_goes_upstream(provider, tmp_path, monkeypatch, owner, name):
    def break_it() -> None:
        monkeypatch.setattr(owner, name, broken)

    if owner in ADDONS:  # hooks are looked up when the chain is made, collaborators at each call
        break_it()
    before = len(provider.arrivals())
    async with worker_at(tmp_path, provider, Stage.ENFORCE, started=break_it) as worker:
        answers = [await ask(worker.client(), f"https://{HOST}{PATH}")]
        answers.append(await ask(httpx.AsyncClient(timeout=20), f"http://127.0.0.1:{worker.gateway}{PATH}"))
        journal = worker.journal()
    for arrival in provider.arrivals()[before:]:
        assert SECRET not in arrival["body"]
    assert SECRET not in journal
    assert all(answer is None or SECRET not in answer.text for answer in answers)


async def ask(client: httpx.AsyncClient, url: str) -> httpx.Response | None:
    """One request; None where the connection was closed."""
    async with client:
        try:
            return await client.post(url, json=BODY)
        except httpx.HTTPError:
            return None


async def test_without_faults_the_request_arrives_redacted(provider, tmp_path):
    before = len(provider.arrivals())
    async with worker_at(tmp_path, provider, Stage.ENFORCE) as worker:
        assert (await ask(worker.client(), f"https://{HOST}{PATH}")).status_code == 200
    (arrival,) = provider.arrivals()[before:]
    assert SECRET not in arrival["body"]


@pytest.mark.parametrize("owner", [Detectors, Policy], ids=["scan", "judge"])
async def test_observe_passes_and_counts(provider, tmp_path, monkeypatch, owner):
    def break_it() -> None:
        monkeypatch.setattr(owner, "look" if owner is Detectors else "judge", broken)

    before = len(provider.arrivals())
    async with worker_at(tmp_path, provider, Stage.OBSERVE, started=break_it) as worker:
        assert (await ask(worker.client(), f"https://{HOST}{PATH}")).status_code == 200
        journal = worker.journal()
    (arrival,) = provider.arrivals()[before:]
    assert SECRET in arrival["body"]
    assert "guard_fault" in journal
    assert journal.count('"kind":"open"') == journal.count('"kind":"close"') == 1
    assert "inspection_failed" in journal
    assert arrival["sha256"] in journal


async def test_observe_records_an_exchange_whose_beginning_failed(provider, tmp_path, monkeypatch):
    monkeypatch.setattr(ExchangeAddon, "requestheaders", broken)
    before = len(provider.arrivals())
    async with worker_at(tmp_path, provider, Stage.OBSERVE) as worker:
        assert (await ask(worker.client(), f"https://{HOST}{PATH}")).status_code == 200
        journal = worker.journal()
    (arrival,) = provider.arrivals()[before:]
    assert arrival["sha256"] in journal
    assert journal.count('"kind":"open"') == 1
