"""What a refused client gets: the dialect's own error shape for APIs, a plain page for browsers.

Rules: nothing of the client's request is echoed unescaped; no secret, no rule text beyond its name; never cached.
"""

from collections.abc import Mapping

import msgspec
from mitmproxy import http

from addons import pages
from addons.pages import Page
from appliance.inspect.dialects import Dialect

BASE_HEADERS = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
TITLES = {
    400: "Malformed request",
    403: "Not allowed here",
    404: "No such page",
    407: "Who is asking?",
    410: "Not good any more",
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
    page: Page | None = None,
) -> None:
    """Answer `flow` here and now; nothing goes upstream. `page`: what a browser reads instead of `message`."""
    headers = {"x-gnomon-refusal": code, **(extra or {})}
    if wants_page(flow.request):
        show(flow, status, page or Page(TITLES.get(status, "Refused"), message), headers)
        return
    content_type, body = _body(status, code, message, dialect, stream=stream)
    answer(flow, status, body, {"content-type": content_type, **headers})


def show(flow: http.HTTPFlow, status: int, page: Page, extra: Mapping[str, str] | None = None) -> None:
    """Answer `flow` with a page of ours."""
    answer(flow, status, pages.render(page), {"content-type": pages.CONTENT_TYPE, **pages.HEADERS, **(extra or {})})


def answer(flow: http.HTTPFlow, status: int, body: bytes, headers: Mapping[str, str]) -> None:
    """Answer `flow` with these bytes; to HEAD with none, or what follows on the connection could not be read."""
    told = b"" if flow.request.method == "HEAD" else body
    flow.response = http.Response.make(status, told, {**BASE_HEADERS, **headers})


def wants_page(request: http.Request) -> bool:
    """A browser navigates: it says so (Fetch Metadata), or asks for HTML where it does not tell."""
    mode = request.headers.get("sec-fetch-mode", "")
    asks_html = "text/html" in request.headers.get("accept", "")
    return asks_html and mode in ("", "navigate")


def _body(status: int, code: str, message: str, dialect: Dialect | None, *, stream: bool) -> tuple[str, bytes]:
    if dialect is not None:
        return dialect.refusal(status, code, message, stream=stream)
    document = {"error": {"message": message, "type": "gnomon_refusal", "param": None, "code": code}}
    return "application/json", msgspec.json.encode(document)
