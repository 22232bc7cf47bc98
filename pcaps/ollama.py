"""A laptop uses a colleague's Ollama in clear HTTP: three requests on one kept connection.

The second has a body in two segments that itself looks like a request line; the last answer shows what it is.
Provenance: generated, nothing is recorded;
paths and user agent are those of ollama-python 0.6.3.
"""

from wire import Stream, Wire, cut, main

CLIENT, SERVER, PORT = "10.20.0.16", "10.20.0.50", 11434
AGENT = "ollama-python/0.6.3 (x86_64 linux) Python/3.13.0"
BODY = b'{"model":"llama3","messages":[{"role":"user","content":"GET /not/a/request HTTP/1.1"}]}' + b" " * 1_500


def build() -> Wire:
    """The packets and what must be read from them."""
    wire = Wire()
    stream = Stream(wire, CLIENT, 46_001, SERVER, PORT)
    _request(stream, b"GET", "/api/tags", b"")
    stream.reply(_answer(b'{"models":[]}'))
    _request(stream, b"POST", "/api/chat", BODY)
    for piece in cut(BODY, 1_400):
        stream.send(piece)
    stream.reply(_answer(b'{"message":{"content":"hi"},"done":false}\n{"done":true}\n'))
    _request(stream, b"POST", "/v1/chat/completions", b"{}")
    stream.send(b"{}")
    stream.reply(_answer(b'{"object":"chat.completion"}'))
    answer = {**stream.ends, "src": SERVER, "sport": PORT, "dst": CLIENT, "dport": stream.ends["sport"]}
    stream.wire.expect(
        **answer,
        ts=wire.packets[-2][0],  # the last packet acknowledges it
        kind="http_response",
        service="openai_compatible",
        category="local_model",
        confidence=0.85,
        evidence=["shows chat_answer", "answers without authentication"],
    )
    stream.close()
    return wire


def _request(stream: Stream, method: bytes, path: str, body: bytes) -> None:
    head = b"%s %s HTTP/1.1\r\nHost: 10.20.0.50:11434\r\nUser-Agent: %s\r\n" % (method, path.encode(), AGENT.encode())
    head += b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
    stream.send(head)
    stream.wire.expect(
        **stream.ends,
        kind="http",
        host=SERVER,
        path=path,
        user_agent=AGENT,
        service="ollama",
        category="local_model",
        confidence=0.95,
        evidence=EVIDENCE[path],
    )


EVIDENCE = {
    "/api/tags": ["ollama port 11434 + path /api/tags", f"user-agent {AGENT}"],
    "/api/chat": ["ollama port 11434 + path /api/chat", f"user-agent {AGENT}"],
    "/v1/chat/completions": [f"user-agent {AGENT}", "ollama port 11434 + path /v1/chat/completions"],
}


def _answer(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


if __name__ == "__main__":
    main(build(), __file__)
