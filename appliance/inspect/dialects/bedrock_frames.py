"""One frame of AWS's event stream that tells of an exception: how a stream from Bedrock ends early.

Sources: botocore 1.43 `eventstream.py` (header types), and as in stream/aws.py, which owns the frame itself.

Rules: pure; names and values of headers are our own and short.
"""

import struct
from collections.abc import Mapping

import msgspec

from appliance.inspect.stream.aws import packed

_STRING = 7


def frame(headers: Mapping[str, str], payload: bytes) -> bytes:
    """A whole frame, all of whose headers are strings."""
    return packed(b"".join(_header(name.encode(), value.encode()) for name, value in headers.items()), payload)


def exception_frame(kind: str, message: str) -> bytes:
    """A frame that SDKs raise as `kind`, e.g. `modelStreamErrorException`."""
    headers = {":exception-type": kind, ":content-type": "application/json", ":message-type": "exception"}
    return frame(headers, msgspec.json.encode({"message": message}))


def _header(name: bytes, value: bytes) -> bytes:
    return bytes((len(name),)) + name + struct.pack(">BH", _STRING, len(value)) + value
