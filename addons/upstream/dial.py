"""From a name to a connected socket in one step: mapped or resolved once, every address judged, a judged one dialled.

Owns: the host map, name resolution, time-outs. Rules: knows nothing of mitmproxy; the address that was judged is the
address that is dialled, so a name that changes its mind in between gains nothing; if one address of a name is refused
the name is refused, because which one is used would be the attacker's choice; resolution never runs on the event loop;
`opened` hears of a connection before its first byte, so that a sensor beside us knows it as ours; a central appliance
(`HOP`) is the operator's word like the map.
"""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address

from addons.upstream.plan import HOP, FailureKind
from addons.upstream.via import Parent, ParentRefused, open_tunnel, parent_of
from appliance.model.errors import OperatorError
from appliance.net.addresses import Address, Allowance, judge

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Resolver = Callable[[str, int], Awaitable[Sequence[str]]]
Opened = Callable[[tuple[str, int], tuple[str, int]], None]  # our own end and the far one; raises nothing

MAX_ADDRESSES = 16  # of one name; more are not looked at, because all must be judged and none may be skipped
TRIED = 4  # of the judged addresses
RESOLVER_THREADS = 8


class DialError(Exception):
    """No connection. The text is for the client and names no resolved address."""

    kind = FailureKind.CONNECT

    def __init__(self, message: str, kind: FailureKind | None = None) -> None:
        super().__init__(message)
        self.kind = kind or self.kind


class PrivateAddressRefused(DialError):  # noqa: N818 - the refusal is the news, not an error of ours
    """The name leads to an address that may not be dialled. `reason` and `address` are for the record."""

    kind = FailureKind.PRIVATE_ADDRESS

    def __init__(self, host: str, port: int, address: str, reason: str) -> None:
        super().__init__(f"{host}:{port} leads to an address that this gateway does not connect to ({reason})")
        self.address = address
        self.reason = reason


class SystemResolver:
    """getaddrinfo in its own few threads, so that slow name servers never starve other work."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(RESOLVER_THREADS, thread_name_prefix="resolve")

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        """Addresses of `host`, in the system's order, each once."""
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._threads, _getaddrinfo, host, port)
        return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))


def _getaddrinfo(host: str, port: int) -> list[tuple[int, int, int, str, tuple[str | int, ...]]]:
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)  # type: ignore[return-value]


class Dialler:
    """Opens upstream connections. `hosts` maps "name:port" to "address:port" and is the operator's word: not judged.

    `forbids(name)`: what may be reached by a central appliance only.
    """

    def __init__(
        self,
        hosts: Mapping[str, str] | None = None,
        allowance: Allowance | None = None,
        *,
        resolver: Resolver | None = None,
        timeout_s: float = 10.0,
        opened: Opened | None = None,
        parents: Sequence[Parent] = (),
        forbids: Callable[[str], bool] = lambda _: False,
    ) -> None:
        self._parents = parents
        self._forbids = forbids
        self._opened = opened
        self._hosts = {_endpoint(name): _endpoint(place) for name, place in (hosts or {}).items()}
        self._allowance = allowance or Allowance()
        self._resolve = resolver or SystemResolver()
        self._timeout_s = timeout_s

    async def connect(self, host: str, port: int) -> Connection:
        """A connection to `host`:`port` as the operator and the address rules allow; DialError otherwise."""
        label = "the central appliance" if host.startswith(HOP) else f"{host}:{port}"
        try:
            async with asyncio.timeout(self._timeout_s):
                name = _plain_name(host.removeprefix(HOP))
                if host.startswith(HOP):
                    place = self._hosts.get((name, port), (name, port))
                    return await self._first(await self._addresses(*place), place[1], label)
                if self._forbids(name):
                    raise DialError(f"{label} is reached by the central appliance only", FailureKind.REFUSED)
                parent = parent_of(self._parents, name) if (name, port) not in self._hosts else None
                if parent is not None:
                    return await self._by(parent, name, port)
                addresses, real_port = await self._places(host, port)
                return await self._first(addresses, real_port, label)
        except TimeoutError:
            message = f"{label} did not answer within {self._timeout_s:g} s"
            raise DialError(message, FailureKind.TIMEOUT) from None

    async def _by(self, parent: Parent, host: str, port: int) -> Connection:
        """The same by a parent proxy, whose own address is judged like any other."""
        if parent.fault:
            raise DialError(parent.fault)
        addresses, real_port = await self._places(parent.host, parent.port)
        reader, writer = await self._first(addresses, real_port, "the parent proxy")
        try:
            await open_tunnel(reader, writer, parent, host, port)
        except BaseException as error:
            writer.close()
            if isinstance(error, ssl.SSLError):
                raise DialError("no TLS with the parent proxy", FailureKind.TLS) from None
            if isinstance(error, ParentRefused):
                raise DialError(str(error)) from None
            if isinstance(error, OSError | EOFError) and not isinstance(error, TimeoutError):
                raise DialError("the parent proxy broke off") from None
            raise
        return reader, writer

    async def _places(self, host: str, port: int) -> tuple[Sequence[Address], int]:
        name = _plain_name(host)
        mapped = self._hosts.get((name, port))
        if mapped is not None:
            return await self._addresses(*mapped), mapped[1]
        addresses = await self._addresses(name, port)
        for address in addresses:
            verdict = judge(address, port, self._allowance)
            if not verdict.allowed:
                raise PrivateAddressRefused(host, port, str(address), verdict.reason)
        return addresses, port

    async def _addresses(self, name: str, port: int) -> Sequence[Address]:
        try:
            return (ip_address(name),)
        except ValueError:
            pass
        try:
            found = [ip_address(text) for text in await self._resolve(name, port)]
        except (OSError, ValueError, UnicodeError):
            found = []
        if not found:
            raise DialError(f"{name}: no such name", FailureKind.RESOLVE)
        if len(found) > MAX_ADDRESSES:
            raise DialError(f"{name}: more than {MAX_ADDRESSES} addresses", FailureKind.RESOLVE)
        return found

    async def _first(self, addresses: Sequence[Address], port: int, label: str) -> Connection:
        tried = addresses[:TRIED]
        share = self._timeout_s / len(tried)
        error: str | None = None
        for address in tried:
            try:
                async with asyncio.timeout(share):
                    connection = await asyncio.open_connection(str(address), port)
            except TimeoutError:
                error = "timed out"
            except OSError as failed:
                error = failed.strerror or type(failed).__name__
            else:
                self._tell(connection[1])
                return connection
        if error == "timed out":
            raise TimeoutError
        raise DialError(f"{label} cannot be reached: {_plain(error or '')}")

    def _tell(self, writer: asyncio.StreamWriter) -> None:
        near, far = writer.get_extra_info("sockname"), writer.get_extra_info("peername")
        if self._opened is not None and near and far:
            self._opened(near[:2], far[:2])


def _plain_name(host: str) -> str:
    return host.strip("[]").lower().removesuffix(".")


def _plain(text: str) -> str:
    # asyncio writes "Connect call failed ('10.1.2.3', 443)": the address is not for the client.
    return text.partition("(")[0].strip() or "connection failed"


def _endpoint(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdigit() or not host:
        raise OperatorError(f"egress.hosts: {text}: write host:port")
    return host.strip("[]").lower().removesuffix("."), int(port)
