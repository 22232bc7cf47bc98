"""Name agreement: CONNECT host, SNI and Host/:authority must mean the same service.

Owns: the verdict on domain fronting. Rules: pure; every name present must be well formed; all must be identical or
belong to one catalogue service; an address-literal CONNECT says nothing and is judged by the SNI; what cannot be judged
is a disagreement. The caller answers 421 and reports a fronting finding.
"""

import msgspec

from appliance.model.catalogue import Catalogue, Service
from appliance.net.hostname import address_literal, canonical_host, split_authority


class Agreement(msgspec.Struct, frozen=True):
    """Verdict over the names of one request. `host`: the name to judge by; `detail`: what disagreed, for a person."""

    ok: bool
    service: Service | None = None
    host: str = ""
    detail: str = ""


def agree(connect_host: str | None, sni: str | None, host_header: str | None, catalogue: Catalogue) -> Agreement:
    """Judge the names of one request or handshake; None: that name was not sent (yet).

    `connect_host` is without port; `host_header` may carry one, which plays no part. Never raises.
    """
    named: list[tuple[str, str]] = []
    for source, text in (("CONNECT", connect_host), ("SNI", sni), ("Host", _without_port(host_header))):
        if text is None:
            continue
        name = canonical_host(text)
        if name is None:
            return Agreement(ok=False, detail=f"{source} is not a host name: {_shown(text)}")
        named.append((source, name))
    if sni is not None and named[0][0] == "CONNECT" and address_literal(named[0][1]) is not None:
        del named[0]
    if not named:
        return Agreement(ok=False, detail="no host name was sent")
    return _compare(named, catalogue)


def _compare(named: list[tuple[str, str]], catalogue: Catalogue) -> Agreement:
    source, host = named[0]
    service = catalogue.match(host)
    for other_source, other in named[1:]:
        if other == host:
            continue
        other_service = catalogue.match(other)
        if service is None or other_service is None or service.id != other_service.id:
            detail = f"{source} names {_shown(host)}, {other_source} names {_shown(other)}"
            return Agreement(ok=False, service=other_service or service, host=other, detail=detail)
    # The last name is the one that the upstream acts on.
    return Agreement(ok=True, service=service, host=named[-1][1])


def _without_port(authority: str | None) -> str | None:
    if authority is None:
        return None
    parts = split_authority(authority)
    # A malformed authority goes on as it is: canonical_host refuses it, and the detail shows it.
    return authority if parts is None else parts[0]


def _shown(text: str) -> str:
    return ascii(text[:100])
