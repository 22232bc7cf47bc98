"""Leaves by host: signed once, checked for expiry at each use, bounded.

Owns: the worker's leaf key and its leaves. Rules: one leaf key per worker life and never a CA key; a leaf is signed
under the intermediate that permits its name and under no other; it is replaced before it ends; the least recently used
goes first when the cache is full.
"""

from collections import OrderedDict
from collections.abc import Sequence

from cryptography import x509

from appliance.ca.authority import DAY, Issuer, expires, make_leaf, new_key
from appliance.ca.reach import candidates, reach_in
from appliance.model.errors import OperatorError
from appliance.net.hostname import canonical_name

RENEW_BEFORE = DAY


class LeafCache:
    """`issuers`: the intermediates. `limit`: hosts kept. One event loop uses it; a signature costs well under 1 ms."""

    def __init__(self, issuers: Sequence[Issuer], limit: int = 2000) -> None:
        self.key = new_key()
        self._by_domain: dict[str, Issuer] = {}
        self._for_everything: Issuer | None = None
        for issuer in issuers:
            reach = reach_in(issuer.certificate)
            self._by_domain |= dict.fromkeys(reach.domains, issuer)
            if reach.everything:
                self._for_everything = issuer
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

    def issuer(self, host: str) -> Issuer:
        """The intermediate that a leaf for `host` is signed under. OperatorError: outside all their domains."""
        name = canonical_name(host) or host
        found = (self._by_domain[domain] for domain in candidates(name) if domain in self._by_domain)
        issuer = next(found, self._for_everything)
        if issuer is None:
            raise OperatorError(
                f"certificate authority: the intermediate does not cover {name[:100]!a}; add it to the catalogue and "
                "re-issue, or (egress.intercept all) issue an unconstrained one"
            )
        return issuer

    def _sign(self, name: str, now: float) -> x509.Certificate:
        issuer = self.issuer(name)
        leaf = make_leaf(issuer, name, self.key.public_key(), now)
        end = expires(leaf)
        # Close to the issuer's own end there is nothing better to renew to: serve the leaf to its last second.
        until = end if end >= expires(issuer.certificate) else end - RENEW_BEFORE
        self._leaves[name] = (leaf, until)
        self._leaves.move_to_end(name)
        while len(self._leaves) > self._limit:
            self._leaves.popitem(last=False)
        return leaf
