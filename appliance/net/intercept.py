"""Which names are opened, which pass sealed, which are refused.

Owns: `egress.intercept` and `egress.never`. Rules: pure; `never` always wins; a tunnel whose CONNECT and SNI disagree
is refused as soon as one of them is to be opened; a tunnel that must be opened and has no name is
refused, never passed.
"""

from enum import StrEnum

import msgspec

from appliance.model.catalogue import Catalogue
from appliance.model.errors import OperatorError
from appliance.model.names import RefusalReason
from appliance.net.agreement import agree
from appliance.net.hostname import address_literal, canonical_name


class Handling(StrEnum):
    """What happens to a TLS handshake inside a tunnel."""

    OPEN = "open"
    PASS = "pass"  # noqa: S105 - a way of handling a tunnel
    REFUSE = "refuse"


class TunnelVerdict(msgspec.Struct, frozen=True):
    """`host`: the name that the leaf is for (OPEN); `reason` and `detail` are set with REFUSE."""

    handling: Handling
    host: str = ""
    reason: RefusalReason | None = None
    detail: str = ""


class Interception:
    """Decides by name.

    `mode`: `ai` opens what the catalogue knows; `all` opens every name; `ai+unclassified` opens that and
    what no list classifies, which until a list of known non-AI names exists is every name. `never`: names that stay
    sealed: exact, or `.suffix` for a domain with everything below it.
    """

    def __init__(self, mode: str, never: tuple[str, ...], catalogue: Catalogue) -> None:
        if mode not in {"ai", "ai+unclassified", "all"}:
            raise OperatorError(f"egress.intercept: {mode!r} is not one of ai, ai+unclassified, all")
        self._catalogue = catalogue
        self._everything = mode != "ai"
        self._never_names = frozenset(_name(entry) for entry in never)
        self._never_below = frozenset(_name(entry) for entry in never if entry.startswith("."))

    def sealed(self, host: str) -> bool:
        """Whether `egress.never` covers `host`."""
        rest = canonical_name(host) or ""
        if rest in self._never_names:
            return True
        while rest and self._never_below:
            if rest in self._never_below:
                return True
            rest = rest.partition(".")[2]
        return False

    def intercepts(self, host: str) -> bool:
        """Whether a tunnel to this name is opened. Addresses and malformed names are never opened by themselves."""
        name = canonical_name(host)
        if name is None or self.sealed(name):
            return False
        return self._everything or self._catalogue.match(name) is not None

    def tunnel(self, connect_host: str | None, sni: str | None) -> TunnelVerdict:
        """What happens to a handshake, from the tunnel's address and the SNI (None: the hello names nobody)."""
        wanted = any(self.intercepts(name) for name in (connect_host, sni) if name is not None)
        agreement = agree(connect_host, sni, None, self._catalogue)
        if wanted and not agreement.ok:
            return _refused(RefusalReason.NAME_DISAGREEMENT, agreement.detail)
        if wanted and any(name is not None and self.sealed(name) for name in (connect_host, sni)):
            # One service, one name sealed and one not: opening breaks the promise, passing is a way around.
            return _refused(RefusalReason.NAME_DISAGREEMENT, "one of CONNECT and SNI is under egress.never")
        if wanted:
            return TunnelVerdict(Handling.OPEN, host=agreement.host)
        if self._everything and not self._nameable(connect_host, sni):
            return _refused(RefusalReason.OUTSIDE_INTERCEPT, "no host name to make a certificate for")
        return TunnelVerdict(Handling.PASS)

    @staticmethod
    def _nameable(*hosts: str | None) -> bool:
        return any(host is not None and canonical_name(host) is not None for host in hosts)


def _refused(reason: RefusalReason, detail: str) -> TunnelVerdict:
    return TunnelVerdict(Handling.REFUSE, reason=reason, detail=detail)


def _name(entry: str) -> str:
    name = canonical_name(entry.removeprefix("."))
    if name is None:
        hint = (
            "addresses cannot be listed"
            if address_literal(entry)
            else "expected a name such as bank.example, or .bank.example for all below it too"
        )
        raise OperatorError(f"egress.never: {entry!r} is not a host name; {hint}")
    return name
