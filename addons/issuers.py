"""Fetches the public keys of token issuers: one verified https request, to the configured host and nowhere else.

Rules: the dial obeys the same address rules as upstreams (`Dialler`), so a private issuer needs its line in
`egress.allow_private`; chain and name are verified; redirects are not followed; head and body are bounded, and so is
the time of all of it; what goes wrong is told without quoting what came.
"""

import asyncio
import ssl
from functools import partial
from urllib.parse import urlsplit

import certifi
import h11

from addons.upstream.dial import DialError, Dialler
from appliance.identity.jwks import MAX_JWKS
from appliance.identity.keyring import Fetch
from appliance.model.errors import OperatorError, PeerError

FETCH_S = 10.0
MAX_HEAD = 16 * 1024
_MAX_WIRE = 2 * MAX_JWKS  # chunked coding makes it longer
_OK = 200


class IssuerKeys:
    """Gives the fetch of an address. `ca_bundle`: authorities where an issuer names none; None: the system's."""

    def __init__(self, dialler: Dialler, ca_bundle: str | None, *, timeout_s: float = FETCH_S) -> None:
        self._dialler = dialler
        self._ca_bundle = ca_bundle
        self._timeout_s = timeout_s

    def __call__(self, address: str, ca_bundle: str | None) -> Fetch:
        """OperatorError: the bundle is not readable."""
        return partial(self._fetch, address, _context(ca_bundle or self._ca_bundle))

    async def _fetch(self, address: str, context: ssl.SSLContext) -> bytes:
        parts = urlsplit(address)
        host, port = parts.hostname or "", parts.port or 443
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        try:
            async with asyncio.timeout(self._timeout_s):
                data = await self._exchange(host, port, target, context)
        except TimeoutError:
            raise PeerError(f"{host}: did not answer within {self._timeout_s:g} s", 504) from None
        except ssl.SSLError as error:
            raise PeerError(f"{host}: TLS failed ({error.reason or 'unknown'})", 502) from None
        except (DialError, OSError, EOFError) as error:
            raise PeerError(f"{host}: {str(error) or 'the connection failed'}", 502) from None
        return _body(data, host)

    async def _exchange(self, host: str, port: int, target: str, context: ssl.SSLContext) -> bytes:
        reader, writer = await self._dialler.connect(host, port)
        try:
            await writer.start_tls(context, server_hostname=host)
            named = f"[{host}]" if ":" in host else host
            head = f"GET {target} HTTP/1.1\r\nHost: {named if port == 443 else f'{named}:{port}'}\r\n"  # noqa: PLR2004 - https
            writer.write(f"{head}Accept: application/json\r\nConnection: close\r\n\r\n".encode("ascii"))
            await writer.drain()
            return await _all(reader)
        finally:
            writer.close()


async def _all(reader: asyncio.StreamReader) -> bytes:
    """Everything until the other side ends, within bounds."""
    found = bytearray()
    while piece := await reader.read(65536):
        found += piece
        if len(found) > _MAX_WIRE:
            raise PeerError("the key set is too long", 502)
    return bytes(found)


def _body(data: bytes, host: str) -> bytes:
    """The body of a complete answer with status 200."""
    parser = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD)
    parser.send(h11.Request(method="GET", target="/", headers=[("host", "issuer")]))
    parser.send(h11.EndOfMessage())
    body = bytearray()
    try:
        parser.receive_data(data)
        parser.receive_data(b"")
        while not isinstance(event := parser.next_event(), h11.EndOfMessage):
            if isinstance(event, h11.Response) and event.status_code != _OK:
                raise PeerError(f"{host}: answered with status {event.status_code}", 502)
            if isinstance(event, h11.Data):
                body += event.data
            elif event in (h11.NEED_DATA, h11.PAUSED) or isinstance(event, h11.ConnectionClosed):
                raise PeerError(f"{host}: the answer is not complete", 502)
    except h11.RemoteProtocolError:
        raise PeerError(f"{host}: what came is no HTTP answer", 502) from None
    return bytes(body)


def _context(bundle: str | None) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=bundle)
    except OSError:
        raise OperatorError(f"identity.tokens: {bundle}: not readable as PEM certificates") from None
    if bundle is None and ssl.get_default_verify_paths().cafile is None:
        context.load_verify_locations(certifi.where())  # a machine without authorities of its own
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
