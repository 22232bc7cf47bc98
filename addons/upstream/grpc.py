"""What the seam knows of gRPC: which requests are conversations, and how an answer of it is ended.

Rules: pure; statuses are those of gRPC (grpc/doc/statuscodes.md); nothing of a message is read here.
"""

from mitmproxy import http

CALLS = ("application/grpc", "application/connect+")  # content types whose requests may be many messages
PREFIX = 5  # bytes before each message
PERMISSION_DENIED, INTERNAL, UNAVAILABLE = 7, 13, 14
_BY_REASON = {"policy": PERMISSION_DENIED, "rule": PERMISSION_DENIED, "unreadable": PERMISSION_DENIED}
_BY_REASON |= {"drain": UNAVAILABLE}


def converses(request: http.Request) -> bool:
    """The body is a sequence of messages, and its sender may wait for answers between them."""
    return str(request.headers.get("content-type", "")).lower().startswith(CALLS)


def last_trailers(response: http.Response, reason: str) -> http.Headers | None:
    """What ends an answer that is broken off, where it is one of gRPC; None: its end needs no trailers."""
    if not str(response.headers.get("content-type", "")).lower().startswith("application/grpc"):
        return None
    status = _BY_REASON.get(reason, INTERNAL)
    return http.Headers([(b"grpc-status", str(status).encode()), (b"grpc-message", b"ended by the gateway")])


def whole_messages(body: bytes) -> bool:
    """Whether `body` ends where a message does: each is a byte of flags, four of length and its payload."""
    at = 0
    while at + PREFIX <= len(body):
        at += PREFIX + int.from_bytes(body[at + 1 : at + PREFIX], "big")
    return at == len(body)
