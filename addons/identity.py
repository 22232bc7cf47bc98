"""Who asks: the thin adapter between flows and `appliance.identity`.

Theory of operation. A CONNECT is identified, and its principal holds for what follows inside that tunnel as long as the
methods go on saying so (`addons/standing.py`), unless a request there shows a virtual key or a token of its own; every
other request to the proxy is identified by itself; so is every request to the gateway. Rules: first of all addons that
look at requests, but for what edges have said; what is for us alone (Proxy-Authorization, X-Gnomon-Key, X-Gnomon-Token)
never goes upstream, whatever it holds, and a virtual key that stands where a provider would get it refuses the request;
while it is not known who asks, the flow carries a refusal; a tunnel whose credential does not hold any more is refused
its next request and closed, so that the client begins anew where it can be told so (407); a principal is forgotten with
its connection.
"""

import time
from collections.abc import Awaitable, Callable, MutableMapping
from weakref import WeakKeyDictionary

from cryptography.hazmat.primitives.serialization import Encoding
from mitmproxy import connection, http

from addons.answers import refuse
from addons.standing import KNOWN, Known
from addons.upstream import leave
from appliance.identity.method import ANONYMOUS, Answer, Challenge, Identification, IdentityRequest, Refusal
from appliance.identity.shown import Shown, shown_in, without_ours
from appliance.inspect.dialects import Dialect
from appliance.model.facts import Principal
from appliance.model.names import RefusalReason
from appliance.route.routes import PORTAL

PRINCIPAL = "gnomon.principal"  # flow.metadata: appliance.model.facts.Principal
LISTENER = "gnomon.listener"  # flow.metadata: proxy (absent) or gateway

Report = Callable[[RefusalReason, Principal, str, int, str, str], None]


class IdentityAddon:
    """`report(reason, principal, host, port, detail, listener)` is told of every refusal.

    `keeps(target)`: the gateway's route behind it does not pass the caller's key on; `tokens`: tokens are taken there.
    `trouble(words)` is told, once, of what keeps identities from being proven; `dialect(flow)`: what the client speaks.
    """

    def __init__(
        self,
        identification: Identification,
        report: Report,
        *,
        keeps: Callable[[str], bool] = lambda _: False,
        tokens: bool = False,
        trouble: Callable[[str], None] = lambda _: None,
        dialect: Callable[[http.HTTPFlow], Dialect | None] = lambda _: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._identification = identification
        self._report = report
        self._keeps = keeps
        self._tokens = tokens
        self._trouble = trouble
        self._dialect = dialect
        self._told = ""
        self._clock = clock
        self._tunnels: MutableMapping[connection.Client, Known] = WeakKeyDictionary()
        self._latest: MutableMapping[connection.Client, Principal] = WeakKeyDictionary()

    def principal(self, flow: http.HTTPFlow) -> Principal:
        """Who asks; anonymous with the peer's address where it is not known."""
        known = flow.metadata.get(PRINCIPAL)
        if isinstance(known, Principal):
            return known
        tunnel = self._tunnels.get(flow.client_conn)
        return tunnel.principal if tunnel is not None else Principal(ANONYMOUS, _address(flow))

    def of_client(self, client: connection.Client) -> Principal:
        """Whom a connection belongs to: the one who was identified on it last, else anonymous."""
        return self._latest.get(client) or Principal(ANONYMOUS, str(client.peername[0]))

    async def http_connect(self, flow: http.HTTPFlow) -> None:
        """Identify a tunnel; without a principal it is not opened."""
        self._tunnels.pop(flow.client_conn, None)
        await self._identify(flow)
        known = flow.metadata.get(KNOWN)
        if isinstance(known, Known):
            self._tunnels[flow.client_conn] = known

    def requestheaders(self, flow: http.HTTPFlow) -> Awaitable[None] | None:
        """Take over the tunnel's principal at once, or return the work of identifying, or of asking again."""
        if isinstance(flow.metadata.get(PRINCIPAL), Principal):
            return None  # an edge has said who asks (addons/edges.py)
        known = self._tunnels.get(flow.client_conn)
        if known is None:
            return self._identify(flow)
        shown = self._take(flow)
        if shown.anything or shown.leak:
            return self._identify_inside(flow, shown)
        if not known.is_fresh(self._clock()):
            return self._identify_again(flow, known)
        flow.metadata[KNOWN], flow.metadata[PRINCIPAL] = known, known.principal
        return None

    def client_disconnected(self, client: connection.Client) -> None:
        """Forget the tunnel, and legs that lead nowhere."""
        self._tunnels.pop(client, None)
        self._identification.forget(client.id)

    def _take(self, flow: http.HTTPFlow) -> Shown:
        """What the request shows; what of it is ours alone is taken off before anything can go wrong."""
        request = flow.request
        own_key = flow.metadata.get(LISTENER) == "gateway" and self._keeps(request.path)
        fields = request.headers.fields
        shown = shown_in(fields, request.path, own_key=own_key, tokens=self._tokens)
        if shown.anything or shown.proxy_authorization is not None:
            request.headers = http.Headers(without_ours(fields))
        return shown

    async def _identify(self, flow: http.HTTPFlow) -> None:
        shown = self._take(flow)
        if flow.response or flow.error:
            return
        listener = str(flow.metadata.get(LISTENER, "proxy"))
        request = IdentityRequest(
            _address(flow),
            listener=listener,
            proxy_authorization=shown.proxy_authorization,
            token=shown.token,
            key=shown.key,
            certificate=_certificate(flow.client_conn),
            connection=flow.client_conn.id,
        )
        await self._answer(flow, request, shown)

    async def _identify_inside(self, flow: http.HTTPFlow, shown: Shown) -> None:
        """A request in a tunnel that says by itself who asks; another credential there is not the proxy's to see."""
        if flow.response or flow.error:
            return
        inside = IdentityRequest(_address(flow), listener="tunnel", token=shown.token, key=shown.key)
        await self._answer(flow, inside, shown)

    async def _identify_again(self, flow: http.HTTPFlow, known: Known) -> None:
        """A request in a tunnel whose credential was looked at some time ago."""
        if flow.response or flow.error:
            return
        answer = await known.again(self._clock())
        if isinstance(answer, Principal):
            flow.metadata[KNOWN] = known
            flow.metadata[PRINCIPAL] = self._latest[flow.client_conn] = answer
            return
        self._turn_away(flow, answer)
        if not answer.passing and flow.response:
            if not flow.request.is_http2:
                flow.response.headers["connection"] = "close"
            leave(flow)

    async def _asked(self, request: IdentityRequest, now: float) -> Answer:
        """What the methods say, and what hinders them, once."""
        answer = await self._identification.identify(request, now)
        if (problem := self._identification.problem()) != self._told:
            self._told = problem
            if problem:
                self._trouble(problem)
        return answer

    async def _answer(self, flow: http.HTTPFlow, request: IdentityRequest, shown: Shown) -> None:
        if shown.leak:
            self._turn_away(flow, Refusal(403, RefusalReason.IDENTITY_FAILED, _LEAK))
            return
        now = self._clock()
        answer = await self._asked(request, now)
        if not isinstance(answer, Principal) and _is_portal(flow, request.listener):
            return  # our own pages there are for whoever was shown the way: they hold a token
        if isinstance(answer, Principal):
            flow.metadata[PRINCIPAL] = self._latest[flow.client_conn] = answer
            flow.metadata[KNOWN] = Known(self._asked, request, answer, now)
        elif isinstance(answer, Challenge):
            refuse(flow, 407, answer.reason.value, _CHALLENGED, extra={"proxy-authenticate": answer.authenticate})
            self._refused(flow, answer.reason, answer.detail)
        else:
            self._turn_away(flow, answer)

    def _turn_away(self, flow: http.HTTPFlow, refusal: Refusal) -> None:
        extra = {"retry-after": str(refusal.retry_after)} if refusal.retry_after else {}
        if refusal.status == 401:  # noqa: PLR2004 - asks for a scheme, RFC 9110 11.6.1
            extra["www-authenticate"] = 'Bearer realm="gnomon"'
        told, dialect = f"Not forwarded: {refusal.detail}.", self._dialect(flow)
        refuse(flow, refusal.status, refusal.reason.value, told, dialect=dialect, extra=extra)
        self._refused(flow, refusal.reason, refusal.detail)

    def _refused(self, flow: http.HTTPFlow, reason: RefusalReason, detail: str) -> None:
        anonymous = Principal(ANONYMOUS, _address(flow))
        listener = str(flow.metadata.get(LISTENER, "proxy"))
        host, port = ("", 0) if listener == "gateway" else (flow.request.host, flow.request.port)
        self._report(reason, anonymous, host, port, detail, listener)


_CHALLENGED = "This proxy wants to know who is asking. Sign in with your user name and password."
_LEAK = "a virtual key stands in a header or an address that goes on to the provider; send it as X-Gnomon-Key"


def _certificate(client: connection.Client) -> bytes | None:
    """DER of the certificate that the listener's own TLS has verified; inside a tunnel mitmproxy has forgotten it."""
    shown = client.certificate_list
    return shown[0].to_cryptography().public_bytes(Encoding.DER) if shown else None


def _is_portal(flow: http.HTTPFlow, listener: str) -> bool:
    return listener == "gateway" and flow.request.path.startswith(PORTAL)


def _address(flow: http.HTTPFlow) -> str:
    return str(flow.client_conn.peername[0])
