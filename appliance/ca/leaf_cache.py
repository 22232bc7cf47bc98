"""Leaves by host: signed once, checked for expiry at each use, bounded.

Owns: the worker's leaf key and its leaves. Rules: one leaf key per worker life and never a CA key; a leaf is replaced
before it ends; the least recently used goes first when the cache is full.
"""

from collections import OrderedDict

from cryptography import x509

from appliance.ca.authority import DAY, Issuer, expires, make_leaf, new_key
from appliance.ca.reach import reach_in
from appliance.model.errors import OperatorError
from appliance.net.hostname import canonical_name

RENEW_BEFORE = DAY


class LeafCache:
    """`limit`: hosts kept. One event loop uses it; signing costs well under a millisecond."""

    def __init__(self, issuer: Issuer, limit: int = 2000) -> None:
        self.issuer = issuer
        self.key = new_key()
        self._reach = reach_in(issuer.certificate)
        self._limit = limit
        self._leaves: OrderedDict[str, tuple[x509.Certificate, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._leaves)

    def get(self, host: str, now: float) -> x509.Certificate:
        """A leaf for `host` that is valid at `now`; the same object as before while that one still serves.

        OperatorError: no DNS name, outside the intermediate's domains, or the intermediate is not valid at `now`.
        """
        name = canonical_name(host) or host
        kept = self._leaves.get(name)
        if kept is not None and now < kept[1]:
            self._leaves.move_to_end(name)
            return kept[0]
        return self._sign(name, now)

    def _sign(self, name: str, now: float) -> x509.Certificate:
        if not self._reach.covers(name):
            raise OperatorError(
                f"certificate authority: the intermediate does not cover {name[:100]!a}; add it to the catalogue and "
                "re-issue, or (egress.intercept all) issue an unconstrained one"
            )
        leaf = make_leaf(self.issuer, name, self.key.public_key(), now)
        end = expires(leaf)
        # Close to the issuer's own end there is nothing better to renew to: serve the leaf to its last second.
        until = end if end >= expires(self.issuer.certificate) else end - RENEW_BEFORE
        self._leaves[name] = (leaf, until)
        self._leaves.move_to_end(name)
        while len(self._leaves) > self._limit:
            self._leaves.popitem(last=False)
        return leaf
