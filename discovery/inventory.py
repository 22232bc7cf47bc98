"""The hosts of the local network: what they are called, by which hardware address, since when they are there.

Owns: the table of one sensor, and when it is recorded. Rules: pure, time as an argument; bounded in hosts, in names and
in records: a host is recorded at its first sign, at a change at most once in `CHANGE_S`, and else once in `REPEAT_S`
while it is there; of all hosts together at most `BUDGET` records a minute, what waits is told later. A record tells all
that is known. A hardware address that many addresses have at a time is a router's and is put down to none of them; an
address that another hardware address takes over is another host. Names are the hosts' own words, and hostile: they are
cut; a name that leads out of the local network is none. Addresses, hardware addresses and names become digests.
"""

import re
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from ipaddress import ip_address
from typing import Final

import msgspec

from appliance.model.event import HostSeen
from appliance.model.names import Leg, ObservationKind
from appliance.model.observation import Observation
from appliance.model.pseudonym import Pseudonyms
from discovery.neighbours import is_private
from discovery.notes import Note

MAX_HOSTS: Final = 65_536
MAX_NAMES: Final = 8  # of one host
MAX_NAME: Final = 128
MAX_LOCAL_NAMES: Final = 8_192  # that questions were answered with a local address
CHANGE_S: Final = 60.0
REPEAT_S: Final = 3600.0
BUDGET: Final = 500
SHARED_S: Final = 3600.0  # how long an address counts for a hardware address
SHARED_4, SHARED = 4, 16  # addresses of version 4, and of all, that one host has
_LOCAL: Final = (
    *(".local", ".lan", ".home", ".home.arpa", ".internal", ".intranet", ".corp", ".private", ".localdomain"),
)
_NAMELESS: Final = frozenset({"localhost", "localhost.localdomain", "workgroup", "*"})
_NAME: Final = re.compile(r"\w(?:[\w .'()-]{0,126}[\w)])?")
_SYSTEM: Final = re.compile(r"[A-Za-z][A-Za-z0-9 ._:/,()+-]{0,63}")
_PERSONAL: Final = re.compile(  # an address, a serial number, a UUID, or words as keys begin
    r"@|\d{6}|[a-z0-9]{20}|[0-9a-f]{8}-[0-9a-f]{4}-|\b(?:sk|pk|key|gh[a-z]|xox[a-z])[-_]|\bbearer\s|\beyj[a-z0-9]",
    re.IGNORECASE,
)
_LOOKED_AT: Final = 512  # characters of a text about software
KINDS: Final = frozenset(  # of observations that tell something of hosts
    {ObservationKind.HOST, ObservationKind.DNS_ANSWER, ObservationKind.TLS, ObservationKind.TLS_SERVER}
)
_TELLERS: Final = frozenset({Note.ETHERNET, Note.DHCP, Note.DHCP6, Note.NETBIOS, Note.SSDP})
_OWN_WORDS: Final = frozenset({Note.DHCP, Note.DHCP6})  # tell a hardware address with more weight than a frame does


class Met(msgspec.Struct, frozen=True):
    """A record to be journalled, and the clear values behind its digests."""

    event: HostSeen
    persons: Mapping[str, str]


class _Host(msgspec.Struct):
    """`names`: to what told it, the newest last. `first`, `last`: since the last record; `told`: when that was."""

    first: float
    last: float
    told: float | None = None
    mac: str = ""
    sworn: bool = False  # the hardware address is in the host's own words
    router: bool = False
    system: str = ""
    names: dict[str, str] = {}


class Inventory:
    """The table of one sensor. `vendor`: who makes a hardware address."""

    def __init__(
        self, name: str, source: str, pseudonyms: Pseudonyms, vendor: Callable[[str], str], limit: int = MAX_HOSTS
    ) -> None:
        self.name, self.source = name, source
        self._pseudonyms, self._vendor, self._limit = pseudonyms, vendor, limit
        self._hosts: OrderedDict[str, _Host] = OrderedDict()  # the one seen last at the end
        self._shared: OrderedDict[str, dict[str, float]] = OrderedDict()  # hardware address to addresses, and when
        self._local: OrderedDict[str, frozenset[str]] = OrderedDict()  # names with local addresses
        self._waiting: OrderedDict[str, None] = OrderedDict()
        self._minute, self._spent = 0.0, 0
        self.forgotten = 0  # hosts that were let go before their record, for want of room

    def __len__(self) -> int:
        return len(self._hosts)

    def take(self, seen: Observation, leg: Leg = Leg.DIRECT) -> Iterator[Met]:
        """What is to be journalled because of one more observation. `leg`: of the way to its destination."""
        match seen.kind:
            case ObservationKind.HOST:
                yield from self._said(seen)
            case ObservationKind.DNS_ANSWER:
                yield from self._answered(seen)
            case ObservationKind.TLS if seen.server_name and leg is Leg.DIRECT and _is_local(seen.dst):
                if self._leads_to(seen.server_name, seen.dst):
                    yield from self._named(seen.dst, seen.ts, seen.server_name, "tls")
            case ObservationKind.TLS_SERVER if seen.names and _is_local(seen.src):
                for name in seen.names[:MAX_NAMES]:
                    if self._leads_to(name, seen.src):
                        yield from self._named(seen.src, seen.ts, name, "tls")
        if self._waiting:
            yield from self.due(seen.ts)

    def due(self, now: float) -> Iterator[Met]:
        """What has waited for its time."""
        while self._waiting:
            address = next(iter(self._waiting))
            host = self._hosts.get(address)
            if host is not None and host.told is not None and 0 <= now - host.told < CHANGE_S:
                return
            if not self._may_tell(now):
                return
            del self._waiting[address]
            if host is not None:
                yield self._record(address, host, now)

    def flush(self) -> Iterator[Met]:
        """What waits, at the end."""
        while self._waiting:
            address, _ = self._waiting.popitem(last=False)
            if (host := self._hosts.get(address)) is not None:
                yield self._record(address, host, host.last)

    # signs

    def _said(self, seen: Observation) -> Iterator[Met]:
        by = next((note for note in seen.notes if note in _TELLERS), None)
        if by is None or not _is_local(seen.src):
            return
        mac = (seen.mac or "")[:17]
        routed = by == Note.ETHERNET and bool(mac) and self._is_shared(mac, seen.src, seen.ts)
        if routed:
            yield from self._routed(mac, seen.ts)
            mac = ""
        host = self._host(seen.src, seen.ts)
        changed = self._is_at(host, mac, sworn=by in _OWN_WORDS)
        if routed and not host.mac and not host.router:
            host.router = changed = True
        if (name := _cut(seen.hostname)) and host.names.get(name) != by:
            changed |= self._call(host, name, by)
        if (system := _system(seen.software)) and host.system != system and not (host.system and by == Note.SSDP):
            host.system, changed = system, True
        yield from self._changed(seen.src, host, seen.ts, changed=changed)

    def _answered(self, seen: Observation) -> Iterator[Met]:
        """An answer to all, of the host itself; other answers tell which names have local addresses."""
        names = [name for name in (seen.server_name, *seen.aliases) if name]
        local = frozenset(address for address in seen.addresses if _is_local(address))
        if not names or not local or Note.UNASKED in seen.notes:
            return
        by = next((note for note in seen.notes if note in {Note.MDNS, Note.LLMNR}), "")
        if not by:
            self._local[_lower(names[0])] = local
            if len(self._local) > MAX_LOCAL_NAMES:
                self._local.popitem(last=False)
        elif seen.src in local:
            name = next((name for name in names if _is_hosts(name, by)), None)
            if name is not None:
                yield from self._named(seen.src, seen.ts, name, by)

    def _leads_to(self, name: str, address: str) -> bool:
        """Whether a name is one of the local network: what is asked of a proxy in it is not."""
        plain = _lower(name)
        return plain.endswith(_LOCAL) or "." not in plain or address in self._local.get(plain, ())

    def _named(self, address: str, ts: float, name: str, by: str) -> Iterator[Met]:
        if not (kept := _cut(name)):
            return
        host = self._host(address, ts)
        # Whoever says its own name is believed before those who only call it so.
        changed = kept not in host.names and self._call(host, kept, by)
        yield from self._changed(address, host, ts, changed=changed)

    # the table

    def _host(self, address: str, ts: float) -> _Host:
        host = self._hosts.get(address)
        if host is None:
            host = self._hosts[address] = _Host(ts, ts)
            while len(self._hosts) > self._limit:
                lost, _ = self._hosts.popitem(last=False)
                self.forgotten += self._waiting.pop(lost, lost) is None
        else:
            self._hosts.move_to_end(address)
        return host

    def _is_at(self, host: _Host, mac: str, *, sworn: bool) -> bool:
        """Put down a hardware address; whether that changes anything. Another one makes it another host."""
        if mac == host.mac:
            host.sworn |= sworn and bool(mac)
        if mac in {"", host.mac} or (host.sworn and not sworn):
            return False
        if host.mac:
            host.names, host.system = {}, ""
        host.mac, host.sworn, host.router = mac, sworn, False
        return True

    def _call(self, host: _Host, name: str, by: str) -> bool:
        host.names.pop(name, None)
        host.names[name] = by
        while len(host.names) > MAX_NAMES:
            del host.names[next(iter(host.names))]
        return True

    def _is_shared(self, mac: str, address: str, ts: float) -> bool:
        """Whether so many addresses have lately had this hardware address that it is a router's."""
        having = self._shared.setdefault(mac, {})
        self._shared.move_to_end(mac)
        if len(self._shared) > self._limit:
            self._shared.popitem(last=False)
        having.pop(address, None)
        having[address] = ts
        while having and (len(having) > 2 * SHARED or ts - having[next(iter(having))] > SHARED_S):
            del having[next(iter(having))]
        return len(having) > SHARED or sum("." in one for one in having) > SHARED_4

    def _routed(self, mac: str, ts: float) -> Iterator[Met]:
        """It is a router's: whoever was thought to have it does not."""
        for address in self._shared[mac]:
            host = self._hosts.get(address)
            if host is not None and host.mac == mac and not host.sworn:
                host.mac, host.router = "", True
                yield from self._changed(address, host, ts, changed=True)

    # records

    def _changed(self, address: str, host: _Host, ts: float, *, changed: bool) -> Iterator[Met]:
        """It was seen; the record of it, if that is due."""
        host.last = max(host.last, ts)
        host.first = min(host.first, ts)
        age = None if host.told is None else ts - host.told
        if age is None or age >= REPEAT_S or (changed and age >= CHANGE_S):
            if self._may_tell(ts):
                self._waiting.pop(address, None)
                yield self._record(address, host, ts)
            else:
                self._waiting[address] = None
        elif changed:
            self._waiting[address] = None

    def _may_tell(self, now: float) -> bool:
        if not 0 <= now - self._minute < CHANGE_S:
            self._minute, self._spent = now, 0
        self._spent += 1
        return self._spent <= BUDGET

    def _record(self, address: str, host: _Host, now: float) -> Met:
        pseudonyms = self._pseudonyms
        persons = {pseudonyms.address(address): address}
        client = next(iter(persons))
        names = []
        for name in host.names:
            names.append(pseudonyms.host(name))
            persons[names[-1]] = name
        mac = None
        if host.mac:
            mac = pseudonyms.device(host.mac)
            persons[mac] = host.mac
        event = HostSeen(
            ts=host.first,
            until=host.last,
            sensor=self.name,
            source=self.source,
            address=client,
            mac=mac,
            vendor=self._vendor(host.mac) if host.mac else "",
            names=tuple(names),
            told_by=tuple(host.names.values()),
            system=host.system,
            router=host.router,
        )
        host.told, host.first = now, host.last
        return Met(event, persons)


@lru_cache(maxsize=4_096)
def _is_local(address: str) -> bool:
    try:
        return is_private(ip_address(address).packed)
    except ValueError:
        return False


def _lower(name: str) -> str:
    return name[:MAX_NAME].rstrip(".").lower()


def _is_hosts(name: str, by: str) -> bool:
    """Whether a name in an answer to all is a host's, not a service's."""
    return "_" not in name and (by == Note.LLMNR or _lower(name).endswith(".local"))


def _cut(name: str | None) -> str:
    """A host's name as it may be kept; empty: it is none."""
    plain = _lower(name or "")
    return plain if plain not in _NAMELESS and _NAME.fullmatch(plain) else ""


def _system(text: str | None) -> str:
    """What software a host has, as far as that is no key and no serial number."""
    whole = (text or "")[:_LOOKED_AT]
    found = _SYSTEM.match(whole)
    return "" if found is None or _PERSONAL.search(whole) else found[0].strip()
