"""An edge and its central appliance, as two workers in one loop, with real mutual TLS between them."""

import ssl
from contextlib import asynccontextmanager

from tests_support import HOST
from worker_world import worker_at

from appliance.config.placement_schema import AcceptEntry, Central, Peers
from appliance.config.schema import Egress, Gateway, RouteEntry

ALL = ("users", "groups", "departments")
ROUTES = {"openai": RouteEntry(service="openai", target=f"https://{HOST}")}


@asynccontextmanager
async def central_at(folder, provider, peerage, certificate, may=ALL, **more):
    """A worker with a listener for edges: `berlin` may assert `may`; `pod` is a sidecar."""
    accept = {"berlin": AcceptEntry(roles=("edge",), may_assert=may), "pod": AcceptEntry(roles=("sidecar",))}
    mine = str(certificate)
    section = Peers(exchanges="127.0.0.1:0", ca=str(peerage.ca), certificate=mine, key=mine, accept=accept)
    more.setdefault("gateway", Gateway(routes=ROUTES))
    async with worker_at(folder, provider, peers=section, **more) as worker:
        yield worker


@asynccontextmanager
async def edge_at(folder, provider, peerage, *ports, name="berlin", called=None, ca=None, **more):
    """The worker of an edge; `ports`: of central appliances on loopback. No name of a provider leads anywhere here."""
    mine = str(peerage.peer(called or name))
    targets = tuple(f"localhost:{port}" for port in ports)
    section = Central(name=name, targets=targets, ca=str(ca or peerage.ca), certificate=mine, key=mine)
    more.setdefault("gateway", Gateway(routes=ROUTES))
    more.setdefault("egress", Egress(ca_bundle=str(provider.ca), hosts={f"{HOST}:443": "127.0.0.1:1"}))
    async with worker_at(folder, provider, role="edge", central=section, **more) as worker:
        yield worker


@asynccontextmanager
async def both_at(folder, provider, peerage, certificate, there=(), **more):
    """Edge and central; `there`: sections of the central appliance."""
    async with (
        central_at(folder / "central", provider, peerage, certificate, **dict(there)) as far,
        edge_at(folder / "edge", provider, peerage, far.peer, **more) as near,
    ):
        yield near, far


def as_peer(peerage, certificate) -> ssl.SSLContext:
    """TLS of a peer that does as it likes."""
    context = ssl.create_default_context(cafile=str(peerage.ca))
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if certificate is not None:
        context.load_cert_chain(certificate)
    return context
