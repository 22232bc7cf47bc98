"""How AI software shows itself, read from discovery/known: servers by what their answers show, clients by user agent.

Owns: the records and their strict reading. Rules: read once at import, before anything hostile; what cannot be read
ends the start with OperatorError, because a sensor that knows less than it says would be silent. Service ids stand in
the catalogue (a test looks). Confidences are 0-1.
"""

from importlib import resources
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from appliance.model.errors import OperatorError

type Sure = Annotated[float, Meta(gt=0, le=1)]
type Port = Annotated[int, Meta(ge=1, le=65_535)]
type Word = Annotated[str, Meta(min_length=1, max_length=64)]
type Path = Annotated[str, Meta(pattern="^/", max_length=128)]
_VALUE: Final = "value"


class Show(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One thing that an answer shows; exactly one of the first six is set.

    `json`: members with their values, `*` at the end of one: it begins so, empty: any. `version`: the member or header
    that tells it, `value`: the header itself.
    """

    json: dict[Word, str] | None = None
    header: Word | None = None
    headers: tuple[Word, ...] = ()
    text: Word | None = None
    title: Word | None = None
    metric: Word | None = None
    begins: str = ""
    version: Word | None = None
    sure: Sure


class Server(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Software that people run themselves; discovery/known/README.md says what the fields mean."""

    service: Word
    ports: tuple[Port, ...]
    alone: Sure
    paths: tuple[Path, ...]
    common: tuple[Path, ...] = ()
    versions: tuple[Path, ...] = ()
    api: bool = False
    port_alone: Sure | None = None
    software: Word | None = None  # as advisories call it; None: as the service
    shows: tuple[Show, ...] = ()


class Client(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A program by how its user agent begins, in lower case. `service` None: any AI software."""

    agent: Word
    service: Word | None = None


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
