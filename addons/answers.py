"""What a refused client gets: the dialect's own error shape for APIs, a plain page for browsers.

Rules: nothing of the client's request is echoed unescaped; no secret, no rule text beyond its name; never cached.
"""

import html
from collections.abc import Mapping

import msgspec
from mitmproxy import http

from appliance.inspect.dialects import Dialect

BASE_HEADERS = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
TITLES = {
    400: "Malformed request",
    403: "Not allowed here",
    407: "Who is asking?",
    413: "Request too large",
    421: "Names do not agree",
    429: "Too many requests",
    431: "Request head too large",
    502: "The provider cannot be reached",
    503: "Not possible right now",
}


def refuse(
    flow: http.HTTPFlow,
    status: int,
    code: str,
    message: str,
    *,
    dialect: Dialect | None = None,
    stream: bool = False,
    extra: Mapping[str, str] | None = None,
) -> None:
    """Answer `flow` here and now; nothing goes upstream."""
    content_type, body = _body(flow.request, status, code, message, dialect, stream=stream)
    headers = {"content-type": content_type, "x-gnomon-refusal": code, **BASE_HEADERS, **(extra or {})}
    flow.response = http.Response.make(status, body, headers)


def wants_page(request: http.Request) -> bool:
    """A browser navigates: it asks for HTML."""
    return "text/html" in request.headers.get("accept", "")


def _body(
    request: http.Request, status: int, code: str, message: str, dialect: Dialect | None, *, stream: bool
) -> tuple[str, bytes]:
    if wants_page(request):
        return "text/html; charset=utf-8", page(TITLES.get(status, "Refused"), message).encode()
    if dialect is not None:
        return dialect.refusal(status, code, message, stream=stream)
    document = {"error": {"message": message, "type": "gnomon_refusal", "param": None, "code": code}}
    return "application/json", msgspec.json.encode(document)


def page(title: str, message: str) -> str:
    """A whole HTML page without scripts or outside resources."""
    return (
        "<!doctype html><html lang=en><meta charset=utf-8>"
        f"<title>{html.escape(title)}</title>"
        "<style>body{font:16px/1.5 sans-serif;max-width:36em;margin:4em auto;padding:0 1em}</style>"
        f"<h1>{html.escape(title)}</h1><p>{html.escape(message)}</p>"
        "<p>This answer comes from your organisation's AI gateway, not from the site you asked for.</p></html>"
    )
