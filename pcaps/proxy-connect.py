"""A client behind the appliance's proxy: CONNECT in clear, then the hello inside the tunnel, on the proxy's port.

The second tunnel's hello is split and the head of its CONNECT comes in two segments. Provenance: generated, nothing is
recorded.
"""

from wire import Hello, Stream, Wire, chrome_hello, converse, main, python_hello

CLIENT, PROXY, PORT = "10.20.0.17", "10.20.0.2", 8080
AGENT = "python-httpx/0.28.1"


def build() -> Wire:
    """The packets and what must be read from them."""
    wire = Wire()
    known = {"service": "anthropic", "category": "model_api", "confidence": 0.95}
    _tunnel(wire, 47_001, "api.anthropic.com", python_hello(b"api.anthropic.com"), known, whole=True)
    known = {"service": "claude", "category": "assistant", "confidence": 1.0}
    _tunnel(wire, 47_002, "claude.ai", chrome_hello(b"claude.ai"), known, whole=False)
    return wire


def _tunnel(wire: Wire, port: int, name: str, hello: Hello, known: dict[str, object], *, whole: bool) -> None:
    stream = Stream(wire, CLIENT, port, PROXY, PORT)
    head = f"CONNECT {name}:443 HTTP/1.1\r\nHost: {name}:443\r\nUser-Agent: {AGENT}\r\n\r\n".encode()
    stream.send(head, mss=1_400 if whole else 40)
    wire.expect(
        **stream.ends,
        **{"kind": "http", "host": name, "user_agent": AGENT, **known},
        evidence=[f"connect {name}", f"user-agent {AGENT}"],
    )
    stream.reply(b"HTTP/1.1 200 Connection established\r\n\r\n")
    stream.send(hello.record(), mss=1_400 if whole else 700)
    wire.expect(**stream.ends, **hello.facts(), server_name=name, **known, evidence=hello.evidence(name))
    converse(stream, hello)


if __name__ == "__main__":
    main(build(), __file__)
