"""Questions of every kind and on every way: UDP and TCP, mDNS and LLMNR; answers are no questions.

Among them a message in two TCP segments, two messages in one, a name in mixed case and the root. Provenance: generated,
nothing is recorded.
"""

from wire import ANSWER, HTTPS, NS, TXT, A, Stream, Wire, dns, main, noise, resolve, vector

CLIENT, SERVER = "10.20.0.15", "10.20.0.1"
CLAUDE = {"service": "claude", "category": "assistant", "confidence": 0.6}


def build() -> Wire:
    """The packets and what must be read from them."""
    wire = Wire()
    resolve(wire, CLIENT, "claude.ai", bytes([203, 0, 113, 50]), **CLAUDE, evidence=["dns question claude.ai"])
    resolve(wire, CLIENT, "claude.ai", noise("https", 24), HTTPS, **CLAUDE, evidence=["dns question claude.ai"])
    resolve(wire, CLIENT, "www.example.com", bytes([203, 0, 113, 51]))
    _mixed_case(wire)
    _over_tcp(wire)
    _on_the_link(wire)
    return wire


def _mixed_case(wire: Wire) -> None:
    """Resolvers mix the case against forgery; the name is the same."""
    wire.datagram(CLIENT, 40_010, SERVER, 53, dns(b"GeMiNi.gOoGlE.cOm", A, "case"))
    wire.expect(
        **_ends(40_010, 53, "udp", SERVER),
        kind="dns",
        server_name="GeMiNi.gOoGlE.cOm",
        service="gemini_web",
        category="assistant",
        confidence=0.6,
        evidence=["dns question GeMiNi.gOoGlE.cOm"],
    )
    wire.datagram(CLIENT, 40_011, SERVER, 53, dns(b"", NS, "root"))
    wire.expect(**_ends(40_011, 53, "udp", SERVER), kind="dns", server_name=".")


def _over_tcp(wire: Wire) -> None:
    stream = Stream(wire, CLIENT, 40_012, SERVER, 53)
    message = dns(b"api.deepseek.com", A, "tcp")
    stream.send(vector(2, message), mss=20)
    known = {"service": "deepseek", "category": "model_api", "confidence": 0.57}
    wire.expect(
        **stream.ends, kind="dns", server_name="api.deepseek.com", **known, evidence=["dns question api.deepseek.com"]
    )
    stream.reply(vector(2, dns(b"api.deepseek.com", A, "tcp", ANSWER, bytes([203, 0, 113, 52]))))
    both = [dns(b"one.example.com", A, "one"), dns(b"two.example.com", TXT, "two")]
    stream.send(b"".join(vector(2, each) for each in both))
    wire.expect(**stream.ends, kind="dns", server_name="one.example.com")
    wire.expect(**stream.ends, kind="dns", server_name="two.example.com")
    stream.close()


def _on_the_link(wire: Wire) -> None:
    wire.datagram(CLIENT, 5353, "224.0.0.251", 5353, dns(b"_ollama._tcp.local", 12, "mdns", flags=0))
    known = {"service": "ollama", "category": "local_model", "confidence": 0.3}
    wire.expect(
        **_ends(5353, 5353, "udp", "224.0.0.251"),
        **{"kind": "mdns", "server_name": "_ollama._tcp.local", **known},
        evidence=["mdns question _ollama._tcp.local"],
    )
    wire.datagram(CLIENT, 40_013, "224.0.0.252", 5355, dns(b"printer", A, "llmnr", flags=0))
    wire.expect(**_ends(40_013, 5355, "udp", "224.0.0.252"), kind="llmnr", server_name="printer")


def _ends(sport: int, dport: int, transport: str, dst: str) -> dict[str, object]:
    return {"src": CLIENT, "sport": sport, "dst": dst, "dport": dport, "transport": transport}


if __name__ == "__main__":
    main(build(), __file__)
