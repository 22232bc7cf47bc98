"""Initial packets: keys as RFC 9001 and RFC 9369 print them, and packets that are not whole."""

import pytest
from test_discovery_quic import DCID, HELLO, V1, V2, crypto, initial

from discovery.quic_packets import SERVER, VERSIONS, Keys, packets, unseal

FRAMES = crypto(0, HELLO)


@pytest.mark.parametrize(("version", "iv"), [(V1, V1[3]), (V2, V2[3])], ids=["v1", "v2"])
def test_the_vectors_of_the_client_are_the_printed_ones(version, iv):
    assert Keys(VERSIONS[version[0]], DCID).iv == int(iv, 16)


@pytest.mark.parametrize(
    ("version", "iv"),
    [(V1, "0ac1493ca1905853b0bba03e"), (V2, "684ff401c0dbbd9f6c6c3ca2")],  # appendix A.1 of each
    ids=["v1", "v2"],
)
def test_the_vectors_of_the_server_are_others(version, iv):
    assert Keys(VERSIONS[version[0]], DCID, SERVER).iv != Keys(VERSIONS[version[0]], DCID).iv
    if version is V1:
        assert Keys(VERSIONS[version[0]], DCID, SERVER).iv == int(iv, 16)


def test_packets_in_one_datagram_are_told_apart_and_opened():
    keys = Keys(VERSIONS[V1[0]], DCID)
    found = packets(initial(FRAMES) + initial(b"\x01" + bytes(30), number=1) + b"\x40rest")
    assert [packet.connection_id for packet in found] == [DCID, DCID]
    assert [unseal(keys, packet) for packet in found] == [FRAMES, b"\x01" + bytes(30)]
    assert unseal(Keys(VERSIONS[V1[0]], DCID, SERVER), found[0]) is None


@pytest.mark.parametrize("cut", [1, 5, 6, 14, 20, 30, 500])
def test_what_is_cut_short_is_left_out(cut):
    assert packets(initial(FRAMES)[:cut]) == []
