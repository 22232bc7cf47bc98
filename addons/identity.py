"""Who asks: the thin adapter between flows and `appliance.identity`.

Theory of operation. A CONNECT is identified once, and its principal holds for what follows inside that tunnel; every
other request to the proxy is identified by itself; so is every request to the gateway. Rules: first of all addons that
look at requests; Proxy-Authorization never goes upstream, whatever it holds; while it is not known who asks, the flow
carries a refusal; a principal is forgotten with its connection.
"""

import time
from collections.abc import Awaitable, Callable, MutableMapping
from weakref import WeakKeyDictionary

from mitmproxy import connection, http

from addons.answers import refuse
from appliance.identity.method import ANONYMOUS, Challenge, Identification, IdentityRequest, Refusal
from appliance.model.facts import Principal
from appliance.model.names import RefusalReason
from appliance.route.routes import PORTAL

PRINCIPAL = "gnomon.principal"  # flow.metadata: appliance.model.facts.Principal
LISTENER = "gnomon.listener"  # flow.metadata: proxy (absent) or gateway
PROXY_AUTHORIZATION = "proxy-authorization"

Report = Callable[[RefusalReason, Principal, str, int, str, str], None]


class IdentityAddon:
    """`report(reason, principal, host, port, detail, listener)` is told of every refusal."""

    def __init__(
        self, identification: Identification, report: Report, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._identification = identification
        self._report = report
        self._clock = clock
        self._tunnels: MutableMapping[connection.Client, Principal] = WeakKeyDictionary()
        self._latest: MutableMapping[connection.Client, Principal] = WeakKeyDictionary()

    def principal(self, flow: http.HTTPFlow) -> Principal:
        """Who asks; anonymous with the peer's address where it is not known."""
        known = flow.metadata.get(PRINCIPAL)
        if isinstance(known, Principal):
            return known
        return self._tunnels.get(flow.client_conn) or Principal(ANONYMOUS, _address(flow))

    def of_client(self, client: connection.Client) -> Principal:
        """Whom a connection belongs to: the one who was identified on it last, else anonymous."""
        return self._latest.get(client) or Principal(ANONYMOUS, str(client.peername[0]))

    async def http_connect(self, flow: http.HTTPFlow) -> None:
        """Identify a tunnel; without a principal it is not opened."""
        self._tunnels.pop(flow.client_conn, None)
        await self._identify(flow)
        known = flow.metadata.get(PRINCIPAL)
        if isinstance(known, Principal):
            self._tunnels[flow.client_conn] = known

    def requestheaders(self, flow: http.HTTPFlow) -> Awaitable[None] | None:
        """Take over the tunnel's principal at once, or return the work of identifying the request."""
        known = self._tunnels.get(flow.client_conn)
        if known is None:
            return self._identify(flow)
        flow.request.headers.pop(PROXY_AUTHORIZATION, None)
        flow.metadata[PRINCIPAL] = known
        return None

    def client_disconnected(self, client: connection.Client) -> None:
        """Forget the tunnel."""
        self._tunnels.pop(client, None)

    async def _identify(self, flow: http.HTTPFlow) -> None:
        # Taken off before anything can go wrong.
        sent = flow.request.headers.pop(PROXY_AUTHORIZATION, None)
        if flow.response or flow.error:
            return
        listener = str(flow.metadata.get(LISTENER, "proxy"))
        request = IdentityRequest(_address(flow), listener=listener, proxy_authorization=sent)
        answer = await self._identification.identify(request, self._clock())
        if not isinstance(answer, Principal) and _is_portal(flow, listener):
            return  # our own pages there are for whoever was shown the way: they hold a token
        if isinstance(answer, Principal):
            flow.metadata[PRINCIPAL] = self._latest[flow.client_conn] = answer
        elif isinstance(answer, Challenge):
            refuse(flow, 407, answer.reason.value, _CHALLENGED, extra={"proxy-authenticate": answer.authenticate})
            self._refused(flow, answer.reason, answer.detail)
        else:
            self._turn_away(flow, answer)

    def _turn_away(self, flow: http.HTTPFlow, refusal: Refusal) -> None:
        extra = {"retry-after": str(refusal.retry_after)} if refusal.retry_after else None
        refuse(flow, refusal.status, refusal.reason.value, f"Not forwarded: {refusal.detail}.", extra=extra)
        self._refused(flow, refusal.reason, refusal.detail)

    def _refused(self, flow: http.HTTPFlow, reason: RefusalReason, detail: str) -> None:
        anonymous = Principal(ANONYMOUS, _address(flow))
        listener = str(flow.metadata.get(LISTENER, "proxy"))
        host, port = ("", 0) if listener == "gateway" else (flow.request.host, flow.request.port)
        self._report(reason, anonymous, host, port, detail, listener)


_CHALLENGED = "This proxy wants to know who is asking. Sign in with your user name and password."


def _is_portal(flow: http.HTTPFlow, listener: str) -> bool:
    return listener == "gateway" and flow.request.path.startswith(PORTAL)


def _address(flow: http.HTTPFlow) -> str:
    return str(flow.client_conn.peername[0])
