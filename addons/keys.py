"""Held keys in a worker: how a request leaves with the route's key and without the caller's.

Rules: read when the worker starts and when their files change, without a restart; what cannot be used is told then
(notice `credential_missing`) and refuses its requests; a key is put into a request in one place, `send`, after
everything of the caller's has been taken out.
"""

import asyncio
import os
import time
from collections.abc import Callable

from mitmproxy import http

from addons.telemetry import Telemetry
from appliance.bus.tasks import cancel, spawn
from appliance.config import key_register
from appliance.config.credentials import KeyFolder, Keys, Sealer, load_keys
from appliance.config.schema import Config
from appliance.model.catalogue import Service
from appliance.model.errors import OperatorError
from appliance.model.names import CredentialMode
from appliance.route.credentials import shown_key, strip_headers, strip_query
from appliance.route.held import HeldKey, held_name, is_sendable, key_header
from appliance.route.key_life import DAY, overdue

LOOK_EVERY_S = 3600.0


class Sender:
    """Gives requests their credentials. `keys`: those that routes ask for; `look`: them anew, where they changed."""

    def __init__(self, keys: Keys, look: Callable[[], Keys | None] = lambda: None) -> None:
        self._keys = keys
        self._look = look

    def refresh(self) -> None:
        """Take up keys that have changed; seldom reads anything."""
        found = self._look()
        if found is not None:
            self._keys = found

    @property
    def held(self) -> frozenset[str]:
        """Names of the keys that can be sent."""
        self.refresh()
        return frozenset(self._keys.held)

    def missing(self, credential: str) -> str | None:
        """Why what a route's `credential` names cannot be sent; None: it can, or the route has no key of its own."""
        if not credential.startswith(CredentialMode.HELD.value):
            return None
        self.refresh()
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

    @staticmethod
    def readdress(request: http.Request, service: Service) -> None:
        """Put the caller's own key where the clients of another dialect have it: it is for `service`."""
        key = shown_key(request.headers.fields, request.path)
        request.headers = http.Headers(strip_headers(request.headers.fields))
        request.path = strip_query(request.path)
        if key is not None and is_sendable(key):
            request.headers = http.Headers((*request.headers.fields, key_header(service, HeldKey(key))))


def loaded(config: Config, telemetry: Telemetry) -> Sender:
    """The sender of a worker; it starts without keys that are missing, and refuses what would need them."""
    sealer = Sealer(config)

    def tell(keys: Keys) -> Keys:
        for name, fault in keys.faults.items():
            telemetry.notice("warning", "credential_missing", f"held credential {name}: {fault}")
        return keys

    def look() -> Keys | None:
        found = folder.look()
        if found is None:
            return None
        telemetry.notice("info", "credentials_changed", f"{len(found.held)} held credentials in use")
        return tell(found)

    folder = KeyFolder(config, sealer, time.monotonic)
    return Sender(tell(load_keys(config, sealer)), look)


class OverdueAddon:
    """Tells once a day which held keys should have been changed or retired; whichever worker comes first, for all."""

    def __init__(self, config: Config, telemetry: Telemetry, clock: Callable[[], float] = time.time) -> None:
        self._config = config
        self._telemetry = telemetry
        self._clock = clock
        self._told = config.credentials_dir / ".told"
        self._task: asyncio.Task[None] | None = None

    def running(self) -> None:
        """Begin."""
        self._task = spawn(self._look(), "overdue keys")

    async def done(self) -> None:
        """End."""
        await cancel(self._task)

    async def _look(self) -> None:
        while True:
            self.tell()
            await asyncio.sleep(LOOK_EVERY_S)

    def tell(self) -> None:
        """Now, unless it has been told today."""
        if not key_register.path_of(self._config).exists() or not self._is_due():
            return
        try:
            records = key_register.read(self._config)
        except OperatorError as error:
            self._telemetry.notice("warning", "credential_overdue", str(error))
            return
        for name, record in records.items():
            for what in overdue(record, self._clock()):
                self._telemetry.notice("warning", "credential_overdue", f"held credential {name}: {what}")

    def _is_due(self) -> bool:
        """Whether a day has gone by since somebody told; asked once, it has not."""
        now = self._clock()
        try:
            if now - self._told.stat().st_mtime < DAY:
                return False
        except OSError:
            pass  # nobody has yet
        try:
            self._told.touch(mode=0o600)
            os.utime(self._told, (now, now))
        except OSError:
            return True  # it is told too often rather than never
        return True
