"""`gnomon replay`: capture files to one line per observation, through the same parsers as live packets.

Owns: the row that is printed. Rules: rows come in capture order, file after file, each file with an engine of its own;
damage in a file is told after what was whole, and the next file goes on; whatever bytes a packet holds, a row is valid
JSON in UTF-8. Nothing is written but rows; what else there is to say goes to `tell`.
"""

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Protocol

import msgspec
from msgspec.structs import replace

from appliance.config.catalogue import load_catalogue
from appliance.config.known_files import load_known
from appliance.config.schema import SensorConfig
from appliance.model.errors import EvidenceError, OperatorError
from appliance.model.names import ObservationKind
from appliance.model.names import ObservationKind as Kind
from appliance.model.observation import Observation, Sighting
from appliance.sanitise import one_line
from discovery import files
from discovery.classify import Classifier
from discovery.engine import Engine
from discovery.exchanged import Exchanged
from discovery.http import AGAIN
from discovery.sift import Sift
from discovery.stats import Stats

# Sightings, the name of their file and the numbers of the packets that completed them (from 1), to whole lines.
type Encode = Callable[[Sequence[Sighting], str, Sequence[int]], bytes]
_COLUMNS: Final = "{:<23}  {:<21}  {:<21}  {:<5}  {:<16}  {:>4}  {}\n"
_TEXT_NAME: Final = 120
_ANSWERS: Final = frozenset(ObservationKind) - {
    *(ObservationKind.TLS, ObservationKind.QUIC, ObservationKind.HTTP),
    *(ObservationKind.DNS, ObservationKind.MDNS, ObservationKind.LLMNR),
}
_OF_CLIENTS: Final = frozenset({Kind.TLS, Kind.QUIC, Kind.DNS, Kind.MDNS, Kind.LLMNR, Kind.HTTP})


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One observation as it is printed; the order of the fields is that of the keys.

    `ts`: epoch seconds. `file`: the file's own name, or its path as given where two given files share a name. `alpn`:
    the protocols offered, joined by commas. `confidence`: 0-1. What is absent is null.
    """

    ts: float
    file: str
    src: str
    sport: int
    dst: str
    dport: int
    transport: str
    kind: str
    server_name: str | None
    alpn: str | None
    ja3: str | None
    ja4: str | None
    host: str | None
    path: str | None
    user_agent: str | None
    service: str | None
    category: str | None
    confidence: float | None
    evidence: tuple[str, ...] | None


@dataclass
class Totals:
    """What a replay came to. `unread`: files that are no captures or cannot be opened."""

    packets: int = 0
    observations: int = 0
    unread: int = 0
    damaged: int = 0
    weird: dict[str, int] = field(default_factory=dict)


class Sink(Protocol):
    """Takes whole lines."""

    def write(self, data: bytes, /) -> object:
        """All of `data`."""


def classifier(override: Path | None, sensor: SensorConfig | None = None) -> Classifier:
    """A classifier with the embedded catalogue, the operator's, and what the site knows; OperatorError as these."""
    catalogue = load_catalogue(override)
    return Classifier(catalogue, site=load_known(sensor, catalogue) if sensor else None)


def replay(
    sources: Sequence[str],
    classifier: Classifier,
    sink: Sink,
    *,
    encode: Encode,
    tell: Callable[[str], None],
    advance: Callable[[int], None] = lambda _: None,
    stats: Stats | None = None,
) -> Totals:
    """Read every source (paths, `-` for stdin) and write its rows.

    `tell` gets a line per file that is damaged, odd or no capture; `advance` the bytes of files read; `stats` counts
    what passes. Only what the sink raises comes through.
    """
    totals = Totals()
    for source, name in zip(sources, shown_names(sources), strict=True):
        engine, told = Engine(), files.Told()
        sift, sight = Sift(engine), _judge(classifier)
        try:
            for batch in files.batches(source, advance, told, sift.take if stats is None else None):
                sift.feed(batch)
                seen, numbers = _sightings(sift, sight)
                if stats is not None:
                    stats.take(batch, seen)
                if seen and (lines := encode(seen, name, numbers)):
                    sink.write(lines)
        except OperatorError as error:
            totals.unread += 1
            tell(str(error))
        except EvidenceError as error:
            totals.damaged += 1
            tell(str(error))
        left = [sight(one) for one in engine.expire(math.inf)]  # what was cut off is counted, or told
        if left and (lines := encode(left, name, [sift.packets] * len(left))):
            sink.write(lines)
        if stats is not None:
            stats.take((), left)
            stats.file(told.dropped, engine.counters.weird)
        _count(totals, engine, name, tell)
    return totals


def _judge(classifier: Classifier) -> Callable[[Observation], Sighting]:
    """The judgement of one file's observations in their order: an answer with what its request adds.

    Only the request's own row tells its path and method.
    """
    take, sight = Exchanged().take, classifier.sight

    def judged(seen: Observation) -> Sighting:
        joined = take(seen)
        return sight(seen if joined is seen else replace(joined, path=seen.path, method=seen.method))

    return judged


def _sightings(sift: Sift, sight: Callable[[Observation], Sighting]) -> tuple[list[Sighting], list[int]]:
    """What was found since the last call, and the numbers of its packets in the file."""
    found, sift.found = sift.found, []
    seen = [sight(observation) for _, rows in found for observation in rows]
    numbers = [number for number, rows in found for _ in rows]
    return seen, numbers


def _count(totals: Totals, engine: Engine, name: str, tell: Callable[[str], None]) -> None:
    counters = engine.counters
    totals.packets += counters.packets
    totals.observations += counters.observations
    odd = {word: count for word, count in counters.weird.items() if count}
    for word, count in odd.items():
        totals.weird[word] = totals.weird.get(word, 0) + count
    if odd:
        tell(f"{name}: odd packets: " + ", ".join(f"{word} {count}" for word, count in sorted(odd.items())))


def shown_names(sources: Sequence[str]) -> list[str]:
    """What rows call each source: its base name, or the path as given where another source has that name, too."""
    bases = [os.path.basename(source) or source for source in sources]  # noqa: PTH119 - as given, not normalised
    seen: dict[str, set[str]] = {}
    for source, base in zip(sources, bases, strict=True):
        seen.setdefault(base, set()).add(source)
    return [base if len(seen[base]) == 1 else source for source, base in zip(sources, bases, strict=True)]


def is_told(sighting: Sighting) -> bool:
    """Whether a row is printed: all that clients say, once, and the answers in clear that show an AI service."""
    seen = sighting.observation
    if seen.kind is Kind.HTTP_RESPONSE:
        return sighting.service is not None
    return seen.kind in _OF_CLIENTS and AGAIN not in seen.notes


def row_of(sighting: Sighting, file: str) -> Row:
    """The row of one sighting."""
    seen: Observation = sighting.observation
    return Row(
        ts=seen.ts,
        file=file,
        src=seen.src,
        sport=seen.sport,
        dst=seen.dst,
        dport=seen.dport,
        transport=seen.transport.value,
        kind=seen.kind.value,
        server_name=seen.server_name,
        alpn=",".join(seen.alpn) if seen.alpn else None,
        ja3=seen.ja3,
        ja4=seen.ja4,
        host=seen.host,
        path=seen.path,
        user_agent=seen.user_agent,
        service=sighting.service,
        category=sighting.category,
        confidence=sighting.confidence,
        evidence=sighting.evidence or seen.notes or None,
    )


_encode_lines = msgspec.json.Encoder().encode_lines


def rows_of(sightings: Sequence[Sighting]) -> list[Sighting]:
    """Those that rows are printed of: of answers only what tells a service by itself; `--truth` has all of them."""
    return [one for one in sightings if one.observation.kind not in _ANSWERS or _telling(one)]


def _telling(sighting: Sighting) -> bool:
    return sighting.service is not None and sighting.observation.kind is ObservationKind.HTTP_RESPONSE


def jsonl(sightings: Sequence[Sighting], file: str, _numbers: Sequence[int] = ()) -> bytes:
    """One JSON object per sighting and line, valid whatever the network sent."""
    rows = [row_of(sighting, file) for sighting in sightings if is_told(sighting)]
    try:
        return _encode_lines(rows)
    except UnicodeEncodeError:
        return _encode_lines([_whole(row) for row in rows])


def _whole(row: Row) -> Row:
    r"""The row with what is no Unicode text made visible: bytes as `\xNN`, lone surrogates as `\uNNNN`."""
    changed = {name: visible(value) for name, value in msgspec.structs.asdict(row).items() if isinstance(value, str)}
    said = row.evidence and tuple(map(visible, row.evidence))
    return msgspec.structs.replace(row, **changed, evidence=said)


def visible(text: str) -> str:
    r"""What is no Unicode text as `\xNN` or `\uNNNN`; all else as it is."""
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace").decode()


def text(sightings: Sequence[Sighting], _file: str, _numbers: Sequence[int] = ()) -> bytes:
    """One line of a table per sighting, inert on a terminal."""
    return "".join([_text_line(sighting) for sighting in sightings if is_told(sighting)]).encode()


def text_head() -> bytes:
    """The line above the table."""
    return _COLUMNS.format("TIME (UTC)", "CLIENT", "SERVER", "KIND", "SERVICE", "SURE", "NAME").encode()


def _text_line(sighting: Sighting) -> str:
    seen = sighting.observation
    sure = "-" if sighting.confidence is None else f"{sighting.confidence:.2f}"
    client, server = _place(seen.src, seen.sport), _place(seen.dst, seen.dport)
    name = one_line((seen.name or "-") + (seen.path or "" if seen.method != "CONNECT" else ""), _TEXT_NAME)
    return _COLUMNS.format(_time(seen.ts), client, server, seen.kind.value, sighting.service or "-", sure, name)


def _place(address: str, port: int) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def _time(ts: float) -> str:
    try:
        return datetime.fromtimestamp(ts, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
    except (OverflowError, ValueError, OSError):
        return f"{ts:.0f}"  # a capture may claim any time
