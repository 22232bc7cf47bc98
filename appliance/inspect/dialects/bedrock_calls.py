"""What all calls of AWS Bedrock's runtime share: paths, errors, and how a stream ends.

Sources: botocore 1.43, `data/bedrock-runtime/2023-09-30/service-2.json` (paths, exceptions of streams), `parsers.py`
(where the code of an error is looked for).

Rules: pure. The model stands in the path, URL-encoded: a name, an inference profile or an ARN, which may hold slashes.
"""

from typing import Final, NamedTuple
from urllib.parse import unquote

import msgspec

from appliance.inspect.content import media_type
from appliance.inspect.dialects.bedrock_frames import exception_frame
from appliance.inspect.dialects.endings import ended
from appliance.inspect.dialects.usage import Names, read
from appliance.model.event import Usage

JSON: Final = "application/json"
STREAM: Final = "application/vnd.amazon.eventstream"
_MODEL = "/model/"
_MAX_MODEL = 512  # an ARN is at most 2,048 code points, those of models far less
_ERRORS = {
    400: "ValidationException",
    401: "AccessDeniedException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    408: "ModelTimeoutException",
    413: "ValidationException",
    429: "ThrottlingException",
    503: "ServiceUnavailableException",
}
_SERVER_ERRORS = 500
_USAGE: Final = Names(
    ("inputTokens",), ("outputTokens",), ("cacheReadInputTokens",), ("cacheWriteInputTokens",), cache_beside=True
)
_METRICS: Final = Names(
    received=("inputTokenCount",),
    made=("outputTokenCount",),
    cached=("cacheReadInputTokenCount",),
    written=("cacheWriteInputTokenCount",),
    cache_beside=True,
)
METRICS: Final = "amazon-bedrock-invocationMetrics"
"""Key of what Bedrock itself adds to the last event of a stream."""


class Target(NamedTuple):
    """What a path asks for: the model, decoded, and the operation."""

    model: str
    operation: str


def target(path: str) -> Target | None:
    """The target of a path without query, None where it is no call of a model."""
    at = path.find(_MODEL)
    if at < 0:
        return None
    model, _, operation = path[at + len(_MODEL) :].rstrip("/").rpartition("/")
    return Target(unquote(model)[:_MAX_MODEL], operation) if model else None


def is_stream(content_type: str) -> bool:
    """Whether an answer is an event stream."""
    return media_type(content_type) == STREAM


def refusal(status: int, code: str, message: str) -> tuple[str, bytes]:
    """An error as SDKs look for it: they take `code` where no header tells it."""
    kind = _ERRORS.get(status, "InternalServerException" if status >= _SERVER_ERRORS else "ValidationException")
    return JSON, msgspec.json.encode({"message": message, "code": kind, "reason": code})


def ending(reason: str) -> bytes:
    """An exception that SDKs raise to their caller; it is one of both kinds of stream."""
    return exception_frame("modelStreamErrorException", ended(reason))


def is_exception(name: str) -> bool:
    """Whether an event of this type tells of an error."""
    return name.endswith(("Exception", "Error", "Failure"))


def read_usage(told: object) -> Usage | None:
    """`usage` of Converse; None when it tells nothing. Input is told without the cache's, which is added here."""
    return read(told, _USAGE)


def read_metrics(told: object) -> Usage | None:
    """What Bedrock adds to a stream of any model."""
    return read(told, _METRICS)
