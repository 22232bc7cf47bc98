"""What the commands of analysts share: the store's socket, clear names behind digests, moments as people write them.

Rules: whatever comes from the store is shown through `one_line`; times are UTC and say so; a name that could mean
several people is refused with the digests to choose from.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from appliance.model.errors import OperatorError
from appliance.store.finding_pages import (
    ApplianceRequest,
    ApplianceState,
    FindingDetail,
    FindingRequest,
    FindingsHead,
    FindingsRequest,
)
from appliance.store.pages import MAX_LIMIT, PageHead, Person, PersonsRequest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from appliance.bus.client import BlockingClient
    from appliance.config.schema import Config
    from appliance.model.finding import Finding

SOCKET: Final = "analyst.sock"
_DIGEST: Final = re.compile(r"[pa]_[0-9a-f]{16}\Z")
_AHEAD: Final = re.compile(r"([0-9]{1,6})([mhdw])\Z")
_UNITS: Final = {"m": 60.0, "h": 3_600.0, "d": 86_400.0, "w": 604_800.0}
_MOST_FINDINGS: Final = 20  # looked through for a person's name


def must_have_store(config: Config) -> None:
    """OperatorError where the records are shipped: there is no store here to be asked."""
    if config.central is not None and config.ships_records:
        where = config.central.journal
        raise OperatorError(f"the records of this {config.role} are at the central appliance ({where}); ask there")


def client_of(config: Config) -> BlockingClient:
    """A client of the store's socket for analysts; use it as a context. OperatorError: there is no store here."""
    from appliance.bus.client import BlockingClient

    must_have_store(config)
    return BlockingClient(Path(config.run_dir) / SOCKET)


def state_of(client: BlockingClient) -> ApplianceState:
    """What the appliance says of itself."""
    return client.call("appliance", ApplianceRequest(), reply=ApplianceState)[0]


def findings(client: BlockingClient, request: FindingsRequest, most: int) -> tuple[list[Finding], int]:
    """Up to `most` findings over as many pages as it takes, and how many there are in all."""
    from appliance.model.finding import Finding

    found: list[Finding] = []
    while True:
        asked = msgspec.structs.replace(request, limit=max(1, min(MAX_LIMIT, most - len(found))))
        head, body = client.call("findings", asked, reply=FindingsHead)
        found += msgspec.json.decode(body, type=list[Finding])
        if head.next is None or len(found) >= most:
            return found, head.total
        request = msgspec.structs.replace(request, before=head.next)


def detail_of(client: BlockingClient, finding: str) -> FindingDetail:
    """Everything about one finding."""
    return client.call("finding", FindingRequest(finding=finding), reply=FindingDetail)[0]


def persons(client: BlockingClient, digests: Iterable[str]) -> dict[str, str]:
    """Clear values by digest, as far as they are known."""
    wanted = sorted(set(digests))
    found: dict[str, str] = {}
    for start in range(0, len(wanted), MAX_LIMIT):
        request = PersonsRequest(digests=tuple(wanted[start : start + MAX_LIMIT]))
        _, body = client.call("persons", request, reply=PageHead)
        found |= {person.digest: person.value for person in msgspec.json.decode(body, type=list[Person])}
    return found


def digest_of(client: BlockingClient, service: str, text: str, prefix: str) -> str:
    """The digest (`p_` people, `a_` addresses) of a digest or of a clear value among those that use `service`."""
    if _DIGEST.match(text) and text.startswith(prefix):
        return text
    parties = {party for detail in _details(client, service) for party in _parties(detail, prefix)}
    matching = sorted(digest for digest, value in persons(client, parties).items() if value == text)
    if len(matching) == 1:
        return matching[0]
    if matching:
        raise OperatorError(f"{text}: stands for several ({', '.join(matching)}); name one of these digests")
    raise OperatorError(f"{text}: nobody of that name has used {service}; give a digest as `gnomon finding` shows it")


def _details(client: BlockingClient, service: str) -> Iterator[FindingDetail]:
    found, _ = findings(client, FindingsRequest(text=service), _MOST_FINDINGS)
    for finding in found:
        if finding.subject == service:
            yield detail_of(client, finding.id)


def _parties(detail: FindingDetail, prefix: str) -> Iterator[str]:
    return (party.digest for party in (*detail.people, *detail.hosts) if party.digest.startswith(prefix))


def ahead(text: str, now: float, option: str) -> float:
    """Epoch seconds of a moment to come: `7d`, `36h`, `90m`, `2w` from now, or an ISO 8601 date or time (UTC)."""
    if (span := _AHEAD.match(text)) is not None:
        return now + int(span[1]) * _UNITS[span[2]]
    try:
        found = datetime.fromisoformat(text)
        moment = (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise OperatorError(
            f"{option} {text}: no time; write 7d, 36h, 90m, 2w or an ISO date such as 2027-01-31"
        ) from None
    if moment <= now:
        raise OperatorError(f"{option} {text}: lies in the past")
    return moment


def when(ts: float | None) -> str:
    """A moment for people; `-` for none."""
    try:
        return "-" if ts is None else f"{datetime.fromtimestamp(ts, UTC):%Y-%m-%d %H:%M} UTC"
    except (ValueError, OverflowError, OSError):
        return "?"  # no time that a calendar has: the record says so, and is shown all the same
