"""JA4 by numbers: the sensor's own reading of whole hellos agrees, over captures and over anything."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.model.names import ObservationKind, Transport
from appliance.net.ja4 import of_hello, without_name
from discovery import files, hello, ja
from discovery.engine import Engine
from discovery.hello import ClientHello

PCAPS = Path(__file__).parents[3] / "pcaps"
SHORTS = st.integers(0, 65_535)


def listed(numbers, prefix):
    body = b"".join(number.to_bytes(2) for number in numbers)
    return len(body).to_bytes(prefix) + body


@given(
    st.lists(SHORTS, max_size=40),
    st.lists(SHORTS, max_size=30, unique=True),
    st.lists(SHORTS, max_size=20),
    st.lists(SHORTS, max_size=6),
    st.binary(max_size=12),
    st.sampled_from([0x0301, 0x0303, 0x0304]),
)
def test_it_agrees_with_the_sensors_reading(ciphers, kinds, signatures, versions, protocol, version):
    bodies = {13: listed(signatures, 2), 43: listed(versions, 1), 16: (len(protocol) + 1).to_bytes(2)}
    bodies[16] += len(protocol).to_bytes() + protocol
    extensions = [(kind, bodies.get(kind, b"")) for kind in kinds]
    told = ClientHello(
        version,
        tuple(ciphers),
        tuple(kinds),
        None,
        (protocol,) if 16 in kinds and protocol else (),
        (),
        (),
        tuple(signatures) if 13 in kinds else (),
        tuple(versions) if 43 in kinds else (),
    )
    assert of_hello(ciphers, extensions, version) == ja.ja4(told, "t")


@pytest.mark.parametrize("name", ["mixed-office.pcap", "openai-sdk.pcap"])
def test_it_agrees_over_captures(name, monkeypatch):
    bodies = []
    plain = hello.parse

    def kept(body, **more):
        bodies.append(body)
        return plain(body, **more)

    monkeypatch.setattr("discovery.beginnings.hello.parse", kept)
    engine = Engine()
    seen = [
        one
        for batch in files.batches(str(PCAPS / name))
        for ts, link, frame in batch
        for one in engine.feed(ts, link, frame) or ()
    ]
    told = [one.ja4 for one in seen if one.kind is ObservationKind.TLS and one.transport is Transport.TCP]
    found = [of_hello(*taken_apart(body)) for body in bodies]
    assert told
    assert set(told) <= set(found)


def taken_apart(body):
    """Ciphers, extensions and version of a hello, read in the plainest way."""
    at = 35 + body[34]
    size = int.from_bytes(body[at : at + 2])
    ciphers = [int.from_bytes(body[n : n + 2]) for n in range(at + 2, at + 2 + size, 2)]
    at += 2 + size
    at += 1 + body[at] + 2
    extensions = []
    while at < len(body):
        size = int.from_bytes(body[at + 2 : at + 4])
        extensions.append((int.from_bytes(body[at : at + 2]), body[at + 4 : at + 4 + size]))
        at += 4 + size
    return ciphers, extensions, int.from_bytes(body[:2])


@pytest.mark.parametrize(
    ("ja4", "bare"),
    [
        ("t13d1812h1_85036bcba153_6a1c4b4a0b0e", "t13i1811h1_85036bcba153_6a1c4b4a0b0e"),
        ("t13i1811h1_85036bcba153_6a1c4b4a0b0e", "t13i1811h1_85036bcba153_6a1c4b4a0b0e"),
        ("t13d1899h1_85036bcba153_6a1c4b4a0b0e", "t13d1899h1_85036bcba153_6a1c4b4a0b0e"),
        ("", ""),
        ("t13dxxyy", "t13dxxyy"),
    ],
)
def test_without_a_name_one_extension_is_less(ja4, bare):
    assert without_name(ja4) == bare


def test_a_hello_like_no_programs_has_none():
    assert of_hello(range(600), []) is None
