"""The server wants another key share, so the client says hello twice: two rows.

The second hello follows a change of cipher spec in the same segment, as OpenSSL sends it. Provenance: generated,
nothing is recorded.
"""

from wire import Stream, Wire, converse, main, python_hello, record, server_hello

CLIENT, SERVER = "10.20.0.14", "203.0.113.40"
NAME = "api.cohere.com"


def build() -> Wire:
    """The packets and what must be read from them."""
    wire = Wire()
    stream = Stream(wire, CLIENT, 45_001, SERVER, 443)
    known = {"server_name": NAME, "service": "cohere", "category": "model_api", "confidence": 0.95}
    first = python_hello(NAME.encode(), label="retry")
    stream.send(first.record())
    wire.expect(**stream.ends, **first.facts(), **known, evidence=first.evidence(NAME))
    stream.reply(server_hello("retry", retry=True))
    second = python_hello(NAME.encode(), label="retry", group=23)
    stream.send(record(20, b"\1") + second.record(0x0303))
    wire.expect(**stream.ends, **second.facts(), **known, evidence=[*second.evidence(NAME), "hello_retry"])
    converse(stream, second)
    return wire


if __name__ == "__main__":
    main(build(), __file__)
