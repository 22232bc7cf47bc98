"""libpcap, where there is no network interface of that name: packets of every interface of this machine."""

import os
import select
import socket
from contextlib import closing

import pytest

from appliance.model.errors import OperatorError
from discovery import capture, libpcap
from discovery.engine import Engine

library = capture.libpcap()
pytestmark = pytest.mark.skipif(library is None or os.geteuid() != 0, reason="needs libpcap and the right to capture")


def test_it_knows_more_than_the_kernels_interfaces():
    assert set(libpcap.devices(library)) > {"any", "lo"}


def test_a_request_is_seen_and_data_is_not():
    name = f"any-{os.getpid()}.example"
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as client,
        closing(libpcap.Pcap(library, "any")) as opened,
    ):
        assert opened.filtered
        client.sendall(b"\x17\x03\x03\x00\x05noise")
        client.sendall(f"GET /v1/models HTTP/1.1\r\nHost: {name}\r\n\r\n".encode())
        engine, hosts = Engine(), []
        while name not in hosts and select.select([opened], [], [], 20)[0]:
            frames = opened.frames()
            assert all(b"noise" not in frame for _, _, frame in frames)
            hosts += [seen.host for frame in frames for seen in engine.feed(*frame)]
        assert name in hosts
        assert (opened.drops(), opened.downs) == (0, 0)


def test_what_it_cannot_open_is_one_line():
    with pytest.raises(OperatorError, match="nope: cannot be captured: "):
        libpcap.Pcap(library, "nope")
