"""Errors in OpenAI's shape: what its SDKs turn into exceptions with our words in them.

Source: openai-python `_streaming.py`, `_exceptions.py` (openai 3.x): an event whose data has an `error` is raised.
"""

import msgspec

JSON = "application/json"
_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "invalid_request_error",
    413: "invalid_request_error",
    429: "rate_limit_error",
}


def error_object(message: str, kind: str, code: str) -> dict[str, object]:
    """The inside of `error`."""
    return {"message": message, "type": kind, "param": None, "code": code}


def error_body(message: str, kind: str, code: str) -> bytes:
    """`{"error": {...}}` as JSON on one line."""
    return msgspec.json.encode({"error": error_object(message, kind, code)})


def refused(status: int, code: str, message: str) -> tuple[str, bytes]:
    """Content type and body of a refusal; a stream that is refused before it began is answered the same way."""
    kind = _TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")  # noqa: PLR2004
    return JSON, error_body(message, kind, code)
