"""TLS on both sides of the proxy, in place of mitmproxy's own TlsConfig.

Theory of operation. Towards clients: one OpenSSL context per host, made once with the leaf, its intermediate and the
leaf key, and kept as long as `LeafCache` hands out the same leaf; a new connection then costs one ECDSA signature.
Session tickets stay on: their keys belong to that context, so a ticket is good for its own host only, for
`TICKET_LIFE`, and dies with the leaf. Towards upstreams: one context per worker; verification of chain and name cannot
be turned off. Rules: whatever goes wrong leaves `ssl_conn` unset, and mitmproxy then closes the connection: nothing
passes. Needs `connection_strategy=lazy`. Whether a handshake is opened at all is not decided here but in `egress`.
"""

import ssl
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import certifi
from cryptography import x509
from mitmproxy import connection, tls
from mitmproxy.proxy import server_hooks
from OpenSSL import SSL

from addons.upstream import HOP, PEER, listener_of
from appliance.ca.leaf_cache import LeafCache
from appliance.model.errors import OperatorError
from appliance.net.hostname import address_literal, canonical_host, canonical_name

TICKET_LIFE = 3600  # seconds
CLIENT_ALPN = (b"h2", b"http/1.1")
LISTENER_ALPN = (b"http/1.1",)  # mitmproxy takes CONNECT over HTTP/1.1 only

# TLS 1.2: forward secrecy and AEAD only (Mozilla "intermediate" without DHE). TLS 1.3 suites are OpenSSL's.
CIPHERS = (
    b"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    b"ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
)

# pyOpenSSL has no public way to set the name that a certificate must carry; these are cffi bindings, untyped.
_lib: Any = SSL._lib  # type: ignore[attr-defined]  # noqa: SLF001 - the same access as mitmproxy's own
_HOST_FLAGS: int = _lib.X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | _lib.X509_CHECK_FLAG_NEVER_CHECK_SUBJECT

SessionKey = tuple[str, tuple[str, int], tuple[bytes, ...]]
Unservable = Callable[[connection.Client, str, str], None]


class TlsAddon:
    """Supplies OpenSSL connections.

    `ca_bundle`: PEM file of authorities for upstreams, None: the system's. `listener`: gives the context for clients
    that speak TLS to the listener itself (see `listener_context`), None: such clients are closed; `peers`: the same for
    edges; `hop`: towards the central appliance (see `addons/peer_tls.py`). `unservable(client,
    host, detail)` is told when no certificate can be served, e.g. for a name outside the intermediate's domains.
    """

    def __init__(
        self,
        leaves: LeafCache,
        *,
        unservable: Unservable,
        ca_bundle: Path | None = None,
        listener: Callable[[], SSL.Context] | None = None,
        peers: SSL.Context | None = None,
        hop: SSL.Context | None = None,
        clock: Callable[[], float] = time.time,
        limit: int = 2000,
    ) -> None:
        self._leaves = leaves
        self._unservable = unservable
        self._listener, self._peers, self._hop = listener, peers, hop
        self._clock = clock
        self._limit = limit
        self._upstream = upstream_context(ca_bundle)
        self._contexts: OrderedDict[str, tuple[x509.Certificate, SSL.Context]] = OrderedDict()
        self._sessions: OrderedDict[SessionKey, SSL.Session] = OrderedDict()
        self._dialled: dict[str, tuple[SessionKey, SSL.Connection]] = {}

    def use(self, leaves: LeafCache) -> None:
        """Sign with other intermediates from the next handshake on."""
        self._leaves = leaves
        self._contexts.clear()

    def tls_start_client(self, data: tls.TlsData) -> None:
        """Serve a leaf for the SNI, or for the CONNECT host where the hello names nobody."""
        if data.ssl_conn is not None or data.is_dtls:
            return
        client, server = data.context.client, data.context.server
        if server.address is None and listener_of(client) == PEER:
            context = self._peers
        elif server.address is None:
            context = self._listener() if self._listener is not None else None
        else:
            host = client.sni or server.address[0]
            context = self._context(client, host)
        if context is not None:
            data.ssl_conn = SSL.Connection(context)
            data.ssl_conn.set_accept_state()

    def tls_start_server(self, data: tls.TlsData) -> None:
        """Verify chain and name of the upstream, always."""
        if data.ssl_conn is not None or data.is_dtls or not isinstance(data.conn, connection.Server):
            return
        server, client = data.conn, data.context.client
        if server.address is None:
            return
        if server.address[0].startswith(HOP):
            self._hand_over(data, server, server.address[0].removeprefix(HOP))
            return
        if server.sni is None:
            server.sni = _server_name(server.address[0], client.sni)
        if not server.alpn_offers:
            server.alpn_offers = [offer for offer in client.alpn_offers if offer in CLIENT_ALPN]
        made = _upstream_connection(self._upstream, server.sni, list(server.alpn_offers))
        data.ssl_conn = made
        if made is not None:
            key = (server.sni, server.address, tuple(server.alpn_offers))
            if session := self._sessions.get(key):
                made.set_session(session)
            self._dialled[server.id] = (key, made)

    def _hand_over(self, data: tls.TlsData, server: connection.Server, name: str) -> None:
        """To the central appliance: its own authorities, our certificate, one HTTP/1.1 request at a time."""
        if self._hop is not None:
            server.sni, server.alpn_offers = name, list(LISTENER_ALPN)
            data.ssl_conn = _upstream_connection(self._hop, name, list(LISTENER_ALPN))

    def server_disconnected(self, data: server_hooks.ServerConnectionHookData) -> None:
        """Keep the last session that a verified upstream gave: in TLS 1.3 it comes after the handshake."""
        dialled = self._dialled.pop(data.server.id, None)
        if dialled is None or not data.server.tls_established:
            return
        key, made = dialled
        session = made.get_session()
        if session is not None:
            self._sessions[key] = session
            while len(self._sessions) > self._limit:
                self._sessions.popitem(last=False)

    def server_connect_error(self, data: server_hooks.ServerConnectionHookData) -> None:
        """A dial that failed gives nothing to keep."""
        self._dialled.pop(data.server.id, None)

    def _context(self, client: connection.Client, host: str) -> SSL.Context | None:
        name = canonical_name(host) or host
        try:
            leaf = self._leaves.get(name, self._clock())
        except OperatorError as error:
            self._unservable(client, name[:253], str(error))
            return None
        kept = self._contexts.get(name)
        if kept is not None and kept[0] is leaf:
            self._contexts.move_to_end(name)
            return kept[1]
        context = _leaf_context(self._leaves, leaf, name)
        self._contexts[name] = (leaf, context)
        while len(self._contexts) > self._limit:
            self._contexts.popitem(last=False)
        return context


# Signs in mitmproxy 12.2.3's and OpenSSL's texts, most telling first.
_FAILURES = (
    (("parse clienthello",), "what the client sent is no TLS hello"),
    (
        ("agree on a tls version", "unsupported protocol", "no shared cipher", "no suitable"),
        "client and appliance have no TLS version or cipher in common (TLS 1.2 at least)",
    ),
    (
        ("disconnected during", "connection closed", "unexpected eof"),
        "the client left during the handshake; it may not trust the certificate authority of the appliance",
    ),
    (
        ("does not trust", "unknown ca", "bad certificate", "certificate unknown", "certificate expired"),
        "the client does not trust the certificate authority of the appliance",
    ),
)


def failure_detail(error: str | None) -> str:
    """Words for a failed handshake with a client, from mitmproxy's `client.error`."""
    text = (error or "").lower()
    found = (words for signs, words in _FAILURES if any(sign in text for sign in signs))
    return next(found, "the client did not complete the TLS handshake")


_REJECTS = ("unknown ca", "bad certificate", "unsupported certificate", "certificate unknown", "access denied")


def says_rejected(error: str | None) -> bool:
    """Whether mitmproxy's `client.error` holds an alert by which a client rejects a certificate (RFC 8446 6.2)."""
    text = (error or "").lower()
    return "alert" in text and any(sign in text for sign in _REJECTS)


def listener_context(certificate: Path, key: Path) -> SSL.Context:
    """TLS of a listener itself, from operator files. OperatorError: unreadable, or not belonging together."""
    context = _server_context(LISTENER_ALPN)
    try:
        context.use_certificate_chain_file(str(certificate))
        context.use_privatekey_file(str(key))
        context.check_privatekey()
    except (SSL.Error, OSError):
        raise OperatorError(
            f"listen.certificate {certificate}, listen.key {key}: not readable as a PEM chain and its private key"
        ) from None
    return context


def upstream_context(ca_bundle: Path | None) -> SSL.Context:
    """The context for upstreams. OperatorError: the bundle cannot be read or holds no certificate."""
    context = _base_context(SSL.TLS_CLIENT_METHOD)
    context.set_verify(SSL.VERIFY_PEER)
    bundle = str(ca_bundle) if ca_bundle is not None else _system_bundle()
    try:
        context.load_verify_locations(bundle)
    except SSL.Error:
        raise OperatorError(f"egress.ca_bundle: {bundle}: not readable as PEM certificates") from None
    return context


def _system_bundle() -> str:
    found: str | None = ssl.get_default_verify_paths().cafile
    # A machine without a bundle of its own: mitmproxy's dependency brings Mozilla's.
    return found if found is not None else certifi.where()


def _leaf_context(leaves: LeafCache, leaf: x509.Certificate, host: str) -> SSL.Context:
    context = _server_context(CLIENT_ALPN)
    context.use_certificate(leaf)
    context.use_privatekey(leaves.key)
    context.add_extra_chain_cert(leaves.issuer(host).certificate)
    return context


def _server_context(alpn: tuple[bytes, ...]) -> SSL.Context:
    context = _base_context(SSL.TLS_SERVER_METHOD)
    context.set_verify(SSL.VERIFY_NONE)
    # Tickets carry the state; a table of sessions would only grow.
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    context.set_timeout(TICKET_LIFE)

    def choose(_: SSL.Connection, offers: list[bytes]) -> Any:
        return next((offer for offer in offers if offer in alpn), SSL.NO_OVERLAPPING_PROTOCOLS)

    context.set_alpn_select_callback(choose)
    return context


def _base_context(method: int) -> SSL.Context:
    context = SSL.Context(method)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_options(SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION | SSL.OP_CIPHER_SERVER_PREFERENCE)
    context.set_cipher_list(CIPHERS)
    context.set_mode(SSL.MODE_RELEASE_BUFFERS)
    return context


def _server_name(host: str, client_sni: str | None) -> str:
    if address_literal(host) is not None and client_sni:
        host = client_sni
    return canonical_host(host) or host


def _upstream_connection(context: SSL.Context, name: str, alpn: list[bytes]) -> SSL.Connection | None:
    made = SSL.Connection(context)
    param = _lib.SSL_get0_param(made._ssl)  # noqa: SLF001 - no public accessor
    _lib.X509_VERIFY_PARAM_set_hostflags(param, _HOST_FLAGS)
    literal = address_literal(name)
    if literal is not None:
        # RFC 6066 3: no address in SNI.
        accepted = _lib.X509_VERIFY_PARAM_set1_ip(param, literal.packed, len(literal.packed))
    elif (ascii_name := canonical_name(name)) is not None:
        encoded = ascii_name.encode("ascii")
        made.set_tlsext_host_name(encoded)
        accepted = _lib.X509_VERIFY_PARAM_set1_host(param, encoded, len(encoded))
    else:
        return None
    if accepted != 1:
        return None
    if alpn:
        made.set_alpn_protos(alpn)
    made.set_connect_state()
    return made
