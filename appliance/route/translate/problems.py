"""Errors of a provider, read in any dialect's shape and written in each one's own.

Sources: the error objects of the API references of OpenAI, Anthropic, Google (google.rpc.Status) and Ollama. Rules: the
provider's message goes along, cut; a body that is no error of any shape gives a message of ours.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from appliance.route.translate.conversation import Fault, Problem

MAX_MESSAGE: Final = 4000
_STATUS: Final[Mapping[int, Fault]] = {
    400: Fault.REQUEST,
    401: Fault.AUTHENTICATION,
    403: Fault.PERMISSION,
    404: Fault.MISSING,
    408: Fault.TIMEOUT,
    413: Fault.TOO_LARGE,
    422: Fault.REQUEST,
    429: Fault.RATE,
    503: Fault.BUSY,
    504: Fault.TIMEOUT,
    529: Fault.BUSY,
}
_WORDS: Final[Mapping[str, Fault]] = {
    "invalid_request_error": Fault.REQUEST,
    "authentication_error": Fault.AUTHENTICATION,
    "permission_error": Fault.PERMISSION,
    "not_found_error": Fault.MISSING,
    "request_too_large": Fault.TOO_LARGE,
    "rate_limit_error": Fault.RATE,
    "rate_limit_exceeded": Fault.RATE,
    "insufficient_quota": Fault.RATE,
    "api_error": Fault.SERVER,
    "server_error": Fault.SERVER,
    "overloaded_error": Fault.BUSY,
    "timeout_error": Fault.TIMEOUT,
    "INVALID_ARGUMENT": Fault.REQUEST,
    "FAILED_PRECONDITION": Fault.REQUEST,
    "UNAUTHENTICATED": Fault.AUTHENTICATION,
    "PERMISSION_DENIED": Fault.PERMISSION,
    "NOT_FOUND": Fault.MISSING,
    "RESOURCE_EXHAUSTED": Fault.RATE,
    "INTERNAL": Fault.SERVER,
    "UNAVAILABLE": Fault.BUSY,
    "DEADLINE_EXCEEDED": Fault.TIMEOUT,
}
_CODES: Final[Mapping[Fault, int]] = {
    Fault.REQUEST: 400,
    Fault.AUTHENTICATION: 401,
    Fault.PERMISSION: 403,
    Fault.MISSING: 404,
    Fault.TOO_LARGE: 413,
    Fault.RATE: 429,
    Fault.SERVER: 500,
    Fault.BUSY: 503,
    Fault.TIMEOUT: 504,
}
_OPENAI: Final[Mapping[Fault, str]] = {
    Fault.REQUEST: "invalid_request_error",
    Fault.AUTHENTICATION: "authentication_error",
    Fault.PERMISSION: "permission_error",
    Fault.MISSING: "not_found_error",
    Fault.TOO_LARGE: "invalid_request_error",
    Fault.RATE: "rate_limit_error",
}
_ANTHROPIC: Final[Mapping[Fault, str]] = {
    **_OPENAI,
    Fault.TOO_LARGE: "request_too_large",
    Fault.BUSY: "overloaded_error",
    Fault.TIMEOUT: "timeout_error",
}
_GOOGLE: Final[Mapping[Fault, str]] = {
    Fault.REQUEST: "INVALID_ARGUMENT",
    Fault.AUTHENTICATION: "UNAUTHENTICATED",
    Fault.PERMISSION: "PERMISSION_DENIED",
    Fault.MISSING: "NOT_FOUND",
    Fault.TOO_LARGE: "INVALID_ARGUMENT",
    Fault.RATE: "RESOURCE_EXHAUSTED",
    Fault.SERVER: "INTERNAL",
    Fault.BUSY: "UNAVAILABLE",
    Fault.TIMEOUT: "DEADLINE_EXCEEDED",
}


def of_status(status: int, message: str) -> Problem:
    """A problem that only its status names."""
    fault = _STATUS.get(status, Fault.SERVER if status >= 500 else Fault.REQUEST)  # noqa: PLR2004 - HTTP
    return Problem(fault, message[:MAX_MESSAGE], status)


def read_body(status: int, body: bytes) -> Problem:
    """The problem of an answer that is none."""
    try:
        value: object = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        value = None
    if isinstance(value, list) and value:  # Gemini's streams without alt=sse
        value = value[0]
    return read(value, status)


def read(value: object, status: int = 0) -> Problem:
    """The problem that a decoded error tells; `status` 0: what it says itself."""
    inside: object = value.get("error", value) if isinstance(value, dict) else None
    if isinstance(inside, str):
        return of_status(status or 500, inside)
    if not isinstance(inside, dict):
        return of_status(status or 502, f"the provider answered with status {status or 502}")
    words = [inside.get(key) for key in ("type", "code", "status")]
    named = next((_WORDS[word] for word in words if isinstance(word, str) and word in _WORDS), None)
    own = inside.get("code")
    told = status or (own if isinstance(own, int) and 400 <= own <= 599 else 0)  # noqa: PLR2004 - HTTP
    fault = named or _STATUS.get(told, Fault.SERVER)
    message = inside.get("message")
    text = message if isinstance(message, str) else f"the provider answered with status {told or _CODES[fault]}"
    code = own if isinstance(own, str) else ""
    return Problem(fault, text[:MAX_MESSAGE], told or _CODES[fault], code[:100])


def status_for(api: str, problem: Problem) -> int:
    """The status of an answer: 529 is Anthropic's alone."""
    if api == "anthropic.messages" and problem.fault is Fault.BUSY:
        return 529
    status = 503 if problem.status == 529 else problem.status  # noqa: PLR2004 - HTTP
    return status if 400 <= status <= 599 else _CODES[problem.fault]  # noqa: PLR2004 - HTTP


def written(api: str, problem: Problem) -> dict[str, object]:
    """An error's body in the dialect `api`; those of OpenAI and Google stand in streams in the same shape."""
    if api == "anthropic.messages":
        error = {"type": _ANTHROPIC.get(problem.fault, "api_error"), "message": problem.message}
        return {"type": "error", "error": error}
    if api == "gemini.generate":
        code = status_for(api, problem)
        return {"error": {"code": code, "message": problem.message, "status": _GOOGLE[problem.fault]}}
    if api == "ollama.chat":
        return {"error": problem.message}
    kind = _OPENAI.get(problem.fault, "server_error")
    return {"error": {"message": problem.message, "type": kind, "param": None, "code": problem.code or None}}
