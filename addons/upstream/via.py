"""A tunnel through a parent proxy: which destinations take it, and the CONNECT that opens it (RFC 9110 9.3.6).

Rules: knows nothing of mitmproxy; the parent resolves names and judges what they lead to, so only names that could be
public ones go there: address literals that are private, and names that are local by their form, never do; the answer to
CONNECT is bounded and only its status is used; a parent that wants other credentials, or none, ends the dial; the
credentials go to the parent and into no error.
"""

import asyncio
import base64
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address

from appliance.net.addresses import special
from appliance.route.targets import is_host

MAX_HEAD = 16 * 1024
_LOCAL = ("localhost", "local", "internal", "intranet", "lan", "home", "corp", "private", "home.arpa", "test")
_OK = range(200, 300)
_WANTS_CREDENTIALS = 407


@dataclass(frozen=True, slots=True)
class Parent:
    """One parent proxy. `hosts`: names, `.suffix` for a domain; none: every destination. `tls`: it speaks TLS itself.

    `secret`: user:password. `fault`: why it cannot be used; empty: it can.
    """

    host: str
    port: int
    tls: ssl.SSLContext | None = None
    hosts: tuple[str, ...] = ()
    secret: bytes | None = field(default=None, repr=False)
    fault: str = ""

    def takes(self, name: str) -> bool:
        """Whether a destination goes by it."""
        return not self.hosts or any(
            name == one or (one.startswith(".") and (name.endswith(one) or name == one[1:])) for one in self.hosts
        )


class ParentRefused(Exception):  # noqa: N818 - the parent's word
    """The parent opens no tunnel. The text is for the client."""


def parent_of(parents: Sequence[Parent], name: str) -> Parent | None:
    """The first that takes a name or literal (no brackets, in lower case); None: it is dialled directly."""
    if not parents or is_local(name):
        return None
    return next((one for one in parents if one.takes(name)), None)


def is_local(name: str) -> bool:
    """A name that by its form is none of the public internet, or a literal that is no public address."""
    try:
        address = ip_address(name.partition("%")[0])
        return not address.is_global or special(address) is not None  # NAT64 is global, and what it wraps need not be
    except ValueError:
        return "." not in name or any(name == one or name.endswith(f".{one}") for one in _LOCAL)


async def open_tunnel(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, parent: Parent, host: str, port: int
) -> None:
    """Have the parent at the other end open a tunnel. ParentRefused, OSError, EOFError: there is none."""
    if not is_host(host):
        raise ParentRefused(f"{host[:64]!r} is no name that a parent proxy could be asked for")
    if parent.tls is not None:
        await writer.start_tls(parent.tls, server_hostname=parent.host)
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    head = f"CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n".encode("ascii")
    if parent.secret is not None:
        head += b"Proxy-Authorization: Basic " + base64.b64encode(parent.secret) + b"\r\n"
    writer.write(head + b"\r\n")
    await writer.drain()
    status = await _status(reader)
    if status == _WANTS_CREDENTIALS:
        raise ParentRefused(f"the parent proxy for {place} does not take this appliance's credentials (407)")
    if status not in _OK:
        raise ParentRefused(f"the parent proxy opens no tunnel to {place} ({status or 'no HTTP'})")


async def _status(reader: asyncio.StreamReader) -> int:
    """The status of the answer; 0: it is none. What follows its head stays in the reader."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.LimitOverrunError:
        return 0
    words = head[:64].split(b" ", 2)
    if len(head) > MAX_HEAD or not words[0].startswith(b"HTTP/1.") or len(words) < 2:  # noqa: PLR2004 - version, status
        return 0
    code = words[1][:3]
    return int(code) if code.isdigit() else 0
