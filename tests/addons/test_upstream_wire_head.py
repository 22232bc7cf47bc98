"""A request that is held whole goes upstream in one piece; one that is streamed waits for nothing."""

from types import SimpleNamespace

import pytest
import seam_world  # noqa: F401 - imports mitmproxy with its one known warning quietened
from mitmproxy import http
from mitmproxy.connection import Client, Server
from mitmproxy.proxy import commands
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http._events import (
    ErrorCode,
    RequestData,
    RequestEndOfMessage,
    RequestHeaders,
    RequestProtocolError,
)

from addons.upstream.settings import GovernedProxy, SeamSettings
from addons.upstream.wire import GovernedHttp1Client


def client() -> GovernedHttp1Client:
    context = Context(
        Client(peername=("127.0.0.1", 1), sockname=("127.0.0.1", 2), timestamp_start=0.0), SimpleNamespace()
    )
    context.server = Server(address=("a.test", 443))
    top = GovernedProxy.__new__(GovernedProxy)
    top.settings = SeamSettings()
    context.layers.append(top)
    return GovernedHttp1Client(context)


def sent(made: GovernedHttp1Client, *parts) -> list[bytes]:
    told = (command for part in parts for command in made.send(part))
    return [command.data for command in told if isinstance(command, commands.SendData)]


def asked(fields: dict[str, str], *, stream: bool = False) -> http.Request:
    request = http.Request.make("POST", "https://a.test/v1", b"", fields)
    request.headers.pop("content-length", None)
    for name, value in fields.items():
        request.headers[name] = value
    request.stream = stream
    return request


@pytest.mark.parametrize(
    ("fields", "framed"),
    [
        ({"content-length": "4"}, b"body"),
        ({"transfer-encoding": "chunked"}, b"4\r\nbody\r\n"),
    ],
)
def test_head_and_held_body_are_one_piece(fields, framed):
    made, request = client(), asked(fields)
    parts = sent(made, RequestHeaders(1, request, False), RequestData(1, b"body"))
    assert len(parts) == 1
    assert parts[0].startswith(b"POST /v1 HTTP/1.1\r\n")
    assert parts[0].endswith(b"\r\n\r\n" + framed)
    chunked = "transfer-encoding" in fields
    assert sent(made, RequestEndOfMessage(1)) == ([b"0\r\n\r\n"] if chunked else [])


def test_the_head_of_a_streamed_request_goes_at_once():
    parts = sent(client(), RequestHeaders(1, asked({"transfer-encoding": "chunked"}, stream=True), False))
    assert len(parts) == 1


def test_the_head_of_a_request_without_a_body_goes_at_once():
    assert len(sent(client(), RequestHeaders(1, asked({}), True))) == 1


def test_what_is_cancelled_before_its_body_is_never_sent():
    made = client()
    broken = RequestProtocolError(1, "cancelled", ErrorCode.CANCEL)
    assert sent(made, RequestHeaders(1, asked({"content-length": "4"}), False), broken) == []
