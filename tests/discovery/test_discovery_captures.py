"""Captures that others made: what the comparison of conformance does not hold: clients, how many hellos and requests.

A difference that is listed here has its reason; a new one fails, and so does a listed one that is gone.
"""

import json
from collections import Counter, defaultdict

import pytest
from captures_compared import PCAPS, captures, flow_of, frames, rows
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.model.names import ObservationKind, Transport
from discovery.engine import Engine

pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not (PCAPS / "truth.jsonl").exists(), reason="needs the captures in ../shared/data/pcaps"),
]

# Where the reference counts otherwise: (what, capture, source port) -> why.
OTHERWISE = {
    ("requests", "ndpi__http_ua_splitted_in_two_pkts.pcapng", 21359): "the reference stops at 20 requests of a flow",
    (
        "requests",
        "zeek__http-methods.pcap",
        46565,
    ): "`OPTIONS` with neither target nor version: the reference counts none",
}


def expected() -> dict[tuple[str, str, int], set[object]]:
    """(what, capture, source port) -> values, of TCP."""
    facts: dict[tuple[str, str, int], set[object]] = defaultdict(set)
    with (PCAPS / "truth.jsonl").open() as lines:
        for row in map(json.loads, lines):
            if "only_in" in row or row["proto"] != "tcp":
                continue
            name, port = row["file"], row["sport"]
            facts["agent", name, port] |= set(row["user_agents"])
            facts["hellos", name, port] |= {len(row["client_hello_frames"])} - {0}
            facts["requests", name, port] |= {len(row["http_requests"])} if row["http_hosts"] else set()
    return facts


def observed() -> dict[tuple[str, str, int], set[object]]:
    """The same of ours."""
    facts: dict[tuple[str, str, int], set[object]] = defaultdict(set)
    for path in captures():
        seen = [row for row in rows(path) if row.transport is Transport.TCP and "h2" not in row.notes]
        for row in seen:
            facts["agent", path.name, row.sport] |= {row.user_agent} - {None}
        tls = Counter(flow_of(row) for row in seen if row.kind is ObservationKind.TLS)
        http = Counter(flow_of(row) for row in seen if row.kind is ObservationKind.HTTP and row.host)
        for what, counts in (("hellos", tls), ("requests", http)):
            for flow, count in counts.items():
                facts[what, path.name, flow[2]] |= {count}
    return facts


def test_clients_and_the_number_of_hellos_and_requests_are_those_of_the_reference() -> None:
    want, got = expected(), observed()
    assert {place for place in want.keys() | got.keys() if want[place] != got[place]} == set(OTHERWISE)


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
    assert (kind, server) in {(row.kind.value, row.server_name) for row in rows(PCAPS / name)}


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
