"""Two calls on tagged frames, as a mirrored trunk port carries them: one VLAN head, then two.

Provenance: generated, nothing is recorded.
"""

from wire import Stream, Wire, converse, main, python_hello, service_vlan, vlan

CALLS = (("api.mistral.ai", "mistral", (vlan(20),)), ("api.groq.com", "groq", (service_vlan(300), vlan(21))))
CATEGORIES = {"mistral": "model_api", "groq": "inference"}


def build() -> Wire:
    """The packets and what must be read from them."""
    wire = Wire()
    for number, (name, service, tags) in enumerate(CALLS):
        hello = python_hello(name.encode())
        stream = Stream(wire, f"10.20.{number}.13", 44_001 + number, f"203.0.113.{30 + number}", 443, tags)
        stream.send(hello.record())
        wire.expect(
            **stream.ends,
            **hello.facts(),
            server_name=name,
            service=service,
            category=CATEGORIES[service],
            confidence=0.95,
            evidence=hello.evidence(name),
        )
        converse(stream, hello)
    return wire


if __name__ == "__main__":
    main(build(), __file__)
