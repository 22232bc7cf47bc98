"""A morning in an office: six clients, services that are approved and some that nobody knows of, ordinary traffic.

Used by `gnomon demo`. Clients 10.20.0.21 to .26: one SDK on api.openai.com, three people on an assistant and an API
that nobody approved (DeepSeek), one browser on ChatGPT, one on Claude, one program on a colleague's Ollama; mail,
updates and an intranet between them. Provenance: generated, nothing is recorded.
"""

from ipaddress import ip_address

from wire import Stream, Wire, chrome_hello, main, python_hello, resolve, visit

ASSISTANT, API = ("assistant", 1.0), ("model_api", 0.95)
# Client, name, address, whether a browser, service and (category, confidence of the hello).
VISITS = (
    ("10.20.0.21", "api.openai.com", "203.0.113.10", False, "openai", API),
    ("10.20.0.22", "www.example.com", "198.51.100.1", True, None, None),
    ("10.20.0.23", "chat.deepseek.com", "203.0.113.61", True, "deepseek_web", ASSISTANT),
    ("10.20.0.24", "updates.example.net", "198.51.100.2", False, None, None),
    ("10.20.0.22", "chatgpt.com", "203.0.113.20", True, "chatgpt", ASSISTANT),
    ("10.20.0.23", "api.deepseek.com", "203.0.113.60", False, "deepseek", API),
    ("10.20.0.25", "intranet.example", "10.20.0.3", True, None, None),
    ("10.20.0.24", "api.deepseek.com", "203.0.113.60", False, "deepseek", API),
    ("10.20.0.26", "claude.ai", "203.0.113.50", True, "claude", ASSISTANT),
    ("10.20.0.25", "api.deepseek.com", "203.0.113.60", False, "deepseek", API),
    ("10.20.0.21", "api.openai.com", "203.0.113.10", False, "openai", API),
    ("10.20.0.26", "mail.example.com", "198.51.100.4", True, None, None),
)
AGENT = "ollama-python/0.6.3 (arm64 darwin) Python/3.13.0"


def build() -> Wire:
    """The packets and what must be read from them."""
    wire = Wire()
    for number, (client, name, address, browser, service, sure) in enumerate(VISITS):
        known = {"service": service, "category": sure[0]} if service and sure else {}
        asked = known and {**known, "confidence": round(sure[1] * 0.6, 3), "evidence": [f"dns question {name}"]}
        resolve(wire, client, name, ip_address(address).packed, **asked)
        hello = (chrome_hello if browser else python_hello)(name.encode(), label=f"{client} {number}")
        seen = {"evidence": hello.signs() or None}
        if service and sure:
            seen = {**known, "confidence": sure[1], "evidence": hello.evidence(name)}
        visit(wire, client, 48_001 + number, address, hello, server_name=name, **seen)
        wire.wait(20.0 + 7 * number)
    _ollama(wire)
    return wire


def _ollama(wire: Wire) -> None:
    stream = Stream(wire, "10.20.0.24", 48_101, "10.20.0.50", 11434)
    body = b'{"model":"llama3","prompt":"hello"}'
    head = f"POST /api/generate HTTP/1.1\r\nHost: ollama.example:11434\r\nUser-Agent: {AGENT}\r\n"
    stream.send(f"{head}Content-Length: {len(body)}\r\n\r\n".encode())
    wire.expect(
        **stream.ends,
        kind="http",
        host="ollama.example",
        path="/api/generate",
        user_agent=AGENT,
        service="ollama",
        category="local_model",
        confidence=0.95,
        evidence=["ollama port 11434 + path /api/generate", f"user-agent {AGENT}"],
    )
    stream.send(body)
    stream.reply(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
    stream.close()


if __name__ == "__main__":
    main(build(), __file__)
