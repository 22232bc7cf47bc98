"""Captures that others made, compared with what tshark and nfstream read from them and with what their authors publish.

A difference that is listed here has its reason; a new one fails, and so does a listed one that is gone.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.model.names import ObservationKind, Transport
from appliance.model.observation import Observation
from discovery.engine import Engine
from discovery.files import Frame, read

PCAPS = Path(__file__).parents[3] / "shared" / "data" / "pcaps"
pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not (PCAPS / "truth.jsonl").exists(), reason="needs the captures in ../shared/data/pcaps"),
]

type Flow = tuple[str, str, int, str, int]
type Facts = dict[str, set[tuple[Flow, object]]]

# What the reference has and we do not: (what, capture, source port) -> why.
MISSING = {
    ("name", "sv__dns-dns-incomplete.pcap", 59194): "TCP port 5353 is no port of DNS",
    ("name", "sv__dns-dns-invalid-opcode.pcap", 5333): "the opcode is not QUERY",
    ("host", "zeek__http-methods.pcap", 46563): "`OPTIONS HTTP/1.1`: no target",
    ("host", "zeek__http-methods.pcap", 46565): "`OPTIONS`: no target and no version",
    ("host", "zeek__http-methods.pcap", 46577): "the method `CCM_POST` is none of HTTP's",
    ("host", "zeek__http-methods.pcap", 46578): "the method `CCM_POST` is none of HTTP's",
    ("host", "zeek__http-methods.pcap", 46581): "the method `CCM_POST` is none of HTTP's",
    ("ja4", "ja4__ssh2.pcapng", 57377): "nfstream's fingerprint of SSH stands in the same field",
    ("ja4", "ndpi__anyconnect-vpn.pcap", 54107): "DTLS 1.0 as Cisco made it before the standard: version 0x0100",
    ("ja4", "ndpi__wechat.pcap", 68): "nfstream's fingerprint of DHCP stands in the same field",
    ("ja4", "ndpi__zoom.pcap", 68): "nfstream's fingerprint of DHCP stands in the same field",
    ("requests", "ndpi__http_ua_splitted_in_two_pkts.pcapng", 21359): "the reference stops at 20 requests of a flow",
}
# What we have and the reference has not.
EXTRA = {
    ("ja3", "arkime__cloudshark-dtls1.pcap", 6000): "tshark 4.0 makes no JA3 of DTLS; nDPI published none",
    ("ja3", "ndpi__stun_dtls_unidirectional_client.pcap", 57567): "tshark 4.0 makes no JA3 of DTLS; nDPI's is the same",
    ("requests", "ndpi__http_ua_splitted_in_two_pkts.pcapng", 21359): "the reference stops at 20 requests of a flow",
}
# Weird that is right to be counted: capture -> counters.
WEIRD = {"zeek__http-methods.pcap": {"bad_http": 13}}


def captures() -> list[Path]:
    return sorted(path for path in PCAPS.glob("*.pcap*") if path.is_file())


@cache
def frames(path: Path) -> tuple[Frame, ...]:
    return tuple(read(path))


def flow(row: Observation) -> Flow:
    return row.transport.value, row.src, row.sport, row.dst, row.dport


def without_port(host: str) -> str:
    return host.rpartition(":")[0] if host.count(":") == 1 else host


def truth() -> Iterator[dict[str, object]]:
    with (PCAPS / "truth.jsonl").open() as lines:
        for line in lines:
            row = json.loads(line)
            if "only_in" not in row:
                yield row


@cache
def expected() -> dict[str, Facts]:
    """Capture -> what -> (flow, value)."""
    by_file: dict[str, Facts] = defaultdict(lambda: defaultdict(set))
    for row in truth():
        facts, where = by_file[row["file"]], (row["proto"], row["src"], row["sport"], row["dst"], row["dport"])
        facts["sni"] |= {(where, name) for name in row["tls_sni"] + row["quic_sni"]}
        facts["ja3"] |= {(where, value) for value in row["ja3"]}
        facts["name"] |= {(where, "." if name == "<Root>" else name) for name in row["dns_queries"]}
        facts["ja4"] |= {(where, each["cfp"]) for each in row.get("nfstream", ()) if each["cfp"]}
        if row["proto"] == "tcp":
            facts["alpn"] |= {(where, name) for name in row["alpn_client"]}
            facts["host"] |= {(where, without_port(host).lower()) for host in row["http_hosts"]}
            facts["agent"] |= {(where, agent) for agent in row["user_agents"]}
            facts["hellos"] |= {(where, len(row["client_hello_frames"]))} if row["client_hello_frames"] else set()
            if row["http_hosts"]:
                facts["requests"] |= {(where, len(row["http_requests"]))}
    return by_file


def observed(rows: list[Observation]) -> Facts:
    facts: Facts = defaultdict(set)
    for row in rows:
        where, hello = flow(row), row.kind in {ObservationKind.TLS, ObservationKind.QUIC}
        tcp = row.transport is Transport.TCP
        fields = {
            "sni": row.server_name if hello else None,
            "ja3": row.ja3,
            "ja4": row.ja4,
            "name": None if hello else row.server_name,
            "host": row.host,
            "agent": row.user_agent,
        }
        for what, value in fields.items():
            if value is not None:
                facts[what].add((where, value))
        facts["alpn"] |= {(where, name) for name in row.alpn if tcp}
    hellos = Counter(flow(row) for row in rows if row.kind is ObservationKind.TLS and row.transport is Transport.TCP)
    requests = Counter(flow(row) for row in rows if row.kind is ObservationKind.HTTP and row.host)
    facts["hellos"] |= set(hellos.items())
    facts["requests"] |= set(requests.items())
    return facts


def differences() -> tuple[set[tuple[str, str, int]], set[tuple[str, str, int]]]:
    missing, extra = set(), set()
    for path in captures():
        engine = Engine()
        rows = [row for frame in frames(path) for row in engine.feed(*frame)]
        assert dict(engine.counters.weird) == WEIRD.get(path.name, {}), path.name
        want, got = expected()[path.name], observed(rows)
        for what in want.keys() | got.keys():
            missing |= {(what, path.name, where[2]) for where, _ in want[what] - got[what]}
            if what != "ja4":  # nfstream tells one of each flow, and none where it has no label
                extra |= {(what, path.name, where[2]) for where, _ in got[what] - want[what]}
    return missing, extra


def test_every_name_and_fingerprint_is_that_of_the_reference() -> None:
    missing, extra = differences()
    # a request line that cannot be read is missing as a host and in the count
    gone = {
        (what, name, port)
        for what, name, port in missing
        if not (what == "requests" and ("host", name, port) in MISSING)
    }
    assert gone == set(MISSING)
    assert extra == set(EXTRA)


@pytest.mark.parametrize(
    ("name", "kind", "server"),
    [
        ("arkime__tls-split-client-hello.pcap", "tls", "clients2.google.com"),
        ("ndpi__vxlan.pcap", "tls", "www.facebook.com"),
        ("ndpi__capwap_data.pcapng", "tls", "alt2-mtalk.google.com"),
        ("sv__quic-frag-unordered.pcap", "quic", "mastodon.social"),
        ("zeek__quic-interop-quic-go_quic-go-handshake.pcap", "quic", "server4:443"),
    ],
)
def test_what_their_authors_publish(name: str, kind: str, server: str) -> None:
    engine = Engine()
    rows = [row for frame in frames(PCAPS / name) for row in engine.feed(*frame)]
    assert (kind, server) in {(row.kind.value, row.server_name) for row in rows}


@settings(max_examples=40)
@given(data=st.data())
def test_no_cut_and_no_changed_byte_of_a_real_packet_is_a_fault(data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(captures()))
    engine = Engine()
    for ts, linktype, frame in frames(path)[:40]:
        place = data.draw(st.integers(0, len(frame)))
        byte = data.draw(st.integers(0, 255))
        engine.feed(ts, linktype, frame[:place])
        engine.feed(ts, linktype, frame[:place] + bytes((byte,)) + frame[place + 1 :])
    assert "parser_fault" not in engine.counters.weird
