"""A browser opens chatgpt.com three times; its hello of 1.7 kB needs two segments each time.

First in order; then with the second segment, which holds the name, overtaking the first; then with both segments sent
twice, which is one hello and one row. Provenance: generated, nothing is recorded. The lists are those of Chrome 131 and
later (JA4 t13d1516h2_8daaf6152771_d8a2da3f94cd), with the ML-KEM share before the name as its permutation allows.
"""

from wire import Stream, Wire, chrome_hello, converse, cut, main

CLIENT, SERVER = "10.20.0.12", "203.0.113.20"
NAME = "chatgpt.com"
ORDERS = ((0, 1), (1, 0), (0, 0, 1, 1))
COMPLETE = (2, 2, 3)  # segments of each order after which the hello is whole


def build() -> Wire:
    """The packets and what must be read from them."""
    wire = Wire()
    for number, (order, complete) in enumerate(zip(ORDERS, COMPLETE, strict=True)):
        hello = chrome_hello(NAME.encode(), f"visit {number}")
        stream = Stream(wire, CLIENT, 42_001 + number, SERVER, 443)
        pieces = cut(hello.record(), 1_400)
        stream.send_pieces(pieces, order[:complete])
        wire.expect(
            **stream.ends,
            **hello.facts(),
            server_name=NAME,
            service="chatgpt",
            category="assistant",
            confidence=1.0,
            evidence=hello.evidence(NAME),
        )
        stream.seq -= len(hello.record())
        stream.send_pieces(pieces, order[complete:])
        converse(stream, hello)
    return wire


if __name__ == "__main__":
    main(build(), __file__)
