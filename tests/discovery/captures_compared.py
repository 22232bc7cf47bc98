"""What is read from captures that others made, beside what tshark, nfstream and their authors read from them.

Owns: the comparison behind docs/CONFORMANCE.md. Facts are (kind, capture, flow, value); what authors publish names no
flow (None) and counts only where no tool told it of a flow. Rules: a row of DISAGREEMENTS.csv leaves with the values
that it names, each with a verdict in adjudications.toml; every other miss stays in the count and has its reason there.
"""

import csv
import json
import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from appliance.model.names import ObservationKind
from appliance.model.observation import Observation
from discovery.engine import Engine
from discovery.files import Frame, read

PCAPS = Path(__file__).parents[3] / "shared" / "data" / "pcaps"
ADJUDICATIONS = Path(__file__).with_name("adjudications.toml")
KINDS = ("tls_sni", "quic_sni", "alpn", "ja3", "ja4", "dns", "http")
NAMES = ("tls_sni", "quic_sni", "dns", "http")  # of which none may be invented
HELLOS = frozenset({ObservationKind.TLS, ObservationKind.QUIC})
QUESTIONS = frozenset({ObservationKind.DNS, ObservationKind.MDNS, ObservationKind.LLMNR})

type Flow = tuple[str, str, int, str, int]


class Fact(NamedTuple):
    """`flow` None: only the file is known."""

    kind: str
    file: str
    flow: Flow | None
    value: str

    @property
    def apart(self) -> tuple[str, str, str]:
        """Without its flow."""
        return self.kind, self.file, self.value


@dataclass
class Compared:
    """Of one kind. `left`: facts that left with a disagreement."""

    wanted: set[Fact] = field(default_factory=set)
    found: set[Fact] = field(default_factory=set)
    missed: set[Fact] = field(default_factory=set)
    extra: set[Fact] = field(default_factory=set)
    left: set[Fact] = field(default_factory=set)

    @property
    def recall(self) -> float:
        """0-1."""
        return len(self.found) / len(self.wanted) if self.wanted else 1.0


class Disagreement(NamedTuple):
    """A row of DISAGREEMENTS.csv. `values`: what one source has and the other has not."""

    file: str
    what: str
    values: tuple[str, ...]
    others: str


def captures() -> list[Path]:
    """In order of their names."""
    return sorted(path for path in PCAPS.glob("*.pcap*") if path.is_file())


@cache
def frames(path: Path) -> tuple[Frame, ...]:
    """Of one capture."""
    return tuple(read(path))


@cache
def rows(path: Path) -> tuple[Observation, ...]:
    """What the engine sees in it."""
    engine = Engine()
    return tuple(row for frame in frames(path) for row in engine.feed(*frame))


def flow_of(row: Observation) -> Flow:
    """Protocol and ends."""
    return row.transport.value, row.src, row.sport, row.dst, row.dport


def without_port(host: str) -> str:
    """Of a Host field, as our rows have it."""
    return (host.rpartition(":")[0] if host.count(":") == 1 else host).lower()


def ours(path: Path) -> Iterator[Fact]:
    """Every fact of one capture."""
    for row in rows(path):
        flow, file = flow_of(row), path.name
        if row.kind in HELLOS:
            sni = "quic_sni" if row.kind is ObservationKind.QUIC else "tls_sni"
            told = [(sni, row.server_name), ("ja3", row.ja3), ("ja4", row.ja4)]
            told += [("alpn", name) for name in row.alpn]
        elif row.kind in QUESTIONS:
            told = [("dns", row.server_name and row.server_name.lower())]
        else:
            told = [("http", row.host)] if row.kind is ObservationKind.HTTP else []
        yield from (Fact(kind, file, flow, value) for kind, value in told if value is not None)


def tools() -> Iterator[Fact]:
    """What tshark (JA4: nfstream) tells of each flow. HTTP in UDP is no HTTP."""
    with (PCAPS / "truth.jsonl").open() as lines:
        for row in map(json.loads, lines):
            if "only_in" in row:
                continue
            flow = (row["proto"], row["src"], row["sport"], row["dst"], row["dport"])
            tcp = row["proto"] == "tcp"
            told = [(kind, value) for kind in ("tls_sni", "quic_sni", "ja3") for value in row[kind]]
            told += [("alpn", value) for value in row["alpn_client"]]
            told += [("dns", dns_name(value)) for value in row["dns_queries"]]
            told += [("http", without_port(value)) for value in row["http_hosts"] + row["h2_authority"] if tcp]
            told += [("ja4", one["cfp"]) for one in row.get("nfstream", ()) if re.match("[tqd]", one["cfp"])]
            yield from (Fact(kind, row["file"], flow, value) for kind, value in told)


def published() -> Iterator[Fact]:
    """What the authors of the captures tell, by file."""
    columns = {
        "tls_sni": "expected_tls_sni",
        "quic_sni": "expected_quic_sni",
        "ja3": "expected_ja3",
        "ja4": "expected_ja4",
        "alpn": "expected_alpn",
        "dns": "expected_dns_names",
        "http": "expected_http_hosts",
    }
    with (PCAPS / "MANIFEST.csv").open(newline="") as lines:
        for row in csv.DictReader(lines):
            in_quic = row["expected_quic_sni"].split(" | ")
            for kind, column in columns.items():
                for text in filter(None, row[column].split(" | ")):
                    value = {"dns": dns_name, "http": without_port}.get(kind, str)(text)
                    if kind != "tls_sni" or value not in in_quic:  # Zeek writes hellos of QUIC down twice
                        yield Fact(kind, row["file"], None, value)


def dns_name(name: str) -> str:
    """The root is a dot; case tells no names apart (RFC 4343)."""
    return "." if name.lower() == "<root>" else name.lower()


def disagreements() -> tuple[Disagreement, ...]:
    """Every row of the table of those."""
    with (PCAPS / "DISAGREEMENTS.csv").open(newline="") as lines:
        return tuple(
            Disagreement(
                row["file"], row["what"], tuple(re.findall(r"'([^']*)'", row["missing_or_extra"])), row["detail"]
            )
            for row in csv.DictReader(lines)
        )


def leaving(found: Iterable[Disagreement]) -> set[tuple[str, str, str]]:
    """The facts, without their flows, that no longer count."""
    kinds: Mapping[str, tuple[str, ...]] = {
        "ja4 vs nfstream": ("ja4",),
        "expected_ja3": ("ja3",),
        "expected_quic_sni": ("quic_sni",),
        "expected_dns_names": ("dns",),
        "tshark SNI nfstream missed": ("tls_sni", "quic_sni"),
        "nfstream name tshark lacks": NAMES,
    }
    cut_off = {(one["file"], one["what"]): tuple(one.get("also", ())) for one in adjudications()["disagreement"]}
    return {
        (kind, row.file, value)
        for row in found
        for kind in kinds[row.what]
        for value in row.values + cut_off.get((row.file, row.what), ())
    }


@cache
def compared() -> dict[str, Compared]:
    """Every kind, over all captures."""
    by_kind = {kind: Compared() for kind in KINDS}
    gone = leaving(disagreements()) | set(told_of("misfiled"))
    flows = set(tools())
    known = {fact.apart for fact in flows}
    whole = flows | {fact for fact in published() if fact.apart not in known}
    has = {fact for path in captures() for fact in ours(path)}
    loose = {fact.apart for fact in has}
    for fact in whole:
        side = by_kind[fact.kind]
        if fact.apart in gone:
            side.left.add(fact)
            continue
        side.wanted.add(fact)
        (side.found if fact in has or (fact.flow is None and fact.apart in loose) else side.missed).add(fact)
    told = {fact.apart for fact in whole} | gone
    for fact in has - whole:
        if fact.apart not in told:
            by_kind[fact.kind].extra.add(fact)
    return by_kind


@cache
def adjudications() -> dict[str, list[dict[str, Any]]]:
    """The hand-written half."""
    return tomllib.loads(ADJUDICATIONS.read_text(encoding="utf-8"))


def told_of(section: str) -> dict[tuple[str, str, str], str]:
    """What stands in a section, as (kind, capture, value), with its reason."""
    return {
        (one["kind"], one["file"], value): one["why"]
        for one in adjudications().get(section, ())
        for value in one["values"]
    }


def weird() -> dict[str, Counter[str]]:
    """By capture, what could not be read."""
    counted = {}
    for path in captures():
        engine = Engine()
        for frame in frames(path):
            engine.feed(*frame)
        if engine.counters.weird:
            counted[path.name] = Counter(engine.counters.weird)
    return counted
