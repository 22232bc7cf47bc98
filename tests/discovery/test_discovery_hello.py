"""ClientHellos, whole and broken, and the fingerprints of known ones."""

import hashlib

import pytest
from discovery_frames import (
    alpn,
    datagram,
    extension,
    hello_body,
    listed,
    message,
    numbers,
    openssl_hello,
    record,
    segment,
    server_name,
)
from hypothesis import given
from hypothesis import strategies as st

from appliance.model.observation import Observation
from discovery import ja
from discovery.engine import Engine
from discovery.hello import ClientHello, complete, parse
from discovery.ja import ja3, ja4

# FoxIO's own example (technical_details/JA4.md), with GREASE added
CIPHERS = numbers(0x0A0A, 0x1301, 0x1302, 0x1303, 0xC02B, 0xC02F, 0xC02C, 0xC030, 0xCCA9, 0xCCA8, 0xC013) + numbers(
    0xC014, 0x009C, 0x009D, 0x002F, 0x0035
)
SIGNATURES = numbers(0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601)


def foxio(name: bytes = b"www.example.com") -> bytes:
    kinds = [0x1B, 0x33, 0x4469, 0x17, 0x2D, 5, 0x23, 0x12, 0xFF01, 0x15, 0x7A7A]
    rest = b"".join(extension(kind, b"") for kind in kinds)
    rest += extension(13, listed(SIGNATURES)) + extension(43, listed(numbers(0x3A3A, 0x0304, 0x0303), 1))
    rest += extension(10, listed(numbers(0x5A5A, 29, 23))) + extension(11, listed(b"\0", 1)) + alpn(b"h2", b"http/1.1")
    return hello_body(name, extensions=rest, ciphers=CIPHERS)


def read(body: bytes) -> ClientHello:
    hello = parse(body)
    assert hello is not None
    return hello


def test_every_field_is_read() -> None:
    hello = read(foxio())
    assert hello.server_name == "www.example.com"
    assert hello.alpn == (b"h2", b"http/1.1")
    assert hello.groups == (0x5A5A, 29, 23)
    assert hello.versions == (0x3A3A, 0x0304, 0x0303)
    assert hello.point_formats == (0,)
    assert hello.notes == ()


def test_ja4_is_that_of_the_specification() -> None:
    assert ja4(read(foxio()), "t") == "t13d1516h2_8daaf6152771_e5627efa2ab1"
    assert ja4(read(foxio()), "q")[0] == "q"


def test_ja3_is_that_of_the_specification() -> None:
    """Both from salesforce/ja3's README."""
    lists = extension(0, b"") + extension(10, listed(numbers(23, 24, 25))) + extension(11, listed(b"\0", 1))
    body = hello_body(
        None, ciphers=numbers(47, 53, 5, 10, 49161, 49162, 49171, 49172, 50, 56, 19, 4), extensions=lists, version=769
    )
    assert ja3(read(body)) == "ada70206e40642a3e4461f35503241d5"
    body = hello_body(None, ciphers=numbers(4, 5, 10, 9, 100, 98, 3, 6, 19, 18, 99), version=769)
    assert ja3(read(body)) == "de350869b8c85de67a350c8d186f11e6"


@pytest.mark.parametrize(
    ("extensions", "name", "expected"),
    [
        (b"", None, "t12i020000_62ed6f6ca7ad_000000000000"),
        (b"", b"a.example", "t12d020100_62ed6f6ca7ad_000000000000"),
        (alpn(b"x"), None, "t12i0201xx_62ed6f6ca7ad_000000000000"),
        (alpn(b"\xab\xcd"), None, "t12i0201ad_62ed6f6ca7ad_000000000000"),
        (alpn(b"h-"), None, "t12i02016d_62ed6f6ca7ad_000000000000"),
        (extension(23, b""), None, "t12i020100_62ed6f6ca7ad_" + hashlib.sha256(b"0017").hexdigest()[:12]),
    ],
)
def test_ja4_of_hellos_that_offer_little(extensions: bytes, name: bytes | None, expected: str) -> None:
    assert ja4(read(hello_body(name, extensions=extensions)), "t") == expected


def test_a_version_that_nobody_knows_and_counts_beyond_two_digits() -> None:
    body = hello_body(
        None,
        ciphers=numbers(*range(1, 200)),
        extensions=b"".join(extension(k, b"") for k in range(50, 200)),
        version=0x0404,
    )
    assert ja4(read(body), "t").startswith("t00i9999")


def test_an_odd_length_of_the_ciphers_moves_nothing() -> None:
    hello = read(hello_body(ciphers=b"\x13\x01\x13\x02\x13", extensions=alpn(b"h2")))
    assert (hello.server_name, hello.ciphers, hello.alpn) == ("api.example.com", (0x1301, 0x1302), (b"h2",))


def test_a_hello_without_extensions_is_whole() -> None:
    body = bytes(34) + b"\0" + listed(b"\x13\x01") + b"\x01\0"
    assert read(body) == ClientHello(0, (0x1301,))


@pytest.mark.parametrize(
    ("broken", "kept"),
    [
        (extension(0, b"\0\x05\0\0\x09short"), None),
        (extension(0, b"\0\x03\x01\0\0"), None),
        (extension(16, b"\0\x09\x08h2"), None),
        (extension(10, b"\0\x09\0\x17"), None),
        (extension(43, b"\x09\x03"), None),
        (extension(13, b""), None),
        (extension(11, b""), None),
    ],
)
def test_a_broken_extension_costs_itself_only(broken: bytes, kept: str | None) -> None:
    hello = read(hello_body(None, extensions=broken + extension(23, b"")))
    assert hello.notes == ("bad_extension",)
    assert hello.server_name is kept
    assert 23 in hello.extensions


@pytest.mark.parametrize(
    "body",
    [
        b"",
        bytes(37),
        hello_body()[:-1],
        hello_body()[:60],
        bytes(34) + b"\xff" + bytes(40),
        hello_body(extensions=b"\0\x17\0\x09"),
    ],
)
def test_lengths_that_contradict_make_no_hello(body: bytes) -> None:
    assert parse(body) is None
    engine = Engine()
    assert not engine.feed(0.0, 1, segment(record(message(body))))
    assert engine.counters.weird == {"bad_hello": 1}


@pytest.mark.parametrize(
    ("name", "shown", "odd"),
    [
        (b"API.Example.com", "API.Example.com", False),
        (b"server4:443", "server4:443", False),
        (b"[red]x[/red].example", "[red]x[/red].example", True),
        (b"a\x1b[2Jb", "a\\x1b[2Jb", True),
        (b"\xff\xfe\0", "\\xff\\xfe\\x00", True),
        ("b\u202eücher".encode(), "b\\u202eücher", True),
        (b"x" * 10_000, "x" * 255, True),
    ],
)
def test_hostile_names_are_bounded_printable_and_noted(name: bytes, shown: str, odd: bool) -> None:
    (row,) = Engine().feed(0.0, 1, segment(record(message(hello_body(name)))))
    assert row.server_name == shown
    assert ("odd_name" in row.notes) is odd


def rows_of(frame: bytes) -> Observation:
    (row,) = Engine().feed(0.0, 1, frame)
    return row


def test_signs_are_noted() -> None:
    assert rows_of(segment(record(message(hello_body(None))))).notes == ("no_sni",)
    assert rows_of(segment(record(message(hello_body(extensions=extension(0xFE0D, b"x")))))).notes == ("ech_offered",)


def test_a_real_hello_of_openssl() -> None:
    row = rows_of(segment(openssl_hello("api.openai.com")))
    assert (row.server_name, row.alpn) == ("api.openai.com", ("h2", "http/1.1"))
    assert row.ja4 is not None
    assert row.ja4.startswith("t13d")
    assert row.ja4[8:10] == "h2"


def dtls(body: bytes, *, offset: int = 0, length: int | None = None, version: bytes = b"\xfe\xff") -> bytes:
    size = len(body) if length is None else length
    handshake = b"\x01" + size.to_bytes(3) + b"\0\0" + offset.to_bytes(3) + len(body).to_bytes(3) + body
    return b"\x16" + version + bytes(8) + listed(handshake)


def test_dtls_with_and_without_a_cookie() -> None:
    engine = Engine()
    first = datagram(dtls(hello_body(b"a.example", cookie=b"", version=0xFEFD)), dport=4433)
    second = datagram(dtls(hello_body(b"a.example", cookie=b"cookie", version=0xFEFD)), dport=4433)
    rows = [row for frame in (first, first, second, second) for row in engine.feed(0.0, 1, frame)]
    assert [(row.transport.value, row.kind.value, row.server_name) for row in rows] == [("udp", "tls", "a.example")] * 2
    assert (rows[0].ja4 or "").startswith("dd2d0201")
    broken = datagram(dtls(hello_body(b"a.example", cookie=b"", version=0xFEFD)[:50]), dport=4433)
    piece = datagram(dtls(hello_body()[:50], offset=9, length=900), dport=4433)
    assert not engine.feed(0.0, 1, broken)
    assert not engine.feed(0.0, 1, piece)
    assert engine.counters.weird == {"bad_hello": 1}


def test_how_much_is_needed_is_told() -> None:
    whole = record(message(hello_body()), 20)
    needed = [complete(whole[:size]) for size in range(1, len(whole))]
    assert all(isinstance(need, int) and need > size for size, need in enumerate(needed, 1))
    assert complete(whole) == hello_body()
    assert complete(record(message(hello_body()) + b"more")) == 0
    assert complete(record(b"\x01\xff\xff\xff" + bytes(90))) == 0
    assert complete(record(message(hello_body()), 1)) == hello_body()  # as some do, to pass unseen
    assert complete(record(message(hello_body(extensions=b"\0\x15\x04\0" + bytes(1_024))), 1)) == 0  # too many
    assert complete(record(b"\x02" + bytes(90))) == 0


@given(st.binary(max_size=400))
def test_no_bytes_raise(data: bytes) -> None:
    parse(data)
    parse(data, cookie=True)
    complete(data or b"\x16")


@given(st.integers(0, 300), st.integers(0, 255), st.integers(0, 300))
def test_no_changed_byte_raises(at: int, byte: int, cut: int) -> None:
    body = foxio()
    hello = parse((body[:at] + bytes((byte,)) + body[at + 1 :])[: len(body) - cut])
    if hello is not None:
        assert len(ja4(hello, "t")) == 36
        assert len(ja3(hello)) == 32


def test_an_empty_name_is_no_name() -> None:
    assert read(hello_body(None, extensions=extension(0, b""))).server_name is None
    assert read(hello_body(None, extensions=server_name(b""))).notes == ("bad_extension",)


def test_no_hello_longer_than_usual_is_remembered() -> None:
    before = ja._known_ja3.cache_info().currsize, ja._known_ciphers.cache_info().currsize
    long = ClientHello(0x0303, tuple(range(30_000)), tuple(range(900)))
    assert len(ja.ja3(long)) == 32
    assert ja.ja4(long, "t").startswith("t12")
    assert (ja._known_ja3.cache_info().currsize, ja._known_ciphers.cache_info().currsize) == before
