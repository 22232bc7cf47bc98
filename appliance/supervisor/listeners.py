"""The listening sockets: bound once here, inherited by every worker.

Rules: a socket listens before the first worker starts, so a connection made meanwhile waits in the backlog instead of
being refused; an address that somebody else has is told with its holder's name.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Final

from appliance.model.errors import OperatorError

if TYPE_CHECKING:
    from collections.abc import Collection

    from appliance.config.schema import Config

BACKLOG: Final = 4096
RETRY_S: Final = 10.0  # how long the workers of a killed supervisor may take to let go of an address
_STEP_S: Final = 0.05


def split_address(text: str) -> tuple[str, int]:
    """`127.0.0.1:8080` or `[::1]:8080` as host and port; OperatorError for anything else."""
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isdecimal() or int(port) > 65535:  # noqa: PLR2004 - the largest port
        raise OperatorError(f"listen address {text!r}: must be ADDRESS:PORT, e.g. 127.0.0.1:8080 or [::1]:8080")
    return host, int(port)


def shown(sock: socket.socket) -> str:
    """Where a bound socket listens, as `split_address` reads it."""
    host, port = sock.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def places(config: Config) -> dict[str, str]:
    """The addresses to listen on, by name; `exchanges`: for the edges of a central appliance."""
    exchanges = config.peers.exchanges if config.peers is not None else None
    more = {"exchanges": exchanges} if exchanges is not None else {}
    return {"proxy": config.listen.proxy, "gateway": config.listen.gateway, **more}


def key_of(name: str) -> str:
    """The key of the configuration that says where a listener is."""
    return "peers.exchanges" if name == "exchanges" else f"listen.{name}"


def bind(name: str, text: str) -> socket.socket:
    """A listening socket for a listener. OSError EADDRINUSE if it is taken, OperatorError for anything else."""
    host, port = split_address(text)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((host, port))
        sock.listen(BACKLOG)
        sock.setblocking(False)
    except (OSError, UnicodeError) as error:
        sock.close()
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            raise
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise OperatorError(f"{key_of(name)}: cannot listen on {text}: {reason}; {_remedy(error)}") from None
    return sock


def _remedy(error: Exception) -> str:
    if isinstance(error, PermissionError):
        return "ports below 1024 need privileges: choose a higher one"
    return "choose an address of this machine"


async def bind_all(config: Config, patience_s: float = 0.0, have: Collection[str] = ()) -> dict[str, socket.socket]:
    """All listeners but those of `have`, or none: OperatorError names the address.

    `patience_s`: how long to wait for one in use.
    """
    deadline = asyncio.get_running_loop().time() + patience_s
    bound: dict[str, socket.socket] = {}
    try:
        for name, text in places(config).items():
            if name not in have:
                bound[name] = await _bind_patiently(name, text, deadline)
    except BaseException:
        for sock in bound.values():
            sock.close()
        raise
    return bound


async def rebind(old: Config, fresh: Config) -> dict[str, socket.socket]:
    """Sockets for the addresses that differ or are new; OperatorError, and nothing bound, when one cannot be had."""
    bound: dict[str, socket.socket] = {}
    try:
        for name, text in places(fresh).items():
            if text != places(old).get(name):
                bound[name] = await _bind_patiently(name, text, 0.0)
    except BaseException:
        for sock in bound.values():
            sock.close()
        raise
    return bound


async def _bind_patiently(name: str, text: str, deadline: float) -> socket.socket:
    while True:
        try:
            return bind(name, text)
        except OSError:
            if asyncio.get_running_loop().time() >= deadline:
                holder = holder_of(split_address(text)[1])
                raise OperatorError(
                    f"{key_of(name)}: {text} is in use{holder}; stop that program or set another {key_of(name)}"
                ) from None
            await asyncio.sleep(_STEP_S)


def check_safe(config: Config) -> None:
    """Refuse a bind that would serve strangers, and unusable files; OperatorError names what is missing."""
    from appliance.net.addresses import check_bind
    from appliance.supervisor.preflight import check_files

    listen, identity = config.listen, config.identity
    for name, text in (("proxy", listen.proxy), ("gateway", listen.gateway)):
        host, port = split_address(text)
        check_bind(
            host,
            port,
            clients=listen.clients,
            identity=identity.required,
            tls=listen.certificate is not None,
            listener=name,
            passwords=identity.takes_secrets,
        )
    check_files(config)


def holder_of(port: int) -> str:
    """` by NAME (pid N)` for a process that listens on `port`, empty where the system does not tell."""
    inodes = {inode for table in ("tcp", "tcp6") for inode in _listening(Path("/proc/net") / table, port)}
    if not inodes:
        return ""
    wanted = {f"socket:[{inode}]" for inode in inodes}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if any(str(fd.readlink()) in wanted for fd in (process / "fd").iterdir()):
                return f" by {(process / 'comm').read_text().strip()!r} (pid {process.name})"
        except OSError:
            continue  # gone meanwhile, or another user's
    return ""


def _listening(table: Path, port: int) -> list[str]:
    try:
        rows = [line.split() for line in table.read_text().splitlines()[1:]]
    except OSError:
        return []
    return [row[9] for row in rows if row[3] == "0A" and int(row[1].rpartition(":")[2], 16) == port]
