"""Rows to be compared with another program's, field by field, for `gnomon replay --truth`.

Owns: that row. Rules: facts of the packets, no verdict; the first keys always stand, in this order, and bear tshark's
meaning (`frame.number`, `tls.handshake.extensions_server_name`, `..._alpn_str`, `tls.handshake.ja3`, `dns.qry.name`,
`http.host`); what else was read follows where it is there. Rows come in the order of the packets, file after file, and
are the same whenever the same file is read.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from appliance.model.names import ObservationKind
from appliance.model.observation import Observation, Sighting
from discovery.replay import visible

_NAMES: Final = frozenset(
    {ObservationKind.DNS, ObservationKind.MDNS, ObservationKind.LLMNR, ObservationKind.DNS_ANSWER}
)
_FIXED: Final = frozenset({"alpn", "ja3", "ja4", "host", "kind", "transport", "server_name", "ts"})


_encode_lines = msgspec.json.Encoder().encode_lines


class TruthRow(msgspec.Struct, frozen=True, kw_only=True):
    """What every row has. `frame`: the packet that completed it, from 1; of a connection left open the file's last.

    `name`: SNI; `dns`: a name asked for or told. `alpn`: as offered, in order; of a server the one it chose. `host`:
    without port, lower case. Absent: null.
    """

    file: str
    frame: int
    proto: str
    src: str
    sport: int
    dst: str
    dport: int
    kind: str
    name: str | None
    alpn: tuple[str, ...]
    ja3: str | None
    ja4: str | None
    dns: str | None
    host: str | None
    ts: float
    more: dict[str, object]  # laid flat behind the others


def row_of(seen: Observation, file: str, frame: int) -> TruthRow:
    """The row of one observation."""
    asked = seen.kind in _NAMES
    more = msgspec.to_builtins(seen)
    return TruthRow(
        file=file,
        frame=frame,
        proto=seen.transport.value,
        src=seen.src,
        sport=seen.sport,
        dst=seen.dst,
        dport=seen.dport,
        kind=seen.kind.value,
        name=None if asked else seen.server_name,
        alpn=seen.alpn,
        ja3=seen.ja3,
        ja4=seen.ja4,
        dns=seen.server_name if asked else None,
        host=seen.host,
        ts=seen.ts,
        more={key: value for key, value in more.items() if key not in _FIXED and key not in TruthRow.__struct_fields__},
    )


def flat(row: TruthRow) -> dict[str, object]:
    """As it is printed."""
    keys = {key: getattr(row, key) for key in row.__struct_fields__ if key != "more"}
    return keys | row.more


def truth(sightings: Sequence[Sighting], file: str, numbers: Sequence[int]) -> bytes:
    """One JSON object per sighting and line, valid whatever the network sent."""
    pairs = zip(sightings, numbers, strict=True)
    rows = [flat(row_of(sighting.observation, file, number)) for sighting, number in pairs]
    try:
        return _encode_lines(rows)
    except UnicodeEncodeError:
        return _encode_lines([_shown(row) for row in rows])


def _shown(value: object) -> object:
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, (list, tuple)):
        return [_shown(one) for one in value]
    return {key: _shown(one) for key, one in value.items()} if isinstance(value, dict) else value


def observation_of(line: bytes) -> Observation:
    """The observation that a row of `--truth`, or of plain JSON rows, tells of. msgspec.MsgspecError: it is neither."""
    found: dict[str, object] = msgspec.json.decode(line, type=dict[str, object])
    fields = {key: value for key, value in found.items() if value is not None}
    fields["transport"] = fields.pop("proto", fields.get("transport"))
    name = fields.pop("name", None) or fields.pop("dns", None)
    if name is not None:
        fields.setdefault("server_name", name)
    alpn = fields.get("alpn")
    if isinstance(alpn, str):
        fields["alpn"] = alpn.split(",")
    return msgspec.convert(fields, Observation)
