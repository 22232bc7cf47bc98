"""Layers and statistics: every name is of something that is read, shared captures show each, sums are sums."""

from pathlib import Path

import pytest
from discovery_frames import datagram, query

from appliance.config.catalogue import load_catalogue
from discovery import layers, replay, stats, tunnels
from discovery.classify import Classifier
from discovery.decode import LINK_TYPES
from discovery.files import read
from discovery.layers import Layers, link_name

PCAPS = Path(__file__).parents[2] / "pcaps"
SHARED = Path(__file__).parents[3] / "shared" / "data" / "pcaps"
# What each capture is there for -> how many of its packets.
SHOWN = {
    ("mercury__pppoe_double_vlan_tagging.pcap", "pppoe"): 30,
    ("mercury__pppoe_double_vlan_tagging.pcap", "qinq"): 30,
    ("mercury__ip_encapsulation.pcap", "ipv6 in ip"): 5,
    ("zeek__mixed-vlan-mpls.pcap", "mpls"): 11,
    ("zeek__tunnels-geneve-many-options.pcap", "geneve"): 10,
    ("ndpi__vxlan.pcap", "vxlan"): 100,
    ("ndpi__capwap_data.pcapng", "capwap"): 9,
    ("ndpi__6in4tunnel.pcap", "ipv6 in ip"): 79,
    ("arkime__gtp-iphone.pcap", "gtp-u"): 98,
    ("arkime__gre-sample.pcap", "gre"): 30,
    ("arkime__6-4-gre-ppp-udp-4-dns.pcap", "ppp"): 2,
    ("zeek__erspan.pcap", "gre"): 150,
}
LINKS = {
    "mercury__sll2_tls.pcap": "sll2",
    "mercury__sll_tls.pcap": "sll",
    "zeek__wlanmon.pcap": "802.11",
    "zeek__nflog-http.pcap": "nflog",
    "sv__dns-dns-incomplete.pcap": "null",
    "ndpi__gaijin_mobile_mixed.pcap": "raw",
    "zeek__quic-interop-quic-go_quic-go-handshake.pcap": "ppp",
}


def test_every_link_and_tunnel_that_is_read_has_a_name():
    assert set(layers.LINKS) == LINK_TYPES
    assert set(layers.ETHERTYPES) | {0x86DD} == set(tunnels.ETHERTYPES)
    assert set(layers.PROTOCOLS) == set(tunnels.PROTOCOLS)
    assert set(layers.PORTS) == set(tunnels.UDP_PORTS)
    assert link_name(1) == "ethernet"
    assert link_name(250) == "250 (not read)"


@pytest.mark.parametrize(("tags", "name"), [(b"", None), (b"\x81\0\0\1", "vlan"), (b"\x88\xa8\0\1\x81\0\0\2", "qinq")])
def test_tags_are_counted_once_for_each_packet(tags, name):
    plain = datagram(query(b"a.example"))
    seen = Layers()
    seen.take(0.0, 1, plain[:12] + tags + plain[12:])
    assert dict(seen.encapsulations) == ({name: 1} if name else {})
    assert seen.untold == 0
    seen.take(0.0, 1, plain[:12] + tags)  # cut short
    assert seen.untold == 1


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the captures in ../shared/data/pcaps")
@pytest.mark.parametrize(("name", "what"), list(SHOWN))
def test_the_encapsulations_of_others_captures_are_followed(name, what):
    seen = Layers()
    for frame in read(SHARED / name):
        seen.take(*frame)
    assert seen.encapsulations[what] >= SHOWN[name, what]


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the captures in ../shared/data/pcaps")
@pytest.mark.parametrize("name", list(LINKS))
def test_the_link_types_of_others_captures_are_read(name):
    frames, seen = list(read(SHARED / name)), Layers()
    for frame in frames:
        seen.take(*frame)
    assert {link_name(link) for _, link, _ in frames} == {LINKS[name]}
    assert seen.untold < len(frames)


def test_statistics_are_sums_over_all_files():
    names = ["vlan-qinq.pcap", "dns-mix.pcap"]
    counted, sink = stats.Stats(), []
    totals = replay.replay(
        [str(PCAPS / name) for name in names],
        Classifier(load_catalogue()),
        type("Sink", (), {"write": sink.append}),
        encode=lambda *_: b"",
        tell=lambda _: None,
        stats=counted,
    )
    sums = counted.sums()
    frames = [frame for name in names for frame in read(PCAPS / name)]
    assert sink == []
    assert (sums.files, sums.packets) == (2, len(frames)) == (2, totals.packets)
    assert sums.bytes == sum(len(frame) for _, _, frame in frames)
    assert (sums.first, sums.last) == (min(ts for ts, _, _ in frames), max(ts for ts, _, _ in frames))
    assert sum(sums.kinds.values()) == totals.observations
    assert {"vlan", "qinq"} <= set(sums.encapsulations)
    assert sum(sums.links.values()) == sums.packets
    assert dict(sums.weird) == totals.weird
    said = dict(stats.lines(sums))
    assert said["files"] == "2"
    assert said["seen dns"] == str(sums.kinds["dns"])


def test_without_a_packet_there_is_no_time():
    sums = stats.Stats().sums()
    assert (sums.packets, sums.first, sums.last) == (0, None, None)
    assert dict(stats.lines(sums))["packets"].startswith("0 in 0.000 s")
