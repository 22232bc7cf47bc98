"""What a worker tells sensors of clients that reject the appliance's certificate: which client, for which service.

Rules: only a client's own word counts, which is the alert that ended its handshake; who merely left may have had
another reason. A host that is no AI service is noted nowhere. Whatever goes wrong here costs the note only.
"""

import contextlib
from collections.abc import Callable

from mitmproxy import tls

from addons.tls import says_rejected
from appliance.bus.rejected import Rejected


class RejectingAddon:
    """`service`: the catalogue's id for a host, None: no AI service. `clock`: epoch seconds."""

    def __init__(self, table: Rejected, service: Callable[[str], str | None], clock: Callable[[], float]) -> None:
        self._table, self._service, self._clock = table, service, clock

    def tls_failed_client(self, data: tls.TlsData) -> None:
        """Note a rejection; a server without an address is the listener itself."""
        client, server = data.context.client, data.context.server
        if server.address is None or not says_rejected(client.error):
            return
        with contextlib.suppress(Exception):  # a hint is lost; the record of the refusal is another addon's
            service = self._service(client.sni or server.address[0])
            if service is not None:
                self._table.note(str(client.peername[0]), service, self._clock())

    def done(self) -> None:
        """The worker ends."""
        self._table.close()
