"""What policy wants done to a request beside hiding: headers, declared tools, log probabilities, the most tokens.

Rules: pure but for the headers of the request in hand; nothing is done in stage observe; each edit is declared in the
open record; what cannot be done without breaking what goes on raises CannotHide, and the caller blocks.
"""

import fnmatch
import re

from mitmproxy import http

from addons.hiding import SIGNED, CannotHide
from appliance.inspect.content import decode_body, encode_body
from appliance.inspect.dialects.capping import asked, lowered
from appliance.inspect.dialects.stripping import names_logprobs, without_logprobs, without_tools
from appliance.inspect.inspection import MAX_TOKENS, Edited, Inspection
from appliance.model.facts import Obligations, Verdict
from appliance.model.names import Stage

HEADERS_STRIPPED, HEADERS_SET = "headers_stripped", "headers_set"
TOOLS_REMOVED, LOGPROBS_REMOVED = "tools_removed", "logprobs_removed"
_MAX_BODY, _MAX_RATIO = 1 << 28, 1 << 16  # it was read within the limits of the site a moment ago
GENERATING = frozenset({"openai.responses", "openai.realtime", "gemini.live"})  # what makes answers on WebSockets
_ON_SOCKET = "what policy wants taken out of this message cannot be taken out of one on a WebSocket"
_NO_JSON = "what policy wants taken out of this request stands where it cannot be edited"


def obliged(
    request: http.Request, verdict: Verdict, inspection: Inspection, sent: Edited, *, service: str, signed: bool
) -> Edited:
    """The body as it goes on once all is done. `signed`: a signature of the client's covers the body.

    `service`: where it goes. CannotHide: it must not go on.
    """
    wanted = obligations(verdict)
    if wanted is None:
        return sent
    heads = _of_heads(request, wanted)
    fresh, edits = _of_body(service, inspection, sent, wanted)
    if signed and edits:
        raise CannotHide("signed_body", SIGNED)
    if not (heads or edits):
        return sent
    return Edited(fresh, sent.redactions, tuple(dict.fromkeys((*sent.edits, *heads, *edits))), sent.target)


def obligations(verdict: Verdict | None) -> Obligations | None:
    """What acts now."""
    return verdict.obliges if verdict is not None and verdict.stage is Stage.ENFORCE else None


def apply_to_heads(request: http.Request, verdict: Verdict | None) -> None:
    """Take headers out and set others, last of all that is done to them."""
    wanted = obligations(verdict)
    if wanted is None:
        return
    for name in wanted.strip_headers:
        request.headers.pop(name, None)
    for name, value in wanted.inject:
        request.headers[name] = value


def check_message(verdict: Verdict, inspection: Inspection) -> None:
    """A message of a WebSocket goes as it is: CannotHide where something would have to be taken out of it."""
    wanted = obligations(verdict)
    if wanted is None:
        return
    patterns = [re.compile(fnmatch.translate(name)) for name in wanted.strip_tools]
    tools = any(one.match(name.lower()) for one in patterns for name in inspection.view.tools_declared)
    most = inspection.view.max_tokens
    longer = wanted.max_tokens is not None and inspection.api in GENERATING and (not most or most > wanted.max_tokens)
    if tools or longer or (wanted.strip_logprobs and names_logprobs(inspection.body)):
        raise CannotHide("not_editable", _ON_SOCKET)


def _of_heads(request: http.Request, wanted: Obligations) -> tuple[str, ...]:
    stripped = {name for name in wanted.strip_headers if name in request.headers}
    injected = {name.lower() for name, _ in wanted.inject}
    if (stripped | injected) & _signed_heads(request):
        raise CannotHide("signed_headers", SIGNED)
    return (*((HEADERS_STRIPPED,) if stripped else ()), *((HEADERS_SET,) if injected else ()))


def _signed_heads(request: http.Request) -> frozenset[str]:
    """Names of headers that the client has signed."""
    told = request.headers.get("authorization", "").lower().partition("signedheaders=")[2].partition(",")[0]
    return frozenset(name.strip() for name in told.split(";") if name)


def _of_body(service: str, inspection: Inspection, sent: Edited, wanted: Obligations) -> tuple[bytes, tuple[str, ...]]:
    body = was = plain_body(inspection, sent)
    edits: list[str] = []
    if wanted.strip_tools and inspection.view.tools_declared:
        body, edits = _done(body, without_tools(inspection.api, body, wanted.strip_tools), TOOLS_REMOVED, edits)
    if wanted.strip_logprobs and names_logprobs(body):
        body, edits = _done(body, without_logprobs(inspection.api, body), LOGPROBS_REMOVED, edits)
    said = asked(inspection.api, service, body) if wanted.max_tokens is not None else None
    if wanted.max_tokens is not None and said is not None and (said.most is None or said.most > wanted.max_tokens):
        short = lowered(inspection.api, service, body, max(said.least, wanted.max_tokens))
        body, edits = _done(body, short, MAX_TOKENS, edits)
    if body == was:
        return sent.body, ()
    return encode_body(body, inspection.encodings), tuple(edits)


def plain_body(inspection: Inspection, sent: Edited) -> bytes:
    """The body as it goes on, not encoded. CannotHide: what was encoded cannot be read any more."""
    if not inspection.encodings:
        return inspection.body if sent.body is inspection.raw else sent.body
    decoded = decode_body(sent.body, ", ".join(inspection.encodings), max_bytes=_MAX_BODY, max_ratio=_MAX_RATIO)
    if decoded.problem is not None:
        raise CannotHide("not_editable", _NO_JSON)
    return decoded.data


def _done(body: bytes, edited: bytes | None, word: str, edits: list[str]) -> tuple[bytes, list[str]]:
    if edited is None:
        raise CannotHide("not_editable", _NO_JSON)
    return edited, edits if edited == body else [*edits, word]
