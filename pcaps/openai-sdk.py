"""A Python SDK calls api.openai.com: questions for both address families, one connection.

Provenance: generated, nothing is recorded. The hello has the lists of Python 3.11 with OpenSSL 3.0, whose JA4 was
measured with openai 3.54.0, anthropic 2.12.0, groq 1.7.0 and others: t13d1812h1_85036bcba153_d41ae481755e.
"""

from wire import AAAA, Wire, main, python_hello, resolve, visit

CLIENT, SERVER = "10.20.0.11", "203.0.113.10"
NAME = "api.openai.com"
ASKED = {"service": "openai", "category": "model_api", "confidence": 0.57, "evidence": [f"dns question {NAME}"]}


def build() -> Wire:
    """The packets and what must be read from them."""
    wire = Wire()
    resolve(wire, CLIENT, NAME, bytes([203, 0, 113, 10]), **ASKED)
    resolve(wire, CLIENT, NAME, bytes.fromhex("20010db8000000000000000000000010"), AAAA, **ASKED)
    hello = python_hello(NAME.encode())
    visit(
        *(wire, CLIENT, 41_001, SERVER, hello),
        server_name=NAME,
        service="openai",
        category="model_api",
        confidence=0.95,
        evidence=hello.evidence(NAME),
    )
    return wire


if __name__ == "__main__":
    main(build(), __file__)
