"""What servers say in clear: hellos, certificates in any number of segments, alerts of both sides."""

import contextlib
import datetime as dt
import itertools
import ssl
import struct
from collections.abc import Sequence
from functools import cache

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from discovery_frames import CLIENT, SERVER, ether, extension, hello, ip, listed, segment, tcp
from hypothesis import given
from hypothesis import strategies as st

from appliance.model.observation import Observation
from discovery import certificates
from discovery.engine import Engine
from discovery.server_hello import _RETRY, Server, alert, parse

START = 0xFFFF_FFF0  # the server's numbers pass zero inside its answer


def server_hello(
    *, version: int = 0x0303, cipher: int = 0xC02F, extensions: bytes = b"", random: bytes = bytes(32)
) -> bytes:
    body = version.to_bytes(2) + random + b"\0" + cipher.to_bytes(2) + b"\0"
    return b"\x02" + listed(body + (listed(extensions) if extensions else b""), 3)


def certificate(*ders: bytes) -> bytes:
    return b"\x0b" + listed(listed(b"".join(listed(der, 3) for der in ders), 3), 3)


def records(payload: bytes, size: int = 16_384) -> bytes:
    pieces = [payload[at : at + size] for at in range(0, len(payload), size)]
    return b"".join(b"\x16\x03\x03" + listed(piece) for piece in pieces)


@cache
def der(names: Sequence[str], common: str | None = "common.example") -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Organisation")]
    attributes += [x509.NameAttribute(NameOID.COMMON_NAME, common)] if common else []
    subject, now = x509.Name(attributes), dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    built = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    built = built.serial_number(1).not_valid_before(now).not_valid_after(now + dt.timedelta(days=9))
    built = built.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    if names:
        alternatives = [x509.RFC822Name("someone@example.com"), *map(x509.DNSName, names)]
        built = built.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
    return built.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def asked(data: bytes = b"") -> bytes:
    payload = data or hello()
    return ether(ip(struct.pack(">HHIIBBHHH", 40_000, 443, 1, START, 0x50, 0x18, 0, 0, 0) + payload, 6))


def answer(payload: bytes, *, seq: int = START) -> bytes:
    return ether(ip(tcp(payload, seq=seq, sport=443, dport=40_000), 6, src=SERVER, dst=CLIENT))


def said(*frames: bytes, engine: Engine | None = None) -> list[Observation]:
    engine = engine or Engine()
    rows = [row for frame in frames for row in engine.feed(0.0, 1, frame)]
    assert "parser_fault" not in engine.counters.weird
    return [row for row in rows if row.kind == "tls_server"]


def test_a_server_of_tls_1_3_tells_version_and_cipher() -> None:
    payload = server_hello(cipher=0x1301, extensions=extension(43, b"\x03\x04"))
    (row,) = said(asked(), answer(records(payload) + b"\x14\x03\x03\0\x01\x01\x17\x03\x03\0\x05hello"))
    assert (row.src, row.sport, row.dst, row.dport) == (SERVER, 443, CLIENT, 40_000)
    assert (row.tls_version, row.cipher, row.alpn, row.names, row.notes) == ("TLS 1.3", "1301", (), (), ())


def test_a_request_for_another_hello_is_marked_and_the_answer_to_that_is_a_row_of_its_own() -> None:
    retry = records(server_hello(cipher=0x1301, extensions=extension(43, b"\x03\x04"), random=_RETRY))
    second = records(server_hello(cipher=0x1301, extensions=extension(43, b"\x03\x04")))
    again = hello(b"again.example")
    at = struct.pack(">I", (START + len(retry)) & 0xFFFF_FFFF)
    frame = bytearray(segment(again, seq=1 + len(hello())))
    frame[42:46] = at
    rows = said(asked(), answer(retry), bytes(frame), answer(second, seq=START + len(retry)))
    assert [row.notes for row in rows] == [("hello_retry",), ()]


FLIGHT = records(
    server_hello(extensions=extension(16, listed(listed(b"h2", 1))))
    + certificate(der(("api.example.com", "*.example.com")), der(("issuer.example",)))
    + b"\x0e\0\0\0"
)


def test_a_certificate_in_the_same_segment_makes_one_row() -> None:
    (row,) = said(asked(), answer(FLIGHT))
    assert (row.tls_version, row.cipher, row.alpn) == ("TLS 1.2", "c02f", ("h2",))
    assert row.names == ("api.example.com", "*.example.com", "common.example")


@given(places=st.lists(st.integers(1, len(FLIGHT) - 1), max_size=12), order=st.randoms(use_true_random=False))
def test_a_certificate_may_come_in_any_segments_and_any_order(places: list[int], order: st.DataObject) -> None:
    edges = sorted({0, len(FLIGHT), *places})
    pieces = [answer(FLIGHT[a:b], seq=START + a) for a, b in itertools.pairwise(edges)]
    order.shuffle(pieces)  # type: ignore[attr-defined]
    engine = Engine()
    rows = said(asked(), *pieces, *pieces, engine=engine)
    assert rows[-1].names == ("api.example.com", "*.example.com", "common.example")
    assert len(rows) <= 2
    assert {row.cipher for row in rows} == {"c02f"}
    assert not engine.counters.weird


def test_records_of_one_byte_are_read() -> None:
    data = records(server_hello() + certificate(der(("a.example",))), 3)
    assert said(asked(), answer(data[:1_000]), answer(data[1_000:], seq=START + 1_000))[-1].names[0] == "a.example"


def test_nobody_is_read_whose_client_was_not() -> None:
    engine = Engine()
    assert not said(answer(FLIGHT), engine=engine)
    assert not said(asked(), answer(FLIGHT, seq=START + 5_000_000), engine=engine)
    assert not engine._streams.open


def test_an_answer_once_read_leaves_nothing_and_is_not_read_twice() -> None:
    engine = Engine()
    assert len(said(asked(), answer(FLIGHT), answer(FLIGHT), answer(b"\x17\x03\x03\0\x01x"), engine=engine)) == 1
    assert not engine._streams.open
    assert not engine._streams.expected


@pytest.mark.parametrize(
    ("code", "word"), [(48, "unknown_ca"), (42, "bad_certificate"), (46, "certificate_unknown"), (0, "close_notify")]
)
def test_a_client_that_refuses_a_certificate_says_so(code: int, word: str) -> None:
    refused = segment(b"\x15\x03\x03\0\x02\x02" + bytes((code,)), seq=1 + len(hello()))
    row = said(asked(), answer(FLIGHT), refused, refused)[-1]
    assert (row.src, row.dport, row.alert) == (CLIENT, 443, word)


def test_a_sealed_alert_is_known_by_its_size_right_after_the_hello_only() -> None:
    sealed, after = b"\x17\x03\x03\0\x13" + bytes(19), 1 + len(hello())
    for data in (sealed, b"\x14\x03\x03\0\x01\x01" + sealed):
        row = said(asked(), segment(data, seq=after))[-1]
        assert (row.alert, row.notes) == (None, ("sealed_alert",))
    assert not said(asked(), segment(sealed, seq=after + 64))
    assert not said(segment(sealed, seq=after))


def test_a_server_may_answer_with_an_alert_or_send_one_later() -> None:
    refused = b"\x15\x03\x03\0\x02\x02\x28"
    assert [row.alert for row in said(asked(), answer(refused))] == ["handshake_failure"]
    later = said(asked(), answer(FLIGHT), answer(refused, seq=START + len(FLIGHT)))
    assert (later[-1].alert, later[-1].src) == ("handshake_failure", SERVER)
    assert not said(answer(refused))


@pytest.mark.parametrize(
    "data", [b"\x15\x03\x03\0\x1a" + bytes(26), b"\x15\x03\x03\0\x02\x07\x30", b"\x15\x03\x03\0\x02\x02\xf0"]
)
def test_what_is_no_alert_in_clear_is_none(data: bytes) -> None:
    assert alert(data) is None
    assert not said(asked(), segment(data, seq=1 + len(hello())))


def test_a_real_server_and_a_client_that_does_not_trust_it() -> None:
    """What this machine's OpenSSL says, either version."""
    for word, most in (("TLS 1.2", ssl.TLSVersion.TLSv1_2), ("TLS 1.3", ssl.TLSVersion.TLSv1_3)):
        rows = said(*_refused(most))
        assert rows[0].tls_version == word
        assert rows[-1].src == CLIENT
        assert rows[-1].alert == "unknown_ca"
    assert rows[0].names == ()


def _refused(most: ssl.TLSVersion) -> list[bytes]:
    """A handshake in memory, as frames, up to the client's refusal."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = ssl.create_default_context()
    client.maximum_version = most
    one = client.wrap_bio(to_client, to_server, server_hostname="a.example")
    other = _server_context().wrap_bio(to_server, to_client, server_side=True)
    frames, seqs = [], {True: 1, False: START}
    for side, up in ((one, True), (other, False), (one, True)):
        with contextlib.suppress(ssl.SSLWantReadError, ssl.SSLCertVerificationError):
            side.do_handshake()
        sent = (to_server if up else to_client).read()
        (to_server if up else to_client).write(sent)
        head = struct.pack(
            ">HHIIBBHHH",
            *((40_000, 443) if up else (443, 40_000)),
            seqs[up] & 0xFFFF_FFFF,
            seqs[not up] & 0xFFFF_FFFF,
            0x50,
            0x18,
            0,
            0,
            0,
        )
        ends = {"src": CLIENT, "dst": SERVER} if up else {"src": SERVER, "dst": CLIENT}
        frames.append(ether(ip(head + sent, 6, **ends)))
        seqs[up] += len(sent)
    return frames


@cache
def _server_context() -> ssl.SSLContext:
    import tempfile

    key = ec.generate_private_key(ec.SECP256R1())
    name, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a.example")]), dt.datetime.now(dt.UTC)
    built = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
    built = built.not_valid_before(now).not_valid_after(now + dt.timedelta(days=1))
    pem = built.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    pem += key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.NamedTemporaryFile() as file:
        file.write(pem)
        file.flush()
        context.load_cert_chain(file.name)
    return context


def test_names_of_certificates() -> None:
    assert certificates.names(der(("a.example", "a.example", "b.example"), None)) == ("a.example", "b.example")
    assert certificates.names(der((), "only common")) == ("only common",)
    wide = der((), "wide").replace(b"\x0c\x04wide", b"\x1e\x04\0w\0\xe4")
    assert certificates.names(wide) == ("wä",)
    many = tuple(f"n{number}.example" for number in range(100))
    assert certificates.names(der(many)) == many[:64]


@given(st.data())
def test_no_damage_to_a_certificate_or_hello_raises(data: st.DataObject) -> None:
    whole = data.draw(st.sampled_from([der(("a.example", "b.example")), FLIGHT]))
    place, byte = data.draw(st.integers(0, len(whole) - 1)), data.draw(st.integers(0, 255))
    damaged = whole[:place] + bytes((byte,)) + whole[place + 1 :]
    for raw in (whole[:place], damaged, damaged[:place]):
        assert all(name.isprintable() for name in certificates.names(raw))
        if raw:
            Server()(raw)
            parse(raw)
