"""An SDK reaches api.anthropic.com over IPv6, name server and all.

Provenance: generated, nothing is recorded; addresses of RFC 3849.
"""

from wire import AAAA, Wire, main, python_hello, resolve, visit

CLIENT, RESOLVER, SERVER = "2001:db8:20::11", "2001:db8:20::1", "2001:db8:a::10"
NAME = "api.anthropic.com"


def build() -> Wire:
    """The packets and what must be read from them."""
    wire = Wire()
    known = {"service": "anthropic", "category": "model_api"}
    address = bytes.fromhex("20010db8000a00000000000000000010")
    resolve(
        *(wire, CLIENT, NAME, address, AAAA, RESOLVER),
        **{**known, "confidence": 0.57, "evidence": [f"dns question {NAME}"]},
    )
    hello = python_hello(NAME.encode())
    visit(
        wire, CLIENT, 43_001, SERVER, hello, server_name=NAME, confidence=0.95, evidence=hello.evidence(NAME), **known
    )
    return wire


if __name__ == "__main__":
    main(build(), __file__)
