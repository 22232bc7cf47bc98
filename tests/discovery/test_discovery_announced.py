"""NetBIOS registrations and SSDP announcements."""

import struct

import dpkt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from discovery.announced import netbios, ssdp

ADDRESS = bytes([10, 0, 0, 7])


def registration(name="LAPTOP", kind=0x00, *, opcode=5, flags=0, answer=0, address=ADDRESS):
    coded = dpkt.netbios.encode_name((name.ljust(15) + chr(kind))[:16])
    head = struct.pack(">HHHHHH", 7, answer | opcode << 11 | 0x0110, 1, 0, 0, 1)
    question = b"\x20" + coded.encode() + b"\0" + struct.pack(">HH", 0x20, 1)
    return head + question + b"\xc0\x0c" + struct.pack(">HHIHH", 0x20, 1, 300, 6, flags) + address


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (registration(), ("LAPTOP", ADDRESS)),
        (registration(kind=0x20), ("LAPTOP", ADDRESS)),
        (registration(opcode=8), ("LAPTOP", ADDRESS)),
        (registration(kind=0x1D), None),
        (registration(flags=0x8000), None),
        (registration(opcode=0), None),
        (registration(answer=0x8000), None),
        (registration(name=" " * 15), None),
        (registration()[:-1], None),
        (b"", None),
        (b"\x20" * 80, None),
    ],
)
def test_what_a_registration_tells(said, told):
    assert netbios(said) == told


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (b"NOTIFY * HTTP/1.1\r\nHost: x\r\nServer: Linux/5 UPnP/1.0 Hue/1.17\r\n\r\n", "Linux/5 UPnP/1.0 Hue/1.17"),
        (b"NOTIFY * HTTP/1.1\r\nSERVER:x\r\n\r\n", "x"),
        (b"NOTIFY * HTTP/1.1\r\nServer: \x1b[2J\r\n\r\n", r"\x1b[2J"),
        (b"M-SEARCH * HTTP/1.1\r\nServer: x\r\n\r\n", ""),
        (b"NOTIFY * HTTP/1.1\r\n\r\n", ""),
    ],
)
def test_what_a_device_announces(said, told):
    assert ssdp(said) == told


@given(st.binary(max_size=200), st.integers(0, 120))
def test_no_message_fails(junk, cut):
    netbios(registration()[:cut] + junk)
    netbios(junk)
    assert len(ssdp(b"NOTIFY \r\nserver:" + junk)) <= 128
