"""Names, paths and user agents that are made to harm whoever shows or stores them.

In each place where the network names something: markup of terminals and web pages, escape sequences, 10,000 characters,
bytes that are no UTF-8, text that runs the other way. Provenance: generated, nothing is recorded.
"""

from wire import A, Stream, Wire, dns, main, python_hello

CLIENT, SERVER, RESOLVER = "10.20.0.66", "203.0.113.66", "10.20.0.1"
MARKUP = b"<script>alert(1)</script>[red]{0}[/red]%s"
ESCAPES = b"\x1b]0;owned\x07\x1b[2J.example"
BROKEN = b"\xff\xfe\x80\xc3\x28.example"
LONG = b"a" * 10_000
PRINTABLE = range(0x20, 0x7F)
TURNED = "gro.\u202eelpmaxe\u2069".encode()
HOSTILE = (MARKUP, ESCAPES, BROKEN, LONG, TURNED, b"nul\x00.example", b"..", b" ", b"\\x41\\.example")


def build() -> Wire:
    """The packets and what must be read from them."""
    wire = Wire()
    for number, name in enumerate(HOSTILE):
        _hello(wire, 49_001 + number, name)
        _request(wire, 49_101 + number, name)
        _question(wire, 49_201 + number, name)
    return wire


def shown(raw: bytes, limit: int) -> str:
    """As rows show bytes: text as it is, what acts or is no UTF-8 as an escape, a backslash beside those doubled."""
    try:
        if (text := raw.decode()).isprintable():
            return text[:limit]
    except UnicodeDecodeError:
        pass
    text = raw.replace(b"\\", b"\\\\").decode("utf-8", "backslashreplace")
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)[:limit]


def _hello(wire: Wire, port: int, name: bytes) -> None:
    hello = python_hello(name, label=f"hostile {port}")
    stream = Stream(wire, CLIENT, port, SERVER, 443)
    stream.send(hello.record())
    wire.expect(
        **stream.ends, **hello.facts(), server_name=shown(name, 255), evidence=None if name == b".." else ["odd_name"]
    )


def _request(wire: Wire, port: int, name: bytes) -> None:
    target = b"/" + name.replace(b" ", b"+").replace(b"\0", b"+")
    stream = Stream(wire, CLIENT, port, SERVER, 80)
    stream.send(b"GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: %s\r\n\r\n" % (target, name, name))
    host = shown(name.strip(), 255).lower() or None
    agent = shown(name.strip(), 512)
    wire.expect(**stream.ends, kind="http", host=host, path=shown(target, 2_048), user_agent=agent)


def _question(wire: Wire, port: int, name: bytes) -> None:
    """One label of up to 63 bytes: the dots in it are part of it."""
    label = name[:63]
    wire.datagram(CLIENT, port, RESOLVER, 53, dns([label, b"example"], A, f"hostile {port}"))
    wire.expect(
        src=CLIENT,
        sport=port,
        dst=RESOLVER,
        dport=53,
        transport="udp",
        kind="dns",
        server_name=f"{master(label)}.example",
    )


def master(label: bytes) -> str:
    """A label as a zone's master file writes it (RFC 1035 section 5.1); text in any script as it is."""
    try:
        if (text := label.decode()).isprintable():
            return text.replace("\\", "\\\\").replace(".", "\\.")
    except UnicodeDecodeError:
        pass
    return "".join(
        f"\\{chr(each)}" if each in b".\\" else chr(each) if each in PRINTABLE else f"\\{each:03}" for each in label
    )


if __name__ == "__main__":
    main(build(), __file__)
