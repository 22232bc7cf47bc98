"""How AI software shows itself, read from discovery/known: servers by what their answers show, clients by user agent.

Owns: their strict reading; the records are of appliance/model/known.py. Rules: read once at import, before anything
hostile; what cannot be read ends the start with OperatorError, because a sensor that knows less than it says would be
silent. Service ids stand in the catalogue (a test looks).
"""

from importlib import resources
from typing import Final

import msgspec

from appliance.model.errors import OperatorError
from appliance.model.known import Client, Server, Show

__all__ = ["CLIENTS", "SERVERS", "Client", "Server", "Show"]

_VALUE: Final = "value"


def read[T](name: str, kind: type[T], data: bytes | None = None) -> tuple[T, ...]:
    """The entries of a file of discovery/known, or of `data`; OperatorError: it is not what it must be."""
    if data is None:
        data = (resources.files("discovery") / "known" / name).read_bytes()
    try:
        return msgspec.json.decode(data, type=tuple[kind, ...])  # type: ignore[valid-type]
    except msgspec.MsgspecError as error:
        raise OperatorError(f"discovery/known/{name}: {error}; install the program anew") from error


def servers(data: bytes | None = None) -> tuple[Server, ...]:
    """Every server, in the order in which they are tried; OperatorError."""
    found = read("servers.json", Server, data)
    for server in found:
        for show in server.shows:
            kinds = (show.json, show.header, show.headers, show.text, show.title, show.metric)
            if sum(1 for kind in kinds if kind) != 1:
                raise OperatorError(f"discovery/known/servers.json: {server.service}: each of `shows` has one kind")
            if show.version == _VALUE and show.header is None:
                raise OperatorError(f"discovery/known/servers.json: {server.service}: `value` needs `header`")
    return found


SERVERS: Final = servers()
CLIENTS: Final = read("clients.json", Client)
