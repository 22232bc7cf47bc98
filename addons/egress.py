"""Tunnels: what is opened, what passes sealed, what is refused; and that all names of a request agree.

Theory of operation. A CONNECT is remembered with its destination. When its first bytes come, `next_layer` tells TLS
from HTTP from anything else; `tls_clienthello` asks `Interception` what to do with the handshake (open, pass sealed,
refuse); `requestheaders` compares CONNECT host, SNI and Host of each request inside. Rules: inside a tunnel to an AI
host anything but TLS or HTTP closes; a handshake that is to be refused is opened, so that the client reads a 421 and no
riddle; a sealed tunnel is dialled to the CONNECT address and nowhere else; tunnels are forgotten with their client.
"""

import ipaddress
import re
from dataclasses import dataclass

from mitmproxy import connection, http, tls
from mitmproxy.proxy import layer, layers
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http import HTTPMode

from addons.answers import refuse
from addons.failclosed import ClosingLayer
from addons.listener_tls import CERTIFICATE_REFUSED, shown_in_vain
from addons.upstream import DIAL_FIRST, PEER, in_client_tls, listener_of
from addons.worker import SNI_HOST, Worker, allowed_client
from appliance.model.facts import Principal
from appliance.model.names import RefusalReason
from appliance.net.agreement import agree
from appliance.net.hostname import address_literal, split_authority
from appliance.net.intercept import Handling, Interception

TLS_HANDSHAKE = b"\x16\x03"
ENOUGH_TO_TELL = 3
MAX_PEEK = 16 * 1024  # of a request in clear, to find its Host
HOST_LINE = re.compile(rb"\r\nhost:[ \t]*([^\r\n]*?)[ \t]*\r\n", re.IGNORECASE)
METHODS = (b"GET", b"POS", b"PUT", b"HEA", b"DEL", b"PAT", b"OPT", b"PRI")


@dataclass(slots=True)
class Tunnel:
    """One CONNECT."""

    host: str
    port: int
    principal: Principal
    sni: str | None = None
    refused: str = ""


class EgressAddon:
    """Hooks between the client's connection and its requests."""

    def __init__(self, worker: Worker, interception: Interception) -> None:
        self._worker = worker
        self._interception = interception
        self._clients = tuple(ipaddress.ip_network(network) for network in worker.config.listen.clients)
        self.tunnels: dict[str, Tunnel] = {}

    def client_connected(self, client: connection.Client) -> None:
        """Turn away peers outside `listen.clients` before they say a word; edges prove themselves by certificate."""
        if listener_of(client) == PEER:
            return
        address = str(client.peername[0])
        if not allowed_client(address, self._clients):
            client.error = "not in listen.clients"
            principal = Principal(name="anonymous", address=address)
            self._worker.telemetry.refused(RefusalReason.CLIENT_NOT_ALLOWED, principal, "", 0)

    def client_disconnected(self, client: connection.Client) -> None:
        """Forget its tunnel."""
        self.tunnels.pop(client.id, None)

    def http_connect(self, flow: http.HTTPFlow) -> None:
        """Remember where the tunnel is to go."""
        if flow.response or flow.error:
            return
        request = flow.request
        self.tunnels[flow.client_conn.id] = Tunnel(request.host, request.port, self._worker.principal(flow))
        flow.metadata[DIAL_FIRST] = not self._interception.intercepts(request.host)

    def next_layer(self, nextlayer: layer.NextLayer) -> None:
        """Choose what reads the next bytes of a connection."""
        context, data = nextlayer.context, nextlayer.data_client()
        tunnel = self.tunnels.get(context.client.id)
        if tunnel is None or nextlayer.layer:
            return
        if in_client_tls(context):
            nextlayer.layer = layers.HttpLayer(context, HTTPMode.transparent)
        elif not data and nextlayer.data_server() and not self._interception.intercepts(tunnel.host):
            nextlayer.layer = layers.TCPLayer(context, ignore=True)  # the server speaks first: neither TLS nor HTTP
        elif len(data) < ENOUGH_TO_TELL:
            return
        elif data.startswith(TLS_HANDSHAKE):
            server_tls = layers.ServerTLSLayer(context)
            server_tls.child_layer = layers.ClientTLSLayer(context)
            nextlayer.layer = server_tls
        else:
            nextlayer.layer = self._clear_layer(context, tunnel, data)

    def _clear_layer(self, context: Context, tunnel: Tunnel, data: bytes) -> layer.Layer | None:
        """For what is not TLS. None: wait until the head of a request is there."""
        if not self._interception.intercepts(tunnel.host):
            named = _host_in(data)
            if named is None:
                return None
            if not self._interception.intercepts(named):
                return layers.TCPLayer(context, ignore=True)
        if data[:ENOUGH_TO_TELL] in METHODS:
            return layers.HttpLayer(context, HTTPMode.transparent)
        self._refused(
            RefusalReason.NOT_TLS_IN_TUNNEL, tunnel, "the tunnel to an AI service carries neither TLS nor HTTP"
        )
        return ClosingLayer(context)

    def tls_clienthello(self, data: tls.ClientHelloData) -> None:
        """Open or pass. A refusal is opened too and answered inside."""
        tunnel = self.tunnels.get(data.context.client.id)
        if tunnel is None:
            return
        tunnel.sni = data.client_hello.sni
        verdict = self._interception.tunnel(tunnel.host, tunnel.sni)
        if verdict.handling is Handling.PASS:
            data.ignore_connection = True
        elif verdict.handling is Handling.REFUSE:
            tunnel.refused = verdict.detail or "the names of this tunnel do not agree"
            self._refused(verdict.reason or RefusalReason.NAME_DISAGREEMENT, tunnel, tunnel.refused)

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        """All names of a request must mean one service."""
        if flow.response or flow.error:
            return
        tunnel = self.tunnels.get(flow.client_conn.id)
        if tunnel is not None and tunnel.refused:
            refuse(flow, 421, "name_disagreement", tunnel.refused)
            return
        request = flow.request
        host = request.host_header
        connect_host, sni = (tunnel.host, tunnel.sni) if tunnel else (request.host, None)
        agreement = agree(connect_host, sni, host, self._worker.catalogue)
        if tunnel and agreement.ok and request.authority and not request.is_http2:
            # A target in absolute form names a host as well, and outranks Host (RFC 9112 3.2.2).
            agreement = agree(connect_host, sni, request.authority, self._worker.catalogue)
            request.authority = ""
        if not agreement.ok:
            self._disagreed(flow, agreement.detail)
        elif address_literal(connect_host) is not None and agreement.host:
            flow.metadata[SNI_HOST] = agreement.host

    def _disagreed(self, flow: http.HTTPFlow, detail: str) -> None:
        refuse(flow, 421, "name_disagreement", "The names in this request do not agree: it was not forwarded.")
        self._worker.telemetry.refused(
            RefusalReason.NAME_DISAGREEMENT,
            self._worker.principal(flow),
            flow.request.host,
            flow.request.port,
            detail=detail,
        )

    def tls_failed_client(self, data: tls.TlsData) -> None:
        """A client that rejects our certificate, or whose own is no good: closed, recorded, never passed through."""
        client = data.context.client
        tunnel = self.tunnels.get(client.id)
        if tunnel is None:
            nobody = Principal(name="anonymous", address=str(client.peername[0]))
            reason, detail = RefusalReason.CERTIFICATE_REJECTED, "no TLS handshake with the listener itself"
            if shown_in_vain(client.error):
                reason, detail = RefusalReason.IDENTITY_FAILED, CERTIFICATE_REFUSED
            self._worker.telemetry.refused(reason, nobody, "", 0, detail=detail, listener=listener_of(client))
        elif not tunnel.refused:
            self._refused(RefusalReason.CERTIFICATE_REJECTED, tunnel, "the client did not complete the TLS handshake")

    def _refused(self, reason: RefusalReason, tunnel: Tunnel, detail: str) -> None:
        self._worker.telemetry.refused(reason, tunnel.principal, tunnel.host, tunnel.port, detail=detail)


def _host_in(data: bytes) -> str | None:
    """The host that a request in clear names; empty where it is no HTTP or names none; None: its head is not whole."""
    if data[:ENOUGH_TO_TELL] not in METHODS or len(data) > MAX_PEEK:
        return ""
    line, newline, rest = data.partition(b"\r\n")
    if newline and not line.endswith((b" HTTP/1.1", b" HTTP/1.0")):
        return ""
    head, end, _ = rest.partition(b"\r\n\r\n")
    if not end:
        return None
    found = HOST_LINE.search(b"\r\n" + head + b"\r\n")
    parts = split_authority(found.group(1).decode("latin-1")) if found else None
    return parts[0] if parts else ""
