"""What a worker learns of the programs that it serves, for the sensors: handshakes and products, no client, no host.

Rules: every handshake in a tunnel counts, with an AI service or with anything else, so that a library which everybody
uses tells nothing; a product counts with the service of an exchange that has begun. Nothing is looked into for it that
the worker does not read anyway, and whatever goes wrong costs the hint only.
"""

import contextlib
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from mitmproxy import connection, http, tls

from addons.ongoing import exchange_of
from appliance.bus.programs import MAX_PROGRAM, Programs
from appliance.net.ja4 import of_hello

MAX_CLIENTS: Final = 16_384  # connections whose handshake is remembered
MOST_AGENT: Final = 512  # characters of a user agent that are looked at


class LearningAddon:
    """`is_ai`: whether a name is an AI service; `product`: name and version of a user agent, as they may be kept."""

    def __init__(
        self,
        programs: Programs,
        is_ai: Callable[[str], bool],
        product: Callable[[str], tuple[str | None, str | None]],
        clock: Callable[[], float],
    ) -> None:
        self._programs, self._is_ai, self._product, self._clock = programs, is_ai, product, clock
        self._hellos: OrderedDict[str, str] = OrderedDict()  # client connection to its JA4

    def tls_clienthello(self, data: tls.ClientHelloData) -> None:
        """Count the handshake; a server without an address is the listener itself."""
        if data.context.server.address is not None:
            with contextlib.suppress(Exception):  # a hint is lost; the guard would close the connection
                self._handshake(data.context.client.id, data.context.server.address[0], data.client_hello)

    def requestheaders(self, flow: http.HTTPFlow) -> None:
        """Count the product of an exchange that has begun."""
        exchange = exchange_of(flow)
        if exchange is None or flow.response or flow.error:
            return
        with contextlib.suppress(Exception):  # likewise
            name, _ = self._product(flow.request.headers.get("user-agent", "")[:MOST_AGENT])
            if name:
                ja4 = self._hellos.get(flow.client_conn.id, "")
                self._programs.met(ja4, name[:MAX_PROGRAM], exchange.service.id, ai=True, now=self._clock())

    def _handshake(self, client: str, host: str, hello: tls.ClientHello) -> None:
        version = int.from_bytes(hello.raw_bytes(wrap_in_record=False)[:2])
        ja4 = of_hello(hello.cipher_suites, hello.extensions, version)
        if ja4 is None:
            return
        self._hellos[client] = ja4
        if len(self._hellos) > MAX_CLIENTS:
            self._hellos.popitem(last=False)
        self._programs.met(ja4, "", "", ai=self._is_ai(hello.sni or host), now=self._clock())

    def client_disconnected(self, client: connection.Client) -> None:
        """Forget its handshake."""
        self._hellos.pop(client.id, None)

    def done(self) -> None:
        """The worker ends."""
        self._programs.close()
