"""Whose account a request uses, in a worker: what it shows, and what answers to the same key have told before.

Rules: what is remembered of a key is its fingerprint and ids of accounts, for the life of the worker, bounded; a key
that the appliance holds is the organisation's own; nothing here refuses anything.
"""

from collections import OrderedDict
from typing import NamedTuple

from mitmproxy import http

from appliance.config.account_schema import Accounts
from appliance.model.catalogue import Service
from appliance.model.names import AccountKind
from appliance.route.accounts import Corporate, Seen, account_id, of_answer, of_request
from appliance.route.credentials import fingerprint, shown_key
from appliance.route.held import PREFIX

MOST = 4096


class Told(NamedTuple):
    """What facts and records say of an account."""

    fingerprint: str | None = None
    shape: str | None = None
    kind: AccountKind | None = None
    id: str | None = None


class AccountBook:
    """One for a worker. `keys`: for fingerprints of keys, and for digests of accounts."""

    def __init__(self, accounts: Accounts, keys: tuple[bytes, bytes]) -> None:
        self._corporate = Corporate(accounts.corporate)
        self._print_key, self._account_key = keys
        self._known: OrderedDict[str, tuple[tuple[str, str], ...]] = OrderedDict()

    def asked(self, request: http.Request, service: Service, host: str, credential: str) -> Told:
        """Of a request as it stands. `credential`: of the route that it came by, empty for none."""
        fields, path = request.headers.fields, request.path
        key = shown_key(fields, path)
        printed = fingerprint(key, self._print_key) if key else None
        seen = of_request(service, host, path, fields, printed)
        if printed is not None and (learnt := self._known.get(printed)):
            mentioned = {kind for kind, _ in learnt}
            seen = seen._replace(ids=(*learnt, *(each for each in seen.ids if each[0] not in mentioned)))
        kind = AccountKind.CORPORATE if credential.startswith(PREFIX) else self._corporate.kind(seen)
        return Told(printed, seen.shape, kind, account_id(seen, self._account_key))

    def answered(self, response: http.Response, service: Service, printed: str | None) -> Told:
        """Of an answer that was given for a key of that fingerprint; what it tells is remembered."""
        seen = of_answer(service, response.headers.fields)
        if not seen.ids:
            return Told()
        if printed is not None:
            self._known[printed] = seen.ids
            self._known.move_to_end(printed)
            if len(self._known) > MOST:
                self._known.popitem(last=False)
        ids = (("key", printed), *seen.ids) if printed else seen.ids
        return Told(printed, None, self._corporate.kind(Seen(ids)), account_id(seen, self._account_key))
