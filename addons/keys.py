"""Held keys in a worker: how a request leaves with the route's key and without the caller's.

Rules: read once, when the worker starts; what cannot be used is told then (notice `credential_missing`) and refuses its
requests; a key is put into a request in one place, `send`, after everything of the caller's has been taken out.
"""

from mitmproxy import http

from appliance.config.credentials import Keys
from appliance.model.catalogue import Service
from appliance.model.names import CredentialMode
from appliance.route.credentials import strip_headers, strip_query
from appliance.route.held import held_name, key_header


class Sender:
    """Gives requests their credentials. `keys`: those that routes ask for."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    @property
    def held(self) -> frozenset[str]:
        """Names of the keys that can be sent."""
        return frozenset(self._keys.held)

    def missing(self, credential: str) -> str | None:
        """Why what a route's `credential` names cannot be sent; None: it can, or the route has no key of its own."""
        if not credential.startswith(CredentialMode.HELD.value):
            return None
        name = held_name(credential)
        if name in self._keys.held:
            return None
        return f"the key of this route is not there (held credential {name}); tell your administrator"

    def send(self, request: http.Request, service: Service, credential: str) -> None:
        """Take the caller's credentials out and put the route's in. KeyError: it is `missing`."""
        request.headers = http.Headers(strip_headers(request.headers.fields))
        request.path = strip_query(request.path)
        name = held_name(credential)
        if name is not None:
            header, value = key_header(service, self._keys.held[name])
            request.headers = http.Headers((*request.headers.fields, (header, value)))
